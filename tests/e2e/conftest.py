"""Fixtures of the end-to-end tests: clusters started through scripts/lib, and a look at each server behind them.

KEYWAY_BUILD        the build folder whose keyway is tested (default: build-test)
KEYWAY_E2E_DIRECT   when set, no Keyway is started and the tests talk to a MariaDB server itself: what they say about
                    MySQL's own behaviour must hold there too. Tests of what only a cluster has are skipped."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from keyway_dev import Failure, shop as sample  # noqa: E402
from keyway_dev.cluster import Cluster, even_ranges  # noqa: E402
from keyway_dev.mariadb import Account  # noqa: E402
from keyway_dev.testrun import SANITIZER_ENV  # noqa: E402
import rawmysql  # noqa: E402

BUILD = os.path.abspath(os.environ.get("KEYWAY_BUILD") or os.path.join(ROOT, "build-test"))
DIRECT = bool(os.environ.get("KEYWAY_E2E_DIRECT"))
USER = PASSWORD = "keyway"
REPORT = re.compile(r"ERROR: (Address|Leak|Undefined)\w*Sanitizer|runtime error:|SUMMARY: \w+Sanitizer|Assertion .* failed")

TABLES = {
    "t": {"key": "id"},
    "child": {"key": "t_id"},
    "txt": {"key": "code"},
    "auto": {"key": "id", "id": {"column": "id", "allocator": "main"}},
    "log": {"key": "owner", "id": {"column": "id", "allocator": "main"}},
    "types": {"key": "id"},
    "drv": {"key": "id"},
    "par": {"key": "id", "function": "parity"},
    "vit": {"key": "id", "function": "vitess_hash"},
    "ran": {"key": "id", "function": "range"},
    "ref": {"kind": "reference"},
}
SCHEMA = [
    "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, n INT, s VARCHAR(100), KEY n (n))",
    "CREATE TABLE child (id BIGINT NOT NULL PRIMARY KEY, t_id BIGINT NOT NULL, v VARCHAR(50), KEY t_id (t_id))",
    "CREATE TABLE txt (code VARCHAR(40) NOT NULL PRIMARY KEY, n INT) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    "CREATE TABLE auto (id BIGINT NOT NULL %s PRIMARY KEY, v VARCHAR(50))",
    "CREATE TABLE log (id BIGINT NOT NULL %s, owner BIGINT NOT NULL, v VARCHAR(50), PRIMARY KEY (id))",
    "CREATE TABLE par (id BIGINT NOT NULL PRIMARY KEY, n INT)",
    "CREATE TABLE vit (id BIGINT NOT NULL PRIMARY KEY, n INT)",
    "CREATE TABLE ran (id BIGINT NOT NULL PRIMARY KEY, n INT)",
    "CREATE TABLE ref (id INT NOT NULL PRIMARY KEY, name VARCHAR(50))",
]
LIVE = []


def server_raw(server, database, **options):
    c = rawmysql.Raw(path=server.socket)
    c.login(server.admin_user, server.admin_password, database, **options)
    return c


class Site:
    """A cluster as the tests see it."""

    direct = False

    def __init__(self, cluster, database):
        self.cluster, self.database = cluster, database
        self.expected_down = False
        self.seen = {}

    # ---- through Keyway

    def connect(self, database=True, proxy=0, **options):
        if database is True:
            database = self.database
        return self.cluster.connect(proxy, database=database, **options)

    def address(self, proxy=0):
        p = self.cluster.proxies[proxy]
        return {"host": p.host, "port": p.port}

    def unix_socket(self, proxy=0):
        return self.cluster.proxies[proxy].socket

    def bare(self, proxy=0, unix=False, timeout=20):
        """A connection on which nothing has been said."""
        if unix:
            return rawmysql.Raw(path=self.unix_socket(proxy), timeout=timeout)
        return rawmysql.Raw(**self.address(proxy), timeout=timeout)

    def raw(self, database=True, proxy=0, unix=False, timeout=20, **options):
        """A logged-in packet client."""
        c = self.bare(proxy, unix, timeout)
        c.login(USER, PASSWORD, self.database if database is True else database, **options)
        return c

    # ---- behind Keyway

    @property
    def shards(self):
        """The writable server of each shard, in the map's order."""
        return self.cluster.primaries()

    def on_shards(self, sql):
        """The statement's rows by shard, asked of the servers themselves."""
        return {b.shard: b.sql(sql) for b in self.shards}

    def on_all(self, sql):
        return [r for rows in self.on_shards(sql).values() for r in rows]

    def backend_raw(self, i=0, **options):
        """A packet client on a server itself, logged in as its admin."""
        return server_raw(self.shards[i].server, self.shards[i].database or self.database, **options)

    def backend_sessions(self, i=0):
        """Ids of Keyway's connections to a shard's server for clients; those that check it are in another database."""
        return [r[0] for r in self.shards[i].server.sql(
            "SELECT id FROM information_schema.processlist WHERE user = '%s' AND COALESCE(db, '') <> 'information_schema' "
            "ORDER BY id" % self.cluster.service[0])]

    # ---- health

    def log(self, proxy=0):
        with open(self.cluster.proxies[proxy].log, errors="replace") as f:
            return f.read()

    def troubles(self):
        """What is wrong with the daemons: reports in logs, unexpected ends."""
        out = []
        for i, p in enumerate(self.cluster.proxies):
            text = self.log(i)
            start = self.seen.get(p.name, 0)
            m = REPORT.search(text, start)
            if m:
                out.append("%s: %s" % (p.name, text[max(start, m.start() - 300):m.start() + 5000]))
            self.seen[p.name] = len(text)
            if not p.process.running() and not self.expected_down:
                out.append("%s ended with status %s\n%s" % (p.name, p.process.exit_code(), text[-2000:] if not m else ""))
        return out

    def revive(self):
        for p in self.cluster.proxies:
            if not p.process.running() and not self.expected_down:
                p.start()
                p.wait_ready(self.cluster.user, self.cluster.password)

    def stop(self):
        troubles = self.troubles()
        for name, code in self.cluster.stop_proxies().items():
            if code and not self.expected_down:
                troubles.append("%s ended with status %d when it was told to stop" % (name, code))
        self.expected_down = True
        troubles += self.troubles()
        self.cluster.stop()
        if self in LIVE:
            LIVE.remove(self)
        return troubles


