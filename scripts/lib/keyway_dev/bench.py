"""scripts/bench: what a hop through Keyway costs, against no hop, the bare byte forwarder and haproxy, in one run."""
import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile

from . import ROOT, Failure, build
from .cluster import Cluster, even_ranges
from .mariadb import Account, Server, cached_template
from .playground import entry
from .process import Process, Progress, free_ports, port_free, wait_for

USER = PASSWORD = DATABASE = "bench"
QUICK = "point-1,point-16,ps-16,stream,insert,churn"
SERVER = ["skip-log-bin", "max_connections = 15000", "back_log = 4000", "innodb_buffer_pool_size = 1G", "innodb_log_file_size = 256M",
          "table_open_cache = 2000", "thread_cache_size = 300", "open_files_limit = 65000", "innodb_flush_log_at_trx_commit = 2"]
HAPROXY = """global
	maxconn 6500
	stats socket {folder}/haproxy.stats mode 600
defaults
	mode tcp
	timeout connect 5s
	timeout client 10m
	timeout server 10m
listen bench
	bind 127.0.0.1:{port}
	server db 127.0.0.1:{target}
"""


def arguments(argv):
    p = argparse.ArgumentParser(prog="scripts/bench", description="Runs the rig in bench/ over a private MariaDB server, "
                                "directly and through limit (the bare forwarder), haproxy, and Keyway with an unsharded and a "
                                "sharded keyspace, interleaved; prints tables and multiples of limit.")
    p.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds over all tests (5)")
    p.add_argument("--quick", action="store_true", help="one round of the main tests, about a minute")
    p.add_argument("--tests", metavar="LIST", help="only these tests of bench/bench.py, comma separated")
    p.add_argument("--seconds", type=float, metavar="S", help="time of one measurement (2)")
    p.add_argument("--shards", type=int, default=4, metavar="N", help="shards of the sharded keyspace, databases of the one server (4)")
    p.add_argument("--only", metavar="LIST", help="only these endpoints: limit, haproxy, keyway, shards")
    p.add_argument("--build", default=os.environ.get("KEYWAY_BUILD") or os.path.join(ROOT, "build"), metavar="DIR", help="build folder (build)")
    p.add_argument("--program", metavar="FILE", help="measure this keyway program, built already, and build nothing")
    p.add_argument("--out", metavar="FILE", help="raw results (BUILD/bench.json)")
    p.add_argument("--threads", type=int, default=0, metavar="N", help="Keyway's threads (one per core)")
    a = p.parse_args(argv)
    if not 1 <= a.rounds <= 50 or not 1 <= a.shards <= 64:
        p.error("--rounds: 1 to 50; --shards: 1 to 64")
    known = ["limit", "haproxy", "keyway", "shards"]
    a.only = a.only.split(",") if a.only else known
    if set(a.only) - set(known):
        p.error("--only: of " + ", ".join(known))
    a.build = os.path.abspath(a.build)
    a.out = os.path.abspath(a.out or os.path.join(a.build, "bench.json"))
    return a


class BenchCluster(Cluster):
    """A proxy in front of a server that is there already; may be restarted."""

    def restart(self):
        self.stop_proxies()
        for p in self.proxies:
            p.start()
            p.wait_ready(self.user, self.password)


def compiled(folder, name, *libs):
    out = os.path.join(folder, name)
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", out, os.path.join(ROOT, "bench", name + ".c")] + list(libs), check=True)
    return out


def backend(server, name):
    return {"name": name, "host": server.host, "port": server.port, "az": "az1", "role": "primary"}


