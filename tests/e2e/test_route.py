"""Which shard a row lies on, which shards a statement asks, and what is refused with which words."""
import random
import re

import pytest

from conftest import shop_document
from rawmysql import ServerError

pytestmark = pytest.mark.usefixtures("only_cluster")

M64 = (1 << 64) - 1


# ---- the functions once more, written down independently

def xxh64(data, seed=0):
    p1, p2, p3 = 11400714785074694791, 14029467366897019727, 1609587929392839161
    p4, p5 = 9650029242287828579, 2870177450012600261

    def rotl(x, r):
        return (x << r | x >> 64 - r) & M64

    def round_(acc, lane):
        return rotl((acc + lane * p2) & M64, 31) * p1 & M64
    n, pos = len(data), 0

    def u(size):
        return int.from_bytes(data[pos:pos + size], "little")
    if n >= 32:
        acc = [(seed + p1 + p2) & M64, (seed + p2) & M64, seed, (seed - p1) & M64]
        while pos + 32 <= n:
            for i in range(4):
                acc[i] = round_(acc[i], u(8))
                pos += 8
        h = sum(rotl(a, r) for a, r in zip(acc, (1, 7, 12, 18))) & M64
        for a in acc:
            h = ((h ^ round_(0, a)) * p1 + p4) & M64
    else:
        h = (seed + p5) & M64
    h = (h + n) & M64
    while pos + 8 <= n:
        h = (rotl(h ^ round_(0, u(8)), 27) * p1 + p4) & M64
        pos += 8
    if pos + 4 <= n:
        h = (rotl(h ^ u(4) * p1 & M64, 23) * p2 + p3) & M64
        pos += 4
    while pos < n:
        h = rotl(h ^ data[pos] * p5 & M64, 11) * p1 & M64
        pos += 1
    h = (h ^ h >> 33) * p2 & M64
    h = (h ^ h >> 29) * p3 & M64
    return h ^ h >> 32


def bit_reverse(v):
    return int("{:064b}".format(v & M64)[::-1], 2)


def vitess_hash(v):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    e = Cipher(algorithms.TripleDES(b"\0" * 8), modes.ECB()).encryptor()
    return int.from_bytes(e.update((v & M64).to_bytes(8, "big")), "big")


def order_preserving(v):
    return (v + (1 << 63)) & M64


def hash_of_integer(v):
    return xxh64((v & M64).to_bytes(8, "little"))


FUNCTIONS = {"hash": hash_of_integer, "range": order_preserving, "parity": bit_reverse, "vitess_hash": vitess_hash}


def bounds(shard):
    def edge(text, default):
        return int(text.ljust(16, "0"), 16) if text else default
    low, _, high = shard.partition("-")
    return edge(low, 0), edge(high, 1 << 64)


def shard_of(key_id, shards):
    return next(s for s in shards if bounds(s)[0] <= key_id < bounds(s)[1])


KEYS = [0, 1, 2, 3, 4, 5, 7, 8, 100, 255, 256, 65535, 65536, 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 63) - 1,
        -1, -2, -128, -(1 << 31), -(1 << 63)]
_random = random.Random(3)
KEYS += [_random.randrange(-(1 << 63), 1 << 63) for _ in range(80)]


def test_the_reference_functions_are_right():
    assert xxh64(b"") == 0xef46db3751d8e999
    assert xxh64(b"abc") == 0x44bc2cf5ad770999
    assert "%016x" % vitess_hash(1) == "166b40b44aba4bd6"
    assert "%016x" % vitess_hash(2) == "06e7ea22ce92708f"


@pytest.mark.parametrize("table,function", [("t", "hash"), ("par", "parity"), ("vit", "vitess_hash"), ("ran", "range")])
def test_rows_lie_where_the_function_says(clean, table, function):
    with clean.raw() as c:
        for i in range(0, len(KEYS), 10):
            c.query("INSERT INTO %s (id, n) VALUES %s" % (table, ",".join("(%d,%d)" % (k, i) for k in KEYS[i:i + 10])))
        where = {r[0]: s for s, rows in clean.on_shards("SELECT id FROM " + table).items() for r in rows}
        assert sorted(where) == sorted(KEYS)
        shards = [b.shard for b in clean.shards]
        assert where == {k: shard_of(FUNCTIONS[function](k), shards) for k in KEYS}
        for k in KEYS:
            assert c.values("SELECT id FROM %s WHERE id = %d" % (table, k)) == [(str(k),)]


