"""SHOW KEYWAY: what operators see of a proxy by SQL, who may see it, and SHOW PROCESSLIST with ids that KILL takes."""
import os
import re
import threading

import pymysql
import pytest

from conftest import ROOT, Cluster, create_tables, shop_document, start_site
from keyway_dev.process import wait_for
from rawmysql import ServerError

pytestmark = pytest.mark.usefixtures("only_cluster")

THREADS = 3
ADMIN_VIEWS = ["SHARDS", "BACKENDS", "POOLS", "EPOCHS", "DIGESTS", "ZONES", "READS", "ALLOCATORS"]
OWN_VIEWS = ["SESSIONS", "PINNED"]


class WithGuest(Cluster):
    """One more account, without admin."""

    def proxy_settings(self, proxy):
        d = super().proxy_settings(proxy)
        d["users"] = d["users"] + [{"name": "guest", "no_password": True, "keyspace": "shop"}]
        return d


@pytest.fixture(scope="module")
def site():
    site = start_site([shop_document(2)], "shop", settings={"threads": THREADS}, cluster_class=WithGuest, replicas=1)
    create_tables(site)
    yield site
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


def guest(site, **options):
    return pymysql.connect(user="guest", password="", autocommit=True, connect_timeout=20, **site.address(), **options)


def rows(conn, sql):
    with conn.cursor(pymysql.cursors.DictCursor) as cur:
        cur.execute(sql)
        return list(cur.fetchall())


@pytest.fixture
def conn(site):
    conn = site.connect()
    yield conn
    conn.close()


def clients_on_all_workers(connect, conn, n=THREADS):
    """Connections until each worker has some: the kernel chooses the worker."""
    made = []
    while len({r["worker"] for r in rows(conn, "SHOW KEYWAY SESSIONS")}) < n:
        assert len(made) < 200
        made.append(connect())
    return made


def test_the_list_of_views(site, conn):
    for sql in ("SHOW KEYWAY", "SHOW KEYWAY HELP", "show keyway help"):
        got = {r["view"]: r for r in rows(conn, sql)}
        assert set(ADMIN_VIEWS + OWN_VIEWS) <= set(got)
        assert all(r["shows"] for r in got.values())
    assert got["BACKENDS"]["right"] == "admin"
    with site.raw() as c, pytest.raises(ServerError) as e:
        c.query("SHOW KEYWAY NONSENSE")
    assert e.value.errno == 1064 and "SESSIONS" in e.value.message
    with site.raw() as c, pytest.raises(ServerError) as e:
        c.query("SHOW KEYWAY POOLS WHERE worker = 1")
    assert e.value.errno == 1235 and "LIKE" in e.value.message


def documented():
    """{view: its columns, as docs/sql.md lists them}"""
    with open(os.path.join(ROOT, "docs", "sql.md")) as f:
        sections = re.split(r"^## ", f.read(), flags=re.M)[1:]
    out = {}
    for s in sections:
        cells = [line.split("|")[1] for line in s.splitlines() if line.startswith("|") and not line.startswith("|--")]
        out[s.split()[0]] = {c.strip() for cell in cells[1:] for c in cell.split(",")}
    return out


def test_every_column_is_documented(site):
    docs = documented()
    with site.raw() as c:
        views = [r[0] for r in c.query("SHOW KEYWAY").rows if r[0] != b"HELP"]
        assert {v.decode() for v in views} == set(docs)
        for v in docs:
            assert set(c.query("SHOW KEYWAY " + v).names) == docs[v], v


def test_rights(site):
    g = guest(site)
    for view in ADMIN_VIEWS:
        with pytest.raises(pymysql.err.MySQLError) as e:
            rows(g, "SHOW KEYWAY " + view)
        assert e.value.args[0] == 1227 and "users[].admin" in e.value.args[1], view
    assert {r["user"] for r in rows(g, "SHOW KEYWAY SESSIONS")} == {"guest"}
    assert {r["User"] for r in rows(g, "SHOW PROCESSLIST")} == {"guest"}
    assert len(rows(g, "SHOW KEYWAY")) >= len(ADMIN_VIEWS + OWN_VIEWS)
    g.close()


