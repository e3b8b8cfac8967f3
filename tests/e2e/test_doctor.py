"""keywayctl doctor: nothing to say of a healthy cluster; what is broken is found, each with its cure."""
import json
import os
import subprocess

import pytest

from conftest import BUILD, PASSWORD, USER, create_tables, shop_document, start_site

pytestmark = pytest.mark.usefixtures("only_cluster")
CTL = os.path.join(BUILD, "src", "bin", "keywayctl")


def doctor(site, *args):
    """(exit code, findings)"""
    env = dict(os.environ, KEYWAY_USER=USER, KEYWAY_PASSWORD=PASSWORD)
    r = subprocess.run([CTL, "doctor", "--json", "--conf", site.cluster.proxies[0].config, *args], capture_output=True,
                       text=True, env=env, timeout=100)
    assert r.returncode in (0, 3), r.stderr
    return r.returncode, json.loads(r.stdout)


def found(site, check, text, severity="problem", where="", only=True):
    code, findings = doctor(site, *(["--check", check] if only else []))
    hits = [f for f in findings if f["check"] == check and text in f["finding"] and where in f["where"]]
    assert hits, findings
    assert hits[0]["severity"] == severity and hits[0]["cure"]
    assert code == (3 if any(f["severity"] == "problem" for f in findings) else 0)
    return hits[0]


@pytest.fixture(scope="module")
def site():
    site = start_site([shop_document(2)], "shop", replicas=1)
    create_tables(site)
    site.cluster.wait_replicas()
    yield site
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


@pytest.fixture(scope="module")
def pair():
    doc = shop_document(1)
    site = start_site([doc], "shop", kind="pair")
    yield site
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


def replica(site):
    return next(b for b in site.cluster.backends if b.role == "replica")


def test_a_healthy_cluster_has_no_problem(site):
    code, findings = doctor(site)
    assert code == 0 and not [f for f in findings if f["severity"] == "problem"], findings


def test_a_healthy_pair_has_no_problem(pair):
    code, findings = doctor(pair)
    assert code == 0 and not [f for f in findings if f["severity"] == "problem"], findings


def test_list_and_names(site):
    code, checks = doctor(site, "--list")
    assert code == 0 and len(checks) >= 20
    r = subprocess.run([CTL, "doctor", "--check", "nonsense"], capture_output=True, text=True)
    assert r.returncode == 2 and "nonsense" in r.stderr


# what is broken, what mends it, where: the replica, or the primary of the first shard
BROKEN = [
    ("replication", "has stopped", "problem", "replica", ["STOP SLAVE"], ["START SLAVE"]),
    ("writable", "replica is writable", "problem", "replica", ["SET GLOBAL read_only = OFF"], ["SET GLOBAL read_only = ON"]),
    ("writable", "no server of the shard is writable", "problem", None,
     ["SET GLOBAL read_only = ON"], ["SET GLOBAL read_only = OFF"]),
    ("binlog", "binlog_format is STATEMENT", "problem", "primary",
     ["SET GLOBAL binlog_format = STATEMENT"], ["SET GLOBAL binlog_format = ROW"]),
    ("binlog", "binlog_row_image is MINIMAL", "warning", "primary",
     ["SET GLOBAL binlog_row_image = MINIMAL"], ["SET GLOBAL binlog_row_image = FULL"]),
    ("same", "sql_mode", "warning", "replica", ["SET GLOBAL sql_mode = 'ANSI'"], ["SET GLOBAL sql_mode = DEFAULT"]),
    ("same", "time_zone", "warning", "replica", ["SET GLOBAL time_zone = '+03:00'"], ["SET GLOBAL time_zone = DEFAULT"]),
    ("connections", "max_connections is 20", "warning", "primary",
     ["SET GLOBAL max_connections = 20"], ["SET GLOBAL max_connections = 1000"]),
    ("packet", "max_allowed_packet is 1048576", "warning", "primary",
     ["SET @old = @@global.max_allowed_packet", "SET GLOBAL max_allowed_packet = 1048576"],
     ["SET GLOBAL max_allowed_packet = 1073741824"]),
    ("timeout", "wait_timeout is 10 s", "warning", "primary",
     ["SET GLOBAL wait_timeout = 10"], ["SET GLOBAL wait_timeout = 28800"]),
    ("fence", "READ_ONLY ADMIN", "problem", "primary",
     ["GRANT READ_ONLY ADMIN ON *.* TO {svc}"], ["REVOKE READ_ONLY ADMIN ON *.* FROM {svc}"]),
    ("grants", "SLAVE MONITOR", "problem", "primary",
     ["REVOKE SLAVE MONITOR ON *.* FROM {svc}"], ["GRANT SLAVE MONITOR ON *.* TO {svc}"]),
    ("schema", "table t", "problem", "primary", ["ALTER TABLE {db}.t ADD COLUMN extra INT"],
     ["ALTER TABLE {db}.t DROP COLUMN extra"]),
    ("schema", "index of table t", "warning", "primary", ["ALTER TABLE {db}.t ADD KEY extra (s)"],
     ["ALTER TABLE {db}.t DROP KEY extra"]),
    ("tables", "unlisted is on its servers", "warning", None, ["CREATE TABLE {db}.unlisted (id INT)"],
     ["DROP TABLE {db}.unlisted"]),
    ("ids", "those ids come again", "problem", None, ["INSERT INTO {db}.auto (id, v) VALUES (800000001, 'x')"],
     ["DELETE FROM {db}.auto WHERE id = 800000001"]),
]


