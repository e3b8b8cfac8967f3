"""Prepared statements in the binary protocol and in SQL, on one server and over shards."""
import datetime
import hashlib
import struct
import time

import pytest

import rawmysql
from conftest import shop_document
from rawmysql import MODERN, OLD, T_BLOB, T_DOUBLE, T_LONG, T_LONGLONG, T_SHORT, T_TINY, T_VAR_STRING, ServerError, Typed, lenstr


@pytest.fixture(params=[MODERN, OLD], ids=["modern", "old"])
def app(star, request):
    with star.raw(capabilities=request.param) as c:
        c.query("DROP TABLE IF EXISTS ps")
        c.query("CREATE TABLE ps (id BIGINT PRIMARY KEY, n INT, d DOUBLE, s VARCHAR(200), b LONGBLOB)")
        yield c


def gone(c, stmt):
    with pytest.raises(ServerError) as x:
        c.execute(stmt)
    return (x.value.errno, x.value.sqlstate) == (1243, "HY000")


def test_prepare_execute_close(app):
    stmt = app.prepare("SELECT ? + 1, ?")
    assert (stmt.n_params, stmt.n_columns) == (2, 2)
    for i in (0, 5, -7, 1 << 40):
        assert app.execute(stmt, [i, "x"]).rows[0][1] == b"x"
    res = app.execute(stmt, [41, None])
    assert res.rows[0][1] is None and float(res.rows[0][0]) == 42
    app.close_stmt(stmt)
    assert gone(app, stmt)
    assert app.value("SELECT 1") == "1"


def test_statement_without_parameters_and_columns(app):
    stmt = app.prepare("DO 1")
    assert (stmt.n_params, stmt.n_columns) == (0, 0)
    assert app.execute(stmt).ok
    stmt = app.prepare("SELECT 'a' AS first, 2 AS second")
    assert [c.name for c in stmt.columns] == ["first", "second"]
    assert app.execute(stmt).rows == [(b"a", 2)]


def test_insert_and_read_back_every_parameter_type(app):
    ins = app.prepare("INSERT INTO ps (id, n, d, s, b) VALUES (?, ?, ?, ?, ?)")
    rows = [(1, 2, 3.5, "text", b"\0\1\xff"), (2, None, None, None, None), (3, -5, -0.0, "", b""),
            (4, 2147483647, 1e300, "日本 'quoted' \\", b"x" * 70000)]
    for r in rows:
        assert app.execute(ins, r).ok.affected == 1
    got = app.execute(app.prepare("SELECT id, n, d, s, b FROM ps ORDER BY id")).rows
    assert got == [(i, n, d, None if s is None else s.encode(), b) for i, n, d, s, b in rows]
    odd = [Typed(T_TINY, b"\xff", unsigned=True), Typed(T_SHORT, struct.pack("<h", -3)), Typed(T_LONG, struct.pack("<I", 7), True),
           Typed(T_BLOB, lenstr(b"blob")), Typed(T_VAR_STRING, lenstr(b"str"))]
    app.execute(ins, odd)
    assert app.execute(app.prepare("SELECT n, d, s, b FROM ps WHERE id = ?"), [255]).rows == [(-3, 7.0, b"blob", b"str")]


def test_types_are_remembered(app):
    """new_params_bound = 0: the types of the last execution hold."""
    stmt = app.prepare("SELECT ? AS v")
    with pytest.raises(ServerError) as x:
        app.execute(stmt, [5], bound=False)
    assert x.value.errno in (1210, 1835)
    app.execute(stmt, [5])
    for v in (6, 7, -8):
        assert app.execute(stmt, [v], bound=False).rows == [(v,)]
    app.execute(stmt, ["text"])
    assert app.execute(stmt, ["other"], bound=False).rows == [(b"other",)]
    app.reset_stmt(stmt)
    assert app.execute(stmt, ["third"], bound=False).rows == [(b"third",)]


def test_column_types_follow_the_parameters(app):
    stmt = app.prepare("SELECT ? AS v")
    assert app.execute(stmt, [5]).columns[0].type == T_LONGLONG
    assert app.execute(stmt, [5.5]).columns[0].type == T_DOUBLE
    assert app.execute(stmt, ["s"]).columns[0].type in (T_VAR_STRING, T_BLOB, 250, 251)


def test_long_data(app):
    stmt = app.prepare("INSERT INTO ps (id, s, b) VALUES (?, ?, ?)")
    whole = bytes(range(256)) * 1000
    for i in range(0, len(whole), 10000):
        app.long_data(stmt, 2, whole[i:i + 10000])
    app.long_data(stmt, 1, b"in ")
    app.long_data(stmt, 1, b"pieces")
    app.execute(stmt, [1, Typed(T_VAR_STRING, b""), Typed(T_BLOB, b"")])
    assert app.execute(app.prepare("SELECT s, b FROM ps WHERE id = ?"), [1]).rows == [(b"in pieces", whole)]
    # it is used up: the next execution has its own values
    app.execute(stmt, [2, "s", b"b"])
    assert app.execute(app.prepare("SELECT s, b FROM ps WHERE id = ?"), [2]).rows == [(b"s", b"b")]


