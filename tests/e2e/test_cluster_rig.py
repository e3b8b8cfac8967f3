"""What the tests of failover stand on: replica sets whose replicas can be promoted, and an account for Keyway that may
look at everything and write nowhere but on a writable server."""
import statistics
import time

import pymysql
import pytest

from conftest import BUILD
from keyway_dev.mariadb import slave_status, wait_caught_up
from zones import Zones

DOCUMENT = {"keyspace": "app", "tables": {}}


def as_service(cluster, backend, **options):
    server = backend.server
    return pymysql.connect(host=server.host, port=server.port, user=cluster.service[0], password=cluster.service[1],
                           database="app", autocommit=True, **options)


def rows(backend):
    return [r[0] for r in backend.sql("SELECT id FROM t ORDER BY id")]


def test_promotion_and_return(make_site, only_cluster):
    cluster = make_site([DOCUMENT], "app", replicas=2, semisync=True, azs=3).cluster
    a, b, c = cluster.backends
    assert [x.entry["az"] for x in (a, b, c)] == ["az1", "az2", "az3"]
    assert [x.sql("SELECT @@read_only, @@log_bin, @@log_slave_updates, @@gtid_domain_id")[0] for x in (a, b, c)] == [
        (0, 1, 1, 0), (1, 1, 1, 0), (1, 1, 1, 0)]
    a.sql("CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)")

    # the primary lives: it becomes a replica
    cluster.promote(b)
    b.sql("INSERT INTO t VALUES (2)")
    assert [x.sql("SELECT @@read_only")[0][0] for x in (a, b, c)] == [1, 0, 1]
    assert slave_status(b.server) is None

    # it dies with what it had acknowledged
    b.sql("INSERT INTO t VALUES (3)")
    b.server.kill()
    cluster.promote(c)
    c.sql("INSERT INTO t VALUES (4)")
    wait_caught_up(a.server, c.server)
    assert rows(a) == rows(c) == [1, 2, 3, 4]
    cluster.rejoin(b, c)
    wait_caught_up(b.server, c.server)
    assert rows(b) == [1, 2, 3, 4] and b.sql("SELECT @@read_only")[0][0] == 1

    # it hangs
    c.server.pause()
    cluster.promote(b)
    b.sql("INSERT INTO t VALUES (5)")
    cluster.rejoin(c, b, fresh=True)
    wait_caught_up(c.server, b.server)
    assert rows(c) == [1, 2, 3, 4, 5] and slave_status(c.server)["Using_Gtid"] == "Slave_Pos"


@pytest.mark.parametrize("keyspace", ["app", "*"])
def test_the_account_of_keyway(make_site, only_cluster, keyspace):
    cluster = make_site([{"keyspace": keyspace}], None, replicas=0).cluster
    (a,) = cluster.backends
    a.server.sql("CREATE DATABASE IF NOT EXISTS app", "CREATE TABLE app.t (id INT PRIMARY KEY)")
    conn = as_service(cluster, a)
    with conn.cursor() as cur:
        cur.execute("INSERT INTO t VALUES (1)")
        for look in ("SHOW SLAVE STATUS", "SHOW MASTER STATUS", "SHOW FULL PROCESSLIST", "SHOW GRANTS",
                     "SELECT @@read_only, @@gtid_binlog_pos, @@gtid_slave_pos, @@server_id",
                     "SELECT MASTER_GTID_WAIT('', 0)"):
            cur.execute(look)
            assert cur.fetchall() is not None
        if keyspace != "*":
            for forbidden in ("SET GLOBAL read_only = 0", "STOP SLAVE", "SET sql_log_bin = 0"):
                with pytest.raises(pymysql.err.OperationalError) as x:
                    cur.execute(forbidden)
                assert x.value.args[0] == 1227
        other = a.server.connect()
        with other.cursor() as theirs:
            theirs.execute("SELECT CONNECTION_ID()")
            cur.execute("KILL %d" % theirs.fetchone()[0])
            with pytest.raises(pymysql.Error):
                theirs.execute("SELECT 1")
        a.server.set_global("read_only", True)
        with pytest.raises(pymysql.err.OperationalError) as x:
            cur.execute("INSERT INTO t VALUES (2)")
        assert x.value.args[0] == 1290
    conn.close()


def test_zones_are_as_far_apart_as_told(make_site, only_cluster):
    zones = Zones(BUILD, {("az1", "az2"): 20000})
    site = make_site([DOCUMENT], "app", replicas=1, azs=2, proxies=2, network=zones)
    cluster = site.cluster
    (primary, replica) = cluster.backends
    assert primary.entry["az"] == "az1" and [p.az for p in cluster.proxies] == ["az1", "az2"]
    wire = zones.wire(primary)
    times = []
    for i in range(2):
        conn = site.connect(proxy=i, read_timeout=30)
        with conn.cursor() as cur:
            cur.execute("SELECT 1 FROM dual WHERE CONNECTION_ID() > 0")
            got = []
            for n in range(15):
                t = time.perf_counter()
                cur.execute("SELECT %d + @@server_id" % n)
                got.append((time.perf_counter() - t) * 1000)
        times.append(got)
        conn.close()
    near, far = statistics.median(times[0]), min(times[1])
    print("a statement on az1's primary: %.2f ms from az1, %.2f ms from az2" % (near, far))
    assert far >= 20
    assert near < 20
    for zone in ("az1", "az2"):
        assert wire.stat(zone=zones.net(zone))["accepted"] > 0
    assert zones.traffic()["az2", "az1"] > 0
    zones.set_rtt("az2", "az1", 0)
    zones.cut_off("az2")
    zones.cut_off("az2", False)
    conn = site.connect(proxy=1)
    with conn.cursor() as cur:
        cur.execute("SELECT @@server_id")
        assert cur.fetchone()[0] == primary.server.server_id
    conn.close()
