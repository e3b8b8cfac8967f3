"""keywayctl pair diff, resolve, undo: every kind of difference in every type is found, mended and put back."""
import threading

import pytest

import conftest
from operator_account import Ctl, OperatedCluster

DOC = {"keyspace": "shop", "database": "shop", "shards": [{"range": "-", "kind": "pair", "home": "odd"}]}
TYPES = """CREATE TABLE types (a INT NOT NULL, b VARCHAR(20) CHARACTER SET latin1 NOT NULL,
    ti TINYINT, bu BIGINT UNSIGNED, de DECIMAL(30,10), fl FLOAT, do DOUBLE, bi BIT(12), ye YEAR,
    da DATE, dt DATETIME(6), ts TIMESTAMP NULL, tm TIME(3),
    ch CHAR(5), vc VARCHAR(40) CHARACTER SET utf8mb4, te MEDIUMTEXT, la VARCHAR(20) CHARACTER SET latin1,
    bn BINARY(4), vb VARBINARY(20), bl LONGBLOB, en ENUM('x','y','z'), se SET('p','q','r'), ip INET6, uu UUID,
    js JSON, ge POINT, gen INT AS (a + 1) STORED, PRIMARY KEY (a, b))"""
VALUES = {
    "ti": ("-5", "6"), "bu": ("18446744073709551615", "0"), "de": ("12345678901234567890.0123456789", "-0.0000000001"),
    "fl": ("1.1", "1.1000002"), "do": ("0.1", "0.10000000000000002"), "bi": ("b'100000000001'", "b'1'"),
    "ye": ("1999", "2020"), "da": ("'2020-02-29'", "'0000-00-00'"), "dt": ("'2020-01-01 00:00:00.000001'",
    "'2020-01-01 00:00:00.000002'"), "ts": ("'2020-06-01 12:00:00'", "'2020-06-01 13:00:00'"),
    "tm": ("'-838:59:59.000'", "'00:00:00.001'"), "ch": ("'a'", "'b'"), "vc": ("'grün 😀'", "'grun 😀'"),
    "te": ("REPEAT('x', 70000)", "CONCAT(REPEAT('x', 69999), 'y')"), "la": ("'\u00e9'", "'e'"), "bn": ("X'00'", "X'01'"),
    "vb": ("X'00FF'", "X'00'"), "bl": ("REPEAT(X'00', 100000)", "REPEAT(X'00', 100001)"), "en": ("'x'", "'z'"),
    "se": ("'p,r'", "''"), "ip": ("'::1'", "'1.2.3.4'"), "uu": ("'123e4567-e89b-12d3-a456-426614174000'",
    "'123e4567-e89b-12d3-a456-426614174001'"), "js": ("'{\"a\": 1}'", "'{\"a\": 2}'"), "ge": ("POINT(1,2)", "POINT(2,1)"),
}
MODE = "SET SESSION sql_mode='', sql_log_bin=0"


@pytest.fixture(scope="module")
def pair():
    if conftest.DIRECT:
        pytest.skip("only with Keyway")
    site = conftest.start_site([DOC], "shop", cluster_class=OperatedCluster)
    odd, even = (site.cluster.backend(n) for n in ("s1o", "s1e"))
    odd.sql("SET SESSION sql_mode=''", TYPES, "CREATE TABLE nokey (n INT)",
            "CREATE TABLE t (id BIGINT PRIMARY KEY, n INT, changed DATETIME(6), UNIQUE KEY n (n))",
            "CREATE TABLE k (s VARCHAR(30) COLLATE utf8mb4_general_ci, e ENUM('z','a','m'), d DATE, n INT, PRIMARY KEY (s, e, d))")
    site.cluster.wait_replicas()
    yield site, Ctl(site), odd, even
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


def both(site, odd, *statements):
    odd.sql("SET SESSION sql_mode=''", *statements)
    site.cluster.wait_replicas()


def rows_of(backend, table):
    return backend.sql("SELECT * FROM %s" % table)


