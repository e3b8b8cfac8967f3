"""The daemon as a process: settings checked and read again, the map followed, stopping."""
import os
import signal
import subprocess
import time

import pytest

from conftest import BUILD
from rawmysql import Closed, ServerError

PROGRAM = os.path.join(BUILD, "src", "bin", "keyway")


def until(what, check, seconds=20):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def everything(make_site, **options):
    site = make_site([{"keyspace": "*"}], "app", **options)
    site.shards[0].server.sql("CREATE DATABASE app")
    return site


@pytest.fixture
def own(make_site, only_cluster):
    return everything(make_site)


def checked(path):
    return subprocess.run([PROGRAM, "-c", path, "--check-config"], capture_output=True, text=True, timeout=30)


def test_help_and_version():
    for option in ("--help", "--version", "--help-config"):
        out = subprocess.run([PROGRAM, option], capture_output=True, text=True, timeout=30)
        assert out.returncode == 0 and out.stdout, option
    assert subprocess.run([PROGRAM], capture_output=True, timeout=30).returncode == 2


def test_check_config(own, tmp_path):
    assert checked(own.cluster.proxies[0].config).returncode == 0
    with open(own.cluster.proxies[0].config) as f:
        good = f.read()
    bad = tmp_path / "bad.conf"
    bad.write_text(good + '\nlimits_of_nothing = 3;\n')
    out = checked(str(bad))
    assert out.returncode == 1 and "bad.conf:%d" % (good.count("\n") + 2) in out.stderr and "limits" in out.stderr
    out = subprocess.run([PROGRAM, "-c", str(bad)], capture_output=True, text=True, timeout=30)
    assert out.returncode == 1, "a daemon started with settings that are wrong"


def test_reload_takes_all_or_nothing(own):
    p = own.cluster.proxies[0]
    with open(p.config) as f:
        good = f.read()
    with own.raw() as old:
        try:
            with open(p.config, "w") as f:
                f.write(good.replace("users", "usres"))
            os.kill(p.pid, signal.SIGHUP)
            until("the refusal is logged", lambda: "are refused" in own.log())
            with own.raw() as c:
                assert c.value("SELECT 1") == "1"
            with open(p.config, "w") as f:
                f.write(good + '\nlimits = { max_prepared = 2; };\n' if "limits" not in good else
                        good.replace("limits = {", "limits = { max_prepared = 2;", 1))
            os.kill(p.pid, signal.SIGHUP)
            until("the new settings are in force", lambda: "settings read again" in own.log())

            def refused():
                with own.raw() as c:
                    try:
                        for _ in range(3):
                            c.prepare("SELECT 1")
                    except ServerError as x:
                        return x.errno == 1461
                    return False
            until("the new limit holds", refused)
            assert old.value("SELECT 2") == "2", "a connection was dropped by the reload"
        finally:
            with open(p.config, "w") as f:
                f.write(good)
            os.kill(p.pid, signal.SIGHUP)


def test_stop_lets_a_transaction_finish(make_site, only_cluster):
    site = everything(make_site)
    p = site.cluster.proxies[0]
    with site.raw() as c, site.raw() as idle:
        c.query("CREATE TABLE stop (id INT PRIMARY KEY)")
        c.query("BEGIN")
        c.query("INSERT INTO stop VALUES (1)")
        site.expected_down = True
        os.kill(p.pid, signal.SIGTERM)
        with pytest.raises((ServerError, Closed, OSError)):
            while True:
                idle.query("SELECT 1")
        c.query("INSERT INTO stop VALUES (2)")
        c.query("COMMIT")
        until("the daemon has ended", lambda: not p.process.running())
    assert p.process.exit_code() == 0
    assert not os.path.exists(p.socket)
    assert sorted(site.shards[0].server.sql("SELECT id FROM stop", database="app")) == [(1,), (2,)]


def test_stop_rolls_back_what_does_not_end(make_site, only_cluster):
    site = everything(make_site, settings={"limits": {"drain_timeout": "500ms"}})
    p = site.cluster.proxies[0]
    with site.raw() as c:
        c.query("CREATE TABLE stop (id INT PRIMARY KEY)")
        c.query("BEGIN")
        c.query("INSERT INTO stop VALUES (1)")
        site.expected_down = True
        os.kill(p.pid, signal.SIGTERM)
        until("the daemon has ended", lambda: not p.process.running())
    assert p.process.exit_code() == 0
    assert not site.shards[0].server.sql("SELECT id FROM stop", database="app")