def test_hash_spreads_and_is_stable(clean):
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 1)" % k for k in range(1, 2001)))
        counts = {s: len(rows) for s, rows in clean.on_shards("SELECT id FROM t").items()}
        assert sum(counts.values()) == 2000 and len(counts) == 4
        assert all(400 < n < 600 for n in counts.values()), counts


def test_rows_with_equal_keys_are_together(clean):
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 1)" % k for k in range(1, 101)))
        c.query("INSERT INTO child (id, t_id, v) VALUES " + ",".join("(%d, %d, 'x')" % (k, k) for k in range(1, 101)))
        assert len(clean.on_all("SELECT c.id FROM t JOIN child c ON c.t_id = t.id")) == 100
        assert len(c.query("SELECT t.id, c.id FROM t JOIN child c ON c.t_id = t.id").rows) == 100
        for k in (1, 50, 77):
            assert c.values("SELECT c.v FROM t JOIN child c ON c.t_id = t.id WHERE t.id = %d" % k) == [("x",)]
            assert c.values("SELECT c.v FROM t LEFT JOIN child c ON c.t_id = t.id WHERE t.id = %d" % k) == [("x",)]
            assert c.values("SELECT v FROM child WHERE t_id = %d AND EXISTS (SELECT 1 FROM t WHERE t.id = child.t_id)" % k)


# ---- every way to name a key

EQUAL_TO_7 = ["7", "7.0", "'7'", "'7.0'", "' 7'", "0x07 + 0", "07", "+7", "7e0", "(7)", "b'111' + 0", "CAST(7 AS UNSIGNED)",
              "7.00000000000000000000", "(SELECT 7)", "3 + 4"]


def test_a_key_in_any_form_finds_its_row(clean):
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES (7, 70), (8, 80), (9, 90)")
        for form in EQUAL_TO_7:
            for where in ("id = %s", "%s = id", "id <=> %s", "id IN (%s)", "id IN (%s, 1000)", "(id) = (%s)",
                          "id = %s AND n = 70", "n > 1 AND id = %s", "id BETWEEN %s AND 7", "(id, n) = (%s, 70)",
                          "(id, n) IN ((%s, 70))", "id = %s OR id = 12345", "NOT id <> %s", "id = %s IS TRUE"):
                sql = "SELECT n FROM t WHERE " + where % form
                try:
                    got = c.values(sql)
                except ServerError as x:
                    # Not answering is allowed for what cannot be known; a wrong answer never is.
                    assert x.errno == 1235 and "SELECT" in form, (sql, x)
                    continue
                assert got == [("70",)], sql


def test_values_that_match_nothing(clean):
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES (7, 70), (0, 1)")
        for where in ("id = NULL", "id = 7.5", "id = 99999999999999999999", "id IN (NULL)", "id BETWEEN 9 AND 8",
                      "id = -18446744073709551609", "id = 7 AND id = 8", "id = '7x' AND 1 = 0"):
            assert c.values("SELECT n FROM t WHERE " + where) == [], where
        assert c.values("SELECT n FROM t WHERE id = 'abc'") == [("1",)]      # 'abc' counts as 0
        assert c.values("SELECT n FROM t WHERE id = ''") == [("1",)]


