"""Traffic of a pair's sides moved away and back under load, by keywayctl side drain, restore, and what is left when the
tool dies in between."""
import json
import os
import signal
import threading
import time

import pymysql
import pytest

import conftest
from keyway_dev.process import wait_for
from operator_account import Ctl, OperatedCluster

LONG = bool(os.environ.get("KEYWAY_LONG"))
PATIENT = ["--pause", "20s", "--wait", "60s"]  # the machine may be busy: how long the pause is, is measured elsewhere
DOC = {"keyspace": "shop", "database": "shop", "shards": [{"range": "-", "kind": "pair", "home": "odd"}],
       "tables": {"t": {"side_by": "id"}, "n": {"side_by": "id"}}}
SCHEMA = ["CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, n INT NOT NULL, s VARCHAR(40))",
          "CREATE TABLE n (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR(10))"]


class Load:
    """Clients that each count one row of their own up, read it back, and add rows, odd and even keys in turn."""

    def __init__(self, site, clients=4, first=1000000):
        self.site, self.stop = site, threading.Event()
        self.errors, self.done, self.longest = [], 0, 0.0
        self.counts = {first + i: 0 for i in range(clients)}
        self.added = [[] for _ in range(clients)]
        self.threads = [threading.Thread(target=self.client, args=(i, first + i)) for i in range(clients)]

    def client(self, i, key):
        proxies = len(self.site.cluster.proxies)
        try:
            conn = self.site.connect(proxy=i % proxies, read_timeout=60)
            with conn.cursor() as cur:
                cur.execute("INSERT INTO t (id, n, s) VALUES (%s, 0, 'load')", (key,))
                while not self.stop.is_set():
                    t0 = time.monotonic()
                    self.step(cur, conn, i, key)
                    self.longest = max(self.longest, time.monotonic() - t0)
                    self.done += 1
            conn.close()
        except (pymysql.Error, AssertionError) as x:
            self.errors.append("client %d: %r" % (i, x))

    def step(self, cur, conn, i, key):
        n = self.counts[key]
        if n % 7 == 3:
            cur.execute("BEGIN")
        assert cur.execute("UPDATE t SET n = n + 1 WHERE id = %s", (key,)) == 1
        cur.execute("SELECT n FROM t WHERE id = %s", (key,))
        got = cur.fetchone()
        assert got == (n + 1,), (got, n)
        if n % 7 == 3:
            cur.execute("COMMIT")
        self.counts[key] = n + 1
        if n % 3 == 0:
            new = (key << 20) + 2 * len(self.added[i]) + key % 2
            cur.execute("INSERT INTO t (id, n, s) VALUES (%s, 1, 'added')", (new,))
            self.added[i].append(new)

    def __enter__(self):
        for t in self.threads:
            t.start()
        wait_for("the load runs", lambda: self.done > 20 or self.errors, 60)
        return self

    def __exit__(self, *_):
        self.stop.set()
        for t in self.threads:
            t.join()

    def more(self, n=40):
        """Waits until so many more steps are done: traffic goes on."""
        target = self.done + n
        wait_for("traffic goes on", lambda: self.done > target or self.errors, 60)
        assert not self.errors, self.errors

    def verify(self, odd, even):
        assert not self.errors, self.errors
        for side in (odd, even):
            rows = dict(side.sql("SELECT id, n FROM t WHERE s = 'load'"))
            assert {k: rows.get(k) for k in self.counts} == self.counts, side.name
            have = {r[0] for r in side.sql("SELECT id FROM t WHERE s = 'added'")}
            assert have >= {k for a in self.added for k in a}, side.name