def test_shards(site, conn):
    got = rows(conn, "SHOW KEYWAY SHARDS")
    assert [r["shard"] for r in got] == ["-80", "80-"]
    for r, b in zip(got, site.shards):
        assert (r["keyspace"], r["kind"], r["primary"], r["epoch"]) == ("shop", "replicaset", b.name, 1)
        assert (r["database"], r["hold"], r["odd"], r["even_state"]) == (b.database, "", None, None)
        assert (r["replicas_up"], r["replicas"]) == (1, 1)


def test_backends(site, conn):
    got = rows(conn, "SHOW KEYWAY BACKENDS")
    assert {r["name"] for r in got} == {b.name for b in site.cluster.backends if b.keyspace == "shop"}
    for r in got:
        b = site.cluster.backend(r["name"])
        assert r["address"].endswith(":%d" % b.server.port)
        assert r["role"] == b.role and r["shard"] == b.shard and r["az"] == b.entry.get("az", "")
        assert r["state"] == "serving" and r["weight"] == 100
        assert r["serves"] == ("writes" if b.role == "primary" else "reads")
        assert r["ejected"] == "no" and r["why"] == ""
    assert sum(r["connections"] for r in got) > 0


def test_pools(site, conn):
    rows(conn, "SELECT id FROM t WHERE id IN (1, 2, 3, 4, 5, 6, 7, 8)")
    got = rows(conn, "SHOW KEYWAY POOLS")
    assert {r["worker"] for r in got} == set(range(THREADS))
    ports = {str(b.server.port) for b in site.cluster.backends if b.keyspace == "shop"}
    assert {r["server"].rpartition(":")[2] for r in got} == ports
    for port in ports:
        of_server = [r for r in got if r["server"].endswith(":" + port)]
        assert len(of_server) == THREADS
        assert all(r["max"] == 100 and r["idle"] + r["leased"] <= 100 for r in of_server)
    assert sum(r["idle"] for r in got) >= 2


def test_zones_and_reads(site, conn):
    def counted():
        (pair,) = rows(conn, "SHOW KEYWAY ZONES")
        return pair, {r["reads"]: r["count"] for r in rows(conn, "SHOW KEYWAY READS")}

    rows(conn, "SELECT id FROM t WHERE id = 1")
    before, reads = counted()
    assert (before["proxy_az"], before["server_az"]) == ("az1", "az1")
    replica = site.connect(database="shop@replica")
    for i in range(20):
        rows(replica, "SELECT id FROM t WHERE id = %d" % i)
    replica.close()
    wait_for("the traffic is counted", lambda: counted()[0]["statements"] >= before["statements"] + 20, 20)
    after, now = counted()
    assert after["bytes_sent"] > before["bytes_sent"] and after["bytes_got"] > before["bytes_got"]
    assert now["near"] == reads["near"] + 20 and now["primary"] == reads["primary"]


def test_epochs_and_a_refused_map(site, conn):
    (r,) = rows(conn, "SHOW KEYWAY EPOCHS")
    assert (r["keyspace"], r["epoch"], r["from"], r["store"], r["refused"]) == ("shop", 1, "store", "up", 0)
    assert r["since"] and r["schema_read"]
    good = site.cluster.documents[0]
    site.cluster.write_document(dict(good, epoch=0, shards=[]))
    r = wait_for("the bad map to be refused and shown",
                 lambda: next((r for r in rows(conn, "SHOW KEYWAY EPOCHS") if r["refused"]), None), 20)
    assert r["epoch"] == 1 and r["refused_why"] and r["refused_at"]
    site.cluster.write_document(good)
    wait_for("the good map", lambda: not rows(conn, "SHOW KEYWAY EPOCHS")[0]["refused_why"], 20)


