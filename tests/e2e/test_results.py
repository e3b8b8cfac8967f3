"""Results through Keyway are those of the server, byte for byte, in the text and the binary protocol."""
import os
import socket
import time

import pytest

import rawmysql
from conftest import server_raw
from rawmysql import DEPRECATE_EOF, MODERN, MULTI_STATEMENTS, OLD, ServerError

TYPES = [
    ("BIT(1)", ["b'1'", "b'0'"]), ("BIT(64)", ["b'1010'", "18446744073709551615"]), ("TINYINT", ["-128", "127"]),
    ("TINYINT UNSIGNED", ["255"]), ("BOOL", ["TRUE"]), ("SMALLINT", ["-32768", "32767"]), ("MEDIUMINT", ["-8388608", "8388607"]),
    ("INT", ["-2147483648", "2147483647", "0"]), ("INT UNSIGNED ZEROFILL", ["42"]), ("BIGINT", ["-9223372036854775808"]),
    ("BIGINT UNSIGNED", ["18446744073709551615"]), ("DECIMAL(65,30)", ["1.5", "-99999999999999999999999999999999999.999999999999999999999999999999"]),
    ("DECIMAL(5,0)", ["12345"]), ("FLOAT", ["1.1", "-0.0", "3.4e38"]), ("DOUBLE", ["1.1", "1.7976931348623157e308", "2.2e-308"]),
    ("DOUBLE(10,2)", ["3.14159"]), ("DATE", ["'2024-02-29'", "'0000-00-00'", "'9999-12-31'"]),
    ("DATETIME", ["'2024-02-29 12:34:56'", "'0000-00-00 00:00:00'"]), ("DATETIME(6)", ["'2024-02-29 12:34:56.123456'"]),
    ("TIMESTAMP NULL", ["'2024-02-29 12:34:56'"]), ("TIMESTAMP(3) NULL", ["'2024-02-29 12:34:56.789'"]),
    ("TIME", ["'838:59:59'", "'-838:59:59'", "'00:00:00'"]), ("TIME(6)", ["'01:02:03.000004'"]), ("YEAR", ["2024", "0"]),
    ("CHAR(20)", ["'abc'", "''", "'trailing  '"]), ("VARCHAR(300)", ["'x'", "REPEAT('y', 300)"]), ("BINARY(8)", ["'ab'"]),
    ("VARBINARY(300)", ["X'00ff00fe'"]), ("TINYBLOB", ["X'00'"]), ("BLOB", ["REPEAT(X'ff', 65535)"]),
    ("MEDIUMBLOB", ["REPEAT('m', 70000)"]), ("LONGBLOB", ["''"]), ("TINYTEXT", ["'tiny'"]), ("TEXT", ["'日本語 text'"]),
    ("LONGTEXT CHARACTER SET latin1", ["'lätin'"]), ("VARCHAR(20) CHARACTER SET utf16", ["'ü16'"]),
    ("ENUM('a','b,c','d''e')", ["'b,c'", "3"]), ("SET('x','y','z')", ["'x,z'", "''"]), ("JSON", ["'{\"a\": [1, 2, null]}'"]),
    ("UUID", ["'123e4567-e89b-12d3-a456-426655440000'"]), ("INET6", ["'2001:db8::ff00:42:8329'"]), ("POINT", ["POINT(1, 2)"]),
    ("GEOMETRY", ["ST_GeomFromText('LINESTRING(0 0,1 1)')"]),
]