def test_bad_long_data_shows_at_the_execution(app):
    stmt = app.prepare("SELECT ?")
    app.long_data(stmt, 9, b"x")
    for _ in range(2):
        with pytest.raises(ServerError) as x:
            app.execute(stmt, ["a"])
        assert x.value.errno in (1210, 1390), x.value
    app.reset_stmt(stmt)
    assert app.execute(stmt, ["a"]).rows == [(b"a",)]
    app.long_data(99999, 0, b"nobody's")
    assert app.value("SELECT 1") == "1"


def test_big_parameter(app):
    stmt = app.prepare("SELECT LENGTH(?), MD5(?)")
    big = b"0123456789abcdef" * (17 << 16)      # over 16 MiB: more than one packet
    got = app.execute(stmt, [big, b"x"]).rows[0]
    assert got == (len(big), hashlib.md5(b"x").hexdigest().encode())


def test_cursor(app):
    app.query("INSERT INTO ps (id, n) VALUES " + ",".join("(%d, %d)" % (i, i) for i in range(100)))
    stmt = app.prepare("SELECT id FROM ps WHERE id >= ? ORDER BY id")
    res = app.open_cursor(stmt, [10])
    assert res.rows == [] and res.status & rawmysql.CURSOR_EXISTS
    got = []
    while True:
        part = app.fetch(stmt, res.columns, 7)
        got += [r[0] for r in part.rows]
        if part.status & rawmysql.LAST_ROW_SENT:
            break
        assert len(part.rows) == 7
    assert got == list(range(10, 100))
    app.open_cursor(stmt, [0])
    app.fetch(stmt, res.columns, 3)
    assert app.value("SELECT 'between'") == "between"
    assert [r[0] for r in app.fetch(stmt, res.columns, 2).rows] == [3, 4]
    app.reset_stmt(stmt)
    with pytest.raises(ServerError) as x:
        app.fetch(stmt, res.columns, 1)
    assert x.value.errno == 1421
    assert len(app.execute(stmt, [98]).rows) == 2


def test_many_statements_at_once(app):
    stmts = [app.prepare("SELECT %d + ?" % i) for i in range(300)]
    assert len({s.id for s in stmts}) == 300
    for i, s in reversed(list(enumerate(stmts))):
        assert float(app.execute(s, [1]).rows[0][0]) == i + 1
    for s in stmts[::2]:
        app.close_stmt(s)
    for i, s in list(enumerate(stmts))[1::2]:
        assert float(app.execute(s, [2]).rows[0][0]) == i + 2
    assert gone(app, stmts[0])


def test_the_same_text_twice_is_two_statements(app):
    a, b = app.prepare("SELECT ?"), app.prepare("SELECT ?")
    assert a.id != b.id
    app.execute(a, ["x"])
    app.execute(b, [1.5])
    assert app.execute(a, ["y"], bound=False).rows == [(b"y",)]
    assert app.execute(b, [2.5], bound=False).rows == [(2.5,)]
    app.close_stmt(a)
    assert app.execute(b, [3.5], bound=False).rows == [(3.5,)]


def test_errors_at_prepare_and_execute(app):
    for sql, errno in (("SELECT FROM", 1064), ("SELECT * FROM nope", 1146), ("SELECT nope FROM ps", 1054), ("", 1065),
                       ("SELECT 1; SELECT 2", 1064)):
        with pytest.raises(ServerError) as x:
            app.prepare(sql)
        assert x.value.errno == errno, sql
    app.query("INSERT INTO ps (id) VALUES (1)")
    ins = app.prepare("INSERT INTO ps (id) VALUES (?)")
    with pytest.raises(ServerError) as x:
        app.execute(ins, [1])
    assert x.value.errno == 1062
    assert app.execute(ins, [2]).ok.affected == 1


def test_statement_survives_ddl(app):
    stmt = app.prepare("SELECT * FROM ps WHERE id = ?")
    app.query("INSERT INTO ps (id, n) VALUES (1, 5)")
    assert len(app.execute(stmt, [1]).rows[0]) == 5
    app.query("ALTER TABLE ps ADD COLUMN extra INT DEFAULT 9")
    assert app.execute(stmt, [1]).rows[0][-1] == 9
    app.query("ALTER TABLE ps DROP COLUMN extra")
    assert len(app.execute(stmt, [1]).rows[0]) == 5
    app.query("DROP TABLE ps")
    with pytest.raises(ServerError) as x:
        app.execute(stmt, [1])
    assert x.value.errno == 1146