def test_allocators(site, conn):
    with conn.cursor() as cur:
        cur.execute("INSERT INTO auto (v) VALUES ('x')")
    got = rows(conn, "SHOW KEYWAY ALLOCATORS")
    endpoints = [r for r in got if r["endpoint"]]
    assert endpoints and all(r["allocator"] == "main" and r["kind"] == "mysql" for r in got)
    assert any(r["state"] == "up" and r["ids"] > 0 for r in endpoints)
    (tag,) = [r for r in got if r["tag"] == "shop.auto"]
    assert tag["ids_left"] > 0 and tag["blocks_left"] >= 1 and tag["ids"] >= 1 and tag["block"] > 0
    assert tag["high_water"] >= tag["ids_left"] and tag["marks"] == "local"
    with conn.cursor() as cur:
        cur.execute("RESET KEYWAY ALLOCATOR main")
    with guest(site).cursor() as cur, pytest.raises(pymysql.err.OperationalError) as x:
        cur.execute("RESET KEYWAY ALLOCATOR main")
    assert x.value.args[0] == 1227


def test_sessions_of_all_workers(site, conn):
    others = clients_on_all_workers(lambda: guest(site), conn)
    got = {r["id"]: r for r in rows(conn, "SHOW KEYWAY SESSIONS")}
    assert {o.thread_id() for o in others} <= set(got)
    mine = got[conn.thread_id()]
    assert mine["command"] == "Query" and mine["state"] == "ask" and mine["statement"] == "SHOW KEYWAY SESSIONS"
    assert mine["target"] == "shop" and mine["user"] == "keyway" and mine["host"] == "127.0.0.1"
    assert mine["bytes_in"] > 0 and mine["bytes_out"] > 0 and mine["commands"] >= 2
    for o in others:
        r = got[o.thread_id()]
        assert (r["user"], r["command"], r["state"], r["transaction"], r["statement"]) == ("guest", "Sleep", "idle", "", None)
        assert r["id"] % THREADS == r["worker"]
        o.close()


def running(conn, session, pattern):
    """The session's row once its statement runs on a server."""
    return wait_for("the statement to run", lambda: next((
        r for r in rows(conn, "SHOW KEYWAY SESSIONS LIKE '%s'" % pattern)
        if r["id"] == session.thread_id() and r["state"] == "main"), None), 20)


def in_background(conn, sql):
    """(thread, list that gets the error's number, or 0)"""
    ended = []

    def run():
        try:
            rows(conn, sql)
            ended.append(0)
        except pymysql.err.MySQLError as e:
            ended.append(e.args[0])
    t = threading.Thread(target=run)
    t.start()
    return t, ended


@pytest.mark.parametrize("sql", ["SELECT SLEEP(30) FROM ref WHERE id = 5", "UPDATE t SET n = SLEEP(30) WHERE id = 5"])
def test_a_running_statement_and_kill_query(site, conn, sql):
    rows(conn, "REPLACE INTO t (id) VALUES (5)")
    rows(conn, "REPLACE INTO ref (id) VALUES (5)")
    victims = clients_on_all_workers(lambda: guest(site), conn)
    victim = next(v for v in victims if v.thread_id() % THREADS != conn.thread_id() % THREADS)
    thread, ended = in_background(victim, sql)
    r = running(conn, victim, "%sleep(30)%")
    assert r["statement"] == sql and r["command"] == "Query" and r["shards"].startswith("shop/")
    (p,) = [p for p in rows(conn, "SHOW FULL PROCESSLIST") if p["Id"] == victim.thread_id()]
    assert list(p) == ["Id", "User", "Host", "db", "Command", "Time", "State", "Info"]
    assert (p["User"], p["db"], p["Command"], p["Info"]) == ("guest", "shop", "Query", sql)
    rows(conn, "KILL QUERY %d" % victim.thread_id())
    thread.join(25)
    assert ended
    assert rows(victim, "SELECT 1 AS one") == [{"one": 1}]
    for v in victims:
        v.close()


