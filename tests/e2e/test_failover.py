"""Primaries that are made read-only, killed, frozen, and their successors, under load by clients that count: what an
application sees is a pause, and no write is lost, doubled, or sent to the server of the past."""
import copy
import os
import threading
import time

import pymysql
import pytest

from keyway_dev.mariadb import wait_caught_up, wait_replicating
from keyway_dev.process import wait_for

pytestmark = pytest.mark.usefixtures("only_cluster")

LONG = bool(os.environ.get("KEYWAY_LONG"))
CLIENTS = 8 if LONG else 4
BEFORE = 10 if LONG else 1.5        # seconds of load before and after the event
TABLES = ["CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, who INT NOT NULL)",
          "CREATE TABLE counter (id BIGINT NOT NULL PRIMARY KEY, n BIGINT NOT NULL)"]
UNKNOWN = (1158, 1159, 1180)


def document(n_shards=1, primary=None, kind="replicaset"):
    ranges = {1: ["-"], 2: ["-80", "80-"]}[n_shards]
    doc = {"keyspace": "app", "shards": [{"range": r, "kind": kind} for r in ranges], "tables": {}}
    if primary:
        for s in doc["shards"]:
            s["primary"] = primary
    if n_shards > 1:
        doc["sharding"] = {"function": "hash"}
        doc["tables"] = {"t": {"key": "id"}, "counter": {"key": "id"}}
    return doc


def start(make_site, doc, settings=None, **options):
    site = make_site([doc], "app", settings=settings, **options)
    conn = site.connect()
    with conn.cursor() as cur:
        for sql in TABLES:
            cur.execute(sql)
        for i in range(CLIENTS):
            cur.execute("INSERT INTO counter VALUES (%d, 0)" % i)
    conn.close()
    site.cluster.wait_replicas()
    return site


class Client(threading.Thread):
    """Writes rows of its own with rising ids, and adds one to its counter each time."""

    def __init__(self, site, who, transactions, stop):
        super().__init__(daemon=True)
        self.site, self.who, self.transactions, self.stopping = site, who, transactions, stop
        self.acked, self.unknown, self.counted, self.counted_unknown = [], [], 0, 0
        self.errors, self.doubts, self.retried, self.longest = [], [], 0, 0.0
        self.next = who * 1000000

    def write(self, cur, sql):
        """True: done; None: not known; False: it was rolled back, to be said again."""
        t = time.monotonic()
        try:
            cur.execute(sql)
            return True
        except pymysql.Error as x:
            if x.args[0] in UNKNOWN:
                assert "unknown" in str(x.args[1]).lower(), x
                self.doubts.append(x.args)
                return None
            self.errors.append(x.args)
            return False
        finally:
            self.longest = max(self.longest, time.monotonic() - t)

    def autocommit(self, cur):
        self.next += 1
        done = self.write(cur, "INSERT INTO t VALUES (%d, %d)" % (self.next, self.who))
        if done is not False:
            (self.acked if done else self.unknown).append(self.next)
        done = self.write(cur, "UPDATE counter SET n = n + 1 WHERE id = %d" % self.who)
        self.counted += done is True
        self.counted_unknown += done is None

    def transaction(self, cur):
        self.next += 1
        for _ in range(50):
            t = time.monotonic()
            try:
                cur.execute("BEGIN")
                cur.execute("INSERT INTO t VALUES (%d, %d)" % (self.next, self.who))
                cur.execute("UPDATE counter SET n = n + 1 WHERE id = %d" % self.who)
                cur.execute("COMMIT")
                self.acked.append(self.next)
                self.counted += 1
                return
            except pymysql.Error as x:
                if x.args[0] == 1180:
                    self.doubts.append(x.args)
                    self.unknown.append(self.next)
                    self.counted_unknown += 1
                    return
                if x.args[0] != 1213:
                    self.errors.append(x.args)
                self.retried += 1
                cur.execute("ROLLBACK")
            finally:
                self.longest = max(self.longest, time.monotonic() - t)
        self.errors.append(("no end",))

    def run(self):
        try:
            conn = self.site.connect(read_timeout=60)
            with conn.cursor() as cur:
                while not self.stopping.is_set():
                    (self.transaction if self.transactions else self.autocommit)(cur)
            conn.close()
        except Exception as x:          # noqa: B902 - whatever it is, the test has to see it
            self.errors.append(("client", repr(x)))


