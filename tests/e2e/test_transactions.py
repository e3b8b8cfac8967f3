"""Transactions on one shard and over several, and what a COMMIT promises."""
import signal
import threading
import time

import pymysql
import pytest

import rawmysql
from conftest import shop_document
from rawmysql import ServerError


def one_table(c, name="trx"):
    c.query("DROP TABLE IF EXISTS " + name)
    c.query("CREATE TABLE %s (id BIGINT NOT NULL PRIMARY KEY, n INT)" % name)


@pytest.fixture
def app(star):
    c = star.raw()
    one_table(c)
    yield c
    c.close()


def status(c):
    s = c.ping().status
    return bool(s & rawmysql.IN_TRANS), bool(s & rawmysql.AUTOCOMMIT)


def test_commit_and_rollback(star, app):
    with star.raw() as other:
        app.query("BEGIN")
        app.query("INSERT INTO trx VALUES (1, 1)")
        assert other.values("SELECT * FROM trx") == []
        app.query("COMMIT")
        assert other.values("SELECT * FROM trx") == [("1", "1")]
        app.query("START TRANSACTION")
        app.query("DELETE FROM trx")
        app.query("ROLLBACK")
        assert other.values("SELECT * FROM trx") == [("1", "1")]


# statement, then (in transaction, autocommit) that MySQL tells afterwards
STEPS = [
    ("BEGIN", (True, True)), ("COMMIT", (False, True)), ("BEGIN", (True, True)), ("ROLLBACK", (False, True)),
    ("START TRANSACTION", (True, True)), ("SELECT 1", (True, True)), ("SELECT * FROM trx", (True, True)),
    ("COMMIT AND CHAIN", (True, True)), ("ROLLBACK AND NO CHAIN", (False, True)),
    ("BEGIN WORK", (True, True)), ("CREATE TABLE IF NOT EXISTS trx_ddl (a INT)", (False, True)),
    ("DROP TABLE trx_ddl", (False, True)),
    ("SET autocommit = 0", (False, False)), ("SELECT 1", (False, False)), ("SELECT * FROM trx", (True, False)),
    ("COMMIT", (False, False)), ("INSERT INTO trx VALUES (100, 1)", (True, False)), ("ROLLBACK", (False, False)),
    ("SET autocommit = 1", (False, True)), ("SET SESSION autocommit = OFF", (False, False)),
    ("INSERT INTO trx VALUES (101, 1)", (True, False)), ("SET @@session.autocommit = ON", (False, True)),
    ("START TRANSACTION READ ONLY", (True, True)), ("COMMIT", (False, True)),
    ("START TRANSACTION WITH CONSISTENT SNAPSHOT", (True, True)), ("BEGIN", (True, True)), ("COMMIT", (False, True)),
    ("/*!40101 BEGIN */", (True, True)), ("COMMIT", (False, True)),
    ("SET @a = 1, autocommit = 0", (False, False)), ("SET autocommit = DEFAULT", (False, True)),
    ("PREPARE p FROM 'SET autocommit = 0'", (False, True)), ("EXECUTE p", (False, False)), ("SET autocommit = 1", (False, True)),
    ("BEGIN", (True, True)), ("SAVEPOINT a", (True, True)), ("ROLLBACK TO SAVEPOINT a", (True, True)),
    ("RELEASE SAVEPOINT a", (True, True)), ("ROLLBACK", (False, True)),
]


def test_status_flags_after_every_step(app):
    for sql, wanted in STEPS:
        app.query_all(sql)
        assert status(app) == wanted, sql


def test_status_flags_are_in_the_answer_itself(app):
    for sql, wanted in STEPS:
        s = app.query(sql).status
        assert (bool(s & rawmysql.IN_TRANS), bool(s & rawmysql.AUTOCOMMIT)) == wanted, sql


def test_savepoints(app):
    app.query("BEGIN")
    app.query("INSERT INTO trx VALUES (1, 1)")
    app.query("SAVEPOINT one")
    app.query("INSERT INTO trx VALUES (2, 2)")
    app.query("SAVEPOINT two")
    app.query("INSERT INTO trx VALUES (3, 3)")
    app.query("ROLLBACK TO two")
    assert app.values("SELECT id FROM trx ORDER BY id") == [("1",), ("2",)]
    app.query("ROLLBACK TO one")
    assert app.error("ROLLBACK TO two").errno == 1305
    app.query("COMMIT")
    assert app.values("SELECT id FROM trx") == [("1",)]
    assert app.error("ROLLBACK TO one").errno == 1305