def test_a_long_write_is_shown_in_part(site, conn):
    victim = guest(site, charset="utf8mb4")
    rows(conn, "REPLACE INTO t (id) VALUES (7)")
    sql = "UPDATE t SET n = SLEEP(30) WHERE id = 7 AND s IS NULL /* %s */" % ("\u00e9" * 20000)
    thread, ended = in_background(victim, sql)
    r = running(conn, victim, "UPDATE%")
    assert sql.startswith(r["statement"]) and 400 < len(r["statement"].encode()) <= 1024
    (p,) = [p for p in rows(conn, "SHOW PROCESSLIST") if p["Id"] == victim.thread_id()]
    assert sql.startswith(p["Info"]) and len(p["Info"].encode()) <= 100
    rows(conn, "KILL %d" % victim.thread_id())
    thread.join(25)
    assert ended[0] in (2006, 2013, 0)
    wait_for("its end", lambda: victim.thread_id() not in {r["id"] for r in rows(conn, "SHOW KEYWAY SESSIONS")}, 20)


def test_no_account_kills_sessions_of_another(site, conn):
    """On whatever worker they are."""
    mine = clients_on_all_workers(lambda: guest(site), conn)
    targets = [site.connect() for _ in range(12)]
    for g in mine[:4]:
        for t in targets:
            with pytest.raises(pymysql.err.MySQLError) as e:
                rows(g, "KILL %d" % t.thread_id())
            assert e.value.args[0] == 1094
    for t in targets:
        t.ping(reconnect=False)
        t.close()
    rows(mine[0], "KILL %d" % mine[-1].thread_id())
    for g in mine:
        g.close()


def test_pinned(site, conn):
    holder = site.connect()
    rows(holder, "BEGIN")
    rows(holder, "REPLACE INTO t (id) VALUES (11)")
    (r,) = [r for r in rows(conn, "SHOW KEYWAY PINNED") if r["id"] == holder.thread_id()]
    assert r["why"] == "a transaction" and r["shard"].startswith("shop/") and r["server_thread"] > 0
    assert any(r["server"].endswith(":%d" % b.server.port) for b in site.shards)
    (s,) = [s for s in rows(conn, "SHOW KEYWAY SESSIONS") if s["id"] == holder.thread_id()]
    assert s["transaction"] == "open" and s["shards"] == r["shard"]
    rows(holder, "ROLLBACK")
    assert not [r for r in rows(conn, "SHOW KEYWAY PINNED") if r["id"] == holder.thread_id()]
    rows(holder, "USE `shop/-80`")
    rows(holder, "CREATE TEMPORARY TABLE show_pinned (id INT)")
    (r,) = [r for r in rows(conn, "SHOW KEYWAY PINNED") if r["id"] == holder.thread_id()]
    assert "temporary table" in r["why"] and r["shard"] == "shop/-80"
    g = guest(site)
    assert rows(g, "SHOW KEYWAY PINNED") == []
    g.close()
    holder.close()


def test_like(site, conn):
    assert [r["shard"] for r in rows(conn, "SHOW KEYWAY SHARDS LIKE '80-'")] == ["80-"]
    assert rows(conn, "SHOW KEYWAY SHARDS LIKE '80'") == []
    assert len(rows(conn, "SHOW KEYWAY SHARDS LIKE 'SH_P'")) == 2
    assert rows(conn, "SHOW KEYWAY SHARDS LIKE 'sh\\_p'") == []
    assert len(rows(conn, "SHOW KEYWAY BACKENDS LIKE 'replica'")) == 2


def test_prepared_and_other_ways(site):
    with site.raw() as c:
        for view in ADMIN_VIEWS + OWN_VIEWS:
            st = c.prepare("SHOW KEYWAY " + view)
            got = c.execute(st)
            assert got.names == c.query("SHOW KEYWAY " + view).names
        st = c.prepare("SHOW KEYWAY SHARDS LIKE '80-'")
        (row,) = c.execute(st).rows
        assert row[1] == b"80-"
        assert "Info" in c.query("SHOW PROCESSLIST").names
        c.query("BEGIN")
        assert c.query("SHOW KEYWAY SHARDS").rows
        c.query("ROLLBACK")