class Load:
    def __init__(self, site, transactions_too=True):
        self.site, self.stop = site, threading.Event()
        self.clients = [Client(site, i, transactions_too and i % 2 == 1, self.stop) for i in range(CLIENTS)]

    def __enter__(self):
        for c in self.clients:
            c.start()
        time.sleep(BEFORE)
        return self

    def __exit__(self, *exc):
        if not exc[0]:
            n = [len(c.acked) for c in self.clients]
            wait_for("every client writes again", lambda: all(len(c.acked) > k + 3 for c, k in zip(self.clients, n)), 40, 0.05)
            time.sleep(BEFORE)
        self.stop.set()
        for c in self.clients:
            c.join(60)
            assert not c.is_alive()

    def check(self, backends, may_be_unknown=False):
        """backends: the servers that are written to now, one for each shard."""
        rows, counters = {}, {}
        for b in backends:
            for i, who in b.sql("SELECT id, who FROM t"):
                assert i not in rows, "twice: %d" % i
                rows[i] = who
            counters.update(b.sql("SELECT id, n FROM counter"))
        for c in self.clients:
            assert c.errors == [], c.errors[:3]
            assert may_be_unknown or not c.doubts, (c.who, c.doubts)
            assert len(c.unknown) + c.counted_unknown <= 2
            lost = [i for i in c.acked if i not in rows]
            assert lost == [], (c.who, lost[:5])
            mine = {i for i, who in rows.items() if who == c.who}
            assert mine <= set(c.acked) | set(c.unknown)
            assert c.counted <= counters[c.who] <= c.counted + c.counted_unknown
            assert c.transactions or not c.retried
        print("longest statement or transaction %.2f s; %d done, %d not known, %d transactions tried again"
              % (max(c.longest for c in self.clients), sum(len(c.acked) for c in self.clients),
                 sum(len(c.doubts) for c in self.clients), sum(c.retried for c in self.clients)))


def written_by(backend, server):
    """The number of the last transaction that @server itself wrote, as @backend has it in its log."""
    for gtid in backend.sql("SELECT @@gtid_binlog_state")[0][0].split(","):
        domain, server_id, seq = gtid.split("-")
        if int(server_id) == server.server_id:
            return int(seq)
    return 0


def name_primary(site, name):
    """The map's next epoch, with another primary."""
    doc = copy.deepcopy(site.cluster.documents[0])
    doc["epoch"] += 1
    for s in doc["shards"]:
        if any(b["name"] == name for b in s["backends"]):
            for b in s["backends"]:
                b["role"] = "primary" if b["name"] == name else "replica"
    site.cluster.documents[0] = doc
    site.cluster.write_document(doc)


def test_an_open_transaction_stays_where_it_began(make_site):
    site = start(make_site, document(), replicas=1)
    a, b = site.cluster.backends
    conn = site.connect()
    with conn.cursor() as cur:
        cur.execute("BEGIN")
        cur.execute("INSERT INTO t VALUES (1, 1)")
        b.server.set_global("read_only", False)
        name_primary(site, b.name)
        other = site.connect()
        with other.cursor() as theirs:
            def moved():
                theirs.execute("SELECT @@server_id")
                return theirs.fetchone()[0] == b.server.server_id
            wait_for("statements go to the new primary", moved, 20)
        other.close()
        cur.execute("INSERT INTO t VALUES (2, 1)")
        cur.execute("COMMIT")
    conn.close()
    assert [r[0] for r in a.sql("SELECT id FROM t ORDER BY id")] == [1, 2]


