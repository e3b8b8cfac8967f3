"""Private MariaDB servers on loopback: made from a template data folder, thrown away afterwards."""
import getpass
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile

import pymysql

from . import Failure
from .process import Process, alive, free_ports, frozen, wait_for

CONF = """[mariadbd]
{run_as}datadir = {datadir}
socket = {socket}
pid-file = {pid_file}
bind-address = {host}
port = {port}
server-id = {server_id}
report-host = {host}
report-port = {port}
gtid_domain_id = {domain}
skip-name-resolve
skip-external-locking
init-file = {init_file}
tmpdir = {tmpdir}
log-bin = binlog
log_slave_updates = 1
binlog_format = ROW
binlog_row_image = FULL
sync_binlog = 0
expire_logs_days = 1
log_bin_trust_function_creators = 1
slave_net_timeout = 10
character-set-server = utf8mb4
collation-server = utf8mb4_general_ci
default-time-zone = +00:00
local_infile = 1
max_connections = 500
max_allowed_packet = 64M
back_log = 500
innodb_buffer_pool_size = 48M
innodb_log_file_size = 16M
innodb_flush_log_at_trx_commit = 2
innodb_buffer_pool_dump_at_shutdown = 0
innodb_buffer_pool_load_at_startup = 0
innodb_fast_shutdown = 2
innodb_use_native_aio = 0
innodb_lock_wait_timeout = 10
key_buffer_size = 2M
aria_pagecache_buffer_size = 8M
table_open_cache = 400
performance_schema = 0
"""


def cached_template(cache):
    """An empty data folder for this very server version, made once."""
    version = subprocess.run(["/usr/sbin/mariadbd", "--no-defaults", "--version"], capture_output=True, text=True).stdout
    if not version:
        raise Failure("/usr/sbin/mariadbd does not run: is mariadb-server-core installed?")
    key = hashlib.sha1((version + getpass.getuser() + "1").encode()).hexdigest()[:12]
    path = os.path.join(cache, "mariadb-%s" % key)
    if os.path.isdir(path):
        return path
    os.makedirs(cache, exist_ok=True)
    tmp = tempfile.mkdtemp(prefix=".making-", dir=cache)
    r = subprocess.run(["/usr/bin/mariadb-install-db", "--no-defaults", "--datadir=" + tmp, "--skip-test-db", "--force",
                        "--skip-name-resolve", "--auth-root-authentication-method=socket",
                        "--auth-root-socket-user=" + getpass.getuser(), "--innodb-log-file-size=16M"]
                       + (["--user=root"] if os.getuid() == 0 else []), capture_output=True, text=True)
    if r.returncode:
        shutil.rmtree(tmp, ignore_errors=True)
        raise Failure("mariadb-install-db failed:\n" + (r.stdout + r.stderr)[-2000:])
    try:
        os.rename(tmp, path)
    except OSError:  # another run was faster
        shutil.rmtree(tmp, ignore_errors=True)
    return path


