"""Reads from replicas: who asks for them, which server answers, what happens when it cannot, and sessions that never see
an older state than they have seen. The figures of zones and of lag are printed (run with -s).

KEYWAY_LONG     the lengths of the issue: 100,000 pairs of write and read"""
import os
import random
import threading
import time

import pymysql
import pytest

import conftest
import netrig
from keyway_dev.cluster import Cluster
from keyway_dev.mariadb import wait_caught_up
from keyway_dev.process import wait_for

LONG = bool(os.environ.get("KEYWAY_LONG"))
PASSWORD = "keyway"
pytestmark = pytest.mark.usefixtures("only_cluster")


class ReadsCluster(Cluster):
    """With the accounts r (reads from replicas) and c (causal)."""

    def proxy_settings(self, proxy):
        d = super().proxy_settings(proxy)
        d["users"] += [dict(d["users"][0], name=n, reads=r) for n, r in (("r", "replica"), ("c", "causal"))]
        return d


def connect(site, user="keyway", database=True, **options):
    p = site.cluster.proxies[0]
    options = dict({"charset": "utf8mb4", "autocommit": True, "connect_timeout": 10, "read_timeout": 60}, **options)
    return pymysql.connect(host=p.host, port=p.port, user=user, password=PASSWORD,
                           database=site.database if database is True else database, **options)


def one(conn, sql, *args):
    with conn.cursor() as cur:
        cur.execute(sql, *args)
        row = cur.fetchone()
    return row[0] if row else None


def ids(site, role, shard=None):
    return {b.server.server_id for b in site.cluster.backends if b.role == role and shard in (None, b.shard)}


def where(conn, n=1, sql="SELECT @@server_id"):
    """Servers by number of answers."""
    out = {}
    for _ in range(n):
        i = one(conn, sql)
        out[i] = out.get(i, 0) + 1
    return out


def replicas(site):
    return [b for b in site.cluster.backends if b.role == "replica"]


def reload(site, settings):
    """New settings; returns when they hold."""
    p = site.cluster.proxies[0]
    n = site.log().count("settings read again")
    site.cluster.settings = settings
    p.write(site.cluster.proxy_settings(p))
    p.process.send(1)
    wait_for("the settings are read again", lambda: site.log().count("settings read again") > n, 20)


def caught_up(site):
    for b in replicas(site):
        primary = next(p for p in site.cluster.primaries() if p.shard == b.shard)
        wait_caught_up(b.server, primary.server)


BASE = {"threads": 2, "reads": {"slow_start": 0}}


@pytest.fixture(scope="module")
def site():
    """One shard with a primary in az1 and replicas in az2, az3 and az1; the proxy is in az1."""
    s = conftest.start_site([{"keyspace": "app"}], "app", replicas=3, azs=3, settings=BASE, cluster_class=ReadsCluster)
    c = connect(s)
    with c.cursor() as cur:
        cur.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
        cur.execute("INSERT INTO t VALUES (1, 1), (2, 2)")
        cur.execute("CREATE SEQUENCE seq")
        cur.execute("CREATE FUNCTION plus(a INT) RETURNS INT DETERMINISTIC RETURN a + 1")
    c.close()
    caught_up(s)
    yield s
    troubles = s.stop()
    assert not troubles, "\n".join(troubles)


# ---- who asks


def test_roles(site):
    primary, near = ids(site, "primary"), {replicas(site)[2].server.server_id}
    assert where(connect(site), 5).keys() == primary
    assert where(connect(site, database="app@replica"), 5).keys() == near
    assert where(connect(site, "r"), 5).keys() == near
    assert where(connect(site, "c"), 5).keys() == near
    assert where(connect(site, "r", database="app@primary"), 5).keys() == primary
    assert where(connect(site, "c", database="app@replica"), 5).keys() == near
    c = connect(site)
    with c.cursor() as cur:
        cur.execute("USE `app@replica`")
    assert where(c, 3).keys() == near
    with c.cursor() as cur:
        cur.execute("USE app")
    assert where(c, 3).keys() == primary