CONDITIONS = ["id = {a}", "id IN ({a}, {b}, {c})", "id BETWEEN {low} AND {high}", "id = {a} OR id = {b}", "id > {low} AND id < {high}",
              "id >= {low} AND n < 50", "(id = {a} OR id IN ({b}, {c})) AND n > 20", "id = {a} AND n = 5", "n BETWEEN 10 AND 30",
              "(id, n) IN (({a}, 3), ({b}, 4))", "id <> {a}", "NOT (id = {a})", "id IN ({a}, {b}) AND id IN ({b}, {c})",
              "id = {a} OR n = 7", "id < {low}", "id = '{a}'", "id = {a}.0", "id IS NULL", "id NOT IN ({a}, {b})",
              "id BETWEEN {low} AND {high} AND id IN ({a}, {b})", "n IN (1, 2, 3) AND id = {b}", "id = {a} XOR n = 3",
              "id DIV 1 = {a}", "ABS(id) = {a}", "{a} IN (id, n)", "id = {a} AND (id = {b} OR n > 0)"]


@pytest.mark.parametrize("table", ["t", "par", "vit", "ran"])
def test_random_statements_equal_brute_force(clean, table):
    rnd = random.Random(table)
    keys = rnd.sample(range(-400, 800), 300) + [(1 << 62) + i for i in range(5)]
    with clean.raw() as c:
        c.query("INSERT INTO %s (id, n) VALUES %s" % (table, ",".join("(%d,%d)" % (k, rnd.randrange(100)) for k in keys)))
        everything = clean.on_all("SELECT id, n FROM " + table)
        assert len(everything) == len(keys)
        oracle = clean.shards[0].server
        oracle.sql("CREATE DATABASE IF NOT EXISTS oracle", "DROP TABLE IF EXISTS oracle.o",
                   "CREATE TABLE oracle.o (id BIGINT NOT NULL PRIMARY KEY, n INT)",
                   "INSERT INTO oracle.o VALUES " + ",".join("(%d,%d)" % r for r in everything))
        conn = oracle.connect("oracle")
        cur = conn.cursor()
        for _ in range(300):
            a, b, d = (rnd.choice(keys) if rnd.random() < 0.8 else rnd.randrange(-500, 900) for _ in range(3))
            low = rnd.randrange(-500, 900)
            where = rnd.choice(CONDITIONS).format(a=a, b=b, c=d, low=low, high=low + rnd.randrange(0, 300))
            cur.execute("SELECT id, n FROM o WHERE " + where)
            want = sorted(cur.fetchall())
            sql = "SELECT id, n FROM %s WHERE %s" % (table, where)
            got = sorted((int(x), int(y)) for x, y in c.values(sql))
            assert got == want, sql
        conn.close()


def explained(c, sql):
    """The shards that EXPLAIN ROUTE names."""
    rows = c.values("EXPLAIN ROUTE " + sql)
    text = " ".join(v or "" for row in rows for v in row)
    return {s for s in ("-40", "40-80", "80-c0", "c0-") if re.search(r"(?<![0-9a-f-])%s(?![0-9a-f-])" % s, text)}, text


@pytest.mark.parametrize("table,function", [("t", "hash"), ("par", "parity"), ("vit", "vitess_hash"), ("ran", "range")])
def test_explain_route_names_the_right_shards(clean, table, function):
    f, shards = FUNCTIONS[function], [b.shard for b in clean.shards]
    rnd = random.Random(1)
    with clean.raw() as c:
        for _ in range(40):
            a, b = rnd.choice(KEYS), rnd.choice(KEYS)
            got, text = explained(c, "SELECT * FROM %s WHERE id = %d" % (table, a))
            assert got == {shard_of(f(a), shards)}, text
            got, text = explained(c, "SELECT * FROM %s WHERE id IN (%d, %d)" % (table, a, b))
            assert got == {shard_of(f(a), shards), shard_of(f(b), shards)}, text
        got, text = explained(c, "SELECT * FROM %s WHERE n = 1" % table)
        assert got == set(shards), text
        if function == "range":
            got, text = explained(c, "SELECT * FROM ran WHERE id BETWEEN 1 AND 1000")
            assert got == {shard_of(f(1), shards)}, text
            got, text = explained(c, "SELECT * FROM ran WHERE id < 0")
            assert got == {"-40", "40-80"}, text