def quote(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Account:
    """An account made at every start of the server, for TCP from loopback and for the unix socket."""

    def __init__(self, user, password, grants, hosts=("localhost", "127.0.0.1")):
        self.user, self.password, self.grants, self.hosts = user, password, grants, hosts

    def sql(self):
        out = []
        for host in self.hosts:
            who = "%s@%s" % (quote(self.user), quote(host))
            out.append("CREATE USER IF NOT EXISTS %s IDENTIFIED BY %s;" % (who, quote(self.password)))
            out += [g.format(who=who) + ";" for g in self.grants]
        return out


class Server:
    """One mariadbd. Its admin account has all privileges."""

    host = "127.0.0.1"

    def __init__(self, name, folder, template, admin, accounts=(), server_id=1, domain=0, settings=(), extra=""):
        self.name, self.folder, self.template = name, folder, template
        self.admin_user, self.admin_password = admin
        self.accounts = [Account(admin[0], admin[1], ["GRANT ALL ON *.* TO {who} WITH GRANT OPTION"])] + list(accounts)
        self.server_id, self.domain, self.settings, self.extra = server_id, domain, settings, extra
        self.port, self.process = None, None
        self.socket = os.path.join(folder, "mysqld.sock")
        self.log = os.path.join(folder, "error.log")
        self.cnf = os.path.join(folder, "my.cnf")
        if len(self.socket) > 100:
            raise Failure("the folder's name is too long for a unix socket: %s" % self.socket)

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def prepare(self, taken=()):
        datadir = os.path.join(self.folder, "data")
        os.makedirs(os.path.join(self.folder, "tmp"), exist_ok=True)
        if not os.path.isdir(datadir):
            subprocess.run(["cp", "-a", "--reflink=auto", self.template, datadir], check=True)
        self.port = self.port or free_ports(1, taken)[0]
        init = os.path.join(self.folder, "init.sql")
        with open(os.open(init, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write("SET sql_log_bin=0;\n")
            for a in self.accounts:
                f.write("\n".join(a.sql()) + "\n")
        self.write_config()

    def write_config(self):
        with open(self.cnf, "w") as f:
            f.write(CONF.format(run_as="user = root\n" if os.getuid() == 0 else "",
                                datadir=os.path.join(self.folder, "data"), socket=self.socket,
                                pid_file=os.path.join(self.folder, "mysqld.pid"), host=self.host, port=self.port,
                                server_id=self.server_id, domain=self.domain,
                                init_file=os.path.join(self.folder, "init.sql"), tmpdir=os.path.join(self.folder, "tmp")))
            f.writelines("%s\n" % s for s in self.settings)
            if self.extra:
                f.write("\n# from --server-config\n" + self.extra + "\n")

    def set_global(self, name, value):
        """Now, if it answers, and at every later start."""
        self.settings = [s for s in self.settings if s.split("=")[0].strip() != name] + ["%s = %d" % (name, value)]
        self.write_config()
        if self.answers():
            self.sql("SET GLOBAL %s = %d" % (name, value))

    def answers(self):
        """It runs and is not frozen."""
        return self.process is not None and self.process.running() and not frozen(self.pid)

    def pause(self):
        self.process.pause()

    def resume(self):
        self.process.resume()

    def remove_data(self):
        """prepare() then gives it an empty folder."""
        shutil.rmtree(os.path.join(self.folder, "data"))

    def start(self):
        self.process = Process(self.name, ["/usr/sbin/mariadbd", "--defaults-file=" + self.cnf], self.log)

    def wait_ready(self, timeout=60):
        def check():
            if not self.process.running():
                raise Failure("server %s did not start:\n%s" % (self.name, self.process.log_tail()))
            try:
                self.connect().close()
                return True
            except pymysql.Error:
                return False
        wait_for("server %s answers" % self.name, check, timeout)

    def restart(self, timeout=60):
        if alive(self.pid, self.process.started):
            self.stop()
        self.start()
        self.wait_ready(timeout)

    def stop(self, sig=signal.SIGTERM, timeout=20):
        return self.process.stop(sig, timeout) if self.process else None

    def kill(self):
        return self.stop(signal.SIGKILL)

    def connect(self, database=None, **options):
        options = dict({"charset": "utf8mb4", "autocommit": True, "connect_timeout": 10}, **options)
        return pymysql.connect(unix_socket=self.socket, user=self.admin_user, password=self.admin_password,
                               database=database, **options)

    def sql(self, *statements, database=None):
        """Runs statements, returns the last one's rows."""
        conn = self.connect(database)
        try:
            with conn.cursor() as cur:
                for s in statements:
                    cur.execute(s)
                return cur.fetchall()
        finally:
            conn.close()


def replicate(server, source, user, password):
    server.sql("STOP SLAVE",
               "CHANGE MASTER TO master_host=%s, master_port=%d, master_user=%s, master_password=%s, "
               "master_connect_retry=1, master_use_gtid=slave_pos"
               % (quote(source.host), source.port, quote(user), quote(password)),
               "START SLAVE")


def begin_to_follow(server, source, user, password):
    """replicate() for a server that was written to itself: it goes on from where its own log ends."""
    server.sql("STOP SLAVE", "SET GLOBAL gtid_slave_pos = @@gtid_binlog_pos")
    replicate(server, source, user, password)


def stop_following(server, timeout=30):
    """Applies what it has fetched, then is nobody's replica."""
    server.sql("STOP SLAVE IO_THREAD")
    status = slave_status(server)
    fetched = status["Gtid_IO_Pos"] if status else None
    if fetched and server.sql("SELECT MASTER_GTID_WAIT(%s, %d)" % (quote(fetched), timeout))[0][0] != 0:
        raise Failure("%s did not apply what it has fetched: %s" % (server.name, slave_status(server)["Last_SQL_Error"]))
    server.sql("STOP SLAVE", "RESET SLAVE ALL")


def sequences(server):
    """{domain: sequence number} of the last transactions in its log."""
    position = server.sql("SELECT @@gtid_binlog_pos")[0][0]
    return {domain: int(n) for domain, _, n in (g.split("-") for g in position.split(",") if g)}


def slave_status(server):
    conn = server.connect(cursorclass=pymysql.cursors.DictCursor)
    try:
        with conn.cursor() as cur:
            cur.execute("SHOW SLAVE STATUS")
            return cur.fetchone()
    finally:
        conn.close()


def wait_replicating(server, timeout=30):
    def check():
        s = slave_status(server)
        if s["Last_SQL_Errno"]:
            raise Failure("replication into %s stopped: %s" % (server.name, s["Last_SQL_Error"]))
        return s["Slave_IO_Running"] == "Yes" and s["Slave_SQL_Running"] == "Yes"
    wait_for("replication into %s runs" % server.name, check, timeout)


def wait_caught_up(server, source, timeout=30):
    """Until what the source has in its log is applied."""
    position = source.sql("SELECT @@gtid_binlog_pos")[0][0]
    if position and server.sql("SELECT MASTER_GTID_WAIT(%s, %d)" % (quote(position), timeout))[0][0] != 0:
        raise Failure("%s did not catch up with %s" % (server.name, source.name))