STATEMENTS = [
    "SELECT 1", "SELECT NULL", "SELECT 1 AS `a b`, 'x' AS `ü`", "SELECT 1, 1, 1", "SELECT '' AS ``", "SELECT 1.10, 1e3, -0.0, 0x41, b'1'",
    "SELECT 18446744073709551615, -9223372036854775808", "SELECT TRUE, FALSE", "SELECT DATE '2024-01-01', TIME '01:02:03'",
    "SELECT 'a' UNION SELECT 'bcd'", "SELECT 1 UNION ALL SELECT 2.5 UNION ALL SELECT NULL", "SELECT 1 WHERE FALSE",
    "SELECT * FROM (SELECT 1 AS a, 2 AS b) AS d", "SELECT COUNT(*), SUM(a), AVG(a) FROM n", "SELECT a, COUNT(*) FROM n GROUP BY a WITH ROLLUP",
    "SELECT a, ROW_NUMBER() OVER (ORDER BY a) FROM n", "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 300) SELECT x FROM r",
    "SELECT GROUP_CONCAT(a ORDER BY a SEPARATOR '|') FROM n", "SELECT a FROM n ORDER BY a LIMIT 3 OFFSET 2", "SELECT SQL_CALC_FOUND_ROWS a FROM n ORDER BY a LIMIT 2",
    "SELECT n.a, m.a FROM n LEFT JOIN n m ON m.a = n.a + 1 ORDER BY 1", "SHOW TABLES", "SHOW FULL COLUMNS FROM n", "SHOW CREATE TABLE n", "SHOW INDEX FROM scratch",
    "SHOW VARIABLES LIKE 'sql_mode'", "SHOW COLLATION LIKE 'utf8mb4_bin'", "SHOW ENGINES", "SHOW WARNINGS", "SHOW CHARACTER SET", "SHOW TABLE STATUS LIKE 'nothing'",
    "DESCRIBE n", "EXPLAIN SELECT * FROM n WHERE a = 1", "EXPLAIN FORMAT=JSON SELECT * FROM n WHERE a = 1", "SELECT @@sql_mode, @@max_allowed_packet, @@version_comment",
    "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'app' ORDER BY 1", "SELECT 1/0", "SELECT CAST('abc' AS SIGNED)",
    "SELECT REPEAT('x', 251), REPEAT('y', 65536)", "DO 1", "SET @x = 5", "SELECT @x, @undefined", "SELECT CHARSET('x'), COLLATION('x')", "CHECKSUM TABLE n",
    "ANALYZE TABLE n", "CHECK TABLE n", "HELP 'SELECT'", "SELECT 1 INTO @y", "SELECT @y", "VALUES (1, 'a'), (2, 'b')", "TABLE_DOES_NOT_EXIST", "SELECT FROM", "SELECT * FROM missing",
    "SELECT missing FROM n", "INSERT INTO n VALUES (1)", "INSERT INTO n VALUES (500), (501), (502)", "UPDATE n SET a = a + 1000 WHERE a >= 500 ORDER BY a DESC",
    "DELETE FROM n WHERE a >= 500", "INSERT IGNORE INTO n VALUES (1), (2)", "SHOW WARNINGS", "REPLACE INTO n VALUES (1)", "INSERT INTO n VALUES (1) ON DUPLICATE KEY UPDATE a = a",
    "DELETE FROM n WHERE a = -1 RETURNING a", "TRUNCATE TABLE scratch", "ALTER TABLE scratch ADD COLUMN z INT", "ALTER TABLE scratch DROP COLUMN z",
    "CREATE OR REPLACE VIEW v AS SELECT a FROM n", "SELECT * FROM v ORDER BY a LIMIT 1", "CALL two_results()", "SELECT add_one(4)", "SHOW PROCEDURE STATUS WHERE Db = 'nothing'",
    "SHOW CREATE FUNCTION add_one", "SELECT JSON_OBJECT('a', 1)", "SELECT ST_AsText(POINT(1,2))", "SELECT INET6_NTOA(INET6_ATON('::1'))", "SELECT DATE_ADD('2024-01-31', INTERVAL 1 MONTH)",
    "SELECT 'a' = 'A', 'a' = BINARY 'A', 'é' = 'e'", "SELECT _latin1 X'E4', _utf8mb4 'ä' COLLATE utf8mb4_bin", "SELECT FOUND_ROWS()", "SELECT ROW_COUNT()",
]