def test_prepared_transaction_statements(app):
    begin, commit, rollback = app.prepare("BEGIN"), app.prepare("COMMIT"), app.prepare("ROLLBACK")
    ins = app.prepare("INSERT INTO ps (id) VALUES (?)")
    for i in range(5):
        app.execute(begin)
        app.execute(ins, [i])
        app.execute(commit if i % 2 else rollback)
    assert app.values("SELECT id FROM ps ORDER BY id") == [("1",), ("3",)]


def test_call_with_out_parameters(app):
    app.query("DROP PROCEDURE IF EXISTS pr")
    app.query("CREATE PROCEDURE pr(IN a INT, OUT b INT) BEGIN SET b = a * 2; SELECT a; SELECT 'two'; END")
    got = app.execute_all(app.prepare("CALL pr(?, ?)"), [21, None])
    assert [r.rows for r in got if r.columns][:2] == [[(21,)], [(b"two",)]]
    out = [r for r in got if r.columns and r.end.status & rawmysql.PS_OUT_PARAMS]
    assert len(out) == 1 and out[0].rows == [(42,)]
    app.query("DROP PROCEDURE pr")


def test_sql_prepare(app):
    app.query("PREPARE s1 FROM 'SELECT ? + ?'")
    app.query("SET @a = 3, @b = 4")
    assert app.value("EXECUTE s1 USING @a, @b") == "7"
    app.query("SET @q = 'SELECT 5'")
    app.query("PREPARE s2 FROM @q")
    assert app.value("EXECUTE s2") == "5"
    app.query("PREPARE s1 FROM 'SELECT 9'")
    assert app.value("EXECUTE s1") == "9"
    app.query("DEALLOCATE PREPARE s1")
    assert app.error("EXECUTE s1").errno == 1243
    app.query("DROP PREPARE s2")
    assert app.error("DEALLOCATE PREPARE s2").errno == 1243


def test_execute_immediate(app):
    assert app.value("EXECUTE IMMEDIATE 'SELECT 1 + ?' USING 2") == "3"


# ---- over shards

@pytest.fixture
def rows(clean, only_cluster):
    with clean.raw() as c:
        ins = c.prepare("INSERT INTO t (id, n, s) VALUES (?, ?, ?)")
        for i in range(1, 61):
            assert c.execute(ins, [i, i % 7, "s%d" % i]).ok.affected == 1
        yield c


def test_prepared_by_key(clean, rows):
    sel = rows.prepare("SELECT s FROM t WHERE id = ?")
    for i in list(range(1, 61)) * 2:
        assert rows.execute(sel, [i]).rows == [(b"s%d" % i,)]
    assert rows.execute(sel, [1000]).rows == []
    assert rows.execute(sel, [None]).rows == []
    for form in ("7", "7.0", b"7", 7.0, Typed(T_TINY, b"\7"), Typed(T_LONG, b"\7\0\0\0", True)):
        assert rows.execute(sel, [form]).rows == [(b"s7",)], form
    assert sum(len(r) for r in clean.on_shards("SELECT id FROM t").values()) == 60


def test_prepared_key_list_range_and_all(rows):
    got = rows.execute(rows.prepare("SELECT id FROM t WHERE id IN (?, ?, ?)"), [3, 40, 999]).rows
    assert sorted(got) == [(3,), (40,)]
    assert sorted(rows.execute(rows.prepare("SELECT id FROM t WHERE id BETWEEN ? AND ?"), [10, 12]).rows) == [(10,), (11,), (12,)]
    assert len(rows.execute(rows.prepare("SELECT * FROM t")).rows) == 60
    got = rows.execute(rows.prepare("SELECT id FROM t WHERE n = ?"), [3]).rows
    assert sorted(r[0] for r in got) == [i for i in range(1, 61) if i % 7 == 3]


def test_prepared_writes_to_several_shards(clean, rows):
    up = rows.prepare("UPDATE t SET n = ? WHERE id IN (?, ?, ?)")
    assert rows.execute(up, [100, 1, 2, 3]).ok.affected == 3
    assert sorted(r[0] for r in clean.on_all("SELECT id FROM t WHERE n = 100")) == [1, 2, 3]
    ins = rows.prepare("INSERT INTO t (id, n) VALUES (?, ?), (?, ?), (?, ?), (?, ?)")
    assert rows.execute(ins, [101, 1, 102, 1, 103, 1, 104, 1]).ok.affected == 4
    assert len(clean.on_all("SELECT id FROM t WHERE id > 100")) == 4
    dele = rows.prepare("DELETE FROM t WHERE n = ?")
    assert rows.execute(dele, [100]).ok.affected == 3
    assert rows.execute(dele, [100]).ok.affected == 0


