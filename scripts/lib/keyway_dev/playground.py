"""scripts/playground: a local cluster behind Keyway, for trying things out."""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pymysql

from . import ROOT, Failure, build, shop, stores
from .cluster import STATE, Cluster, even_ranges
from .process import Progress, alive, start_time, stop_pids

DEFAULT_PORT = 15306
EPILOG = """examples:
  scripts/playground                            four shards of the sample keyspace "shop", until Ctrl-C
  scripts/playground --detach --smoke           the same in the background, checked; exit status 1 when a check fails
  scripts/playground --stop                     ends it and removes its folder
  scripts/playground --kind pair --proxies 2    shards are pairs of masters; two proxies
  scripts/playground --store etcd --azs 3 --replicas 2   the map in etcd, servers in three zones
  scripts/playground --unsharded                one server with all its databases behind Keyway
  scripts/playground --keyspace m.json --schema s.sql   your own shard map and tables
"""


def arguments(argv):
    p = argparse.ArgumentParser(prog="scripts/playground", description="Builds Keyway, starts a local sharded cluster "
                                "behind it, loads a sample, and runs until stopped.", epilog=EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--keyspace", action="append", default=[], metavar="MAP.json",
                   help="a shard map document; shards without backends get servers, a sharded keyspace without shards "
                        "gets --shards of them; repeats (default: the sample keyspace shop)")
    p.add_argument("--unsharded", action="store_true", help="one server behind the keyspace *")
    p.add_argument("--schema", action="append", default=[], metavar="FILE.sql", help="SQL to run through Keyway; repeats")
    p.add_argument("--shards", type=int, default=4, metavar="N", help="shards of a keyspace that does not list its own (4)")
    p.add_argument("--kind", choices=["replicaset", "pair"], default="replicaset", help="what a shard is made of (replicaset)")
    p.add_argument("--replicas", type=int, default=0, metavar="N", help="replicas of each replica set (0)")
    p.add_argument("--azs", type=int, default=1, metavar="N", help="availability zones to spread servers and proxies over (1)")
    p.add_argument("--proxies", type=int, default=1, metavar="N", help="Keyway daemons, on --port and the ports after it (1)")
    p.add_argument("--store", choices=stores.KINDS, default="file", help="where the shard map is kept (file)")
    p.add_argument("--server-config", metavar="FILE", help="lines added to the [mariadbd] section of the servers' my.cnf")
    p.add_argument("--backend-user", default="keyway_svc", metavar="NAME", help="account on servers that a map document names")
    p.add_argument("--backend-password", metavar="TEXT", help="its password")
    p.add_argument("--user", default="keyway", help="the application's account (keyway)")
    p.add_argument("--password", default="keyway", help="its password, may be empty (keyway)")
    p.add_argument("--port", type=int, default=DEFAULT_PORT, help="of the first proxy (%d)" % DEFAULT_PORT)
    p.add_argument("--dir", metavar="DIR", help="work folder (BUILD/playground-PORT)")
    p.add_argument("--build", default=os.environ.get("KEYWAY_BUILD") or os.path.join(ROOT, "build"), metavar="DIR",
                   help="build folder (build)")
    p.add_argument("--detach", action="store_true", help="leave it running in the background")
    p.add_argument("--stop", action="store_true", help="stop the playground of --dir or --port and remove its folder")
    p.add_argument("--smoke", action="store_true", help="run the smoke queries; exit status 1 when one fails")
    a = p.parse_args(argv)
    for name, low, high in (("shards", 1, 256), ("replicas", 0, 8), ("azs", 1, 26), ("proxies", 1, 16), ("port", 1, 65535)):
        if not low <= getattr(a, name) <= high:
            p.error("--%s: %d to %d" % (name, low, high))
    if a.unsharded and a.keyspace:
        p.error("--unsharded is the keyspace *; with --keyspace give a document for it: {\"keyspace\": \"*\"}")
    a.build = os.path.abspath(a.build)
    a.dir = os.path.abspath(a.dir or os.path.join(a.build, "playground-%d" % a.port))
    return a


