"""Private etcd servers on loopback, one or several members, and a client for their JSON gateway."""
import base64
import json
import os
import secrets
import shutil
import signal

from . import Failure, debs
from .kv import Http, Item, StoreError
from .process import Process, free_ports, wait_for

PACKAGE = "etcd-server"


def program(cache):
    return debs.program("usr/bin/etcd", PACKAGE, cache)


def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def prefix_end(prefix):
    """The first key after all those with the prefix; "\\0" is etcd's word for: to the end."""
    raw = prefix.encode()
    while raw and raw[-1] == 0xff:
        raw = raw[:-1]
    return raw[:-1] + bytes([raw[-1] + 1]) if raw else b"\0"


class Client:
    """Keys are texts, values bytes. An account's token is fetched when it is needed, and again when it has expired."""

    def __init__(self, endpoints, user=None, password=None, **options):
        self.http = Http(endpoints, **options)
        self.user, self.password, self.token = user, password, None

    def call(self, path, body):
        """The answer of one method of the gateway."""
        for attempt in (1, 2):
            headers = {"Content-Type": "application/json"}
            if self.user and path != "/v3/auth/authenticate":
                if not self.token:
                    self.token = self.call("/v3/auth/authenticate", {"name": self.user, "password": self.password})["token"]
                headers["Authorization"] = self.token
            try:
                return json.loads(self.http.request("POST", path, json.dumps(body).encode(), headers)[2])
            except StoreError as x:
                if x.status != 401 or attempt == 2:
                    raise
                self.token = None

    @staticmethod
    def item(kv):
        return Item(base64.b64decode(kv["key"]).decode(), base64.b64decode(kv.get("value", "")), int(kv["mod_revision"]))

    def get(self, key):
        """The Item, or None."""
        kvs = self.call("/v3/kv/range", {"key": b64(key)}).get("kvs")
        return self.item(kvs[0]) if kvs else None

    def list(self, prefix):
        """{key: Item} of all keys with the prefix."""
        got = self.call("/v3/kv/range", {"key": b64(prefix or "\0"), "range_end": b64(prefix_end(prefix))})
        return {i.key: i for i in map(self.item, got.get("kvs", ()))}

    def put(self, key, value):
        return int(self.call("/v3/kv/put", {"key": b64(key), "value": b64(value)})["header"]["revision"])

    def delete(self, key):
        """Whether there was such a key."""
        return int(self.call("/v3/kv/deleterange", {"key": b64(key)}).get("deleted", 0)) > 0

    def cas(self, key, value, version):
        """Writes (None: deletes) if the key's version is still this one, 0: if there is no key. Whether it was."""
        op = {"request_delete_range": {"key": b64(key)}} if value is None else {
            "request_put": {"key": b64(key), "value": b64(value)}}
        return self.call("/v3/kv/txn", {
            "compare": [{"key": b64(key), "target": "MOD", "result": "EQUAL", "mod_revision": version}],
            "success": [op]}).get("succeeded", False)

    def revision(self):
        return int(self.call("/v3/kv/range", {"key": b64("/"), "count_only": True})["header"]["revision"])

    def compact(self, revision):
        self.call("/v3/kv/compaction", {"revision": revision})


class Member:
    """One etcd process."""

    def __init__(self, name, folder, ports, scheme):
        self.name, self.data, self.log = name, os.path.join(folder, name), os.path.join(folder, name + ".log")
        self.endpoint = "%s://127.0.0.1:%d" % (scheme, ports[0])
        self.peer = "http://127.0.0.1:%d" % ports[1]
        self.process = None

    def pause(self):
        self.process.pause()

    def resume(self):
        if self.process:
            self.process.resume()

    def kill(self):
        if self.process:
            self.process.kill()

    def stop(self):
        self.resume()
        if self.process:
            self.process.stop()

    def running(self):
        return self.process is not None and self.process.running()