def test_read_only_transaction(app):
    app.query("START TRANSACTION READ ONLY")
    x = app.error("INSERT INTO trx VALUES (1, 1)")
    assert (x.errno, x.sqlstate) == (1792, "25006")
    app.query("COMMIT")
    app.query("SET TRANSACTION READ ONLY")
    app.query("BEGIN")
    assert app.error("INSERT INTO trx VALUES (1, 1)").errno == 1792
    app.query("ROLLBACK")
    app.query("INSERT INTO trx VALUES (1, 1)")
    app.query("SET SESSION TRANSACTION READ ONLY")
    assert app.error("INSERT INTO trx VALUES (2, 1)").errno == 1792
    app.query("SET SESSION TRANSACTION READ WRITE")
    app.query("INSERT INTO trx VALUES (2, 1)")


def test_isolation_level(star, app):
    app.query("INSERT INTO trx VALUES (1, 1)")
    with star.raw() as other:
        for level, sees in (("REPEATABLE READ", "1"), ("READ COMMITTED", "2"), ("READ UNCOMMITTED", "2")):
            other.query("UPDATE trx SET n = 1")
            app.query("SET SESSION TRANSACTION ISOLATION LEVEL " + level)
            app.query("BEGIN")
            assert app.value("SELECT n FROM trx") == "1"
            other.query("UPDATE trx SET n = 2")
            assert app.value("SELECT n FROM trx") == sees, level
            app.query("COMMIT")
        # for the next one only
        other.query("UPDATE trx SET n = 1")
        app.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        app.query("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        for sees in ("2", "1"):
            other.query("UPDATE trx SET n = 1")
            app.query("BEGIN")
            assert app.value("SELECT n FROM trx") == "1"
            other.query("UPDATE trx SET n = 2")
            assert app.value("SELECT n FROM trx") == sees
            app.query("COMMIT")


def test_deadlock_is_told_and_rolled_back(star, app):
    app.query("INSERT INTO trx VALUES (1, 1), (2, 1)")
    with star.raw() as other:
        app.query("BEGIN")
        other.query("BEGIN")
        app.query("UPDATE trx SET n = 2 WHERE id = 1")
        other.query("UPDATE trx SET n = 3 WHERE id = 2")
        errors = []

        def blocked():
            try:
                other.query("UPDATE trx SET n = 3 WHERE id = 1")
            except ServerError as x:
                errors.append((other, x))
        thread = threading.Thread(target=blocked)
        thread.start()
        time.sleep(0.3)
        try:
            app.query("UPDATE trx SET n = 2 WHERE id = 2")
        except ServerError as x:
            errors.append((app, x))
        loser, x = wait_one(errors)
        assert (x.errno, x.sqlstate) == (1213, "40001")
        assert status(loser) == (False, True)
        winner = other if loser is app else app
        if winner is app:
            pass
        else:
            thread.join(10)
        winner.query("COMMIT")
        thread.join(10)
        loser.query("BEGIN")
        loser.query("UPDATE trx SET n = 9 WHERE id = 1")
        loser.query("COMMIT")
        assert loser.value("SELECT n FROM trx WHERE id = 1") == "9"


def wait_one(errors):
    end = time.monotonic() + 10
    while not errors:
        assert time.monotonic() < end, "nobody lost"
        time.sleep(0.02)
    return errors[0]


def test_statement_error_keeps_the_transaction(app):
    app.query("BEGIN")
    app.query("INSERT INTO trx VALUES (1, 1)")
    assert app.error("INSERT INTO trx VALUES (1, 1)").errno == 1062
    assert app.error("SELECT * FROM no_such_table").errno == 1146
    assert app.error("SELEKT").errno == 1064
    assert status(app) == (True, True)
    app.query("COMMIT")
    assert app.values("SELECT * FROM trx") == [("1", "1")]


def test_a_client_that_goes_away_is_rolled_back(star):
    for leave in ("quit", "close", "reset"):
        with star.raw() as c:
            one_table(c)
            c.query("BEGIN")
            c.query("INSERT INTO trx VALUES (1, 1)")
            getattr(c, leave)()
        with star.raw() as c:
            c.query("SET innodb_lock_wait_timeout = 5")
            c.query("INSERT INTO trx VALUES (1, 2)")
            assert c.values("SELECT * FROM trx") == [("1", "2")], leave


def test_xa_passes_on_one_server(app):
    app.query("XA START 'x1'")
    app.query("INSERT INTO trx VALUES (1, 1)")
    app.query("XA END 'x1'")
    app.query("XA PREPARE 'x1'")
    app.query("XA COMMIT 'x1'")
    assert app.values("SELECT * FROM trx") == [("1", "1")]


def test_lock_tables(star, app):
    app.query("LOCK TABLES trx WRITE")
    app.query("INSERT INTO trx VALUES (1, 1)")
    with star.raw() as other:
        other.query("SET lock_wait_timeout = 1")
        assert other.error("INSERT INTO trx VALUES (2, 1)").errno == 1205
        assert app.error("SELECT * FROM mysql.user").errno == 1100
        app.query("UNLOCK TABLES")
        other.query("INSERT INTO trx VALUES (2, 1)")
    with star.raw() as other:
        other.query("LOCK TABLES trx WRITE")
    app.query("INSERT INTO trx VALUES (3, 1)")      # the lock went with its client


def test_get_lock(star):
    with star.raw() as a, star.raw() as b:
        assert a.value("SELECT GET_LOCK('e2e', 0)") == "1"
        assert b.value("SELECT GET_LOCK('e2e', 0)") == "0"
        assert b.value("SELECT IS_USED_LOCK('e2e')") is not None
        assert a.value("SELECT RELEASE_LOCK('e2e')") == "1"
        assert b.value("SELECT GET_LOCK('e2e', 0)") == "1"
    with star.raw() as c:
        assert c.value("SELECT GET_LOCK('e2e', 3)") == "1"


# ---- over shards

@pytest.fixture
def spread(clean, only_cluster):
    """(cluster, a client, ids by shard)"""
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 0)" % i for i in range(1, 61)))
        by_shard = {s: sorted(r[0] for r in rows) for s, rows in clean.on_shards("SELECT id FROM t").items()}
        yield clean, c, by_shard