class Bench:
    def __init__(self, a, folder, progress):
        self.a, self.folder, self.progress = a, folder, progress
        self.processes, self.clusters, self.endpoints = [], [], []

    def start_server(self):
        template = cached_template(os.path.join(self.a.build, "cache"))
        account = Account(USER, PASSWORD, ["GRANT ALL PRIVILEGES ON *.* TO {who}", "REVOKE READ_ONLY ADMIN ON *.* FROM {who}"])
        self.server = Server("server", os.path.join(self.folder, "server"), template, ("bench_admin", os.urandom(8).hex()), [account],
                             settings=SERVER)
        self.server.prepare()
        self.server.start()
        self.server.wait_ready()
        self.server.sql("CREATE DATABASE " + DATABASE, *["CREATE DATABASE %s_%d" % (DATABASE, i) for i in range(1, self.a.shards + 1)])
        self.endpoints.append("direct=%s:%d:%d" % (self.server.host, self.server.port, self.server.pid))

    def start_forwarder(self, name, argv, port):
        p = Process(name, argv, os.path.join(self.folder, name + ".log"))
        self.processes.append(p)
        try:
            wait_for("%s listens" % name, lambda: p.running() and not port_free(port), 10)
        except Failure as x:
            raise Failure("%s\n%s" % (x, p.log_tail())) from None
        self.endpoints.append("%s=127.0.0.1:%d:%d" % (name, port, p.pid))

    def start_keyway(self, name, document, skip=""):
        cluster = BenchCluster(os.path.join(self.folder, name), self.a.build, [document], port=free_ports(1)[0], user=USER, password=PASSWORD,
                               backend_user=USER, backend_password=PASSWORD, settings={"threads": self.a.threads, "log": {"level": "warn"}})
        if self.a.program:
            new_proxy = cluster.new_proxy

            def given(port=None):
                proxy = new_proxy(port)
                proxy.program = self.a.program
                return proxy
            cluster.new_proxy = given
        cluster.start()
        self.clusters.append(cluster)
        p = cluster.proxies[0]
        # A restart gives another process: it is found by its port.
        self.endpoints.append("%s=%s:%d:#%d%s" % (name, p.host, p.port, p.port, skip))

    def start(self):
        with self.progress.part("start a server"):
            self.start_server()
        if "limit" in self.a.only:
            port = free_ports(1)[0]
            self.start_forwarder("limit", [compiled(self.folder, "limit"), str(port), str(self.server.port)], port)
        if "haproxy" in self.a.only:
            if shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin"):
                port = free_ports(1)[0]
                conf = os.path.join(self.folder, "haproxy.cfg")
                with open(conf, "w") as f:
                    f.write(HAPROXY.format(folder=self.folder, port=port, target=self.server.port))
                self.start_forwarder("haproxy", ["/usr/sbin/haproxy", "-f", conf], port)
            else:
                self.progress.say("  haproxy is not installed: left out")
        if "keyway" in self.a.only:
            with self.progress.part("start Keyway, keyspace *"):
                self.start_keyway("keyway", {"keyspace": "*", "shards": [{"range": "-", "backends": [backend(self.server, "db")]}]})
        if "shards" in self.a.only:
            with self.progress.part("start Keyway, %d shards" % self.a.shards):
                shards = [{"range": r, "database": "%s_%d" % (DATABASE, i), "backends": [backend(self.server, "db%d" % i)]}
                          for i, r in enumerate(even_ranges(self.a.shards), 1)]
                tables = {t: {"key": "id"} for t in ("sbtest1", "bigrows", "bulkins")}
                # Their ordered and aggregated ranges over several shards are refused so far.
                self.start_keyway("shards", {"keyspace": DATABASE, "sharding": {"function": "hash"}, "shards": shards, "tables": tables},
                                  "?skip=ro-16,rw-16" if self.a.shards > 1 else "")

    def rig(self, *args):
        argv = [sys.executable, os.path.join(ROOT, "bench", "bench.py")] + list(args)
        if subprocess.run(argv).returncode:
            raise Failure("bench/bench.py failed")

    def seed(self):
        with self.progress.part("fill the tables"):
            for e in self.endpoints:
                if e.startswith(("direct=", "shards=")):
                    self.rig("--mload", self.mload, "--seed", e)

    def run(self):
        a = self.a
        self.mload = compiled(self.folder, "mload", "-lcrypto")
        self.seed()
        tests = (a.tests or (QUICK if a.quick else "")).split(",")
        tests = [t for t in tests if t]
        common = ["--mload", self.mload, "--rounds", "1" if a.quick else str(a.rounds)]
        common += ["--seconds", str(a.seconds or (1 if a.quick else 2))]
        outs = []
        loads = [t for t in tests if t != "idle"]
        if loads or not tests:
            outs.append(a.out)
            self.rig(*self.endpoints, *common, "--out", a.out, "--tests", ",".join(loads or self.all_tests()))
        if "idle" in tests or not tests:
            # Memory that other tests grew would hide what an idle client costs.
            for c in self.clusters:
                c.restart()
            outs.append(a.out + ".idle")
            self.rig(*self.endpoints, *common, "--out", outs[-1], "--tests", "idle")
        print("\n## All tables\n", flush=True)
        self.rig("--show", *outs)
        print("## Summary (%s)\n" % machine(), flush=True)
        self.rig("--show", *outs, "--summary", "limit")

    def all_tests(self):
        r = subprocess.run([sys.executable, "-c", "import sys; sys.path.insert(0, %r); import bench; print(','.join(t for t in bench.DEFAULT "
                            "if t != 'idle'))" % os.path.join(ROOT, "bench")], capture_output=True, text=True, check=True)
        return r.stdout.strip().split(",")

    def stop(self):
        for c in self.clusters:
            c.stop()
        for p in self.processes:
            p.stop(timeout=3)
        if hasattr(self, "server"):
            self.server.kill()


def machine():
    model = platform.machine()
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return "%s, %d cores, Linux %s" % (model, os.cpu_count(), platform.release())


def raise_files(wanted):
    """As many open files as allowed, up to what is wanted."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return
        except (ValueError, OSError):
            wanted = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main(argv):
    a = arguments(argv)
    progress = Progress()
    raise_files(65536)
    if not a.program and set(a.only) & {"keyway", "shards"}:
        with progress.part("build in %s" % a.build):
            build.build(a.build, build.RELEASE, build.PROGRAMS)
    folder = tempfile.mkdtemp(prefix="keyway-bench-")
    bench = Bench(a, folder, progress)
    try:
        bench.start()
        bench.run()
    except KeyboardInterrupt:
        return 130
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(entry(main))