def read_state(folder):
    try:
        with open(os.path.join(folder, STATE)) as f:
            return json.load(f)
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def recorded(state):
    """({pid: start time} of the proxies, the same of the servers and the map's store)"""
    def pick(entries):
        return {e["pid"]: e["started"] for e in entries if e.get("pid")}
    return (pick(state.get("proxies", [])),
            pick(state.get("backends", []) + [s for a in state.get("allocators", []) for s in a.get("servers", [])]
                 + state.get("store", {}).get("servers", [])))


def is_running(state):
    """Every proxy that it wrote down still runs, and it got as far as running."""
    proxies, servers = recorded(state)
    return (state.get("phase") == "running" and bool(proxies)
            and all(alive(p, t) for p, t in {**proxies, **servers}.items()))


def clean(folder, state):
    supervisor = state.get("supervisor") or {}
    if supervisor.get("pid") and supervisor["pid"] != os.getpid():
        stop_pids({supervisor["pid"]: supervisor["started"]}, signal.SIGTERM, 20)
    proxies, servers = recorded(state)
    stop_pids(proxies)
    stop_pids(servers, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def stop(folder):
    state = read_state(folder)
    if state is None:
        print("No playground in %s." % folder)
        return 0
    clean(folder, state)
    print("Stopped; %s is removed." % folder)
    return 0


def claim(folder, progress):
    """Makes the folder ours: what a crashed playground left is taken away, anything else is left alone."""
    state = read_state(folder)
    if state is None:
        if os.path.isdir(folder) and os.listdir(folder):
            raise Failure("%s is not empty and not a playground: choose another --dir" % folder)
        return None
    supervisor = state.get("supervisor") or {}
    if is_running(state):
        return state
    if state.get("phase") == "starting" and supervisor.get("pid") and alive(supervisor["pid"], supervisor["started"]):
        raise Failure("a playground is just starting in %s" % folder)
    progress.say("A playground crashed in %s: cleaning up." % folder)
    clean(folder, state)
    return None


class Playground(Cluster):
    """A cluster whose state also says who looks after it, and whether it holds the sample."""

    supervisor, sample = None, False

    def state(self, phase):
        return dict(super().state(phase), supervisor=self.supervisor, sample=self.sample)


def documents(a):
    if a.unsharded:
        return [{"keyspace": "*"}], False
    if not a.keyspace:
        return [shop.document(even_ranges(a.shards))], True
    out = []
    for path in a.keyspace:
        try:
            with open(path) as f:
                doc = json.load(f)
        except (OSError, ValueError) as x:
            raise Failure("%s: %s" % (path, x)) from None
        if not isinstance(doc, dict) or not isinstance(doc.get("keyspace"), str):
            raise Failure("%s: a map document is an object with \"keyspace\"" % path)
        out.append(doc)
    return out, False


def client_argv(state, keyspace):
    p = state["proxies"][0]
    argv = ["mysql", "--host=" + p["host"], "--port=%d" % p["port"], "--user=" + state["user"],
            "--password=" + state["password"]]
    return argv + ([keyspace] if keyspace != "*" else [])


def load_schema(path, state):
    keyspace = state["keyspaces"][0]
    with open(path, "rb") as f:
        r = subprocess.run([client_argv(state, keyspace)[0], "--no-defaults"] + client_argv(state, keyspace)[1:], stdin=f,
                           capture_output=True, text=True)
    if r.returncode:
        raise Failure("%s: %s" % (path, r.stderr.strip()))


def describe(state):
    keyspace = state["keyspaces"][0]
    database = "" if keyspace == "*" else " " + keyspace
    secret = " -p" + state["password"] if state["password"] else ""
    lines = ["", "Connect:"]
    for p in state["proxies"]:
        lines.append("  mysql -h %s -P %d -u%s%s%s" % (p["host"], p["port"], state["user"], secret, database))
    p = state["proxies"][0]
    lines.append("  mysql -S %s -u%s%s%s" % (p["socket"], state["user"], secret, database))
    b = next((b for b in state["backends"] if b.get("socket")), None)
    if b:
        lines += ["A server behind it, directly:",
                  "  mysql -S %s -u%s -p%s%s" % (b["socket"], state["admin"]["user"], state["admin"]["password"],
                                               " " + b["database"] if b.get("database") else "")]
    store = state["store"]
    if store["kind"] == "file":
        lines += ["The shard map (change a file and it is in force):", "  %s" % store["path"]]
    else:
        lines += ["The shard map (change a key and it is in force):",
                  "  %s %s: %s/keyspaces/%s" % (store["kind"], " ".join(store["endpoints"]),
                                                stores.own_key(store["kind"], store["prefix"]), keyspace)]
    lines += ["Log:", "  %s" % p["log"]]
    return "\n".join(lines)


def stop_line(a):
    return "scripts/playground --stop" + ("" if a.dir.endswith("playground-%d" % DEFAULT_PORT) else " --dir %s" % a.dir)


def run_smoke(state, progress):
    progress.say("Smoke queries:")

    def connect(**options):
        p = state["proxies"][0]
        return pymysql.connect(host=p["host"], port=p["port"], user=state["user"], password=state["password"],
                               charset="utf8mb4", autocommit=True, connect_timeout=10, read_timeout=60, **options)
    failed = shop.smoke(connect, state["keyspaces"], state.get("sample", False), progress)
    progress.say("Smoke queries: %s" % ("%d failed" % len(failed) if failed else "all passed"))
    return 1 if failed else 0


def watch(cluster, progress):
    """Until a signal; says when a part ends by itself."""
    gone = set()
    while True:
        for p in [p.process for p in cluster.proxies] + [s.process for s in cluster.servers] + cluster.store.processes:
            if p.name not in gone and not p.running():
                gone.add(p.name)
                progress.say("%s ended with status %d; its log: %s" % (p.name, p.exit_code(), p.log))
        time.sleep(0.5)


def main(argv):
    a = arguments(argv)
    progress = Progress()
    if a.stop:
        return stop(a.dir)
    state = claim(a.dir, progress)
    if state:
        print("Already running." + describe(state))
        return run_smoke(state, progress) if a.smoke else 0
    extra = ""
    if a.server_config:
        with open(a.server_config) as f:
            extra = f.read()
    docs, sample = documents(a)

    def interrupted(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:       # nohup
        signal.signal(signal.SIGHUP, interrupted)

    t0 = time.monotonic()
    with progress.part("build in %s" % a.build):
        build.build(a.build, build.RELEASE, build.PROGRAMS)
    cluster = Playground(a.dir, a.build, docs, n_shards=a.shards, kind=a.kind, replicas=a.replicas, azs=a.azs,
                         proxies=a.proxies, port=a.port, user=a.user, password=a.password, backend_user=a.backend_user,
                         backend_password=a.backend_password, server_config=extra, progress=progress, store=a.store)
    cluster.supervisor = {"pid": os.getpid(), "started": start_time(os.getpid())}
    cluster.sample = sample
    leave, done = False, False
    try:
        cluster.start()
        if sample:
            with progress.part("load the sample") as part:
                conn = cluster.connect(database="shop", read_timeout=60)
                part.note = shop.load(conn)
                conn.close()
        for path in a.schema:
            with progress.part("run %s" % path):
                load_schema(path, cluster.state("running"))
        if a.detach:
            cluster.supervisor = None
        cluster.write_state("running")
        state = cluster.state("running")
        progress.say("Ready after %.0f s." % (time.monotonic() - t0))
        rc = run_smoke(state, progress) if a.smoke else 0
        leave = a.detach
        if a.detach:
            print(describe(state) + "\nStop it:\n  " + stop_line(a), flush=True)
        if a.detach or rc:
            return rc
        print(describe(state) + "\nCtrl-C stops it.", flush=True)
        done = True
        watch(cluster, progress)
    except KeyboardInterrupt:
        print("Stopping.", file=sys.stderr)
        return 0 if done else 1
    finally:
        if not leave:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            cluster.stop(keep=not done)
            if not done:
                progress.say("Not finished; logs are in %s" % a.dir)


def entry(run):
    try:
        return run(sys.argv[1:])
    except (Failure, pymysql.Error, OSError) as x:
        print("%s" % (x if isinstance(x, Failure) else "%s: %s" % (type(x).__name__, x)), file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(entry(main))
