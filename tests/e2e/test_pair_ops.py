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
                cur.execute("INSERT INTO t VALUES (%s, 0, 'load')", (key,))
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
            new = key + 1000 * (len(self.added[i]) + 1) * 2
            cur.execute("INSERT INTO t VALUES (%s, 1, 'added')", (new,))
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