class Pair:
    def __init__(self, site):
        self.site, self.ctl = site, Ctl(site)
        self.odd, self.even = (site.cluster.backend(n) for n in ("s1o", "s1e"))
        self.first = 1000000

    def load(self, **options):
        self.first += 100  # even: clients of all loads have keys of their own
        return Load(self.site, first=self.first, **options)

    def state(self):
        return {b["side"]: b.get("state", "serving") for b in self.document()["shards"][0]["backends"]}

    def document(self):
        with open(os.path.join(self.site.cluster.folder, "map", "shop.json")) as f:
            return json.load(f)

    def read_only(self):
        return {n: b.sql("SELECT @@read_only")[0][0] for n, b in (("odd", self.odd), ("even", self.even))}

    def served_by(self, key):
        """Which server a write of this key reaches, by its id."""
        conn = self.site.connect()
        with conn.cursor() as cur:
            cur.execute("REPLACE INTO n VALUES (%s, 'x')", (key,))
            cur.execute("SELECT @@server_id FROM n WHERE id = %s", (key,))
            got = cur.fetchone()[0]
        conn.close()
        return {101: "odd", 102: "even"}[got]

    def locked(self):
        folder = os.path.join(self.site.cluster.folder, "map", ".keyway", "locks", "shop")
        return [f for f in os.listdir(folder) if not f.startswith(".")] if os.path.isdir(folder) else []

    def settle(self):
        self.site.cluster.wait_replicas()

    def same(self):
        self.settle()
        assert self.ctl.json("pair", "diff", "shop") == []

    def check_home(self):
        assert self.state() == {"odd": "serving", "even": "serving"}
        assert self.read_only() == {"odd": 0, "even": 0}
        assert (self.served_by(1), self.served_by(2)) == ("odd", "even")


@pytest.fixture(scope="module")
def pair():
    if conftest.DIRECT:
        pytest.skip("only with Keyway")
    site = conftest.start_site([DOC], "shop", cluster_class=OperatedCluster, proxies=2)
    p = Pair(site)
    conn = site.connect()
    with conn.cursor() as cur:
        for statement in SCHEMA:
            cur.execute(statement)
    conn.close()
    p.settle()
    yield p
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


def test_a_side_gives_its_traffic_away_and_takes_it_back(pair):
    pair.check_home()
    for side, other, key in (("even", "odd", 2), ("odd", "even", 1)):
        pair.ctl.run("side", "drain", "shop", "-", side, *PATIENT)
        assert pair.state() == {side: "drained", other: "serving"}
        assert pair.read_only() == {side: 1, other: 0}
        assert pair.served_by(key) == other
        pair.ctl.run("side", "drain", "shop", "-", side, *PATIENT, code=3)
        assert "drained already" in pair.ctl.said
        pair.ctl.run("side", "drain", "shop", "-", other, *PATIENT, code=3)
        assert "one side has to" in pair.ctl.said
        pair.ctl.run("side", "restore", "shop", "-", side, *PATIENT)
        pair.check_home()
    pair.ctl.run("side", "restore", "shop", "-", "odd", *PATIENT, code=3)
    phases = [o["phase"] for o in pair.ctl.json("ops", "list", admin=False)]
    assert phases.count("done") == 4 and set(phases) == {"done", "undone"}


def test_traffic_moves_under_load(pair):
    with pair.load() as load:
        for side in ("even", "odd"):
            pair.ctl.run("side", "drain", "shop", "-", side, *PATIENT)
            load.more()
            assert pair.state()[side] == "drained"
            pair.ctl.run("side", "restore", "shop", "-", side, *PATIENT)
            load.more()
    pair.settle()
    load.verify(pair.odd, pair.even)
    pair.check_home()
    pair.same()


def column(backend, name, table="t"):
    rows = backend.sql("SELECT column_type FROM information_schema.columns WHERE table_schema = 'shop' AND table_name = '%s' "
                       "AND column_name = '%s'" % (table, name))
    return rows[0][0] if rows else None


