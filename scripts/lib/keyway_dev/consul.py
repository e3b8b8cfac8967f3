"""A private consul server on loopback, and a client for its KV store."""
import base64
import json
import os
import shutil
import urllib.parse
import uuid

from . import Failure, debs
from .kv import Http, Item, StoreError
from .process import Process, free_ports, wait_for

# Debian 12 has no consul; the package of Debian 11 runs on it.
PACKAGE, SUITE = "consul", "bullseye"


def program(cache):
    return debs.program("usr/bin/consul", PACKAGE, cache, SUITE)


class Client:
    """Keys are texts (without a slash at the beginning, as consul has them), values bytes."""

    def __init__(self, endpoints, token=None, **options):
        self.http = Http(endpoints, **options)
        self.headers = {"X-Consul-Token": token} if token else {}

    def kv(self, method, key, query="", body=None, accept=()):
        path = "/v1/kv/" + urllib.parse.quote(key.lstrip("/")) + ("?" + query if query else "")
        return self.http.request(method, path, body, self.headers, accept)

    @staticmethod
    def item(entry):
        return Item(entry["Key"], base64.b64decode(entry["Value"] or ""), entry["ModifyIndex"])

    def get(self, key):
        """The Item, or None."""
        status, _, body = self.kv("GET", key, "consistent", accept=(404,))
        return None if status == 404 else self.item(json.loads(body)[0])

    def list(self, prefix):
        """{key: Item} of all keys with the prefix."""
        status, _, body = self.kv("GET", prefix, "recurse&consistent", accept=(404,))
        return {} if status == 404 else {i.key: i for i in map(self.item, json.loads(body))}

    def put(self, key, value):
        self.kv("PUT", key, body=value.encode() if isinstance(value, str) else value)

    def delete(self, key):
        """Whether there was such a key."""
        there = self.get(key) is not None
        self.kv("DELETE", key)
        return there

    def cas(self, key, value, version):
        """Writes (None: deletes) if the key's version is still this one, 0: if there is no key. Whether it was."""
        if value is None:
            return json.loads(self.kv("DELETE", key, "cas=%d" % version)[2])
        return json.loads(self.kv("PUT", key, "cas=%d" % version, value.encode() if isinstance(value, str) else value)[2])

    def call(self, method, path, body=None):
        """Any other method of the API: the decoded answer."""
        got = self.http.request(method, path, None if body is None else json.dumps(body).encode(), self.headers)[2]
        return json.loads(got) if got else None


class Consul:
    """One server. acl: nothing without a token; the one that may do all is .token. tls: (ca, cert, key), with client
    certificates demanded if client_cert."""

    kind = "consul"

    def __init__(self, folder, executable, acl=False, tls=None, client_cert=False, taken=()):
        self.folder, self.executable, self.tls, self.client_cert = folder, executable, tls, client_cert
        self.token = str(uuid.uuid4()) if acl else None
        self.data, self.log = os.path.join(folder, "data"), os.path.join(folder, "consul.log")
        self.http_port, self.server_port, self.serf_port = free_ports(3, set(taken))
        self.endpoint = "%s://127.0.0.1:%d" % ("https" if tls else "http", self.http_port)
        self.process = None

    endpoints = property(lambda self: [self.endpoint])
    processes = property(lambda self: [self.process] if self.process else [])

    def settings(self):
        d = {"server": True, "bootstrap_expect": 1, "node_name": "playground", "data_dir": self.data,
             "bind_addr": "127.0.0.1", "client_addr": "127.0.0.1", "advertise_addr": "127.0.0.1",
             "ports": {"http": -1 if self.tls else self.http_port, "https": self.http_port if self.tls else -1,
                       "dns": -1, "grpc": -1, "server": self.server_port, "serf_lan": self.serf_port, "serf_wan": -1},
             "disable_update_check": True, "disable_host_node_id": True, "log_level": "warn",
             "performance": {"raft_multiplier": 1}}
        if self.token:
            d["acl"] = {"enabled": True, "default_policy": "deny", "tokens": {"master": self.token}}
        if self.tls:
            ca, cert, key = self.tls
            d.update(ca_file=ca, cert_file=cert, key_file=key, verify_incoming_https=self.client_cert)
        return d

    def start(self):
        """A server that has data goes on with it."""
        os.makedirs(self.data, mode=0o700, exist_ok=True)
        config = os.path.join(self.folder, "consul.json")
        with open(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            json.dump(self.settings(), f, indent=2)
        self.process = Process("consul", [self.executable, "agent", "-config-file", config], self.log)
        return self

    def client(self, **options):
        if self.tls:
            ca, cert, key = self.tls
            options = dict({"ca": ca}, **options)
            if self.client_cert:
                options = dict({"cert": cert, "key": key}, **options)
        return Client(self.endpoints, **dict({"token": self.token}, **options))

    def wait_ready(self, timeout=60):
        """Until it has made itself the leader and answers."""
        def check():
            if not self.process.running():
                raise Failure("consul ended with status %d:\n%s" % (self.process.exit_code(), self.process.log_tail()))
            try:
                c = self.client(timeout=10)
                if not c.call("GET", "/v1/status/leader"):
                    return False
                c.get("ready")
                # The anonymous and the master token are made by the leader a little later.
                return not self.token or bool(c.call("GET", "/v1/acl/token/self"))
            except StoreError:
                return False
        wait_for("consul answers", check, timeout, 0.05)
        return self

    def make_token(self, rules):
        """The secret of a new token with these rules (HCL)."""
        c, name = self.client(), "p" + uuid.uuid4().hex[:8]
        c.call("PUT", "/v1/acl/policy", {"Name": name, "Rules": rules})
        return c.call("PUT", "/v1/acl/token", {"Policies": [{"Name": name}]})["SecretID"]

    def running(self):
        return self.process is not None and self.process.running()

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

    def reset(self):
        """Another, empty store at the same address."""
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)
        self.start().wait_ready()