class DirectProxy:
    """Stands where a proxy stands, and is the server itself."""

    def __init__(self, server):
        self.server, self.name = server, "direct"
        self.host, self.port, self.socket, self.log = server.host, server.port, server.socket, server.log
        self.process = server.process


class DirectCluster(Cluster):
    def new_server(self, name, accounts, settings=(), domain=0):
        return super().new_server(name, accounts + [Account(USER, PASSWORD, ["GRANT ALL ON *.* TO {who}"])], settings, domain)

    def start_proxies(self):
        self.proxies = [DirectProxy(self.servers[0])]

    def stop_proxies(self):
        return {}

    def state(self, phase):
        return {"phase": phase}


class DirectSite(Site):
    direct = True

    def troubles(self):
        return []


def certificate(folder, subject="/CN=localhost"):
    """A throw-away authority and a certificate for localhost: (ca, cert, key)."""
    def run(*argv):
        subprocess.run(("openssl",) + argv, cwd=folder, check=True, capture_output=True)
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj",
        "/CN=test authority")
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", subject)
    with open(os.path.join(folder, "ext"), "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
        "-days", "30", "-extfile", "ext")
    return tuple(os.path.join(folder, n) for n in ("ca.pem", "server.pem", "server.key"))


@pytest.fixture(scope="session")
def tls_files():
    folder = tempfile.mkdtemp(prefix="keyway-tls-")
    yield certificate(folder)
    shutil.rmtree(folder, ignore_errors=True)