def test_hints(site):
    primary, near = ids(site, "primary"), {replicas(site)[2].server.server_id}
    plain, r = connect(site), connect(site, "r")
    assert where(plain, 2, "/* keyway: reads=replica */ SELECT @@server_id").keys() == near
    assert where(plain, 2, "SELECT /*KEYWAY:reads=replica*/ @@server_id").keys() == near
    assert where(plain, 2, "SELECT @@server_id /* keyway:  reads=causal  */").keys() == primary | near
    assert where(r, 2, "SELECT @@server_id /* keyway: reads=primary */").keys() == primary
    # what only looks like one
    assert where(plain, 2, "SELECT @@server_id /* for keyway: reads=replica */").keys() == primary
    assert one(plain, "SELECT '/* keyway: reads=nonsense */'") == "/* keyway: reads=nonsense */"
    for bad in ("reads=replicas", "reads=", "", "writes=primary", "reads=primary, reads=replica"):
        with pytest.raises(pymysql.err.ProgrammingError, match="reads=causal") as e:
            one(plain, "SELECT 1 /* keyway: %s */" % bad)
        assert e.value.args[0] == 1064
    assert where(plain, 1).keys() == primary


NEVER = ["SELECT @@server_id FROM t WHERE id = 1 FOR UPDATE", "SELECT @@server_id FROM t WHERE id = 1 LOCK IN SHARE MODE",
         "SELECT @@server_id + 0 * NEXTVAL(seq)", "SELECT @@server_id + 0 * LAST_INSERT_ID(5)",
         "SELECT @@server_id + 0 * plus(1)", "SELECT @@server_id + 0 * SLEEP(0)",
         "SELECT SQL_CALC_FOUND_ROWS @@server_id FROM t LIMIT 1", "SELECT @@server_id + 0 * IS_FREE_LOCK('x')"]


@pytest.mark.parametrize("sql", NEVER)
def test_never_on_a_replica(site, sql):
    primary = ids(site, "primary")
    for user in ("r", "c"):
        assert where(connect(site, user), 2, sql).keys() == primary
    assert where(connect(site), 2, "/* keyway: reads=replica */ " + sql).keys() == primary


def test_what_a_session_holds_keeps_it_on_the_primary(site):
    primary, near = ids(site, "primary"), {replicas(site)[2].server.server_id}
    c = connect(site, "r")
    with c.cursor() as cur:
        cur.execute("SELECT @@server_id INTO @x")
        assert where(c).keys() == near
        assert one(c, "SELECT @x") in primary
        cur.execute("CREATE TEMPORARY TABLE tmp (id INT)")
    assert where(c).keys() == primary
    c = connect(site, "r", autocommit=False)
    assert where(c).keys() == primary
    c = connect(site, "r")
    one(c, "SELECT GET_LOCK('reads', 1)")
    assert where(c).keys() == primary
    c = connect(site, "r")
    c.begin()
    assert where(c).keys() == primary
    c.commit()
    assert where(c).keys() == near
    # writes of a session that reads from replicas
    with c.cursor() as cur:
        assert cur.execute("UPDATE t SET n = n + 1 WHERE id = 2") == 1


def test_prepared_statements(site):
    near = {replicas(site)[2].server.server_id}
    raw = site.raw("app@replica")
    for user in ("r", "c"):
        c = connect(site, user)
        with c.cursor() as cur:
            cur.execute("PREPARE p FROM 'SELECT @@server_id'")
            cur.execute("EXECUTE p")
            cur.fetchall()
    stmt = raw.prepare("SELECT @@server_id")
    for _ in range(3):
        assert int(raw.execute(stmt).rows[0][0]) in near
    raw.close()


def test_read_only_transactions(site):
    primary, near = ids(site, "primary"), {replicas(site)[2].server.server_id}
    c = connect(site, "r")
    with c.cursor() as cur:
        cur.execute("START TRANSACTION READ ONLY")
        first = one(c, "SELECT n FROM t WHERE id = 2")
        assert where(c, 5).keys() == near
        site.cluster.primaries()[0].sql("UPDATE t SET n = n + 1 WHERE id = 2")
        caught_up(site)
        assert one(c, "SELECT n FROM t WHERE id = 2") == first
        with pytest.raises(pymysql.err.Error) as e:
            cur.execute("SELECT n FROM t WHERE id = 2 FOR UPDATE")
        assert e.value.args[0] == 1792
        with pytest.raises(pymysql.err.Error) as e:
            cur.execute("UPDATE t SET n = 0")
        assert e.value.args[0] == 1792
        cur.execute("COMMIT")
        assert one(c, "SELECT n FROM t WHERE id = 2") == first + 1
        cur.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        assert where(c, 2).keys() == primary
        cur.execute("COMMIT")
        cur.execute("START TRANSACTION READ WRITE")
        assert where(c, 2).keys() == primary
        cur.execute("ROLLBACK")
    assert where(c, 2).keys() == near


