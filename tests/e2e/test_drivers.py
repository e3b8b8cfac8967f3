"""Unchanged clients and drivers do their work: on one server behind the keyspace *, and over four shards."""
import os
import shutil
import subprocess

import pymysql
import pytest

from conftest import BUILD, DIRECT, PASSWORD, USER

HERE = os.path.dirname(os.path.abspath(__file__))
TABLE = "CREATE TABLE drv (id INT NOT NULL PRIMARY KEY, n INT, s VARCHAR(100), b LONGBLOB, d DATETIME(6), x DECIMAL(20,5)) CHARSET utf8mb4"


@pytest.fixture(params=["star", "shop"])
def site(request):
    if request.param == "shop" and DIRECT:
        pytest.skip("only with Keyway")
    site = request.getfixturevalue(request.param)
    with site.raw() as c:
        c.query("DROP TABLE IF EXISTS drv")
        c.query(TABLE)
    yield site
    with site.raw() as c:
        c.query("DROP TABLE drv")


def program(name, package):
    path = shutil.which(name)
    if not path:
        pytest.skip("%s is not installed (Debian package %s)" % (name, package))
    return path


def run(argv, env=None, stdin=None, timeout=120, cwd=None):
    r = subprocess.run(argv, capture_output=True, text=True, errors="surrogateescape", timeout=timeout, input=stdin, cwd=cwd,
                       env=dict(os.environ, **(env or {})))
    assert r.returncode == 0, "%s\n%s%s" % (" ".join(argv[:2]), r.stdout[-3000:], r.stderr[-3000:])
    return r.stdout


def arguments(site):
    a = site.address()
    return [a["host"], str(a["port"]), USER, PASSWORD, site.database]


def client(site, name="mysql", database=True):
    a = site.address()
    return [program(name, "mariadb-client"), "--no-defaults", "--host=" + a["host"], "--port=%d" % a["port"], "--protocol=tcp",
            "--user=" + USER, "--password=" + PASSWORD] + ([site.database] if database else [])


def test_perl(site):
    perl = program("perl", "perl")
    if subprocess.run([perl, "-MDBD::mysql", "-e", "1"], capture_output=True).returncode:
        pytest.skip("DBD::mysql is not installed (Debian package libdbd-mysql-perl)")
    assert run([perl, os.path.join(HERE, "drivers", "use.pl")] + arguments(site)) == "ok\n"


def test_php(site):
    php = program("php", "php-cli")
    if "mysqli" not in subprocess.run([php, "-m"], capture_output=True, text=True).stdout:
        pytest.skip("PHP has no mysqli (Debian package php-mysql)")
    assert run([php, os.path.join(HERE, "drivers", "use.php")] + arguments(site)) == "ok\n"


@pytest.fixture(scope="session")
def go_program(tmp_path_factory):
    if not os.path.isdir("/usr/share/gocode/src/github.com/go-sql-driver/mysql"):
        pytest.skip("Go's driver is not installed (Debian package golang-github-go-sql-driver-mysql-dev)")
    if not os.path.exists("/usr/bin/go"):
        pytest.skip("Debian's Go is not installed (package golang-go)")
    out = str(tmp_path_factory.mktemp("go") / "use")
    run(["/usr/bin/go", "build", "-o", out, os.path.join(HERE, "drivers", "use.go")], timeout=170,
        env={"GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOFLAGS": "", "GOROOT": "", "GOCACHE": os.path.join(BUILD, "cache", "go")})
    return out


def test_go(site, go_program):
    assert run([go_program] + arguments(site)) == "ok\n"


@pytest.fixture(scope="session")
def node_modules():
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    folder = os.path.join(BUILD, "cache", "node")
    if not os.path.isdir(os.path.join(folder, "node_modules", "mysql2")):
        os.makedirs(folder, exist_ok=True)
        r = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, "mysql2@3"], capture_output=True, text=True,
                           timeout=150, cwd=folder)
        if r.returncode:
            pytest.skip("npm cannot fetch mysql2: " + r.stderr.strip()[-200:])
    return os.path.join(folder, "node_modules")


def test_node(site, node_modules):
    assert run(["node", os.path.join(HERE, "drivers", "use.js")] + arguments(site), env={"NODE_PATH": node_modules}) == "ok\n"


def test_pymysql(site):
    conn = site.connect(autocommit=False)
    with conn.cursor(pymysql.cursors.DictCursor) as cur:
        rows = [(i, None if i % 3 == 0 else i, "it's %% \\ 日本 %d" % i, os.urandom(500)) for i in range(100)]
        assert cur.executemany("INSERT INTO drv (id, n, s, b) VALUES (%s, %s, %s, %s)", rows) == 100
        conn.commit()
        for i, n, s, b in rows[:20]:
            cur.execute("SELECT id, n, s, b FROM drv WHERE id = %s", (i,))
            assert cur.fetchone() == {"id": i, "n": n, "s": s, "b": b}
        cur.execute("UPDATE drv SET n = 0")
        conn.rollback()
        cur.execute("SELECT n FROM drv WHERE id = 1")
        assert cur.fetchone() == {"n": 1}
        with pytest.raises(pymysql.IntegrityError) as x:
            cur.execute("INSERT INTO drv (id) VALUES (1)")
        assert x.value.args[0] == 1062
        conn.ping()
    conn.close()
    conn = site.connect(cursorclass=pymysql.cursors.SSCursor)
    with conn.cursor() as cur:
        cur.execute("SELECT id FROM drv")
        assert len(list(cur)) == 100
    conn.close()