def start_site(documents, database, settings=None, cluster_class=Cluster, **options):
    folder = tempfile.mkdtemp(prefix="keyway-e2e-")
    env = dict(os.environ, **{k: os.environ.get(k, v) for k, v in SANITIZER_ENV.items()})
    if DIRECT:
        if len(documents) > 1 or any(s.get("backends") for s in documents[0].get("shards", ())):
            pytest.skip("only with Keyway")
        documents = [{"keyspace": documents[0]["keyspace"]}]
    cls, site_cls = (DirectCluster, DirectSite) if DIRECT else (cluster_class, Site)
    base = {"threads": 2}
    base.update(settings or {})
    cluster = cls(folder, BUILD, documents, settings=base, env=env, cache=os.path.join(BUILD, "cache"),
                  **dict({"user": USER, "password": PASSWORD}, **options))
    try:
        cluster.start()
    except Failure:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    site = site_cls(cluster, database)
    LIVE.append(site)
    return site


def shop_document(n_shards):
    doc = sample.document(even_ranges(n_shards))
    doc["tables"].update(TABLES)
    doc["tables"].update({"sbtest%d" % i: {"key": "id"} for i in range(1, 5)})
    return doc


def create_tables(site):
    conn = site.connect()
    auto = "AUTO_INCREMENT" if site.direct else ""
    with conn.cursor() as cur:
        for s in SCHEMA:
            cur.execute(s.replace("%s", auto))
        if site.direct:
            for s in sample.SCHEMA:
                cur.execute(re.sub(r"((customer|order)_id BIGINT NOT NULL)( PRIMARY KEY|,\n\tcustomer)",
                                   r"\1 AUTO_INCREMENT\3", s))
        else:
            for s in sample.SCHEMA:
                cur.execute(s)
    conn.close()


@pytest.fixture(scope="session")
def shop(tls_files):
    """Four shards, the sample's tables and those above, empty."""
    site = start_site([shop_document(4)], "shop", settings=optional_tls(tls_files))
    create_tables(site)
    yield site
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


def optional_tls(files):
    return {"tls": {"mode": "optional", "cert": files[1], "key": files[2]}}


@pytest.fixture(scope="session")
def star(tls_files):
    """One server behind the keyspace *, with the database app."""
    site = start_site([{"keyspace": "*"}], "app", settings=optional_tls(tls_files))
    site.shards[0].server.sql("CREATE DATABASE app")
    yield site
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


@pytest.fixture(scope="session")
def twin(star):
    """A server like the one behind star, with the same databases, that Keyway knows nothing of: what Keyway's answers
    are compared with, statement by statement."""
    server = star.cluster.new_server("twin", [])
    server.prepare({s.port for s in star.cluster.servers})
    server.start()
    server.wait_ready()
    server.sql("CREATE DATABASE app")
    return server


@pytest.fixture
def make_site():
    """make_site(documents, database, settings=…, **Cluster options): a cluster for one test."""
    made = []

    def make(documents=None, database="shop", tables=False, **options):
        site = start_site(documents or [shop_document(options.pop("n_shards", 2))], database, **options)
        made.append(site)
        if tables:
            create_tables(site)
        return site
    yield make
    troubles = []
    for site in made:
        if site in LIVE:
            troubles += site.stop()
    assert not troubles, "\n".join(troubles)


@pytest.fixture
def clean(shop):
    """The four shards with empty tables."""
    for b in shop.shards:
        tables = [r[0] for r in b.sql("SHOW FULL TABLES WHERE table_type = 'BASE TABLE'")]
        b.sql(*["DELETE FROM `%s`" % t for t in tables])
    return shop


@pytest.fixture(autouse=True)
def daemons_survive():
    """Whatever a test does, every daemon still runs afterwards and has nothing bad in its log."""
    yield
    troubles = []
    for site in list(LIVE):
        found = site.troubles()
        if found:
            troubles += found
            time.sleep(0.2)
            site.revive()
    assert not troubles, "\n".join(troubles)


@pytest.fixture
def only_cluster():
    """For tests of what a single server does not have."""
    if DIRECT:
        pytest.skip("only with Keyway")


def pytest_collection_modifyitems(items):
    # Those that start their own clusters last: a broken daemon is then seen early and cheaply.
    items.sort(key=lambda i: "make_site" in getattr(i, "fixturenames", ()))
