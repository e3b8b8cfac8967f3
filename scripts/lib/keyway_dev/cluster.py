"""A local cluster: the servers of every shard of some keyspaces, ticket servers, and Keyway in front."""
import copy
import json
import os
import re
import secrets
import shutil
import signal
import subprocess

import pymysql

from . import Failure, build, conf, stores
from .mariadb import (Account, Server, begin_to_follow, cached_template, quote, replicate, sequences, stop_following, wait_caught_up,
                      wait_replicating)
from .process import Process, Progress, free_ports, port_free, wait_for

STATE = "playground.json"
ALLOCATOR = "main"
# What Keyway's account may do besides its databases: docs/operations.md says what for. Above all it may not write to a
# server that is read_only, so neither SUPER nor READ_ONLY ADMIN.
SERVICE_GRANT = "GRANT PROCESS, RELOAD, SHOW DATABASES, BINLOG MONITOR, SLAVE MONITOR, CONNECTION ADMIN ON *.* TO {who}"
# With semisync a commit is answered when a replica has it: what kill -9 of a primary must not lose.
SEMISYNC = ["rpl_semi_sync_slave_enabled = 1", "rpl_semi_sync_master_timeout = 20000",
            "rpl_semi_sync_master_wait_point = AFTER_SYNC"]
SEMISYNC_PRIMARY = "rpl_semi_sync_master_enabled"
IDS_DATABASE = "keyway_ids"
# One row a table: the last id given. The odd server begins with 3, the even one with 4, and both go on in steps of 2.
SEQUENCES = """CREATE TABLE IF NOT EXISTS sequences (
	name VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
	id BIGINT NOT NULL) ENGINE=InnoDB"""