class Etcd:
    """tls: (ca, cert, key) for the clients' side, with client certificates demanded of the same authority if
    client_cert."""

    kind = "etcd"

    def __init__(self, folder, executable, members=1, tls=None, client_cert=False, taken=()):
        self.folder, self.executable, self.tls, self.client_cert = folder, executable, tls, client_cert
        self.token, self.root_password = secrets.token_hex(4), None
        ports = free_ports(2 * members, set(taken))
        self.members = [Member("etcd%d" % (i + 1), folder, ports[2 * i:2 * i + 2], "https" if tls else "http")
                        for i in range(members)]

    endpoints = property(lambda self: [m.endpoint for m in self.members])
    processes = property(lambda self: [m.process for m in self.members if m.process])

    def argv(self, member, state):
        argv = [self.executable, "--name", member.name, "--data-dir", member.data,
                "--listen-client-urls", member.endpoint, "--advertise-client-urls", member.endpoint,
                "--listen-peer-urls", member.peer, "--initial-advertise-peer-urls", member.peer,
                "--initial-cluster", ",".join("%s=%s" % (m.name, m.peer) for m in self.members),
                "--initial-cluster-token", self.token, "--initial-cluster-state", state,
                # Else a member can be replaced only when all have been connected for 5 s.
                "--strict-reconfig-check=false", "--logger", "zap", "--log-level", "warn"]
        if self.tls:
            ca, cert, key = self.tls
            argv += ["--cert-file", cert, "--key-file", key]
            argv += ["--client-cert-auth", "--trusted-ca-file", ca] if self.client_cert else []
        return argv

    def start_member(self, member, state="new"):
        """A member that has data goes on with it."""
        member.process = Process(member.name, self.argv(member, state), member.log)

    def start(self):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        for m in self.members:
            if not m.running():
                self.start_member(m)
        return self

    def client(self, member=None, **options):
        if self.tls:
            ca, cert, key = self.tls
            options = dict({"ca": ca}, **options)
            if self.client_cert:
                options = dict({"cert": cert, "key": key}, **options)
        if self.root_password:
            options = dict({"user": "root", "password": self.root_password}, **options)
        return Client([member.endpoint] if member else self.endpoints, **options)

    def wait_ready(self, members=None, timeout=60):
        """Until each of these members answers a linearizable read, which needs a leader."""
        for m in members or self.members:
            def check(m=m):
                if not m.running():
                    raise Failure("%s ended with status %d:\n%s" % (m.name, m.process.exit_code(), m.process.log_tail()))
                try:
                    # Root's own answers come after the member knows that authentication is on.
                    self.client(m, timeout=10).call("/v3/kv/range", {"key": b64("/")})
                    return True
                except StoreError:
                    return False
            wait_for("%s answers" % m.name, check, timeout, 0.05)
        return self

    def status(self, member):
        return self.client(member, timeout=3).call("/v3/maintenance/status", {})

    def leader(self, timeout=20):
        """The member that leads, as soon as there is one."""
        def check():
            for m in self.members:
                if m.running():
                    try:
                        s = self.status(m)
                    except StoreError:
                        continue
                    if s.get("leader") and s["leader"] == s["header"]["member_id"]:
                        return m
            return None
        return wait_for("etcd has a leader", check, timeout, 0.05)

    def replace_data(self, member):
        """The member comes back with an empty data folder, as a new member of the running cluster."""
        member.kill()
        others = [m for m in self.members if m is not member]
        client = self.client(others[0])
        listed = client.call("/v3/cluster/member/list", {})["members"]
        client.call("/v3/cluster/member/remove", {"ID": next(m["ID"] for m in listed if m.get("name") == member.name)})
        shutil.rmtree(member.data)
        client.call("/v3/cluster/member/add", {"peerURLs": [member.peer]})
        self.start_member(member, "existing")
        self.wait_ready([member])

    def reset(self):
        """Another, empty cluster at the same addresses."""
        for m in self.members:
            m.kill()
            shutil.rmtree(m.data, ignore_errors=True)
        self.token, self.root_password = secrets.token_hex(4), None
        self.start().wait_ready()

    def enable_auth(self, users=()):
        """users: (name, password, prefix, "READ" or "READWRITE"). From now on client() is root."""
        c = self.client()
        password = secrets.token_hex(8)
        c.call("/v3/auth/user/add", {"name": "root", "password": password})
        c.call("/v3/auth/role/add", {"name": "root"})
        c.call("/v3/auth/user/grant", {"user": "root", "role": "root"})
        for name, secret, prefix, permission in users:
            c.call("/v3/auth/user/add", {"name": name, "password": secret})
            c.call("/v3/auth/role/add", {"name": name})
            c.call("/v3/auth/role/grant", {"name": name, "perm": {"permType": permission, "key": b64(prefix),
                                                                 "range_end": b64(prefix_end(prefix))}})
            c.call("/v3/auth/user/grant", {"user": name, "role": name})
        c.call("/v3/auth/enable", {})
        self.root_password = password

    def kill(self):
        for m in self.members:
            m.kill()

    def stop(self):
        for m in self.members:
            if m.process:
                m.resume()
                m.process.send(signal.SIGTERM)
        for m in self.members:
            m.stop()

    def pause(self):
        for m in self.members:
            m.pause()

    def resume(self):
        for m in self.members:
            m.resume()