def test_explain_route_runs_nothing(clean):
    with clean.raw() as c:
        c.query("EXPLAIN ROUTE DELETE FROM t")
        c.query("INSERT INTO t (id, n) VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)")
        c.query("EXPLAIN ROUTE DELETE FROM t")
        c.query("EXPLAIN ROUTE INSERT INTO t (id, n) VALUES (9, 9)")
        assert len(clean.on_all("SELECT id FROM t")) == 5


def test_text_keys(clean):
    words = ["", "a", "A", "a ", "ab", "ä", "Ä", "日本", "x" * 40, "o'brien", "back\\slash", "100%", "0", "00", "null", "a\tb"]
    words.remove("a ")      # equal to 'a' under PAD SPACE
    with clean.raw() as c:
        for i, w in enumerate(words):
            quoted = "'" + w.replace("\\", "\\\\").replace("'", "\\'") + "'"
            assert c.query("INSERT INTO txt (code, n) VALUES (%s, %d)" % (quoted, i)).ok.affected == 1
            assert c.values("SELECT n FROM txt WHERE code = %s" % quoted) == [(str(i),)], w
            assert c.values("SELECT n FROM txt WHERE code IN (%s, 'zzz')" % quoted) == [(str(i),)], w
            assert c.values("SELECT n FROM txt WHERE code = X'%s'" % w.encode().hex()) == [(str(i),)], w
        assert c.values("SELECT n FROM txt WHERE code = 'a  '") == c.values("SELECT n FROM txt WHERE code = 'a'")
        assert sorted(c.values("SELECT code FROM txt WHERE code = 0")) == sorted(
            (w,) for (w,) in clean.on_all("SELECT code FROM txt WHERE code = 0"))
        assert len(clean.on_all("SELECT code FROM txt")) == len(words)


def test_case_insensitive_text_keys_are_together_or_refused(make_site):
    doc = shop_document(4)
    doc["tables"]["ci"] = {"key": "code"}
    site = make_site([doc], tables=True)
    with site.raw() as c:
        try:
            c.query("CREATE TABLE ci (code VARCHAR(40) NOT NULL PRIMARY KEY, n INT) COLLATE=utf8mb4_general_ci")
            for i in range(60):
                c.query("INSERT INTO ci (code, n) VALUES ('Word%d', %d)" % (i, i))
        except ServerError as x:
            assert x.errno == 1235 and "collat" in x.message.lower(), x
            return
        for i in range(60):
            for form in ("word%d", "WORD%d", "wOrD%d  "):
                assert c.values("SELECT n FROM ci WHERE code = '%s'" % (form % i)) == [(str(i),)]
                with pytest.raises(ServerError) as x:
                    c.query("INSERT INTO ci (code, n) VALUES ('%s', 0)" % (form % i))
                assert x.value.errno == 1062


# ---- writing

def test_rows_of_one_insert_go_to_their_shards(clean):
    with clean.raw() as c:
        ok = c.query("INSERT INTO t (id, n, s) VALUES " + ",".join("(%d, %d, 'v;(),\\'%d')" % (i, i, i) for i in range(500))).ok
        assert ok.affected == 500
        assert b"Records: 500" in ok.info and b"Duplicates: 0" in ok.info
        assert all(80 < len(rows) < 170 for rows in clean.on_shards("SELECT id FROM t").values())
        assert {r[0]: r[1] for r in clean.on_all("SELECT id, s FROM t")} == {i: "v;(),'%d" % i for i in range(500)}
        assert c.query("REPLACE INTO t (id, n) VALUES (1, 5), (2, 5), (3, 5), (1000, 5)").ok.affected == 7
        ok = c.query("INSERT INTO t (id, n) VALUES (1, 1), (2, 2), (2000, 3), (2001, 3) "
                     "ON DUPLICATE KEY UPDATE n = VALUES(n) + 100").ok
        assert ok.affected == 6
        assert sorted(clean.on_all("SELECT id, n FROM t WHERE id IN (1, 2, 2000)")) == [(1, 101), (2, 102), (2000, 3)]
        ok = c.query("INSERT IGNORE INTO t (id, n) VALUES (1, 1), (2, 2), (3000, 3)").ok
        assert (ok.affected, ok.warnings) == (1, 2)
        assert len(c.query("SHOW WARNINGS").rows) == 2
        c.query("INSERT INTO t SET id = 4000, n = 4")
        assert c.values("SELECT n FROM t WHERE id = 4000") == [("4",)]