def even_ranges(n):
    """n ranges of key ids of about one size, as hex prefixes."""
    digits = 2 if n <= 64 else 4
    edges = [""] + ["%0*x" % (digits, (1 << 4 * digits) * i // n) for i in range(1, n)] + [""]
    return ["%s-%s" % (a, b) for a, b in zip(edges, edges[1:])]


def backend_name(text):
    return re.sub(r"[^A-Za-z0-9_.-]", "_", text)


class Backend:
    """A server of a shard: started by us (server is set) or somebody's own."""

    def __init__(self, keyspace, shard, database, entry, server=None):
        self.keyspace, self.shard, self.database, self.entry, self.server = keyspace, shard, database, entry, server

    name = property(lambda self: self.entry["name"])
    role = property(lambda self: self.entry.get("role"))
    side = property(lambda self: self.entry.get("side"))
    writable = property(lambda self: self.role == "primary" or self.side is not None)

    def sql(self, *statements, database=None):
        return self.server.sql(*statements, database=database or self.database)

    def state(self):
        d = {"name": self.name, "keyspace": self.keyspace, "shard": self.shard, "role": self.role, "side": self.side,
             "az": self.entry.get("az"), "host": self.entry.get("host"), "port": self.entry.get("port"),
             "database": self.database, "socket": None, "pid": None}
        if self.server:
            d.update(socket=self.server.socket, **process_state(self.server.process))
        return {k: v for k, v in d.items() if v is not None or k in ("socket", "pid")}


def process_state(p):
    return {"pid": p.pid, "started": p.started} if p else {"pid": None, "started": None}


class Proxy:
    """One running keyway."""

    host = "127.0.0.1"

    def __init__(self, name, folder, port, az, program, env=None):
        self.name, self.port, self.az, self.program, self.env = name, port, az, program, env
        self.config = os.path.join(folder, name + ".conf")
        self.socket = os.path.join(folder, name + ".sock")
        self.log = os.path.join(folder, name + ".log")
        self.process = None

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def write(self, settings):
        with open(os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write("# Written by scripts/playground.\n" + conf.settings(settings))

    def start(self):
        self.process = Process(self.name, [self.program, "-c", self.config], self.log, env=self.env)

    def wait_ready(self, user, password, timeout=30):
        last = []

        def check():
            if not self.process.running():
                raise Failure("%s ended with status %d:\n%s" % (self.name, self.process.exit_code(),
                                                                self.process.log_tail()))
            try:
                conn = pymysql.connect(host=self.host, port=self.port, user=user, password=password, connect_timeout=5,
                                       read_timeout=10)
                with conn.cursor() as cur:
                    cur.execute("SELECT 1")
                conn.close()
                return True
            except (pymysql.Error, OSError) as x:
                last[:] = [x]
                return False
        try:
            wait_for("%s answers" % self.name, check, timeout, 0.05)
        except Failure as x:
            raise Failure("%s; last: %s\n%s" % (x, last, self.process.log_tail())) from None

    def state(self):
        return dict({"name": self.name, "host": self.host, "port": self.port, "socket": self.socket, "az": self.az,
                     "config": self.config, "log": self.log}, **process_state(self.process))


class Cluster:
    """
    documents: one map document a keyspace; a shard without "backends" gets servers, a sharded keyspace without
    "shards" gets n_shards of them. settings: laid over the generated keyway.conf (see conf.merged). store: where the
    map is kept, "file", "etcd" or "consul", started with store_options (those of etcd.Etcd or consul.Consul).
    semisync: what a primary has acknowledged is on a replica. network: what stands between proxies and servers, with
    start(cluster), address(backend), settings(proxy) and stop() as tests/e2e/zones.py has them.
    """

    def __init__(self, folder, build_folder, documents, n_shards=2, kind="replicaset", replicas=0, azs=1, proxies=1,
                 port=None, user="keyway", password="keyway", backend_user="keyway_svc", backend_password=None,
                 server_config="", settings=None, env=None, cache=None, progress=None, server_settings=(), store="file",
                 store_options=None, semisync=False, network=None):
        self.folder, self.build_folder = os.path.abspath(folder), build_folder
        self.documents = copy.deepcopy(documents)
        self.n_shards, self.kind, self.replicas, self.azs = n_shards, kind, replicas, azs
        self.n_proxies, self.port = proxies, port
        self.user, self.password = user, password
        self.given_account = (backend_user, backend_password)
        self.server_config, self.server_settings = server_config, list(server_settings)
        self.settings, self.env = settings or {}, env
        self.cache = cache or os.path.join(build_folder, "cache")
        self.progress = progress or Progress(quiet=True)
        self.store_kind, self.store_options, self.store = store, store_options or {}, None
        self.semisync, self.network = semisync, network
        self.admin = ("keyway_admin", secrets.token_hex(12))
        self.service = ("keyway_svc", secrets.token_hex(12))
        self.repl = ("keyway_repl", secrets.token_hex(12))
        self.ids_account = ("keyway_ids", secrets.token_hex(12))
        self.backends, self.servers, self.ticket_servers, self.proxies = [], [], [], []
        self.accounts, self.replication, self.pairs = {}, [], []
        self.running = False

    # ---- what the documents ask for

    def az(self, i):
        return "az%d" % (i % self.azs + 1)

    def new_server(self, name, accounts, settings=(), domain=0):
        server = Server(name, os.path.join(self.folder, name), self.template, self.admin,
                        [Account(*self.repl, ["GRANT REPLICATION SLAVE ON *.* TO {who}"])] + accounts,
                        server_id=101 + len(self.servers), domain=domain, settings=self.server_settings + list(settings),
                        extra=self.server_config)
        self.servers.append(server)
        return server

    def keyspace_account(self, doc, database):
        name = doc["keyspace"]
        if any(s.get("backends") for s in doc["shards"]):
            user, password = self.given_account
            if password is None:
                raise Failure("keyspace %s names backends: give --backend-user and --backend-password" % name)
            self.accounts[name] = (user, password)
        else:
            user, password = self.service
        if name == "*":
            grants = ["GRANT ALL PRIVILEGES ON *.* TO {who} WITH GRANT OPTION", "REVOKE READ_ONLY ADMIN ON *.* FROM {who}"]
        else:
            databases = {s.get("database", database) for s in doc["shards"]}
            grants = [SERVICE_GRANT]
            grants += ["GRANT ALL PRIVILEGES ON `%s`.* TO {who}" % d.replace("_", "\\_") for d in sorted(databases)]
        return Account(user, password, grants)

    def plan_keyspace(self, doc):
        name = doc["keyspace"]
        doc.setdefault("epoch", 1)
        if not doc.get("shards"):
            doc["shards"] = [{"range": r} for r in (even_ranges(self.n_shards) if doc.get("sharding") else ["-"])]
        database = doc.get("database", name)
        account = self.keyspace_account(doc, database)
        prefix = "" if len(self.documents) == 1 else ("main-" if name == "*" else name + "-")
        for i, shard in enumerate(doc["shards"], 1):
            shard.setdefault("kind", self.kind if not shard.get("backends") and name != "*" else "replicaset")
            db = None if name == "*" else shard.get("database", database)
            if shard.get("backends"):
                self.backends += [Backend(name, shard["range"], db, b) for b in shard["backends"]]
                continue
            base = backend_name("%ss%d" % (prefix, i))
            if shard["kind"] == "pair":
                shard.setdefault("home", "odd")
                members = [(base + "o", {"side": "odd"}), (base + "e", {"side": "even"})]
            else:
                members = [(base + "a", {"role": "primary"})]
                members += [("%s%s" % (base, chr(ord("b") + k)), {"role": "replica"}) for k in range(self.replicas)]
            shard["backends"] = []
            group = []
            for k, (bname, entry) in enumerate(members):
                extra, domain = [], 0
                if "side" in entry:
                    domain = 1 + k
                    extra = ["auto_increment_increment = 2", "auto_increment_offset = %d" % domain,
                             "slave_type_conversions = ALL_NON_LOSSY,ALL_LOSSY"]
                else:
                    replica = entry["role"] == "replica"
                    extra = ["read_only = %d" % replica]
                    if self.semisync and self.replicas:
                        extra += SEMISYNC + ["%s = %d" % (SEMISYNC_PRIMARY, not replica)]
                server = self.new_server(bname, [account], extra, domain)
                entry = dict({"name": bname, "host": server.host, "port": None, "az": self.az(k)}, **entry)
                shard["backends"].append(entry)
                group.append(Backend(name, shard["range"], db, entry, server))
            self.backends += group
            if shard["kind"] == "pair":
                self.pairs.append(group)
            elif len(group) > 1:
                self.replication.append(group)

    def plan(self):
        names = [d.get("keyspace") for d in self.documents]
        if len(set(names)) != len(names):
            raise Failure("two map documents for one keyspace")
        used = {(t.get("id") or {}).get("allocator") for d in self.documents for t in d.get("tables", {}).values()} - {None}
        others = used - {ALLOCATOR} - {a["name"] for a in self.settings.get("allocators", ())}
        if others:
            raise Failure("the map names the allocator %s; the playground has one, named %s"
                          % (", ".join(sorted(others)), ALLOCATOR))
        for doc in self.documents:
            if not isinstance(doc.get("keyspace"), str):
                raise Failure("a map document needs \"keyspace\"")
            self.plan_keyspace(doc)
        self.tags = sorted("%s.%s" % (d["keyspace"], t) for d in self.documents for t, rule in d.get("tables", {}).items()
                           if (rule.get("id") or {}).get("allocator") == ALLOCATOR)
        if ALLOCATOR in used and "allocators" not in self.settings:
            grant = ["GRANT SELECT, INSERT, UPDATE, DELETE ON `keyway\\_ids`.* TO {who}"]
            for offset, name in ((1, "tickets-odd"), (2, "tickets-even")):
                # A ticket server that forgets a commit gives ids twice.
                server = self.new_server(name, [Account(*self.ids_account, grant)], ["innodb_flush_log_at_trx_commit = 1"])
                self.ticket_servers.append((server, offset))

    # ---- starting

    def start(self):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.running = True
        try:
            self.start_servers()
            self.start_store()
            self.start_proxies()
        except BaseException:
            self.stop(keep=True)
            raise
        self.write_state("running")
        return self

    def start_servers(self):
        with self.progress.part("prepare data folders"):
            self.template = cached_template(self.cache)
            self.plan()
            ports = free_ports(len(self.servers), set(range(self.port or 0, (self.port or 0) + self.n_proxies)))
            for server, port in zip(self.servers, ports):
                server.port = port
                server.prepare()
            for b in self.backends:
                if b.server:
                    b.entry["port"] = b.server.port
        self.write_state("starting")
        with self.progress.part("start %d database server%s" % (len(self.servers), "s"[:len(self.servers) != 1])):
            for server in self.servers:
                server.start()
                self.write_state("starting")
            for server in self.servers:
                server.wait_ready()
        if self.replication or self.pairs:
            with self.progress.part("start replication"):
                for group in self.replication:
                    for b in group[1:]:
                        replicate(b.server, group[0].server, *self.repl)
                for odd, even in self.pairs:
                    replicate(odd.server, even.server, *self.repl)
                    replicate(even.server, odd.server, *self.repl)
                for group in self.replication:
                    for b in group[1:]:
                        wait_replicating(b.server)
                for b in [b for pair in self.pairs for b in pair]:
                    wait_replicating(b.server)
        if self.network:
            self.network.start(self)
            for b in self.backends:
                if b.server:
                    b.entry["host"], b.entry["port"] = self.network.address(b)
        with self.progress.part("create databases"):
            for b in self.backends:
                if b.server and b.database and (b.role == "primary" or b.side == "odd"):
                    b.server.sql("CREATE DATABASE IF NOT EXISTS `%s`" % b.database)
            self.wait_replicas()
            for server, offset in self.ticket_servers:
                server.sql("CREATE DATABASE IF NOT EXISTS " + IDS_DATABASE, "USE " + IDS_DATABASE, SEQUENCES,
                           *["INSERT INTO sequences VALUES (%s, %d)" % (quote(tag), offset) for tag in self.tags])

    def start_store(self):
        taken = {s.port for s in self.servers} | set(range(self.port or 0, (self.port or 0) + self.n_proxies))
        if self.store_kind == "file":
            self.store = stores.make("file", self.folder, self.cache)
            self.store.start()
            return
        with self.progress.part("start %s" % self.store_kind):
            self.store = stores.make(self.store_kind, self.folder, self.cache, taken=taken, **self.store_options)
            self.store.start()
            self.write_state("starting")

    def wait_replicas(self):
        """Until every replica and both sides of each pair have applied all that was written."""
        for group in self.replication:
            for b in group[1:]:
                wait_caught_up(b.server, group[0].server)
        for odd, even in self.pairs:
            wait_caught_up(even.server, odd.server)
            wait_caught_up(odd.server, even.server)

    def user_entry(self):
        entry = {"name": self.user, "admin": True}
        if len(self.documents) == 1 and self.documents[0]["keyspace"] != "*":
            entry["keyspace"] = self.documents[0]["keyspace"]
        if not self.password:
            return dict(entry, no_password=True)
        r = subprocess.run([build.program(self.build_folder, "keywayctl"), "passwd", "--stdin"], text=True,
                           input=self.password + "\n", capture_output=True, env=self.env)
        got = dict(re.findall(r'\b(native|sha2)\s*=\s*"([^"]+)"', r.stdout))
        if r.returncode or set(got) != {"native", "sha2"}:
            raise Failure("keywayctl passwd --stdin: %s" % (r.stderr or r.stdout or "status %d" % r.returncode))
        return dict(entry, **got)

    def allocator_entry(self):
        return {"name": ALLOCATOR, "kind": "mysql", "form": "block", "database": IDS_DATABASE, "table": "sequences",
                "servers": [{"host": s.host, "port": s.port, "user": self.ids_account[0],
                             "password": self.ids_account[1], "offset": offset, "step": 2}
                            for s, offset in self.ticket_servers]}

    def proxy_settings(self, proxy):
        d = {"cluster": "playground", "az": proxy.az,
             "listen": [{"address": proxy.host, "port": proxy.port}, {"socket": proxy.socket, "mode": "0660"}],
             "log": {"level": "info"},
             "store": dict(self.store.settings(), cache=os.path.join(self.folder, proxy.name + ".cache")),
             "users": [self.user_entry()],
             "limits": {"drain_timeout": "3s"},
             "backend": {"user": self.service[0], "password": self.service[1]}}
        if self.accounts:
            d["keyspaces"] = [{"name": k, "user": u, "password": p} for k, (u, p) in self.accounts.items()]
        if self.ticket_servers:
            d["allocators"] = [self.allocator_entry()]
        if self.network:
            d = conf.merged(d, self.network.settings(proxy))
        return conf.merged(d, self.settings)

    def write_document(self, doc):
        """Puts a map document where the proxies watch, whole or not at all."""
        self.store.write(doc)

    def new_proxy(self, port=None):
        i = len(self.proxies) + 1
        taken = {s.port for s in self.servers} | {p.port for p in self.proxies}
        port = port or free_ports(1, taken)[0]
        if not port_free(port):
            raise Failure("port %d is taken: choose another with --port" % port)
        proxy = Proxy("proxy%d" % i, self.folder, port, self.az(i - 1), build.program(self.build_folder, "keyway"), self.env)
        self.proxies.append(proxy)
        return proxy

    def start_proxies(self):
        for doc in self.documents:
            self.write_document(doc)
        for i in range(self.n_proxies):
            proxy = self.new_proxy(self.port + i if self.port else None)
            with self.progress.part("start %s on port %d" % (proxy.name, proxy.port)):
                proxy.write(self.proxy_settings(proxy))
                proxy.start()
                self.write_state("starting")
                proxy.wait_ready(self.user, self.password)

    # ---- using it

    def connect(self, proxy=0, **options):
        """Through Keyway, as the application."""
        p = self.proxies[proxy]
        options = dict({"charset": "utf8mb4", "autocommit": True, "connect_timeout": 10}, **options)
        return pymysql.connect(host=p.host, port=p.port, user=self.user, password=self.password, **options)

    def backend(self, name):
        return next(b for b in self.backends if b.name == name)

    def group(self, backend):
        """The servers of its replica set, itself among them."""
        return next(g for g in self.replication if backend in g)

    def promote(self, backend):
        """Makes a replica the writable server of its shard, and the others that answer its replicas, as an operator or
        his tool would: the map is not touched. The old primary may be dead or frozen (see rejoin)."""
        others = [b for b in self.group(backend) if b is not backend and b.server.answers()]
        for b in others:
            if not b.server.sql("SELECT @@read_only")[0][0]:
                self.make_read_only(b.server)
                wait_caught_up(backend.server, b.server)
        for b in [backend] + others:
            stop_following(b.server)
        # A replica that has fetched more than the one to be promoted hands it over, as it could not follow it else.
        for b in others:
            have = sequences(backend.server)
            if any(n > have.get(domain, 0) for domain, n in sequences(b.server).items()):
                begin_to_follow(backend.server, b.server, *self.repl)
                wait_caught_up(backend.server, b.server)
                stop_following(backend.server)
        for b in others:
            begin_to_follow(b.server, backend.server, *self.repl)
            wait_replicating(b.server)
        if self.semisync:
            backend.server.set_global(SEMISYNC_PRIMARY, True)
        backend.server.set_global("read_only", False)

    def make_read_only(self, server):
        server.set_global("read_only", True)
        if self.semisync:
            server.set_global(SEMISYNC_PRIMARY, False)

    def rejoin(self, backend, source, fresh=False):
        """A server that was killed or frozen comes back as a replica of source. fresh: without its data, which it then
        fetches from the beginning: what a primary had written but nobody fetched before it died is gone."""
        server = backend.server
        if server.process.running() and not server.answers():
            server.kill()
        self.make_read_only(server)
        if fresh:
            server.kill()
            server.remove_data()
            server.server_id += 1000        # a server passes over what carries its own number
            server.prepare()
        if not server.process.running():
            server.start()
            server.wait_ready()
        if fresh:
            replicate(server, source.server, *self.repl)
        else:
            begin_to_follow(server, source.server, *self.repl)
        wait_replicating(server)

    def primaries(self, keyspace=None):
        """One writable backend a shard, in the map's order."""
        return [b for b in self.backends if (keyspace is None or b.keyspace == keyspace)
                and (b.role == "primary" or b.side == "odd")]

    def state(self, phase):
        allocators = [{"name": ALLOCATOR, "kind": "mysql", "form": "block", "database": IDS_DATABASE, "table": "sequences",
                       "servers": [dict({"name": s.name, "host": s.host, "port": s.port, "socket": s.socket,
                                         "offset": offset, "step": 2}, **process_state(s.process))
                                   for s, offset in self.ticket_servers]}] if self.ticket_servers else []
        return {"phase": phase, "dir": self.folder, "build": self.build_folder,
                "proxies": [p.state() for p in self.proxies],
                "backends": [b.state() for b in self.backends],
                "keyspaces": [d["keyspace"] for d in self.documents],
                "user": self.user, "password": self.password,
                "admin": {"user": self.admin[0], "password": self.admin[1]},
                "replication": {"user": self.repl[0], "password": self.repl[1]},
                "store": self.store.state() if self.store else {"kind": self.store_kind},
                "allocators": allocators}

    def write_state(self, phase):
        path = os.path.join(self.folder, STATE)
        with open(os.open(path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            json.dump(self.state(phase), f, indent=2)
            f.write("\n")
        os.rename(path + ".tmp", path)

    # ---- stopping

    def stop_proxies(self):
        """{name: exit code}"""
        for p in self.proxies:
            if p.process:
                p.process.send(signal.SIGTERM)
        return {p.name: p.process.stop() for p in self.proxies if p.process}

    def stop(self, keep=False):
        codes = self.stop_proxies()
        for s in self.servers:
            if s.process:
                s.process.send(signal.SIGKILL)
        for s in self.servers:
            if s.process:
                s.process.stop()
        if self.store:
            self.store.kill()
        if self.network:
            self.network.stop()
        self.running = False
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        return codes