@pytest.fixture(scope="module")
def tables(star, twin):
    sql = ["SET sql_mode = ''", "DROP TABLE IF EXISTS types, n, scratch", "CREATE TABLE n (a INT NOT NULL PRIMARY KEY)",
           "INSERT INTO n VALUES " + ",".join("(%d)" % i for i in range(1, 21)), "CREATE TABLE scratch (a INT)",
           "CREATE TABLE types (id INT NOT NULL PRIMARY KEY, %s)" % ", ".join("c%d %s" % (i, t) for i, (t, _) in enumerate(TYPES))]
    for k in range(max(len(v) for _, v in TYPES)):
        sql.append("INSERT INTO types VALUES (%d, %s)" % (k, ", ".join(v[k % len(v)] for _, v in TYPES)))
    sql += ["INSERT INTO types (id) VALUES (100)", "DROP PROCEDURE IF EXISTS two_results", "DROP FUNCTION IF EXISTS add_one",
            "CREATE PROCEDURE two_results() BEGIN SELECT 1 AS one; SELECT a FROM n ORDER BY a; END",
            "CREATE FUNCTION add_one(x INT) RETURNS INT DETERMINISTIC RETURN x + 1"]
    for server in (star.shards[0].server, twin):
        # what other tests left would be seen in SHOW TABLES
        left = [t for (t,) in server.sql("SHOW TABLES", database="app")]
        server.sql(*(["DROP TABLE `%s`" % t for t in left] + sql), database="app")
    return star


@pytest.fixture(params=[MODERN, OLD, OLD | DEPRECATE_EOF, OLD | rawmysql.SESSION_TRACK], ids=["modern", "old", "no-eof", "track"])
def both(tables, twin, request):
    """(through Keyway, on a server without it) with the same capabilities and the same tables."""
    with tables.raw(capabilities=request.param | MULTI_STATEMENTS) as a, \
            server_raw(twin, "app", capabilities=request.param | MULTI_STATEMENTS) as b:
        for c in (a, b):
            c.query("SET NAMES utf8mb4")
            c.query("SET time_zone = '+00:00', sql_mode = ''")
        yield a, b


def comparable(results, p):
    """Of rows every byte; of an OK packet what it says, apart from what only one of both was asked to track."""
    out = []
    for r in results:
        if r.ok:
            out.append(("ok", r.ok.affected, r.ok.insert_id, r.ok.status & ~rawmysql.STATE_CHANGED, r.ok.warnings, r.ok.info))
        else:
            body = r.packets[:-1]
            if not p.capabilities & DEPRECATE_EOF:
                body = [x for x in body if not p.is_end(x)]
            out.append(("rows", tuple(body), r.end.status & ~rawmysql.STATE_CHANGED, r.end.warnings))
    return out


def outcome(c, run):
    try:
        return comparable(run(c), c)
    except ServerError as x:
        return ("error", x.errno, x.sqlstate, x.message)


def same(both, what, run):
    a, b = both
    got, want = outcome(a, run), outcome(b, run)
    if got != want:
        raise AssertionError("%s\n  Keyway: %s\n  server: %s" % (what, str(got)[:1500], str(want)[:1500]))


def all_same(both, statements, run):
    """Every statement in turn; tells of all that differ."""
    wrong = []
    for sql in statements:
        try:
            same(both, sql, lambda c, sql=sql: run(c, sql))
        except AssertionError as x:
            wrong.append(str(x))
    assert not wrong, "%d differ\n%s" % (len(wrong), "\n".join(wrong))


def as_text(c, sql):
    return c.query_all(sql)


def as_prepared(c, sql):
    stmt = c.prepare(sql)
    try:
        return c.execute_all(stmt)
    finally:
        c.close_stmt(stmt)


def test_all_types_as_text(both):
    same(both, "types", lambda c: c.query_all("SELECT * FROM types ORDER BY id"))
    for i in range(len(TYPES)):
        same(both, TYPES[i][0], lambda c, i=i: c.query_all("SELECT c%d FROM types ORDER BY id" % i))


def test_all_types_as_binary(both):
    same(both, "types", lambda c: c.execute_all(c.prepare("SELECT * FROM types ORDER BY id")))
    for i in range(len(TYPES)):
        same(both, TYPES[i][0], lambda c, i=i: c.execute_all(c.prepare("SELECT c%d FROM types ORDER BY id" % i)))