def test_rows_that_stay_on_their_shards(clean):
    """What needs several shards is still exact where rows with equal keys meet."""
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 1)" % i for i in range(40)))
        c.query("INSERT INTO child (id, t_id, v) VALUES " + ",".join("(%d, %d, 'x')" % (i, i) for i in range(20, 60)))
        got = c.values("SELECT id FROM t UNION SELECT t_id FROM child")
        assert sorted(int(r[0]) for r in got) == list(range(60))
        ok = c.query("INSERT IGNORE INTO t (id, n) SELECT t_id, 2 FROM child").ok
        assert ok.affected == 20
        assert sorted(clean.on_all("SELECT id, n FROM t")) == [(i, 1 if i < 40 else 2) for i in range(60)]
        assert sorted(int(r[0]) for r in c.values("SELECT id FROM t")) == list(range(60))
        for i in range(40, 60):
            assert c.values("SELECT n FROM t WHERE id = %d" % i) == [("2",)]


def test_update_and_delete(clean):
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, %d)" % (i, i % 10) for i in range(200)))
        assert c.query("UPDATE t SET s = 'x' WHERE id = 5").ok.affected == 1
        ok = c.query("UPDATE t SET s = 'y' WHERE id IN (5, 6, 7, 8, 9, 1000)").ok
        assert ok.affected == 5
        assert ok.info == b"Rows matched: 5  Changed: 5  Warnings: 0"
        ok = c.query("UPDATE t SET s = 'y' WHERE n < 5").ok
        assert ok.affected == 100 and ok.info == b"Rows matched: 100  Changed: 100  Warnings: 0"
        ok = c.query("UPDATE t SET s = 'y' WHERE n < 6").ok
        assert ok.affected == 19 and ok.info == b"Rows matched: 120  Changed: 19  Warnings: 0"
        assert c.query("DELETE FROM t WHERE id = 0").ok.affected == 1
        assert c.query("DELETE FROM t WHERE n = 9").ok.affected == 20
        assert c.query("DELETE FROM t").ok.affected == 179
        assert clean.on_all("SELECT id FROM t") == []


def test_reference_tables(clean):
    with clean.raw() as c:
        assert c.query("INSERT INTO ref (id, name) VALUES (1, 'one'), (2, 'two')").ok.affected == 2
        assert all(rows == ((1, "one"), (2, "two")) for rows in clean.on_shards("SELECT id, name FROM ref ORDER BY id").values())
        assert c.query("UPDATE ref SET name = 'ONE' WHERE id = 1").ok.affected == 1
        assert c.values("SELECT name FROM ref ORDER BY id") == [("ONE",), ("two",)]
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, %d)" % (i, i % 2 + 1) for i in range(40)))
        assert len(c.query("SELECT t.id, ref.name FROM t JOIN ref ON ref.id = t.n").rows) == 40
        assert c.query("DELETE FROM ref WHERE id = 2").ok.affected == 1
        assert all(len(rows) == 1 for rows in clean.on_shards("SELECT id FROM ref").values())


def test_pinned_table(clean):
    with clean.raw() as c:
        c.query("INSERT INTO settings (name, value) VALUES ('a', '1'), ('b', '2')")
        assert c.values("SELECT COUNT(*), MAX(value) FROM settings") == [("2", "2")]
        assert [len(b.sql("SHOW TABLES LIKE 'settings'")) for b in clean.shards] == [1, 0, 0, 0]
        assert len(clean.shards[0].sql("SELECT name FROM settings")) == 2