def test_a_side_drains(make_site):
    site = start(make_site, document(kind="pair"))
    odd, even = site.cluster.backends

    def put(state):
        doc = copy.deepcopy(site.cluster.documents[0])
        doc["epoch"] += 1
        doc["shards"][0]["backends"][0]["state"] = state
        site.cluster.documents[0] = doc
        site.cluster.write_document(doc)
    conn, other = site.connect(), site.connect(read_timeout=30)
    done = []

    def insert():
        with other.cursor() as cur:
            cur.execute("INSERT INTO t VALUES (3, 0)")
            done.append(time.monotonic())
    with conn.cursor() as cur, other.cursor() as theirs:
        cur.execute("BEGIN")
        cur.execute("INSERT INTO t VALUES (1, 0)")
        put("draining")

        def held():
            try:
                site.cluster.connect(0, database="app", read_timeout=1).query("SELECT 1 FROM t")
                return False
            except pymysql.Error:
                return True
        wait_for("statements wait", held, 20)
        thread = threading.Thread(target=insert)
        thread.start()
        cur.execute("INSERT INTO t VALUES (5, 0)")      # its transaction began there, and ends there
        cur.execute("COMMIT")
        wait_caught_up(even.server, odd.server)
        assert not done
        put("drained")
        thread.join(20)
        assert done
        theirs.execute("SELECT @@server_id")
        assert theirs.fetchone()[0] == even.server.server_id
    conn.close()
    other.close()
    wait_caught_up(odd.server, even.server)
    assert [r[0] for r in odd.sql("SELECT id FROM t ORDER BY id")] == [1, 3, 5]


@pytest.mark.parametrize("primary", ["map", "auto"])
def test_planned_switchover(make_site, primary):
    site = start(make_site, document(primary="auto" if primary == "auto" else None), replicas=1, semisync=True)
    a, b = site.cluster.backends[:2]
    with Load(site) as load:
        site.cluster.promote(b)
        last = written_by(a, a.server)
        if primary == "map":
            name_primary(site, b.name)
    load.check([b])
    assert written_by(a, a.server) == last      # nothing went to the server of the past
    wait_caught_up(a.server, b.server)
    assert a.sql("SELECT COUNT(*) FROM t") == b.sql("SELECT COUNT(*) FROM t")


@pytest.mark.parametrize("primary", ["map", "auto"])
def test_primary_killed(make_site, primary):
    site = start(make_site, document(primary="auto" if primary == "auto" else None), replicas=2, semisync=True)
    a, b = site.cluster.backends[:2]
    with Load(site) as load:
        a.server.kill()
        site.cluster.promote(b)
        if primary == "map":
            name_primary(site, b.name)
    load.check([b], may_be_unknown=True)


def test_primary_killed_and_back(make_site):
    """Nobody takes its place: what waits goes on when it is there again."""
    site = start(make_site, document(2))
    a, b = site.cluster.backends[:2]
    with Load(site, transactions_too=False) as load:
        a.server.kill()
        a.server.restart()
    load.check([a, b], may_be_unknown=True)