def test_statements_as_text(both):
    all_same(both, [s for s in STATEMENTS if not s.startswith("HELP")], as_text)


def test_statements_as_prepared(both):
    all_same(both, [s for s in STATEMENTS if not s.startswith(("HELP", "CHECK", "ANALYZE")) and "ROW" not in s], as_prepared)


def test_what_prepare_tells(both):
    a, b = both
    for sql in ("SELECT * FROM types WHERE id = ?", "INSERT INTO n VALUES (?)", "SELECT ?", "DO 1", "SELECT a, a + ? FROM n WHERE a IN (?, ?)"):
        x, y = a.prepare(sql), b.prepare(sql)
        assert (x.n_params, x.n_columns, x.warnings) == (y.n_params, y.n_columns, y.warnings)
        assert [c.raw for c in x.params] == [c.raw for c in y.params], sql
        assert [c.raw for c in x.columns] == [c.raw for c in y.columns], sql


def test_multi_results(both):
    all_same(both, ("SELECT 1; SELECT 2", "INSERT INTO scratch VALUES (1), (2); SELECT * FROM scratch; DELETE FROM scratch",
                "CALL two_results(); SELECT 3", "SELECT 1; SELEKT 2", "DO 1; DO 2; DO 3", ";", "SELECT 1;", "SELECT 1; ;SELECT 2",
                "SELECT ';'; SELECT \"a;b\" /* ; */; -- ;\nSELECT 3"), as_text)


def test_character_sets(both):
    for charset in ("latin1", "utf8mb3", "utf8mb4", "binary", "ascii", "cp1251"):
        for c in both:
            c.query("SET NAMES " + charset)
        same(both, charset, lambda c: c.query_all("SELECT c33, c34, 'x' AS lit FROM types ORDER BY id"))
        same(both, charset, lambda c: c.query_all(b"SELECT 'gr\xc3\xbc\xc3\x9f', LENGTH('\xe4')"))
    for c in both:
        c.query("SET NAMES utf8mb4")