def test_mysql_client(site):
    out = run(client(site) + ["--batch", "-e", "INSERT INTO drv (id, s) VALUES (1, 'one'); SELECT s FROM drv WHERE id = 1; SHOW TABLES LIKE 'drv'"])
    assert "one" in out and "drv" in out
    assert "Uptime" in run(client(site), stdin="status\n")
    out = run(client(site), stdin="use %s\nSELECT 'after use';\ndelimiter //\nSELECT 'x' //\ndelimiter ;\nSHOW WARNINGS;\n\\s\n" % site.database)
    assert "after use" in out and "Connection id" in out
    r = subprocess.run(client(site) + ["-e", "SELECT * FROM no_such"], capture_output=True, text=True)
    assert r.returncode == 1 and "no_such" in r.stderr
    out = run(client(site) + ["--force", "--verbose"], stdin="SELEKT;\nSELECT 'goes on';\n")
    assert "goes on" in out


def test_mysqladmin(site):
    assert "alive" in run(client(site, "mysqladmin", False) + ["ping"])
    assert "Uptime" in run(client(site, "mysqladmin", False) + ["status"])
    assert USER in run(client(site, "mysqladmin", False) + ["processlist"])


def test_mysqldump_and_reload(star):
    server = star.shards[0].server
    server.sql("DROP DATABASE IF EXISTS dump_from", "DROP DATABASE IF EXISTS dump_to", "CREATE DATABASE dump_from", "CREATE DATABASE dump_to",
               "USE dump_from", "CREATE TABLE a (id INT AUTO_INCREMENT PRIMARY KEY, s VARCHAR(100) CHARACTER SET utf8mb4, b BLOB, d DATETIME(3))",
               "INSERT INTO a (s, b, d) VALUES ('日本 ''x'' \\\\', X'00ff27225c', '2024-01-01 00:00:00.5'), (NULL, NULL, NULL)",
               "INSERT INTO a (s, b) SELECT REPEAT('r', 90), REPEAT('b', 5000) FROM seq_1_to_2000",
               "CREATE VIEW v AS SELECT id FROM a", "CREATE TRIGGER tr BEFORE INSERT ON a FOR EACH ROW SET NEW.s = COALESCE(NEW.s, 'none')",
               "CREATE PROCEDURE p() SELECT COUNT(*) FROM a", "CREATE TABLE empty (x INT)")
    base = client(star, "mysqldump", False) + ["--routines", "--triggers"]
    dump = run(base + ["--single-transaction", "dump_from"])
    assert "-- Dump completed" in dump
    run(client(star, "mysql", False) + ["dump_to"], stdin=dump)
    for sql in ("SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', id, s, HEX(b), d))) FROM %s.a", "SELECT COUNT(*) FROM %s.v", "SELECT COUNT(*) FROM %s.empty"):
        assert server.sql(sql % "dump_from") == server.sql(sql % "dump_to")
    assert run(base + ["--lock-tables", "--no-data", "dump_to"]).count("CREATE TABLE") >= 2
    assert run(base + ["--skip-opt", "--quick", "--databases", "dump_to"]).count("INSERT INTO") >= 2000
    server.sql("DROP DATABASE dump_from", "DROP DATABASE dump_to")


def test_mysqlimport(star, tmp_path):
    with star.raw() as c:
        c.query("DROP TABLE IF EXISTS imp")
        c.query("CREATE TABLE imp (id INT PRIMARY KEY, s VARCHAR(20))")
    (tmp_path / "imp.txt").write_text("".join("%d\tv%d\n" % (i, i) for i in range(3000)))
    out = run([*client(star, "mysqlimport"), "--local", str(tmp_path / "imp.txt")])
    assert "Records: 3000" in out
    with star.raw() as c:
        assert c.value("SELECT COUNT(*) FROM imp") == "3000"
        c.query("DROP TABLE imp")


@pytest.mark.parametrize("mode", ["auto", "disable"])
def test_sysbench(shop, mode):
    if DIRECT:
        pytest.skip("only with Keyway")
    a = shop.address()
    base = [program("sysbench", "sysbench"), "oltp_read_write", "--mysql-host=" + a["host"], "--mysql-port=%d" % a["port"], "--mysql-user=" + USER,
            "--mysql-password=" + PASSWORD, "--mysql-db=shop", "--tables=2", "--table-size=10000", "--auto-inc=off", "--range-selects=off",
            "--rand-type=uniform", "--db-ps-mode=" + mode, "--mysql-ignore-errors="]
    # Few threads on many rows: two transactions that wait for each other on two shards end only by the lock timeout.
    with shop.raw() as c:
        for i in (1, 2):
            c.query("DROP TABLE IF EXISTS sbtest%d" % i)
    run(base + ["prepare"], timeout=170)
    out = run(base + ["--threads=4", "--time=8", "run"], timeout=170)
    assert "ignored errors:                      0 " in out, out
    for i in (1, 2):
        ids = [r[0] for r in shop.on_all("SELECT id FROM sbtest%d" % i)]
        assert sorted(ids) == list(range(1, 10001))
    with shop.raw() as c:
        shards = shop.on_shards("SELECT id FROM sbtest1")
        for shard, rows in shards.items():      # each row is found where it lies, by its key
            c.query("USE `shop/%s`" % shard)
            assert len(c.query("SELECT id FROM sbtest1").rows) == len(rows)
        c.query("USE shop")
        for i in (1, 2):
            c.query("DROP TABLE sbtest%d" % i)