def firsts(by_shard):
    return [ids[0] for ids in by_shard.values()]


def test_transaction_over_all_shards(spread):
    site, c, by_shard = spread
    ids = firsts(by_shard)
    c.query("BEGIN")
    for i in ids:
        c.query("UPDATE t SET n = 1 WHERE id = %d" % i)
    assert site.on_all("SELECT id FROM t WHERE n = 1") == []
    assert len(c.values("SELECT id FROM t WHERE n = 1")) == 4
    c.query("COMMIT")
    assert len(site.on_all("SELECT id FROM t WHERE n = 1")) == 4
    c.query("BEGIN")
    c.query("UPDATE t SET n = 2")
    c.query("ROLLBACK")
    assert site.on_all("SELECT id FROM t WHERE n = 2") == []
    assert status(c) == (False, True)


def test_begin_alone_touches_no_server(spread):
    site, c, _ = spread
    counts = [int(b.server.sql("SHOW GLOBAL STATUS LIKE 'Com_begin'")[0][1]) for b in site.shards]
    for _ in range(20):
        c.query("BEGIN")
        c.query("COMMIT")
    assert counts == [int(b.server.sql("SHOW GLOBAL STATUS LIKE 'Com_begin'")[0][1]) for b in site.shards]


def test_one_shard_transaction_stays_on_its_shard(spread):
    site, c, by_shard = spread
    counts = [int(b.server.sql("SHOW GLOBAL STATUS LIKE 'Com_commit'")[0][1]) for b in site.shards]
    i = by_shard[site.shards[2].shard][0]
    c.query("BEGIN")
    c.query("UPDATE t SET n = 5 WHERE id = %d" % i)
    c.query("SELECT * FROM t WHERE id = %d" % i)
    c.query("COMMIT")
    after = [int(b.server.sql("SHOW GLOBAL STATUS LIKE 'Com_commit'")[0][1]) for b in site.shards]
    assert [a - b for a, b in zip(after, counts)] == [0, 0, 1, 0]


def test_savepoint_over_shards(spread):
    site, c, by_shard = spread
    a, b = firsts(by_shard)[:2]
    c.query("BEGIN")
    c.query("UPDATE t SET n = 1 WHERE id = %d" % a)
    c.query("SAVEPOINT s")
    c.query("UPDATE t SET n = 1 WHERE id = %d" % b)     # this shard joined after the savepoint
    c.query("ROLLBACK TO s")
    assert c.values("SELECT n FROM t WHERE id = %d" % b) == [("0",)]
    c.query("COMMIT")
    assert site.on_all("SELECT id FROM t WHERE n = 1") == [(a,)]


def test_autocommit_off_over_shards(spread):
    site, c, by_shard = spread
    c.query("SET autocommit = 0")
    c.query("UPDATE t SET n = 3")
    assert site.on_all("SELECT id FROM t WHERE n = 3") == []
    c.query("COMMIT")
    assert len(site.on_all("SELECT id FROM t WHERE n = 3")) == 60
    c.query("UPDATE t SET n = 4")
    c.query("SET autocommit = 1")
    assert len(site.on_all("SELECT id FROM t WHERE n = 4")) == 60