def test_prepared_null_key_is_refused(rows):
    ins = rows.prepare("INSERT INTO t (id, n) VALUES (?, ?)")
    with pytest.raises(ServerError) as x:
        rows.execute(ins, [None, 1])
    assert x.value.errno in (1048, 1235) and "id" in x.value.message
    assert rows.execute(ins, [500, 1]).ok.affected == 1


def test_prepared_statement_over_lost_connections(make_site, only_cluster):
    """Prepared again on a new connection to the server, unseen by the client."""
    site = make_site([shop_document(2)], tables=True)
    with site.raw() as c:
        ins, sel = c.prepare("INSERT INTO t (id, n) VALUES (?, ?)"), c.prepare("SELECT n FROM t WHERE id = ?")
        for i in range(20):
            c.execute(ins, [i, i])
        for b in range(2):
            for session in site.backend_sessions(b):
                site.shards[b].server.sql("KILL %d" % session)
        time.sleep(0.5)
        for i in range(20):
            assert c.execute(sel, [i], bound=i == 0).rows == [(i,)]
        site.shards[0].server.restart()
        site.shards[1].server.restart()
        time.sleep(0.5)
        done = 0
        for _ in range(100):
            try:
                assert c.execute(sel, [7], bound=False).rows == [(7,)]
                done += 1
            except ServerError:
                time.sleep(0.1)
            if done == 5:
                break
        assert done == 5


def test_limit_of_prepared_statements(make_site, only_cluster):
    site = make_site(settings={"limits": {"max_prepared": 10}}, n_shards=1)
    with site.raw() as c:
        stmts = [c.prepare("SELECT %d" % i) for i in range(10)]
        with pytest.raises(ServerError) as x:
            c.prepare("SELECT 'one more'")
        assert x.value.errno == 1461
        c.close_stmt(stmts[0])
        assert c.execute(c.prepare("SELECT 'now'")).rows == [(b"now",)]


def test_sql_prepare_over_shards(rows):
    rows.query("PREPARE p FROM 'SELECT s FROM t WHERE id = ?'")
    for i in (1, 2, 3, 4, 5, 6):
        rows.query("SET @i = %d" % i)
        assert rows.values("EXECUTE p USING @i") == [("s%d" % i,)]
    rows.query("PREPARE w FROM 'UPDATE t SET n = ? WHERE id = ?'")
    rows.query("SET @n = 77, @i = 6")
    assert rows.query("EXECUTE w USING @n, @i").ok.affected == 1
    assert rows.values("SELECT id FROM t WHERE n = 77") == [("6",)]


def test_dates_as_parameters(app):
    app.query("DROP TABLE IF EXISTS pd")
    app.query("CREATE TABLE pd (id INT PRIMARY KEY, d DATE, t DATETIME(6), i TIME)")
    ins = app.prepare("INSERT INTO pd VALUES (?, ?, ?, ?)")
    d = datetime.datetime(2024, 2, 29, 23, 59, 58, 123456)
    app.execute(ins, [1, Typed(10, b"\4" + struct.pack("<HBB", d.year, d.month, d.day)),
                      Typed(12, b"\x0b" + struct.pack("<HBBBBBI", d.year, d.month, d.day, d.hour, d.minute, d.second, d.microsecond)),
                      Typed(11, b"\x08" + struct.pack("<BIBBB", 1, 1, 2, 3, 4))])
    assert app.values("SELECT d, t, i FROM pd") == [("2024-02-29", "2024-02-29 23:59:58.123456", "-26:03:04")]
    row = app.execute(app.prepare("SELECT d, i FROM pd")).rows[0]
    assert row == (struct.pack("<HBB", 2024, 2, 29), struct.pack("<BIBBB", 1, 1, 2, 3, 4))


def test_one_text_in_two_databases(star):
    """Names without a database mean what they meant to the client that prepared, on whatever connection it runs."""
    server = star.shards[0].server
    server.sql("CREATE DATABASE IF NOT EXISTS other", "DROP TABLE IF EXISTS app.two, other.two", "CREATE TABLE app.two (v INT)",
               "CREATE TABLE other.two (v INT)", "INSERT INTO app.two VALUES (1)", "INSERT INTO other.two VALUES (2)")
    try:
        with star.raw("app") as a, star.raw("other") as b:
            for _ in range(5):
                stmts = [(c, c.prepare("SELECT v FROM two"), want) for c, want in ((a, 1), (b, 2))]
                for _ in range(3):
                    for c, stmt, want in stmts:
                        assert c.execute(stmt).rows == [(want,)]
                for c, stmt, _ in stmts:
                    c.close_stmt(stmt)
    finally:
        server.sql("DROP TABLE app.two", "DROP DATABASE other")
