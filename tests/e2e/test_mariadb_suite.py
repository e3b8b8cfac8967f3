"""Tests of MariaDB's own suite through Keyway, with the keyspace * over one server: what mysqltest finds right directly,
it finds right behind Keyway."""
import os
import re
import shutil
import subprocess
import tempfile

import pymysql
import pytest

import mariadb_suite
from conftest import BUILD, DIRECT, LIVE, start_site

pytestmark = [pytest.mark.skipif(not mariadb_suite.available(), reason="Debian package mariadb-test is not installed"),
              pytest.mark.skipif(DIRECT, reason="only with Keyway")]


class SuiteSite:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="keyway-suite-db-")
        self.server = mariadb_suite.new_server(self.folder, os.path.join(BUILD, "cache"))
        # By its unix socket: stored programs then have the definer root@localhost, as in the expected results.
        backend = {"name": "suite", "socket": self.server.socket, "role": "primary"}
        document = {"keyspace": "*", "shards": [{"range": "-", "backends": [backend]}]}
        try:
            self.site = start_site([document], None, user="root", password="", backend_user="root", backend_password="",
                                   settings={"limits": {"max_packet": "16M"}})
        except BaseException:
            self.server.kill()
            raise

    def fresh(self):
        """The server as it was, on the same port, so that no test sees what a failed one left."""
        self.server.kill()
        shutil.rmtree(os.path.join(self.folder, "data"))
        self.server = mariadb_suite.new_server(self.folder, os.path.join(BUILD, "cache"), self.server.port)

    def stop(self):
        troubles = self.site.stop() if self.site in LIVE else []
        self.server.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        return troubles


@pytest.fixture(scope="module")
def suite_site():
    s = SuiteSite()
    yield s
    troubles = s.stop()
    assert not troubles, "\n".join(troubles)


@pytest.mark.parametrize("name", mariadb_suite.listed() if mariadb_suite.available() else [])
def test_mariadb_main(suite_site, name):
    proxy = suite_site.site.cluster.proxies[0]
    suite = mariadb_suite.Suite(suite_site.server)
    try:
        try:
            suite.reset()
        except pymysql.Error:       # a test left what even DROP DATABASE cannot remove
            suite_site.fresh()
            suite.server = suite_site.server
            suite.reset()
        good, said = suite.run(name, "localhost", proxy.port, proxy.socket, 40)
    finally:
        suite.close()
    if not good:
        suite_site.fresh()
        pytest.fail(said[-3000:], pytrace=False)


def test_mysql_client_test(suite_site):
    """The C API's own test program; the tests that fail without a proxy as well are left out."""
    program = shutil.which("mariadb-client-test") or shutil.which("mysql_client_test")
    if not program:
        pytest.skip("mysql_client_test is not installed (Debian package mariadb-test)")
    names = re.findall(r"^(test_\w+)", subprocess.run([program, "-T"], capture_output=True, text=True).stdout, re.M)
    assert names
    proxy, server = suite_site.site.cluster.proxies[0], suite_site.server
    broken = []

    def passes(name, port, path):
        var = tempfile.mkdtemp(prefix="keyway-suite-")
        try:
            argv = [program, "--no-defaults", "--silent", "--host=localhost", "--port=%d" % port, "--socket=" + path, "--user=root", "--password=",
                    "--basedir=" + mariadb_suite.SUITE, "--vardir=" + var, "--database=client_test_db", name]
            return subprocess.run(argv, capture_output=True, cwd=mariadb_suite.SUITE, timeout=60).returncode == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            shutil.rmtree(var, ignore_errors=True)
    for name in names:
        if not passes(name, proxy.port, proxy.socket):
            server.sql("DROP DATABASE IF EXISTS client_test_db")
            if passes(name, server.port, server.socket):
                broken.append(name)
    assert not broken, broken