@pytest.mark.parametrize("check,text,severity,who,do,undo", BROKEN, ids=[b[0] + " " + b[1] for b in BROKEN])
def test_what_is_broken_is_found(site, check, text, severity, who, do, undo):
    b = replica(site) if who == "replica" else site.shards[0]
    hosts = [r[0] for r in b.server.sql("SELECT host FROM mysql.user WHERE user = '%s'" % site.cluster.service[0])]
    db = b.database or site.shards[0].database

    def run(statements):
        for s in statements:
            for host in hosts if "{svc}" in s else [""]:
                b.server.sql(s.format(svc="%s@'%s'" % (site.cluster.service[0], host), db="`%s`" % db))
    try:
        run(do)
        found(site, check, text, severity, "" if who is None else b.name if check != "schema" else "")
    finally:
        run(undo)
        site.cluster.wait_replicas()
    code, findings = doctor(site, "--check", check)
    assert code == 0 and not [f for f in findings if text in f["finding"]], findings


def test_the_wrong_server_is_writable(site):
    r = replica(site)
    p = next(b for b in site.shards if b.shard == r.shard)
    try:
        r.server.sql("SET GLOBAL read_only = OFF")
        p.server.sql("SET GLOBAL read_only = ON")
        found(site, "writable", "primary of the map is read_only", where=p.name)
    finally:
        p.server.sql("SET GLOBAL read_only = OFF")
        r.server.sql("SET GLOBAL read_only = ON")


def test_a_pair_out_of_order(pair):
    odd = next(b for b in pair.cluster.backends if b.side == "odd")
    old = {v: odd.server.sql("SELECT @@global." + v)[0][0] for v in ("gtid_domain_id", "auto_increment_offset", "server_id")}
    other = next(b for b in pair.cluster.backends if b.side == "even")
    try:
        for v in ("gtid_domain_id", "server_id"):
            odd.server.sql("SET GLOBAL %s = %d" % (v, other.server.sql("SELECT @@global." + v)[0][0]))
        odd.server.sql("SET GLOBAL auto_increment_offset = 2")
        found(pair, "gtid", "is that of the other side")
        found(pair, "server_id", "is that of")
        found(pair, "pair", "ids that are not of the odd side", "warning", odd.name)
    finally:
        for v, value in old.items():
            odd.server.sql("SET GLOBAL %s = %d" % (v, value))


def test_a_bad_map_and_a_proxy_that_refused_it(site):
    good = site.cluster.documents[0]
    site.cluster.write_document(dict(good, shards=good["shards"][:1]))
    try:
        f = found(site, "map", "cover")
        assert "keywayctl map" in f["cure"]
    finally:
        site.cluster.write_document(good)


def test_a_server_that_is_gone(site):
    b = replica(site)
    b.server.stop()
    try:
        f = found(site, "connect", "cannot connect", where=b.name)
        assert "start the server" in f["cure"]
    finally:
        b.server.start()
        b.server.wait_ready()


def test_a_proxy_that_is_gone(site):
    code, findings = doctor(site, "--proxy", "127.0.0.1:1", "--check", "epochs")
    assert code == 3 and "127.0.0.1:1" in findings[0]["where"]


def test_for_people(site):
    env = dict(os.environ, KEYWAY_USER=USER, KEYWAY_PASSWORD=PASSWORD)
    b = replica(site)
    b.server.sql("STOP SLAVE")
    try:
        r = subprocess.run([CTL, "doctor", "--conf", site.cluster.proxies[0].config], capture_output=True, text=True, env=env)
        assert r.returncode == 3 and "problem  replication" in r.stdout and "cure: " in r.stdout
        assert "problems" in r.stderr
    finally:
        b.server.sql("START SLAVE")
        site.cluster.wait_replicas()