def test_statement_on_several_shards_fails_as_one(spread):
    """A row that is there already: what is reported as failed must not be half there."""
    site, c, by_shard = spread
    new = [i for i in range(1000, 1040)]
    taken = firsts(by_shard)[-1]
    x = c.error("INSERT INTO t (id, n) VALUES %s, (%d, 1)" % (",".join("(%d, 1)" % i for i in new), taken))
    assert (x.errno, x.sqlstate) == (1062, "23000")
    left = site.on_all("SELECT id FROM t WHERE id >= 1000")
    assert left == [] or "partial" in x.message or "shard" in x.message, (left, x)
    # inside a transaction the statement is undone everywhere, the transaction goes on
    c.query("DELETE FROM t WHERE id >= 1000")
    c.query("BEGIN")
    c.query("UPDATE t SET n = 7 WHERE id = %d" % taken)
    x = c.error("INSERT INTO t (id, n) VALUES %s, (%d, 1)" % (",".join("(%d, 1)" % i for i in new), taken))
    assert x.errno == 1062
    if status(c)[0]:
        c.query("COMMIT")
        assert site.on_all("SELECT id FROM t WHERE id >= 1000") == []
        assert site.on_all("SELECT id FROM t WHERE n = 7") == [(taken,)]


def test_mode_single_refuses_a_second_shard(make_site, only_cluster):
    site = make_site([shop_document(2)], tables=True, settings={"transaction_mode": "single"})
    with site.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 0)" % i for i in range(1, 21)))
        (a, *_), (b, *_) = [[r[0] for r in rows] for rows in site.on_shards("SELECT id FROM t").values()]
        c.query("BEGIN")
        c.query("UPDATE t SET n = 1 WHERE id = %d" % a)
        x = c.error("UPDATE t SET n = 1 WHERE id = %d" % b)
        assert x.errno == 1235 and "single" in x.message
        c.query("COMMIT")
        assert site.on_all("SELECT id FROM t WHERE n = 1") == [(a,)]
        c.query("BEGIN")
        c.query("SELECT * FROM t WHERE id = %d" % b)
        c.query("UPDATE t SET n = 2 WHERE id = %d" % b)
        c.query("COMMIT")


def test_lost_backend_fails_the_transaction(make_site, only_cluster):
    """S19: no later statement may run outside of the transaction it belonged to."""
    site = make_site([shop_document(2)], tables=True)
    c = site.raw()
    c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 0)" % i for i in range(1, 21)))
    (a, *_), (b, *_) = [[r[0] for r in rows] for rows in site.on_shards("SELECT id FROM t").values()]
    for cut_after in range(4):
        c.query("UPDATE t SET n = 0")
        script = ["BEGIN", "UPDATE t SET n = 1 WHERE id = %d" % a, "UPDATE t SET n = 1 WHERE id = %d" % b,
                  "UPDATE t SET n = 2 WHERE id = %d" % a, "COMMIT"]
        failed = False
        for i, sql in enumerate(script):
            if i == cut_after + 1:
                for session in site.backend_sessions(0):
                    try:
                        site.shards[0].server.sql("KILL %d" % session)
                    except pymysql.Error:
                        pass
            try:
                c.query(sql)
                assert not (failed and sql == "COMMIT"), "COMMIT worked after a lost statement"
            except ServerError as x:
                failed = True
                assert x.errno != 1105 and not 2000 <= x.errno < 3000, x
        c.query("ROLLBACK")
        assert status(c) == (False, True)
        rows = site.on_all("SELECT id, n FROM t WHERE n <> 0")
        if failed:
            assert rows == [], (cut_after, rows)
        else:
            assert sorted(rows) == sorted([(a, 2), (b, 1)])
    c.close()


def test_unknown_commit_is_said_to_be_unknown(make_site, only_cluster):
    """The server dies between taking COMMIT and answering it."""
    site = make_site([shop_document(1)], tables=True, n_shards=1)
    server = site.shards[0].server
    c = site.raw(timeout=60)
    c.query("BEGIN")
    c.query("INSERT INTO t (id, n) VALUES (1, 1)")
    server.process.send(signal.SIGSTOP)
    c.command(rawmysql.COM_QUERY, b"COMMIT")
    time.sleep(0.5)
    server.kill()
    with pytest.raises(ServerError) as x:
        c.read_result()
    assert x.value.errno == 1180, x.value
    assert x.value.sqlstate != "40001"
    assert "unknown" in x.value.message.lower()
    server.restart()
    c.close()