@pytest.mark.parametrize("rows,chunk", [(0, 7), (1, 1), (500, 7)])
def test_equal_tables_have_no_differences(pair, rows, chunk):
    site, ctl, odd, even = pair
    both(site, odd, "DELETE FROM k", "DELETE FROM t",
         *["INSERT INTO t SELECT seq, seq, NOW(6) FROM seq_1_to_%d" % rows,
           "INSERT INTO k SELECT CONCAT('Ab', seq DIV 9), 1 + MOD(seq, 3), '2020-01-01' + INTERVAL seq DIV 3 DAY, seq FROM "
           "seq_1_to_%d" % rows][:2 if rows else 0])
    for table in ("t", "k", "types"):
        assert ctl.json("pair", "diff", "shop", "-", "--table", table, "--chunk", str(chunk)) == []


def test_each_type_is_compared_mended_and_put_back(pair, tmp_path):
    site, ctl, odd, even = pair
    both(site, odd, "DELETE FROM types",
         "INSERT INTO types (a, b, %s) SELECT seq, 'k\u00e9', %s FROM seq_1_to_%d" % (
             ", ".join(VALUES), ", ".join(v[0] for v in VALUES.values()), 2 * len(VALUES)))
    good = rows_of(odd, "types")
    assert good == rows_of(even, "types")
    for i, (column, (_, other)) in enumerate(VALUES.items()):
        even.sql(MODE, "UPDATE types SET %s = %s WHERE a = %d" % (column, other, 2 * i + 1),
                 "UPDATE types SET %s = NULL WHERE a = %d" % (column, 2 * i + 2))
    bad = rows_of(even, "types")
    found = ctl.json("pair", "diff", "shop", "--table", "types", "--chunk", "10", code=1)
    by_key = {r["key"]: r["columns"] for r in found}
    assert len(found) == 2 * len(VALUES)
    for i, column in enumerate(VALUES):
        for a in (2 * i + 1, 2 * i + 2):
            key = next(k for k in by_key if k.startswith("a=%d," % a))
            assert by_key[key].startswith(column + ":"), (column, a)
    log = str(tmp_path / "log")
    ctl.run("pair", "resolve", "shop", "--table", "types", "--keep", "odd", "--log", log, "--yes")
    assert rows_of(even, "types") == good
    assert ctl.json("pair", "diff", "shop", "--table", "types") == []
    ctl.run("pair", "undo", log, "--yes")
    assert rows_of(even, "types") == bad
    ctl.run("pair", "resolve", "shop", "--table", "types", "--keep", "even", "--log", log + "2", "--yes")
    assert rows_of(odd, "types") == bad


def test_rows_that_only_one_side_has(pair, tmp_path):
    site, ctl, odd, even = pair
    both(site, odd, "DELETE FROM t", "INSERT INTO t SELECT seq, seq, NOW(6) FROM seq_1_to_100")
    even.sql(MODE, "DELETE FROM t WHERE id IN (1, 50, 100)", "INSERT INTO t VALUES (1000, 1000, NULL), (-7, -7, NULL)")
    odd.sql(MODE, "INSERT INTO t VALUES (2000, 2000, NULL)")
    before = odd.sql("SELECT * FROM t ORDER BY id"), even.sql("SELECT * FROM t ORDER BY id")
    found = {r["key"]: r["difference"] for r in ctl.json("pair", "diff", "shop", "--table", "t", "--chunk", "9", code=1)}
    assert found == {"id=1": "only on the odd side", "id=50": "only on the odd side", "id=100": "only on the odd side",
                     "id=2000": "only on the odd side", "id=1000": "only on the even side", "id=-7": "only on the even side"}
    log = str(tmp_path / "log")
    ctl.run("pair", "resolve", "shop", "--table", "t", "--keep", "odd", "--log", log, "--yes")
    assert even.sql("SELECT * FROM t ORDER BY id") == before[0]
    assert "cannot be begun" in (ctl.run("pair", "resolve", "shop", "--keep", "odd", "--log", log, "--yes", code=1), ctl.said)[1]
    ctl.run("pair", "undo", log, "--yes")
    assert (odd.sql("SELECT * FROM t ORDER BY id"), even.sql("SELECT * FROM t ORDER BY id")) == before
    # a row that has changed since is left alone
    ctl.run("pair", "resolve", "shop", "--table", "t", "--keep", "even", "--log", log + "2", "--yes")
    odd.sql(MODE, "UPDATE t SET changed = NOW(6) WHERE id = 1000")
    ctl.run("pair", "undo", log + "2", "--yes", code=1)
    assert odd.sql("SELECT COUNT(*) FROM t WHERE id = 1000") == ((1,),)
    assert odd.sql("SELECT COUNT(*) FROM t WHERE id IN (1, 50, 100, 2000)") == ((4,),)
    odd.sql(MODE, "DELETE FROM t")
    even.sql(MODE, "DELETE FROM t")


