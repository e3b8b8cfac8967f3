"""Where a local cluster's shard map is kept: a folder, or an etcd or consul of its own."""
import json
import os
import re

from . import consul, etcd

PREFIX = "/keyway/playground"
KINDS = ("file", "etcd", "consul")


def document_name(keyspace):
    return re.sub(r"[^A-Za-z0-9_.-]", "_", keyspace)


def own_key(kind, key):
    """As the store itself names it: consul's keys have no slash at their beginning."""
    return key.lstrip("/") if kind == "consul" else key


class FileStore:
    """One file a document, each written whole or not at all."""

    kind, processes = "file", []

    def __init__(self, folder):
        self.path = os.path.join(folder, "map")

    def start(self):
        os.makedirs(self.path, exist_ok=True)

    def settings(self):
        return {"kind": "file", "path": self.path}

    def state(self):
        return {"kind": "file", "path": self.path}

    def write(self, doc):
        name = "%s.json" % ("_all" if doc["keyspace"] == "*" else document_name(doc["keyspace"]))
        tmp = os.path.join(self.path, ".%s.tmp" % name)
        with open(tmp, "w") as f:
            json.dump(doc, f, indent=2)
            f.write("\n")
        os.rename(tmp, os.path.join(self.path, name))

    def kill(self):
        pass


class KvStore:
    """server: what etcd.Etcd and consul.Consul have in common. access: settings of the proxies besides the address, as
    an account or a certificate."""

    def __init__(self, server, access=None):
        self.server, self.access = server, access or {}
        self.kind = server.kind

    processes = property(lambda self: self.server.processes)

    def start(self):
        self.server.start().wait_ready()

    def settings(self):
        return dict({"kind": self.kind, "endpoints": self.server.endpoints, "prefix": PREFIX}, **self.access)

    def state(self):
        servers = [{"name": p.name, "pid": p.pid, "started": p.started, "log": p.log} for p in self.processes]
        return {"kind": self.kind, "endpoints": self.server.endpoints, "prefix": PREFIX,
                "pids": [s["pid"] for s in servers], "servers": servers}

    def key(self, name):
        return own_key(self.kind, PREFIX + "/" + name)

    def write(self, doc):
        # A member that has just lost its leader, or is frozen, is not waited for: the next one may know better.
        self.server.client(timeout=3).put(self.key("keyspaces/" + doc["keyspace"]), json.dumps(doc, indent=2))

    def kill(self):
        self.server.resume()
        self.server.kill()


def make(kind, folder, cache, members=1, taken=(), **options):
    """options: as those of etcd.Etcd and consul.Consul. Failure when the program cannot be had."""
    if kind == "file":
        return FileStore(folder)
    place = os.path.join(folder, kind)
    if kind == "etcd":
        return KvStore(etcd.Etcd(place, etcd.program(cache), members=members, taken=taken, **options))
    return KvStore(consul.Consul(place, consul.program(cache), taken=taken, **options))
