#!/usr/bin/env python3
"""Runs tests of MariaDB's own suite (Debian package mariadb-test) with mysqltest against a server or a proxy before it.

As a program:  mariadb_suite.py --find FILE     tries every main/*.test on a server without a proxy and writes down the
                                                names of those that pass within a few seconds: mariadb_suite.txt

What those tests say of a server must hold behind Keyway. The list leaves out what needs mysql-test-run.pl (restarts,
other options, debug builds)."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts", "lib"))

from keyway_dev.mariadb import Account, Server, cached_template  # noqa: E402

SUITE = "/usr/share/mysql/mysql-test"
MYSQLTEST = "/usr/bin/mariadb-test"
LIST = os.path.join(HERE, "mariadb_suite.txt")
# As mysql-test-run.pl sets a server up, as far as one server serves all tests.
SETTINGS = ["skip-log-bin", "character-set-server = latin1", "collation-server = latin1_swedish_ci", "default-time-zone = SYSTEM", "local-infile",
            "default-storage-engine = MyISAM", "sort_buffer_size = 256K", "max_heap_table_size = 1M", "use_stat_tables = preferably",
            "histogram_type = json_hb", "max_connections = 151", "table_open_cache = 2000", "max_allowed_packet = 16M", "slave-net-timeout = 120",
            "innodb_lock_wait_timeout = 50", "key_buffer_size = 1M", "binlog_format = MIXED", "secure-file-priv = ", "log_slave_updates = 0"]
RESET = ["test", "mtr"]
SYSTEM = ("mysql", "information_schema", "performance_schema", "sys") + tuple(RESET)
ACCOUNT = Account("root", "", ["GRANT ALL ON *.* TO {who} WITH GRANT OPTION",
                                "ALTER USER {who} IDENTIFIED BY ''"], ("localhost", "127.0.0.1", "%"))


def available():
    return os.path.exists(MYSQLTEST) and os.path.isdir(SUITE)


def listed():
    with open(LIST) as f:
        return [line.split()[0] for line in f if line.strip() and not line.startswith("#")]


class Suite:
    """A folder to run in, with a server set up for the tests."""

    def __init__(self, server):
        self.server = server
        self.var = tempfile.mkdtemp(prefix="keyway-suite-")
        for name in ("tmp", "log", "run"):
            os.mkdir(os.path.join(self.var, name))
        os.symlink(os.path.join(SUITE, "std_data"), os.path.join(self.var, "std_data"))

    def close(self):
        shutil.rmtree(self.var, ignore_errors=True)

    def reset(self):
        """Databases as a test expects them; what another left is taken away."""
        left = [r[0] for r in self.server.sql("SHOW DATABASES") if r[0] not in SYSTEM]
        sql = ["DROP DATABASE `%s`" % d.replace("`", "``") for d in left] + ["DROP DATABASE IF EXISTS %s" % d for d in RESET]
        sql += ["CREATE DATABASE %s CHARACTER SET latin1" % d for d in RESET]
        self.server.sql("SET foreign_key_checks = 0, sql_log_bin = 0", *sql)

    def run(self, name, host, port, path, timeout):
        """(passed, what it said)"""
        base = os.path.join(SUITE, "main", name)
        env = dict(os.environ, LC_ALL="C", TZ="MET", MYSQL_TEST_DIR=SUITE, MYSQLTEST_VARDIR=self.var, MYSQL_TMP_DIR=os.path.join(self.var, "tmp"),
                   MASTER_MYPORT=str(port), MASTER_MYSOCK=path, MYSQL_BINDIR="/usr", MYSQL_SHAREDIR="/usr/share/mysql", USE_RUNNING_SERVER="0",
                   DEFAULT_MASTER_PORT=str(port), MYSQLD_DATADIR=os.path.join(self.server.folder, "data"), MYSQL_LIBDIR="/usr/lib/mysql",
                   CHARSETSDIR="/usr/share/mysql/charsets", MYSQL_TEST=MYSQLTEST, SECURE_LOAD_PATH=os.path.join(self.var, "std_data"))
        argv = [MYSQLTEST, "--no-defaults", "--silent", "--host=" + host, "--port=%d" % port, "--user=root", "--password=", "--database=test",
                "--test-file=%s.test" % base, "--result-file=%s.result" % base, "--tmpdir=" + os.path.join(self.var, "tmp"),
                "--logdir=" + os.path.join(self.var, "log"), "--character-sets-dir=/usr/share/mysql/charsets", "--basedir=" + SUITE,
                "--timer-file=" + os.path.join(self.var, "timer")] + (["--socket=" + path] if path else [])
        try:
            r = subprocess.run(argv, capture_output=True, cwd=SUITE, env=env, timeout=timeout)
        except subprocess.TimeoutExpired:
            return False, "not done in %g s" % timeout
        return r.returncode == 0, (r.stdout + r.stderr).decode("utf-8", "replace")


def new_server(folder, cache, port=None):
    server = Server("suite", folder, cached_template(cache), ("keyway_admin", "suite-admin"), [ACCOUNT], settings=SETTINGS)
    server.port = port
    server.prepare()
    server.start()
    server.wait_ready()
    return server


def find(out):
    folder, cache = tempfile.mkdtemp(prefix="keyway-suite-db-"), tempfile.mkdtemp(prefix="keyway-suite-cache-")
    names = sorted(f[:-5] for f in os.listdir(os.path.join(SUITE, "main")) if f.endswith(".test"))
    passed, server = [], None
    try:
        for name in names:
            base = os.path.join(SUITE, "main", name)
            if any(os.path.exists(base + x) for x in (".opt", "-master.opt", "-slave.opt", ".cnf", ".combinations", "-master.sh")):
                continue
            if not os.path.exists(base + ".result"):
                continue
            if server is None:
                shutil.rmtree(folder)
                os.mkdir(folder)
                server = new_server(folder, cache)
            suite = Suite(server)
            try:
                suite.reset()
                t = time.monotonic()
                good, _ = suite.run(name, "localhost", server.port, server.socket, 8)
            except Exception as x:
                good = False
                print(name, x, file=sys.stderr)
            finally:
                suite.close()
            if good:
                passed.append((name, time.monotonic() - t))
            else:       # what it left behind must not fail the next one
                server.kill()
                server = None
            print("%s %s" % ("pass" if good else "fail", name), flush=True)
    finally:
        if server:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(cache, ignore_errors=True)
    with open(out, "w") as f:
        f.writelines("%s\n" % n for n, _ in passed)
    print("%d of %d pass" % (len(passed), len(names)))


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--find", metavar="FILE", required=True)
    find(p.parse_args().find)