# ---- which one


def share(site, conn, backend, n=400):
    return where(conn, n).get(backend.server.server_id, 0) / n


def test_near_first(site):
    c = connect(site, "r")
    try:
        for az, name in (("az2", 0), ("az3", 1), ("az1", 2)):
            reload(site, dict(BASE, az=az))
            assert share(site, c, replicas(site)[name]) >= 0.99
        zones = [{"name": "az%d" % i, "region": "north" if i < 3 else "south"} for i in (1, 2, 3)]
        reload(site, dict(BASE, az="az9", region="south", zones=zones))
        assert share(site, c, replicas(site)[1]) >= 0.99
        # nothing near: all alike
        reload(site, dict(BASE, az="az9"))
        got = where(c, 600)
        assert got.keys() == ids(site, "replica"), got
        reload(site, dict(BASE, az="az1", reads={"tiers": "any", "slow_start": 0}))
        got = where(c, 600)
        assert got.keys() == ids(site, "replica"), got
        reload(site, dict(BASE, az="az9", reads={"tiers": "zone", "slow_start": 0}))
        assert where(c, 5).keys() == ids(site, "primary")
    finally:
        reload(site, BASE)


def skewed_load(site):
    """Reads by server; every fiftieth takes a hundred times as long."""
    total, lock = {}, threading.Lock()

    def client(seed):
        rnd, c, got = random.Random(seed), connect(site, "r"), {}
        where(c, 50)
        for _ in range(250):
            n = 300000 if rnd.randrange(50) == 0 else 300
            i = one(c, "SELECT @@server_id, COUNT(*) FROM seq_1_to_%d WHERE seq %% 7 = 3" % n)
            got[i] = got.get(i, 0) + 1
        c.close()
        with lock:
            for k, v in got.items():
                total[k] = total.get(k, 0) + v
    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return total


def test_equal_servers_share_a_skewed_load_evenly(site):
    reload(site, dict(BASE, az="az9"))
    try:
        for _ in range(3):  # on a busy machine the servers are not always equal
            total = skewed_load(site)
            even = sum(total.values()) / 3
            print("\nspread of %d reads over three equal replicas: %s" % (sum(total.values()), sorted(total.values())))
            if all(0.8 * even <= n <= 1.2 * even for n in total.values()):
                break
        else:
            pytest.fail("not within 20 %% of even: %s" % total)
    finally:
        reload(site, BASE)
    assert sum(total.values()) == 2000 and total.keys() == ids(site, "replica")


# ---- when it cannot