def fill(pair, rows):
    for side, rest in ((pair.odd, 1), (pair.even, 0)):
        side.sql("INSERT INTO t (id, n, s) SELECT 10000000 + 2 * seq + %d, seq, 'filled' FROM seq_0_to_%d" % (rest, rows // 2 - 1))
    pair.settle()


@pytest.mark.timeout(1800)
def test_alter_on_both_sides_under_load(pair):
    """KEYWAY_LONG: on a million rows."""
    fill(pair, 1000000 if LONG else 20000)
    with pair.load() as load:
        pair.ctl.run("side", "alter", "shop", "-", "--ddl", "ALTER TABLE t ADD COLUMN more INT NOT NULL DEFAULT 7, ADD INDEX n (n), "
                     "ALGORITHM=COPY", *PATIENT, timeout=900)
        load.more()
    print("ALTER under load: %d steps of clients, the longest %.3f s; %s" % (load.done, load.longest, [
        line.strip() for line in pair.ctl.said.split("\n") if "waited" in line]))
    pair.settle()
    load.verify(pair.odd, pair.even)
    assert column(pair.odd, "more") == column(pair.even, "more") == "int(11)"
    pair.check_home()
    pair.same()
    # types that widen, and back to fewer columns
    with pair.load() as load:
        pair.ctl.run("side", "alter", "shop", "-", "--ddl", "ALTER TABLE t MODIFY n BIGINT NOT NULL, MODIFY s VARCHAR(300), "
                     "ALGORITHM=COPY", *PATIENT, timeout=900)
        pair.ctl.run("side", "alter", "shop", "--all-shards", "--ddl", "ALTER TABLE t DROP COLUMN more", *PATIENT, timeout=900)
        load.more()
    pair.settle()
    load.verify(pair.odd, pair.even)
    assert column(pair.odd, "n") == column(pair.even, "n") == "bigint(20)"
    assert column(pair.odd, "s") == column(pair.even, "s") == "varchar(300)"
    assert column(pair.odd, "more") is column(pair.even, "more") is None
    pair.check_home()
    pair.same()


@pytest.mark.parametrize("ddl,why", [
    ("ALTER TABLE t ADD COLUMN x INT FIRST", "stand where another column stands"),
    ("ALTER TABLE t ADD COLUMN x INT AFTER id", "stand where another column stands"),
    ("ALTER TABLE t ADD UNIQUE KEY u (n)", "unique index"),
    ("ALTER TABLE t RENAME COLUMN n TO m", "another meaning"),
    ("ALTER TABLE t CHANGE n m INT NOT NULL", "stand where another column stands"),
    ("ALTER TABLE t ADD COLUMN x TIMESTAMP DEFAULT CURRENT_TIMESTAMP", "no constant"),
    ("ALTER TABLE t MODIFY n SMALLINT NOT NULL", "type was not tried"),
    ("ALTER TABLE t CONVERT TO CHARACTER SET latin1", "not among"),
    ("ALTER TABLE nothere ADD COLUMN x INT", "nothere"),
    ("ALTER TABLE t ADD COLUMN s INT", "Duplicate column"),
    ("DROP TABLE t", "only ALTER TABLE"),
])
def test_what_cannot_run_side_by_side_is_refused(pair, ddl, why):
    before = pair.document()
    pair.ctl.run("side", "alter", "shop", "-", "--ddl", ddl, *PATIENT, code=None)
    assert why in pair.ctl.said, pair.ctl.said
    assert pair.document() == before
    for side in (pair.odd, pair.even):
        assert [r[0] for r in side.sql("SHOW TABLES")] == ["n", "t"]
    pair.check_home()


def stopped(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False


def kill_at(pair, step, *words):
    """Starts keywayctl, and kills it once the step has acted."""
    p = pair.ctl.start(*words, env={"KEYWAY_OPS_STOP_AT": step})
    wait_for("the tool stops at " + step, lambda: stopped(p.pid) or p.poll() is not None, 120)
    assert p.poll() is None, p.communicate()
    p.send_signal(signal.SIGKILL)
    p.communicate()
    return next(o for o in pair.ctl.json("ops", "list", admin=False) if o["phase"] == "doing")


# KEYWAY_LONG: after every step.
DRAIN = ["check", "near", "hold", "settle", "fence", "apply", "hand-over"] if LONG else ["hold", "fence", "hand-over"]
RESTORE = ["back-" + s for s in (("check", "near", "hold", "settle", "apply", "unfence", "serve") if LONG else
                                 ("hold", "unfence", "serve"))]


@pytest.mark.parametrize("how", ["resume", "abort"])
@pytest.mark.parametrize("step", DRAIN + RESTORE)
def test_the_tool_is_killed(pair, step, how):
    with pair.load() as load:
        words = ["drain", "shop", "-", "even"]
        if step in RESTORE:
            pair.ctl.run("side", *words, *PATIENT)
            words[0] = "restore"
        op = kill_at(pair, "even " + step, "side", *words, *PATIENT)
        if how == "abort":
            pair.ctl.run("ops", "abort", op["id"])
        else:
            pair.ctl.run("side", *words, *PATIENT)
        load.more()
        if pair.state()["even"] == "drained":
            assert pair.read_only() == {"odd": 0, "even": 1} and pair.served_by(2) == "odd"
            pair.ctl.run("side", "restore", "shop", "-", "even", *PATIENT)
            load.more()
    pair.settle()
    load.verify(pair.odd, pair.even)
    pair.check_home()
    assert not pair.locked()


ALTER = (["check-ddl", "conversions", "even hold", "even alter", "even back-apply", "odd fence", "odd alter", "odd back-serve"]
         if LONG else ["even alter", "odd fence"])


@pytest.mark.parametrize("how", ["resume", "abort"])
@pytest.mark.parametrize("step", ALTER)
def test_the_tool_is_killed_while_it_alters(pair, step, how):
    name = "x%s%d" % (how, ALTER.index(step))
    words = ["side", "alter", "shop", "-", "--ddl", "ALTER TABLE t ADD COLUMN %s INT" % name, *PATIENT]
    with pair.load() as load:
        op = kill_at(pair, step, *words)
        if how == "abort":
            pair.ctl.run("ops", "abort", op["id"])
            pair.check_home()
            load.more()
            altered = {s: column(b, name) is not None for s, b in (("even", pair.even), ("odd", pair.odd))}
            assert altered["even"] == (step.startswith("odd") or step in ("even alter", "even back-apply"))
        if how == "resume" or any(altered.values()):
            pair.ctl.run(*words, code=None if how == "abort" and all(altered.values()) else 0)
        load.more()
        if how == "resume" or any(altered.values()):
            assert column(pair.odd, name) == column(pair.even, name) == "int(11)"
    pair.settle()
    load.verify(pair.odd, pair.even)
    pair.check_home()
    assert not pair.locked()
    pair.same()


def test_a_long_transaction_undoes_the_try_and_is_named(pair):
    conn = pair.site.connect()
    with conn.cursor() as cur:
        cur.execute("REPLACE INTO n VALUES (4, 'a')")
        cur.execute("BEGIN")
        cur.execute("UPDATE n SET v = 'b' WHERE id = 4")
        cur.execute("SELECT CONNECTION_ID()")
        session = cur.fetchone()[0]
        pair.ctl.run("side", "drain", "shop", "-", "even", "--pause", "500ms", "--wait", "1s", code=1)
        assert " %d (transaction)" % session in pair.ctl.said, pair.ctl.said
        pair.check_home()
        cur.execute("UPDATE n SET v = 'c' WHERE id = 4")
        # it may go on while others wait, and then the side can be drained
        out = {}
        t = threading.Thread(target=lambda: out.update(rc=pair.ctl.run("side", "drain", "shop", "-", "even", *PATIENT)))
        t.start()
        wait_for("the side drains", lambda: pair.state()["even"] == "draining", 60)
        cur.execute("UPDATE n SET v = 'd' WHERE id = 4")
        cur.execute("COMMIT")
        t.join()
        cur.execute("SELECT v, @@server_id FROM n WHERE id = 4")
        assert cur.fetchone() == ("d", 101)
        pair.ctl.run("side", "restore", "shop", "-", "even", *PATIENT)
        cur.execute("BEGIN")
        cur.execute("UPDATE n SET v = 'e' WHERE id = 4")
        pair.ctl.run("side", "drain", "shop", "-", "even", "--pause", "2s", "--wait", "1s", "--kill")
        with pytest.raises(pymysql.Error) as x:
            cur.execute("UPDATE n SET v = 'f' WHERE id = 4")
        assert x.value.args[0] == 1213
        cur.execute("ROLLBACK")
        cur.execute("SELECT v FROM n WHERE id = 4")
        assert cur.fetchone() == ("d",)
    conn.close()
    pair.ctl.run("side", "restore", "shop", "-", "even", *PATIENT)
    pair.check_home()


def test_a_transaction_on_one_side_waits_for_the_other(pair):
    conn = pair.site.connect()
    with conn.cursor() as cur:
        cur.execute("REPLACE INTO n VALUES (6, 'a')")
        cur.execute("REPLACE INTO n VALUES (7, 'a')")
        pair.settle()
        cur.execute("BEGIN")
        cur.execute("UPDATE n SET v = 'b' WHERE id = 6")
        p = pair.ctl.start("side", "drain", "shop", "-", "odd", *PATIENT, env={"KEYWAY_OPS_STOP_AT": "odd settle"})
        wait_for("the tool stops", lambda: stopped(p.pid), 60)
        threading.Timer(0.5, lambda: p.send_signal(signal.SIGCONT)).start()
        cur.execute("UPDATE n SET v = 'b' WHERE id = 7")
        out, err = p.communicate(timeout=60)
        assert p.returncode == 0, err
        cur.execute("SELECT @@server_id FROM n WHERE id = 7")
        assert cur.fetchone() == (102,)
        cur.execute("COMMIT")
    conn.close()
    pair.ctl.run("side", "restore", "shop", "-", "odd", *PATIENT)
    assert pair.odd.sql("SELECT v FROM n WHERE id IN (6, 7)") == (("b",), ("b",))
    pair.check_home()


def test_a_temporary_table_holds_the_side(pair):
    conn = pair.site.connect()
    with conn.cursor() as cur:
        cur.execute("CREATE TEMPORARY TABLE tmp (id INT)")
        pair.ctl.run("side", "drain", "shop", "-", "odd", "--pause", "500ms", "--wait", "0s", code=1)
        assert "(pinned)" in pair.ctl.said
        cur.execute("INSERT INTO tmp VALUES (1)")
    conn.close()
    pair.ctl.run("side", "drain", "shop", "-", "odd", *PATIENT)
    pair.ctl.run("side", "restore", "shop", "-", "odd", *PATIENT)
    pair.check_home()


def test_one_operation_at_a_time(pair):
    p = pair.ctl.start("side", "drain", "shop", "-", "even", *PATIENT, env={"KEYWAY_OPS_STOP_AT": "even near"})
    wait_for("the tool stops", lambda: stopped(p.pid), 60)
    pair.ctl.run("side", "drain", "shop", "-", "odd", *PATIENT, code=3)
    assert "is under way on this shard (process %d" % p.pid in pair.ctl.said
    op = next(o for o in pair.ctl.json("ops", "list", admin=False) if o["phase"] == "doing")
    pair.ctl.run("ops", "abort", op["id"], code=3)
    pair.ctl.run("ops", "abort", op["id"], "--force")
    # the one that was robbed of its operation stops by itself, and changes nothing
    p.send_signal(signal.SIGCONT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 3 and "taken over" in err, err
    pair.check_home()
    # a signal undoes
    p = pair.ctl.start("side", "drain", "shop", "-", "even", "--pause", "30s", env={"KEYWAY_OPS_STOP_AT": "even hold"})
    wait_for("the tool stops", lambda: stopped(p.pid), 60)
    p.send_signal(signal.SIGINT)
    p.send_signal(signal.SIGCONT)
    out, err = p.communicate(timeout=60)
    assert p.returncode == 1 and "signal" in err, err
    pair.check_home()
    assert not pair.locked()