def test_too_long_without_a_primary(make_site):
    site = start(make_site, document(), settings={"failover": {"wait": "2s"}}, replicas=0)
    (a,) = site.cluster.backends
    conn = site.connect()
    with conn.cursor() as cur:
        a.server.set_global("read_only", True)
        for sql in ("INSERT INTO t VALUES (1, 1)", "UPDATE counter SET n = 1"):
            t = time.monotonic()
            with pytest.raises(pymysql.Error) as x:
                cur.execute(sql)
            assert x.value.args[0] == 1205 and "nothing was done" in x.value.args[1], x.value
            assert 1.5 < time.monotonic() - t < 10
        threading.Timer(0.5, lambda: a.server.set_global("read_only", False)).start()
        cur.execute("INSERT INTO t VALUES (1, 1)")
        # a transaction that has begun there is not kept waiting
        cur.execute("BEGIN")
        cur.execute("INSERT INTO t VALUES (2, 1)")
        a.server.set_global("read_only", True)
        with pytest.raises(pymysql.Error) as x:
            cur.execute("INSERT INTO t VALUES (3, 1)")
        assert x.value.args[0] == 1213, x.value
        a.server.set_global("read_only", False)
        cur.execute("ROLLBACK")
        cur.execute("BEGIN")
        cur.execute("INSERT INTO t VALUES (4, 1)")
        a.server.set_global("read_only", True)
        with pytest.raises(pymysql.Error) as x:
            cur.execute("COMMIT")
        assert x.value.args[0] == 1213, x.value
        a.server.set_global("read_only", False)
        cur.execute("INSERT INTO t VALUES (5, 1)")
    conn.close()
    assert [r[0] for r in a.sql("SELECT id FROM t ORDER BY id")] == [1, 5]


def test_held_statement_is_killed_and_its_client_goes(make_site):
    site = start(make_site, document(), settings={"failover": {"wait": "60s"}})
    (a,) = site.cluster.backends
    a.server.set_global("read_only", True)
    conn, gone = site.connect(), site.raw()
    failed = []

    def insert():
        with conn.cursor() as cur:
            try:
                cur.execute("INSERT INTO t VALUES (1, 1)")
            except pymysql.Error as x:
                failed.append(x.args[0])
    thread = threading.Thread(target=insert)
    thread.start()
    gone.command(3, b"INSERT INTO t VALUES (2, 1)")
    time.sleep(0.3)
    gone.close()
    other = site.connect()
    with other.cursor() as cur:
        cur.execute("KILL QUERY %d" % conn.thread_id())
    thread.join(10)
    assert failed == [1317]
    other.close()
    a.server.set_global("read_only", False)
    with conn.cursor() as cur:
        cur.execute("INSERT INTO t VALUES (3, 1)")
    conn.close()
    assert [r[0] for r in a.sql("SELECT id FROM t ORDER BY id")] == [3]


def test_stale_primary_comes_back_writable(make_site):
    site = start(make_site, document(primary="auto"), replicas=2, semisync=True, settings={"health": {"interval": "200ms"}})
    a, b = site.cluster.backends[:2]
    conn = site.connect()
    with conn.cursor() as cur:
        cur.execute("INSERT INTO t VALUES (1, 1)")
        a.server.kill()
        site.cluster.promote(b)
        cur.execute("INSERT INTO t VALUES (2, 1)")
        a.server.restart()
        a.server.set_global("read_only", False)
        wait_for("the alarm", lambda: "two servers are writable" in site.log(), 20)
        for i in range(3, 30):
            cur.execute("INSERT INTO t VALUES (%d, 1)" % i)
        assert b.sql("SELECT COUNT(*) FROM t")[0][0] == 29
        assert a.sql("SELECT MAX(id) FROM t")[0][0] < 3
    conn.close()