def test_target_names(clean):
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 1)" % i for i in range(100)))
        for b in clean.shards:
            c.query("USE `shop/%s`" % b.shard)
            assert int(c.value("SELECT COUNT(*) FROM t")) == len(b.sql("SELECT id FROM t"))
        c.query("USE shop")
        assert len(c.query("SELECT id FROM t").rows) == 100
        assert c.error("USE `shop/zz-`").errno == 1049
        assert c.error("USE `shop/-7f`").errno == 1049
    with clean.raw(database="shop/40-80") as c:
        assert int(c.value("SELECT COUNT(*) FROM t")) == len(clean.shards[1].sql("SELECT id FROM t"))


# ---- what is refused

REFUSED = [
    ("INSERT INTO t (n) VALUES (1)", (1364, 1235, 1048), ["t", "id"]),
    ("INSERT INTO t (id, n) VALUES (NULL, 1)", (1048, 1235), ["id"]),
    ("INSERT INTO t (id, n) VALUES (1, 1), (NULL, 1)", (1048, 1235), ["id"]),
    ("SELECT * FROM not_in_map", (1146, 1235), ["not_in_map"]),
    ("INSERT INTO not_in_map VALUES (1)", (1146, 1235), ["not_in_map"]),
    ("CREATE TABLE not_in_map (a INT)", (1146, 1235), ["not_in_map"]),
    ("SELECT id FROM t ORDER BY id", (1235,), []),
    ("SELECT id FROM t LIMIT 3", (1235,), []),
    ("SELECT DISTINCT n FROM t", (1235,), []),
    ("SELECT COUNT(*) FROM t", (1235,), []),
    ("SELECT n, SUM(id) FROM t GROUP BY n", (1235,), []),
    ("SELECT a.id FROM t a JOIN t b ON a.n = b.n", (1235,), []),
    ("SELECT id FROM t WHERE n IN (SELECT n FROM child)", (1235, 1054), []),
    ("SELECT n FROM t UNION SELECT t_id FROM child", (1235,), []),
    ("UPDATE t SET id = 5 WHERE id = 1", (1235,), ["id"]),
    ("DELETE FROM t ORDER BY id LIMIT 1", (1235,), []),
    ("UPDATE t SET n = 1 LIMIT 1", (1235,), []),
    ("SELECT no_such_column FROM t WHERE id = 1", (1054,), ["no_such_column"]),
    ("SELECT FROM WHERE", (1064,), []),
    ("SELEKT 1", (1064,), ["SELEKT"]),
    ("", (1065,), []),
    ("INSERT INTO t (id, n) SELECT id, 1 FROM child", (1235,), []),
]


@pytest.mark.parametrize("sql,errnos,words", REFUSED, ids=[r[0][:50] or "empty" for r in REFUSED])
def test_refused_with_reason(clean, sql, errnos, words):
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 1)" % i for i in range(10, 30)))
        x = c.error(sql)
        assert x.errno in errnos, x
        assert len(x.sqlstate) == 5
        assert all(w in x.message for w in words), x
        assert len(clean.on_all("SELECT id FROM t")) == 20      # and nothing was done
        assert c.value("SELECT 1") == "1"


def test_errors_stay_in_the_tables_of_mysql(clean):
    """Never 1105, never the numbers that clients keep for themselves."""
    rnd = random.Random(5)
    words = ["SELECT", "FROM", "t", "WHERE", "id", "=", "1", "(", ")", ",", "INSERT", "INTO", "VALUES", "'x'", "*", "ORDER",
             "BY", "UPDATE", "SET", "DELETE", "JOIN", "ON", "child", "NULL", "`", "@a", "?", "--", "/*", ";", "UNION",
             "LIMIT", "USE", "shop", "CREATE", "TABLE", "not_in_map", "GROUP", "HAVING", "CASE", "END", "\0", "é"]
    with clean.raw() as c:
        for _ in range(400):
            sql = " ".join(rnd.choice(words) for _ in range(rnd.randrange(1, 12)))
            if re.match(r"(DELETE|UPDATE|CREATE|USE)\b", sql):
                continue
            try:
                c.query_all(sql)
            except ServerError as x:
                assert x.errno != 1105 and not 2000 <= x.errno < 3000 and not 5000 <= x.errno < 6000, (sql, x)
                assert re.fullmatch(r"[0-9A-Z]{5}", x.sqlstate), (sql, x)
        assert c.value("SELECT 1") == "1"