def test_a_dead_replica_costs_no_error(site):
    near = replicas(site)[2]
    c = connect(site, "r")
    assert where(c, 3).keys() == {near.server.server_id}
    stop, errors, n = threading.Event(), [], [0]

    def client():
        mine = connect(site, "r")
        while not stop.is_set():
            try:
                one(mine, "SELECT COUNT(*) FROM t")
                n[0] += 1
            except pymysql.Error as x:
                errors.append(x)
                return
    threads = [threading.Thread(target=client) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        wait_for("reads run", lambda: n[0] > 200, 20)
        near.server.kill()
        assert where(c, 20).keys() <= ids(site, "replica") - {near.server.server_id}
        before = n[0]
        wait_for("reads go on", lambda: n[0] > before + 200, 20)
    finally:
        near.server.start()
        near.server.wait_ready()
        stop.set()
        for t in threads:
            t.join()
    assert not errors
    wait_for("the near replica is read again", lambda: where(c, 5) == {near.server.server_id: 5}, 60, 0.2)


def test_no_replica_at_all(site):
    c = connect(site, "r")
    try:
        for b in replicas(site):
            b.server.kill()
        assert where(c, 5).keys() == ids(site, "primary")
        reload(site, dict(BASE, reads={"fallback": "error", "slow_start": 0}))
        with pytest.raises(pymysql.err.Error, match="no replica of shard .*reads.fallback") as e:
            where(c, 1)
        assert e.value.args[0] == 1158
        assert where(c, 1, "/* keyway: reads=primary */ SELECT @@server_id").keys() == ids(site, "primary")
        assert where(connect(site, "c"), 1).keys() == ids(site, "primary")
    finally:
        reload(site, BASE)
        for b in replicas(site):
            b.server.start()
        for b in replicas(site):
            b.server.wait_ready()
    wait_for("replicas are read again", lambda: where(c, 5).keys() <= ids(site, "replica"), 60, 0.2)


# ---- causal reads


def delay(backend, seconds):
    backend.server.sql("STOP SLAVE", "CHANGE MASTER TO master_delay=%d" % seconds, "START SLAVE")


def hold(backend):
    backend.server.sql("STOP SLAVE SQL_THREAD")


def go_on(backend):
    backend.server.sql("START SLAVE SQL_THREAD")


def test_own_writes_are_seen(site):
    """With the appliers of two replicas held and released at random. A read that shows less than the session has written,
    or has read before, is stale."""
    pairs = 100000 if LONG else 2000
    site.cluster.primaries()[0].sql("CREATE TABLE IF NOT EXISTS w (id INT PRIMARY KEY, n INT NOT NULL)",
                                    "DELETE FROM w", "INSERT INTO w VALUES (1,0),(2,0),(3,0),(4,0)")
    caught_up(site)
    stale, places, lock, stop = [], {}, threading.Lock(), threading.Event()
    reload(site, dict(BASE, az="az9"))

    def lag():
        rnd = random.Random(5)
        while not stop.wait(0.05):
            b = rnd.choice(replicas(site)[:2])
            hold(b)
            stop.wait(rnd.choice((0.02, 0.1, 0.3)))
            go_on(b)

    def client(me):
        rnd, c = random.Random(me), connect(site, "c")
        last, got, seen = 0, {}, [0] * 5
        with c.cursor() as cur:
            for i in range(pairs // 4):
                kind = rnd.randrange(8)
                last += 1
                if kind == 0:
                    cur.execute("BEGIN")
                    cur.execute("SELECT n FROM w WHERE id = %s FOR UPDATE", (me,))
                    cur.execute("UPDATE w SET n = %s WHERE id = %s", (last, me))
                    cur.execute("COMMIT")
                elif kind == 1:
                    cur.execute("/* keyway: reads=primary */ SELECT n FROM w WHERE id = %s", (me,))
                    last -= 1
                else:
                    cur.execute("UPDATE w SET n = %s WHERE id = %s", (last, me))
                # the second read has no write before it that could tell where to read
                for _ in range(rnd.choice((1, 1, 1, 2))):
                    cur.execute("SELECT @@server_id, id, n FROM w ORDER BY id")
                    rows = cur.fetchall()
                    got[rows[0][0]] = got.get(rows[0][0], 0) + 1
                    if rows[me - 1][2] != last:
                        stale.append((me, i, "own", last, rows))
                    for _, k, n in rows:
                        if n < seen[k]:
                            stale.append((me, i, "earlier", seen[k], rows))
                        seen[k] = n
        with lock:
            for k, v in got.items():
                places[k] = places.get(k, 0) + v
    lagger = threading.Thread(target=lag)
    threads = [threading.Thread(target=client, args=(i,)) for i in range(1, 5)]
    began = time.monotonic()
    lagger.start()
    try:
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    finally:
        stop.set()
        lagger.join()
        reload(site, BASE)
    n = sum(places.values())
    by_replicas = sum(v for k, v in places.items() if k in ids(site, "replica"))
    print("\n%d pairs, %d reads in %.1f s, %d stale, %.1f %% answered by replicas: %s"
          % (pairs, n, time.monotonic() - began, len(stale), 100 * by_replicas / max(n, 1), places))
    assert not stale, stale[:3]
    assert n >= pairs // 4 * 4 and by_replicas > n / 10


def test_a_late_replica_hands_over_to_the_primary(site):
    c = connect(site, "c")
    for b in replicas(site):
        hold(b)
    try:
        for i in range(3):
            with c.cursor() as cur:
                cur.execute("UPDATE t SET n = %s WHERE id = 1", (1000 + i,))
                cur.execute("SELECT @@server_id, n FROM t WHERE id = 1")
                assert cur.fetchone() == (next(iter(ids(site, "primary"))), 1000 + i)
        # another session has seen nothing of it, and may read what is there
        other = connect(site, "c")
        assert where(other).keys() <= ids(site, "replica")
    finally:
        for b in replicas(site):
            go_on(b)
    caught_up(site)

    def back():
        return where(c, 1, "SELECT @@server_id FROM t LIMIT 1").keys() <= ids(site, "replica")
    wait_for("replicas are read again", back, 20, 0.1)


def test_one_session_does_not_go_back_in_time(site):
    """Reads of others' writes: from a replica that has them, never then from one that has not. The late one is in good
    health: only a lock keeps it from applying."""
    a, b = replicas(site)[:2]
    c = connect(site, "c")
    reload(site, dict(BASE, az="az2"))
    lock = b.server.connect("app")
    try:
        with lock.cursor() as cur:
            cur.execute("LOCK TABLES t READ")
        site.cluster.primaries()[0].sql("UPDATE t SET n = 77 WHERE id = 1")
        wait_for("the near one has it", lambda: a.sql("SELECT n FROM t WHERE id = 1")[0][0] == 77, 20)
        assert one(c, "SELECT n FROM t WHERE id = 1") == 77
        reload(site, dict(BASE, az="az3"))
        assert one(connect(site, "c"), "SELECT n FROM t WHERE id = 1") != 77    # one that has seen nothing
        for _ in range(5):
            assert one(c, "SELECT n FROM t WHERE id = 1") == 77
        # the one that was read dies: the other is older
        a.server.kill()
        for _ in range(5):
            assert one(c, "SELECT n FROM t WHERE id = 1") == 77
    finally:
        lock.close()
        if not a.server.process.running():
            a.server.start()
            a.server.wait_ready()
        reload(site, BASE)
    caught_up(site)


def test_writes_over_shards(make_site):
    s = make_site([{"keyspace": "app", "sharding": {"function": "hash"}, "tables": {"t": {"key": "id"}}}], "app",
                  n_shards=2, replicas=1, settings=BASE, cluster_class=ReadsCluster)
    c = connect(s, "c")
    with c.cursor() as cur:
        cur.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
        cur.execute("INSERT INTO t VALUES (1,0),(2,0),(3,0),(4,0),(5,0),(6,0),(7,0),(8,0)")
        for i in range(1, 30):
            cur.execute("UPDATE t SET n = %s", (i,))
            cur.execute("SELECT DISTINCT n FROM t WHERE id = %s", (1 + i % 8,))
            assert cur.fetchall() == ((i,),)
            cur.execute("SELECT n FROM t")
            assert {r[0] for r in cur.fetchall()} == {i}
        # each shard has its own replica
        cur.execute("SELECT @@server_id FROM t")
        assert {r[0] for r in cur.fetchall()} == ids(s, "replica")
        for b in replicas(s):
            hold(b)
        cur.execute("BEGIN")
        cur.execute("UPDATE t SET n = 100")
        cur.execute("COMMIT")
        cur.execute("SELECT n FROM t")
        assert {r[0] for r in cur.fetchall()} == {100}
        for b in replicas(s):
            go_on(b)


# ---- zones with distance


class ZonesCluster(ReadsCluster):
    """Each server is reached over a wire as long as the way from the proxy's zone to its own."""

    def start_proxies(self):
        self.rig = netrig.Rig(conftest.BUILD, seed=3)
        self.wires = {}
        for b in self.backends:
            wire = self.wires[b.name] = self.rig.wire((b.server.host, b.server.port))
            b.entry["port"] = wire.port
        self.distance()
        super().start_proxies()

    def distance(self):
        for b in self.backends:
            self.wires[b.name].set(delay=DISTANCE[b.entry["az"]])

    def stop(self, keep=False):
        code = super().stop(keep)
        if hasattr(self, "rig"):
            self.rig.stop()
        return code


DISTANCE = {"az1": 100, "az2": 500, "az3": 700}  # µs each way
ZONES = dict(BASE, health={"interval": "100ms", "timeout": "500ms"})


@pytest.fixture(scope="module")
def zones():
    """The primary is far away, as are two of three replicas."""
    s = conftest.start_site([{"keyspace": "app"}], "app", replicas=3, azs=3, settings=ZONES, cluster_class=ZonesCluster)
    c = connect(s)
    with c.cursor() as cur:
        cur.execute("CREATE TABLE t (id INT PRIMARY KEY, n INT)")
        cur.execute("INSERT INTO t SELECT seq, seq FROM seq_1_to_1000")
    c.close()
    caught_up(s)
    yield s
    troubles = s.stop()
    assert not troubles, "\n".join(troubles)


def many(site, reads, clients=4):
    """(share of each server, mean latency in ms) of point selects."""
    total, times, lock = {}, [], threading.Lock()

    def client(seed):
        rnd, c, got, took = random.Random(seed), connect(site, "r"), {}, 0
        for _ in range(reads // clients):
            sql = "SELECT @@server_id, n FROM t WHERE id = %d" % rnd.randint(1, 1000)
            began = time.monotonic()
            i = one(c, sql)
            took += time.monotonic() - began
            got[i] = got.get(i, 0) + 1
        c.close()
        with lock:
            times.append(took)
            for k, v in got.items():
                total[k] = total.get(k, 0) + v
    threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    n = sum(total.values())
    return {k: v / n for k, v in total.items()}, 1000 * sum(times) / n


def test_zone_share_and_latency(zones):
    """The latencies are printed, not judged: other work on the machine moves them more than the zones do."""
    rounds, reads = (10, 4000) if LONG else (2, 800)
    near = next(b for b in replicas(zones) if b.entry["az"] == "az1").server.server_id
    # all reads in one zone, whichever the proxy is in: the mean of the three is what an even spread costs
    ways = {az: dict(ZONES, az=az, reads={"tiers": "zone", "slow_start": 0}) for az in ("az1", "az2", "az3")}
    ways["load"] = dict(ZONES, reads={"tiers": "any", "slow_start": 0})
    ways["near"] = ZONES
    mean, share_near = {w: 0 for w in ways}, []
    try:
        for _ in range(rounds):
            for way, settings in ways.items():
                reload(zones, settings)
                many(zones, 100, 1)
                got, ms = many(zones, reads, 1)
                mean[way] += ms / rounds
                if way == "near":
                    share_near.append(got.get(near, 0))
    finally:
        reload(zones, ZONES)
    even = (mean["az1"] + mean["az2"] + mean["az3"]) / 3
    print("\n%.2f %% in zone; mean %.2f ms; without zones: spread evenly %.2f ms (%+.0f %%), by load and latency alone "
          "%.2f ms" % (100 * min(share_near), mean["near"], even, 100 * (mean["near"] / even - 1), mean["load"]))
    assert min(share_near) >= 0.99, share_near


def trouble_stopped(site, near):
    near.server.kill()

    def mend():
        near.server.start()
        near.server.wait_ready()
    return mend


def trouble_lagging(site, near):
    hold(near)
    return lambda: go_on(near)


def trouble_slow(site, near):
    site.cluster.wires[near.name].set(delay=15000)
    return site.cluster.distance


def trouble_unreachable(site, near):
    wire = site.cluster.wires[near.name]
    wire.accept("refuse")
    wire.drop()
    return lambda: wire.accept("open")


@pytest.mark.parametrize("trouble", [trouble_stopped, trouble_lagging, trouble_slow, trouble_unreachable])
def test_spill_over_and_return(zones, trouble):
    near = next(b for b in replicas(zones) if b.entry["az"] == "az1")
    i = near.server.server_id
    c = connect(zones, "r")
    wait_for("the near one is read", lambda: where(c, 100).get(i, 0) >= 98, 30)
    began = time.monotonic()
    mend = trouble(zones, near)
    try:
        # one in 16 looks whether it has become better
        wait_for("reads go further", lambda: where(c, 100).get(i, 0) <= 8, 60)
        away = time.monotonic() - began
        got = where(c, 100)
        assert got.keys() <= ids(zones, "replica") and sum(got.values()) == 100
    finally:
        mend()
    began = time.monotonic()
    wait_for("reads come back", lambda: where(c, 100).get(i, 0) >= 98, 60)
    print("\n%s: away after %.1f s, back after %.1f s" % (trouble.__name__, away, time.monotonic() - began))