def test_a_frozen_primary_harms_nobody_else(make_site):
    site = start(make_site, document(2), settings={"limits": {"query_timeout": "3s"}, "health": {"interval": "500ms"},
                                                   "failover": {"wait": "4s"}})
    a, b = site.cluster.backends[:2]
    keys = {}
    conn = site.connect(read_timeout=40)
    with conn.cursor() as cur:
        for i in range(100, 120):
            cur.execute("INSERT INTO t VALUES (%d, 0)" % i)
    for name, backend in (("a", a), ("b", b)):
        keys[name] = backend.sql("SELECT MIN(id) FROM t")[0][0]
    try:
        a.server.pause()
        with conn.cursor() as cur:
            # it was sent, and nobody knows
            with pytest.raises(pymysql.Error) as x:
                cur.execute("UPDATE t SET who = who + 1 WHERE id = %d" % keys["a"])
            assert x.value.args[0] in (1969, 1159, 1158) and "unknown" in x.value.args[1], x.value
        longest = 0
        other = site.connect()
        end = time.monotonic() + (20 if LONG else 3)
        with other.cursor() as cur:
            while time.monotonic() < end:
                t = time.monotonic()
                cur.execute("UPDATE t SET who = who + 1 WHERE id = %d" % keys["b"])
                longest = max(longest, time.monotonic() - t)
        assert longest < 2, longest
        other.close()
    finally:
        a.server.resume()
    with conn.cursor() as cur:
        # what it had been asked is said to nobody
        cur.execute("SELECT id, 'mine' FROM t WHERE id = %d" % keys["a"])
        assert cur.fetchall() == ((keys["a"], "mine"),)
        cur.execute("UPDATE t SET who = 7 WHERE id = %d" % keys["a"])
    assert a.sql("SELECT who FROM t WHERE id = %d" % keys["a"]) == ((7,),)
    conn.close()


def test_kill_reaches_a_statement_on_a_frozen_server(make_site):
    site = start(make_site, document(), settings={"backend": {"connect_timeout": "1s"}, "failover": {"wait": "60s"}})
    (a,) = site.cluster.backends
    conn = site.connect(read_timeout=40)
    failed = []
    with conn.cursor() as cur:
        cur.execute("SELECT 1 FROM t")

    def update():
        with conn.cursor() as cur:
            try:
                cur.execute("UPDATE counter SET n = n + 1")
            except pymysql.Error as x:
                failed.append(x.args)
    thread = threading.Thread(target=update)
    try:
        a.server.pause()
        thread.start()
        time.sleep(0.3)
        other = site.connect(database=None)
        with other.cursor() as cur:
            cur.execute("KILL QUERY %d" % conn.thread_id())
        thread.join(20)
        assert not thread.is_alive()
        assert failed and failed[0][0] == 1317 and "unknown" in failed[0][1], failed
        other.close()
    finally:
        a.server.resume()
    conn.close()


def test_a_side_of_a_pair_is_killed_and_comes_back(make_site):
    site = start(make_site, document(kind="pair"), settings={"health": {"interval": "200ms"}})
    odd, even = site.cluster.backends
    conn = site.connect()

    def at_home():
        with conn.cursor() as cur:
            cur.execute("SELECT @@server_id")
            return cur.fetchone()[0] == odd.server.server_id
    wait_for("the home side answers", at_home, 10)
    stop = threading.Event()
    done, errors = [], []

    def write():
        c = site.connect(read_timeout=60)
        i = 0
        with c.cursor() as cur:
            while not stop.is_set():
                i += 1
                try:
                    cur.execute("INSERT INTO t VALUES (%d, 0)" % i)
                    done.append(i)
                except pymysql.Error as x:
                    if x.args[0] not in UNKNOWN:
                        errors.append(x.args)
                time.sleep(0.005)
        c.close()
    thread = threading.Thread(target=write)
    thread.start()
    try:
        time.sleep(1)
        odd.server.kill()
        n = len(done)
        wait_for("the other side takes over", lambda: len(done) > n + 20, 20)
        assert not at_home()
        odd.server.restart()
        wait_replicating(odd.server)
        wait_for("its statements go home again", at_home, 40)
        n = len(done)
        wait_for("writes go on", lambda: len(done) > n + 20, 20)
    finally:
        stop.set()
        thread.join(60)
    conn.close()
    assert errors == []
    wait_caught_up(odd.server, even.server)
    wait_caught_up(even.server, odd.server)
    ids = {r[0] for r in even.sql("SELECT id FROM t")}
    assert set(done) <= ids and ids == {r[0] for r in odd.sql("SELECT id FROM t")}
