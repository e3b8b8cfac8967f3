"""What the tests of failover stand on: replica sets whose replicas can be promoted, and an account for Keyway that may
look at everything and write nowhere but on a writable server."""
import pymysql
import pytest

from keyway_dev.mariadb import slave_status, wait_caught_up

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