def test_the_newer_row_is_kept(pair, tmp_path):
    site, ctl, odd, even = pair
    both(site, odd, "DELETE FROM t", "INSERT INTO t SELECT seq, seq, '2020-01-01' FROM seq_1_to_5")
    even.sql(MODE, "UPDATE t SET n = 100, changed = '2021-01-01' WHERE id = 1", "UPDATE t SET n = 102 WHERE id = 3")
    odd.sql(MODE, "UPDATE t SET n = 101, changed = '2021-01-01' WHERE id = 2")
    ctl.run("pair", "resolve", "shop", "--table", "t", "--keep", "newer", "--column", "changed", "--log",
            str(tmp_path / "log"), "--yes", code=1)
    assert "2 rows mended, 1 left" in ctl.said
    for side in (odd, even):
        assert side.sql("SELECT n FROM t WHERE id IN (1, 2) ORDER BY id") == ((100,), (101,))
    ctl.run("pair", "resolve", "shop", "--table", "t", "--keep", "newer", "--column", "nope", "--log",
            str(tmp_path / "log2"), "--yes", code=1)
    assert "no column nope" in ctl.said
    even.sql(MODE, "UPDATE t SET n = 3 WHERE id = 3")


def test_what_cannot_be_compared_is_said(pair):
    site, ctl, odd, even = pair
    ctl.run("pair", "diff", "shop", "--table", "nokey", code=3)
    assert "no primary key" in ctl.said
    even.sql(MODE, "ALTER TABLE k ADD COLUMN more INT")
    ctl.run("pair", "diff", "shop", code=1)
    assert "finish the ALTER" in ctl.said and "2 tables could not be compared" in ctl.said
    even.sql(MODE, "ALTER TABLE k DROP COLUMN more")
    ctl.run("pair", "diff", "nothere", code=1)
    ctl.run("pair", "diff", "shop", "-80", code=1)
    ctl.run("pair", "resolve", "shop", code=2)
    ctl.run("pair", "diff", "shop", admin=False, code=2)


def test_rows_on_their_way_are_no_differences(pair):
    """Both sides write all the time, and replication lags on purpose."""
    site, ctl, odd, even = pair
    both(site, odd, "DELETE FROM t", "INSERT INTO t SELECT seq, seq, NULL FROM seq_1_to_400")
    stop = threading.Event()

    def write(side, rest):
        conn = side.server.connect("shop")
        with conn.cursor() as cur:
            i = 0
            while not stop.is_set():
                i += 1
                cur.execute("UPDATE t SET changed = NOW(6) WHERE id = %s", (2 * (i % 200) + rest,))
        conn.close()
    threads = [threading.Thread(target=write, args=x) for x in ((odd, 1), (even, 2))]
    for t in threads:
        t.start()
    try:
        even.sql(MODE, "UPDATE t SET n = -1 WHERE id = 200")
        for _ in range(3):
            found = ctl.json("pair", "diff", "shop", "--table", "t", "--chunk", "50", code=None)
            assert [r for r in found if r["difference"] != "keeps changing" and r["key"] != "id=200"] == [], found
    finally:
        stop.set()
        for t in threads:
            t.join()
    site.cluster.wait_replicas()
    assert [r["key"] for r in ctl.json("pair", "diff", "shop", "--table", "t", code=None)] in ([], ["id=200"])