def test_modes_that_change_how_text_is_read(both):
    for mode in ("ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "ANSI", "PIPES_AS_CONCAT", "ORACLE", ""):
        for c in both:
            c.query("SET sql_mode = '%s'" % mode)
        for sql in ('SELECT "a"', "SELECT 'a\\'b'", "SELECT 'a\\nb'", "SELECT 'a' || 'b'", 'SELECT "a" FROM n LIMIT 1', "SELECT 'a\\\\' || 'b'"):
            same(both, mode + " " + sql, lambda c, sql=sql: c.query_all(sql))


def test_rows_around_the_packet_limit(both):
    limit = rawmysql.MAX_FRAME
    for n in (limit - 5, limit - 4, limit - 3, limit, limit + 1, 2 * limit + 10):
        sql = "SELECT REPEAT('x', %d)" % n
        a, b = both
        got, want = a.query(sql), b.query(sql)
        assert [len(r[0]) for r in got.rows] == [n]
        assert got.packets[:3] == want.packets[:3]


def test_statement_around_the_packet_limit(tables):
    with tables.raw() as c:
        for n in (rawmysql.MAX_FRAME - 20, rawmysql.MAX_FRAME, rawmysql.MAX_FRAME + 1, 2 * rawmysql.MAX_FRAME + 3):
            head, tail = b"SELECT LENGTH('", b"')"
            size = n - len(head) - len(tail) - 1
            assert c.query(head + b"z" * size + tail).rows == [(b"%d" % size,)]


def test_statement_over_max_allowed_packet(tables, only_cluster):
    with tables.raw(timeout=60) as c:
        with pytest.raises((ServerError, rawmysql.Closed)) as x:
            c.query(b"SELECT LENGTH('" + b"z" * (65 << 20) + b"')")
        if x.type is ServerError:
            assert (x.value.errno, x.value.sqlstate) == (1153, "08S01")
    with tables.raw() as c:
        assert c.value("SELECT 1") == "1"


def test_packet_numbers_wrap(both):
    same(both, "300 columns", lambda c: c.query_all("SELECT " + ",".join("%d AS c%d" % (i, i) for i in range(300))))
    same(both, "3000 rows", lambda c: c.query_all(
        "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r WHERE x < 900) SELECT x, x * x FROM r"))


def test_local_infile(tables):
    with tables.raw(capabilities=MODERN | rawmysql.LOCAL_FILES) as c:
        c.query("DROP TABLE IF EXISTS li")
        c.query("CREATE TABLE li (a INT, b VARCHAR(20))")
        c.command(rawmysql.COM_QUERY, b"LOAD DATA LOCAL INFILE 'data.txt' INTO TABLE li")
        res = c.read_result()
        assert res.local_file == b"data.txt"
        data = b"".join(b"%d\tv%d\n" % (i, i) for i in range(5000))
        ok = c.send_file(data, 1000).ok
        assert ok.affected == 5000
        assert c.values("SELECT COUNT(*), SUM(a) FROM li") == [("5000", str(sum(range(5000))))]
        c.command(rawmysql.COM_QUERY, b"LOAD DATA LOCAL INFILE 'empty' INTO TABLE li")
        c.read_result()
        assert c.send_file(b"").ok.affected == 0
        assert c.value("SELECT 1") == "1"


def test_local_infile_is_asked_only_where_allowed(tables, only_cluster):
    with tables.raw() as c:         # without the capability
        assert c.error("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE n").errno in (4166, 3948, 1148, 1235)
        assert c.value("SELECT 1") == "1"


def test_errors_keep_errno_state_and_text(both):
    all_same(both, ("SELECT * FROM nope.nope", "SELECT 1 +", "INSERT INTO n VALUES (1)", "SELECT ST_GeomFromText('POINT(1)')",
                "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'own ü', MYSQL_ERRNO = 30001", "CREATE TABLE n (a INT)", "DROP TABLE nope",
                "CALL nope()", "SELECT nope()", "SELECT (SELECT 1 UNION SELECT 2)", "SELECT UPDATEXML(1, 2, 3)", "KILL 999999999",
                "SET no_such_variable = 1", "SET max_allowed_packet = 5", "SET SESSION max_connections = 5", "USE nope", "EXECUTE nope"), as_text)


def test_warnings(both):
    all_same(both, ("SELECT CAST('abc' AS SIGNED)", "SHOW WARNINGS", "SHOW COUNT(*) WARNINGS", "DROP TABLE IF EXISTS nope1, nope2", "SHOW WARNINGS LIMIT 1",
                "SHOW ERRORS", "SELECT @@warning_count, @@error_count", "SELECT 1", "SHOW WARNINGS"), as_text)


def test_found_rows_and_row_count(both):
    all_same(both, ("SELECT a FROM n ORDER BY a", "SELECT FOUND_ROWS()", "SELECT SQL_CALC_FOUND_ROWS a FROM n LIMIT 2", "SELECT FOUND_ROWS()",
                "INSERT INTO scratch VALUES (1), (2), (3)", "SELECT ROW_COUNT()", "UPDATE scratch SET a = 9", "SELECT ROW_COUNT()",
                "SELECT ROW_COUNT()", "DELETE FROM scratch", "SELECT ROW_COUNT()", "DO 1", "SELECT ROW_COUNT()"), as_text)


def test_session_tracking_tells_the_same(tables, twin):
    with tables.raw() as a, server_raw(twin, "app") as b:
        for sql in ("SET autocommit = 0", "SET autocommit = 1", "SET NAMES latin1", "SET time_zone = '+02:00'", "USE mysql", "USE app"):
            x, y = a.query(sql).ok, b.query(sql).ok
            assert sorted(x.track) == sorted(y.track), sql


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


def test_slow_reader_holds_the_server_back(tables, only_cluster):
    """A result far larger than any buffer: bounded memory, and other clients are served meanwhile."""
    pid = tables.cluster.proxies[0].pid
    before = rss_kb(pid)
    sql = b"SELECT REPEAT('x', 1000000) FROM n a, n b"     # 400 MB
    c = tables.raw(timeout=120)
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    c.command(rawmysql.COM_QUERY, sql)
    grown = 0
    for i in range(10):
        time.sleep(0.15)
        with tables.raw() as other:
            assert other.value("SELECT %d" % i) == str(i)
        grown = max(grown, rss_kb(pid) - before)
    assert grown < 24 << 10, "%d KiB more" % grown
    res = c.read_result()
    assert len(res.rows) == 400 and all(len(r[0]) == 1000000 for r in res.rows)
    assert rss_kb(pid) - before < 48 << 10
    c.close()


def test_a_vanished_client_frees_the_server(tables, only_cluster):
    server = tables.shards[0].server

    def running():
        return server.sql("SELECT id FROM information_schema.processlist WHERE info LIKE '%vanish me%' AND info NOT LIKE '%processlist%'")
    for sql in (b"SELECT SLEEP(60) /* vanish me */", b"SELECT REPEAT('x', 1000000) FROM n a, n b, n c /* vanish me */"):
        c = tables.raw()
        c.command(rawmysql.COM_QUERY, sql)
        time.sleep(0.7)
        assert running()
        c.reset()
        end = time.monotonic() + 10
        while running():
            assert time.monotonic() < end, "the statement still runs"
            time.sleep(0.1)


def test_large_text_to_the_server(tables):
    with tables.raw() as c:
        c.query("DROP TABLE IF EXISTS big")
        c.query("CREATE TABLE big (id INT PRIMARY KEY, b LONGBLOB)")
        data = os.urandom(1 << 20).hex().encode()
        for i in range(4):
            assert c.query(b"INSERT INTO big VALUES (%d, '%s')" % (i, data * 2)).ok.affected == 1
        assert c.values("SELECT COUNT(*), SUM(LENGTH(b)) FROM big") == [("4", str(4 * 2 * len(data)))]
        c.query("DROP TABLE big")


def test_results_of_several_shards(clean, only_cluster):
    """All rows once, in frames that any client can read, whatever the capabilities."""
    with clean.raw() as c:
        for i in range(0, 1000, 100):
            c.query("INSERT INTO t (id, n, s) VALUES " + ",".join("(%d, %d, REPEAT('s', %d))" % (k, k, k % 100) for k in range(i, i + 100)))
    for caps in (MODERN, OLD, OLD | DEPRECATE_EOF):
        with clean.raw(capabilities=caps) as c:
            res = c.query("SELECT id, n, s FROM t")
            assert sorted(int(r[0]) for r in res.rows) == list(range(1000))
            assert res.columns == clean_columns(clean, caps, "SELECT id, n, s FROM t")
            assert c.query("SELECT id FROM t WHERE n < 0").rows == []
            res = c.execute(c.prepare("SELECT id, n, s FROM t"))
            assert sorted(r[0] for r in res.rows) == list(range(1000))
            assert c.value("SELECT 1") == "1"


def clean_columns(site, caps, sql):
    with site.backend_raw(capabilities=caps) as b:
        return b.query(sql).columns


def test_reference_and_single_shard_results_are_the_servers(clean, only_cluster):
    with clean.raw() as a:
        a.query("INSERT INTO t (id, n, s) VALUES (7, 70, 'seven')")
        where = next(i for i, b in enumerate(clean.shards) if b.sql("SELECT id FROM t"))
        with clean.backend_raw(where) as b:
            for sql in ("SELECT * FROM t WHERE id = 7", "SELECT COUNT(*), MAX(n) FROM t WHERE id = 7", "SELECT s FROM t WHERE id = 7 ORDER BY n LIMIT 1",
                        "SELECT t.*, ref.name FROM t LEFT JOIN ref ON ref.id = t.n WHERE t.id = 7", "UPDATE t SET n = n + 1 WHERE id = 7",
                        "SELECT id, ROW_NUMBER() OVER (ORDER BY id) FROM t WHERE id = 7", "SELECT * FROM t WHERE id = 7 FOR UPDATE"):
                same((a, b), sql, lambda c, sql=sql: c.query_all(sql))
