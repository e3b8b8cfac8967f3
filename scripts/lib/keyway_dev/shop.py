"""The sample keyspace, its rows, and the smoke queries: all of it through Keyway, as any application would."""
import random

import pymysql

from . import Failure

CUSTOMERS, ORDERS_EACH = 400, 3

SCHEMA = [
    """CREATE TABLE customer (
	customer_id BIGINT NOT NULL PRIMARY KEY,
	name VARCHAR(80) NOT NULL,
	email VARCHAR(120) NOT NULL,
	country CHAR(2) NOT NULL,
	created DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
	KEY email (email)) ENGINE=InnoDB""",
    """CREATE TABLE orders (
	order_id BIGINT NOT NULL,
	customer_id BIGINT NOT NULL,
	item VARCHAR(80) NOT NULL,
	amount DECIMAL(10,2) NOT NULL,
	placed DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
	PRIMARY KEY (order_id), KEY customer (customer_id)) ENGINE=InnoDB""",
    "CREATE TABLE country (code CHAR(2) NOT NULL PRIMARY KEY, name VARCHAR(60) NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE settings (name VARCHAR(60) NOT NULL PRIMARY KEY, value VARCHAR(200) NOT NULL) ENGINE=InnoDB",
]

COUNTRIES = [("DE", "Germany"), ("FR", "France"), ("JP", "Japan"), ("BR", "Brazil"), ("KE", "Kenya"), ("NO", "Norway")]
ITEMS = ["teapot", "kettle", "bicycle bell", "raincoat", "lantern", "notebook", "compass", "wool socks"]


def document(ranges):
    """The map document: the example of the design, with the backends left out."""
    return {
        "keyspace": "shop", "epoch": 1, "database": "shop",
        "sharding": {"function": "hash"},
        "shards": [{"range": r} for r in ranges],
        "tables": {
            "customer": {"key": "customer_id", "id": {"column": "customer_id", "allocator": "main"}},
            "orders": {"key": "customer_id", "id": {"column": "order_id", "allocator": "main"}, "side_by": "order_id"},
            "country": {"kind": "reference"},
            "settings": {"kind": "pinned", "shard": ranges[0]},
        },
    }


def load(conn):
    rnd = random.Random(7)
    with conn.cursor() as cur:
        for s in SCHEMA:
            cur.execute(s)
        cur.executemany("INSERT INTO country (code, name) VALUES (%s, %s)", COUNTRIES)
        cur.execute("INSERT INTO settings (name, value) VALUES ('currency', 'EUR'), ('free_shipping_from', '50')")
        for i in range(0, CUSTOMERS, 100):
            rows = [("Customer %d" % k, "c%d@example.com" % k, rnd.choice(COUNTRIES)[0]) for k in range(i, i + 100)]
            cur.executemany("INSERT INTO customer (name, email, country) VALUES (%s, %s, %s)", rows)
        cur.execute("SELECT customer_id FROM customer")
        ids = [r[0] for r in cur.fetchall()]
        if len(set(ids)) != CUSTOMERS:
            raise Failure("%d customers were inserted, %d ids come back" % (CUSTOMERS, len(set(ids))))
        rows = [(c, rnd.choice(ITEMS), "%d.%02d" % (rnd.randrange(3, 200), rnd.randrange(100)))
                for c in ids for _ in range(ORDERS_EACH)]
        for i in range(0, len(rows), 100):
            cur.executemany("INSERT INTO orders (customer_id, item, amount) VALUES (%s, %s, %s)", rows[i:i + 100])
    conn.commit()
    return "%d customers, %d orders" % (CUSTOMERS, len(rows))


class Smoke:
    """Runs named checks, prints a line for each, remembers failures."""

    def __init__(self, progress):
        self.progress, self.failed = progress, []

    def check(self, name, run):
        try:
            with self.progress.part(name):
                run()
        except (pymysql.Error, AssertionError, OSError) as x:
            self.failed.append(name)
            self.progress.say("      %s: %s" % (type(x).__name__, x))


def query(conn, sql, args=None):
    with conn.cursor() as cur:
        cur.execute(sql, args)
        return cur.fetchall()


def expect(got, wanted):
    if got != wanted:
        raise AssertionError("got %r, expected %r" % (got, wanted))