def test_hints_and_comments_do_not_change_the_route(clean):
    with clean.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES (7, 70)")
        for sql in ("/* id = 8 */ SELECT n FROM t WHERE id = 7", "SELECT n FROM t WHERE id = /* 8 */ 7 -- id = 9",
                    "SELECT n FROM t WHERE id = 7 # or id = 8", "SELECT /*+ NO_ICP(t) */ n FROM t WHERE id = 7",
                    "SELECT n FROM t /*!50000 WHERE id = 7 */", "SELECT n FROM t WHERE id = /*!99999 8 + */ 7",
                    "\n\tselect\nN\nfrom\tT where ID=7;", "SELECT n FROM shop.t WHERE shop.t.id = 7",
                    "SELECT `n` FROM `shop` . `t` AS x WHERE x.`id` = 7",
                    "/*traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'*/ SELECT n FROM t WHERE id = 7"):
            try:
                assert c.values(sql) == [("70",)], sql
            except ServerError as x:
                assert "from\tT" in sql and x.errno == 1146, (sql, x)     # table names differ by case here


def test_map_change_is_in_force_without_restart(make_site):
    site = make_site(n_shards=2, tables=True)
    doc = site.cluster.documents[0]
    with site.raw() as c:
        assert c.error("CREATE TABLE later (id INT PRIMARY KEY)").errno in (1146, 1235)
        doc["epoch"] += 1
        doc["tables"]["later"] = {"key": "id"}
        site.cluster.write_document(doc)
        deadline(lambda: succeeds(c, "CREATE TABLE IF NOT EXISTS later (id INT PRIMARY KEY)"))
        c.query("INSERT INTO later VALUES (1), (2), (3), (4)")
        assert len(site.on_all("SELECT id FROM later")) == 4
        # a bad map is not taken, the old one stays
        bad = dict(doc, epoch=doc["epoch"] + 1, shards=doc["shards"][:1])
        site.cluster.write_document(bad)
        deadline(lambda: "shards" in site.log() and succeeds(c, "SELECT id FROM later WHERE id = 1"))
        assert sorted(c.values("SELECT id FROM later")) == [("1",), ("2",), ("3",), ("4",)]


def succeeds(c, sql):
    try:
        c.query(sql)
        return True
    except ServerError:
        return False


def deadline(check, seconds=15):
    import time
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


def test_pairs_send_odd_and_even_to_their_sides(make_site):
    doc = shop_document(2)
    doc["tables"]["log"]["side_by"] = "id"
    site = make_site([doc], tables=True, kind="pair")
    with site.raw() as c:
        for i in range(1, 41):
            c.query("INSERT INTO log (id, owner, v) VALUES (%d, %d, @@server_id)" % (i, i * 7))
        site.cluster.wait_replicas()
        sides = {b.server.server_id: b.side for b in site.cluster.backends}
        rows = site.on_all("SELECT id, v FROM log")
        assert len(rows) == 40
        assert all(sides[int(v)] == ("odd" if i % 2 else "even") for i, v in rows), rows


def test_directory_function(make_site):
    doc = shop_document(4)
    entries = {"1001": "10", "1002": "50", "1003": "90", "1004": "d0"}
    doc["sharding"] = {"function": "directory", "fallback": "hash", "entries": entries}
    site = make_site([doc], tables=True)
    with site.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES (1001, 1), (1002, 2), (1003, 3), (1004, 4), (5, 5)")
        where = {r[0]: s for s, rows in site.on_shards("SELECT id FROM t").items() for r in rows}
        assert [where[k] for k in (1001, 1002, 1003, 1004)] == ["-40", "40-80", "80-c0", "c0-"]
        for k in (1001, 1004, 5):
            assert c.values("SELECT id FROM t WHERE id = %d" % k) == [(str(k),)]