def shop_checks(conn):
    def route_by_key():
        ids = [r[0] for r in query(conn, "SELECT customer_id FROM customer")][:20]
        for i in ids:
            expect(query(conn, "SELECT customer_id FROM customer WHERE customer_id = %s", (i,)), ((i,),))
            expect(len(query(conn, "SELECT item FROM orders WHERE customer_id = %s", (i,))) >= ORDERS_EACH, True)

    def key_list():
        ids = sorted(r[0] for r in query(conn, "SELECT customer_id FROM customer"))[:15]
        got = query(conn, "SELECT customer_id FROM customer WHERE customer_id IN (%s)" % ",".join(map(str, ids)))
        expect(sorted(r[0] for r in got), ids)

    def scatter():
        expect(len(query(conn, "SELECT customer_id, name FROM customer WHERE name LIKE 'Customer %'")), CUSTOMERS)

    def reference_join():
        i = query(conn, "SELECT customer_id FROM customer")[0][0]
        got = query(conn, "SELECT c.customer_id, n.name FROM customer c JOIN country n ON n.code = c.country "
                          "WHERE c.customer_id = %s", (i,))
        expect(got[0][0], i)

    def pinned():
        expect(query(conn, "SELECT value FROM settings WHERE name = 'currency'"), (("EUR",),))

    def ids():
        with conn.cursor() as cur:
            n = cur.execute("INSERT INTO customer (name, email, country) VALUES ('Smoke A','smoke','DE'),"
                            "('Smoke B','smoke','FR'),('Smoke C','smoke','JP')")
            expect(n, 3)
            first = cur.lastrowid
            expect(first > 0, True)
            expect(query(conn, "SELECT LAST_INSERT_ID()"), ((first,),))
        got = {r[0]: r[1] for r in query(conn, "SELECT customer_id, name FROM customer WHERE email = 'smoke'")}
        expect((len(got), got.get(first)), (3, "Smoke A"))
        expect(query(conn, "SELECT name FROM customer WHERE customer_id = %s", (first,)), (("Smoke A",),))

    def transaction():
        i = query(conn, "SELECT customer_id FROM customer WHERE email = 'smoke'")[0][0]
        name = query(conn, "SELECT name FROM customer WHERE customer_id = %s", (i,))[0][0]
        query(conn, "BEGIN")
        query(conn, "UPDATE customer SET name = 'changed' WHERE customer_id = %s", (i,))
        expect(query(conn, "SELECT name FROM customer WHERE customer_id = %s", (i,)), (("changed",),))
        query(conn, "ROLLBACK")
        expect(query(conn, "SELECT name FROM customer WHERE customer_id = %s", (i,)), ((name,),))
        query(conn, "BEGIN")
        query(conn, "UPDATE customer SET name = 'changed' WHERE customer_id = %s", (i,))
        query(conn, "COMMIT")
        expect(query(conn, "SELECT name FROM customer WHERE customer_id = %s", (i,)), (("changed",),))

    def prepared():
        query(conn, "PREPARE smoke FROM 'SELECT customer_id FROM customer WHERE customer_id = ?'")
        for i in [r[0] for r in query(conn, "SELECT customer_id FROM customer")][:8]:
            query(conn, "SET @i = %s", (i,))
            expect(query(conn, "EXECUTE smoke USING @i"), ((i,),))
        query(conn, "DEALLOCATE PREPARE smoke")

    def update_all():
        with conn.cursor() as cur:
            expect(cur.execute("UPDATE customer SET country = 'NO' WHERE email = 'smoke'"), 3)
            expect(cur.execute("DELETE FROM customer WHERE email = 'smoke'"), 3)

    def ddl():
        query(conn, "ALTER TABLE customer ADD COLUMN smoke_note VARCHAR(20) NULL")
        expect(len(query(conn, "SELECT smoke_note FROM customer")), CUSTOMERS)
        query(conn, "ALTER TABLE customer DROP COLUMN smoke_note")

    return [("one shard by its key", route_by_key), ("several shards by IN", key_list), ("all shards", scatter),
            ("join with a reference table", reference_join), ("pinned table", pinned),
            ("INSERT of three rows gets ids", ids), ("transaction", transaction), ("prepared statement", prepared),
            ("UPDATE and DELETE on all shards", update_all), ("DDL on all shards", ddl)]


def plain_checks(conn):
    """For a keyspace * : a database of our own, made and dropped."""
    def database():
        query(conn, "CREATE DATABASE keyway_smoke")
        query(conn, "CREATE TABLE keyway_smoke.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20))")

    def rows():
        with conn.cursor() as cur:
            expect(cur.execute("INSERT INTO keyway_smoke.t (v) VALUES ('a'),('b'),('c')"), 3)
        expect(query(conn, "SELECT id, v FROM keyway_smoke.t ORDER BY id"), ((1, "a"), (2, "b"), (3, "c")))

    def transaction():
        query(conn, "BEGIN")
        query(conn, "DELETE FROM keyway_smoke.t")
        query(conn, "ROLLBACK")
        expect(query(conn, "SELECT COUNT(*) FROM keyway_smoke.t"), ((3,),))

    def prepared():
        query(conn, "PREPARE smoke FROM 'SELECT v FROM keyway_smoke.t WHERE id = ?'")
        query(conn, "SET @i = 2")
        expect(query(conn, "EXECUTE smoke USING @i"), (("b",),))
        query(conn, "DEALLOCATE PREPARE smoke")

    def drop():
        query(conn, "DROP DATABASE keyway_smoke")
        expect(query(conn, "SHOW DATABASES LIKE 'keyway\\_smoke'"), ())

    return [("CREATE DATABASE and TABLE", database), ("INSERT and SELECT", rows), ("transaction", transaction),
            ("prepared statement", prepared), ("DROP DATABASE", drop)]


def basic_checks(conn, keyspaces):
    """For keyspaces of the user's own: what holds whatever their tables are."""
    def each():
        for k in keyspaces:
            query(conn, "USE `%s`" % k)
            expect(query(conn, "SELECT DATABASE()"), ((k,),))
            query(conn, "SHOW TABLES")

    def transaction():
        query(conn, "BEGIN")
        expect(query(conn, "SELECT 1"), ((1,),))
        query(conn, "COMMIT")

    return [("USE and SHOW TABLES in each keyspace", each), ("empty transaction", transaction)]


def smoke(connect, keyspaces, is_shop, progress):
    """The names of the checks that failed. connect(**options) opens a connection through one of the proxies."""
    s = Smoke(progress)
    conn = connect(database="shop" if is_shop else None)
    try:
        if is_shop:
            checks = shop_checks(conn)
        elif "*" in keyspaces:
            checks = plain_checks(conn)
        else:
            checks = basic_checks(conn, keyspaces)
        for name, run in checks:
            s.check(name, run)
    finally:
        conn.close()
    return s.failed
