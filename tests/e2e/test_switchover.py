"""keywayctl switchover under load: no autocommit client sees an error, nothing acknowledged is lost, and a tool that dies in
between leaves nothing that cannot be finished or taken back."""
import json
import os
import signal

import pytest

import conftest
from keyway_dev.mariadb import slave_status
from keyway_dev.process import wait_for
from operator_account import Ctl, OperatedCluster
from test_pair_ops import LONG, Load, SCHEMA

PATIENT = ["--pause", "20s", "--wait", "60s"]
DOC = {"keyspace": "shop", "database": "shop", "shards": [{"range": "-", "kind": "replicaset"}]}


class ReplicaSet:
    def __init__(self, site):
        self.site, self.ctl, self.first = site, Ctl(site), 1000000
        self.names = [b.name for b in site.cluster.backends]
        self.repl = os.path.join(site.cluster.folder, "repl.password")
        with open(os.open(self.repl, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(site.cluster.repl[1] + "\n")

    def backend(self, name):
        return self.site.cluster.backend(name)

    def document(self):
        with open(os.path.join(self.site.cluster.folder, "map", "shop.json")) as f:
            return json.load(f)

    def primary(self):
        found = [b for b in self.document()["shards"][0]["backends"] if b.get("role") == "primary"]
        assert len(found) == 1
        return found[0]["name"]

    def words(self, to):
        return ["switchover", "shop", "-", "--to", to, "--repl-password-file", self.repl, *PATIENT]

    def load(self):
        self.first += 100
        return Load(self.site, first=self.first)

    def healthy(self, primary):
        """Exactly one is writable, it is the map's, and all others replicate from it and have everything."""
        assert self.primary() == primary
        assert [b.get("state", "serving") for b in self.document()["shards"][0]["backends"]] == ["serving"] * 3
        position = self.backend(primary).sql("SELECT @@gtid_binlog_pos")[0][0]
        for name in self.names:
            server = self.backend(name).server
            assert self.backend(name).sql("SELECT @@read_only")[0][0] == (name != primary), name
            status = slave_status(server)
            if name == primary:
                assert not status
                continue
            assert status["Master_Port"] == self.backend(primary).server.port, name
            assert self.backend(name).sql("SELECT MASTER_GTID_WAIT('%s', 30)" % position)[0][0] == 0, slave_status(server)

    def verify(self, load):
        assert not load.errors, load.errors
        for name in self.names:
            rows = dict(self.backend(name).sql("SELECT id, n FROM t WHERE s = 'load'"))
            assert {k: rows.get(k) for k in load.counts} == load.counts, name
            have = {r[0] for r in self.backend(name).sql("SELECT id FROM t WHERE s = 'added'")}
            assert have >= {k for a in load.added for k in a}, name


@pytest.fixture(scope="module")
def rs():
    if conftest.DIRECT:
        pytest.skip("only with Keyway")
    site = conftest.start_site([DOC], "shop", cluster_class=OperatedCluster, replicas=2, proxies=2)
    conn = site.connect()
    with conn.cursor() as cur:
        for statement in SCHEMA:
            cur.execute(statement)
    conn.close()
    yield ReplicaSet(site)
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


def test_there_and_back_under_load(rs):
    with rs.load() as load:
        for to in (rs.names[1], rs.names[2], rs.names[0]):
            rs.ctl.run(*rs.words(to))
            print([line.strip() for line in rs.ctl.said.split("\n") if "waited" in line])
            load.more()
            rs.healthy(to)
    print("switchovers under load: %d steps of clients, the longest %.3f s" % (load.done, load.longest))
    rs.healthy(rs.names[0])
    rs.verify(load)


def test_what_cannot_be_is_refused_and_changes_nothing(rs):
    before = rs.document()
    for words, why in (([rs.names[0]], "is the primary already"), (["nobody"], "no backend nobody")):
        rs.ctl.run(*rs.words(words[0]), code=None)
        assert why in rs.ctl.said
    rs.ctl.run("switchover", "shop", "-", "--to", rs.names[1], code=3)
    assert "--repl-password-file" in rs.ctl.said
    other = rs.backend(rs.names[1])
    other.sql("STOP SLAVE SQL_THREAD")
    rs.ctl.run(*rs.words(rs.names[1]), code=None)
    assert "has stopped" in rs.ctl.said
    other.sql("START SLAVE")
    other.sql("SET GLOBAL read_only = 0")
    rs.ctl.run(*rs.words(rs.names[1]), code=3)
    assert "writable though it is a replica" in rs.ctl.said
    other.sql("SET GLOBAL read_only = 1")
    assert rs.document() == before
    rs.healthy(rs.names[0])


# KEYWAY_LONG: after every step.
STEPS = (["check", "near", "hold", "settle", "fence", "apply", "promote", "name", "repoint", "verify"] if LONG else
         ["fence", "promote", "name", "repoint"])


@pytest.mark.parametrize("how", ["resume", "abort"])
@pytest.mark.parametrize("step", STEPS)
def test_the_tool_is_killed(rs, step, how):
    """KEYWAY_OPS_STOP_AT makes the tool stop with SIGSTOP once a step has acted; then it is killed."""
    old = rs.primary()
    new = next(n for n in rs.names if n != old)
    with rs.load() as load:
        p = rs.ctl.start(*rs.words(new), env={"KEYWAY_OPS_STOP_AT": step})
        wait_for("the tool stops at " + step, lambda: stopped(p.pid) or p.poll() is not None, 60)
        assert p.poll() is None, p.communicate()
        p.send_signal(signal.SIGKILL)
        p.communicate()
        if how == "resume":
            rs.ctl.run(*rs.words(new))
        else:
            op = next(o for o in rs.ctl.json("ops", "list", admin=False) if o["phase"] == "doing")
            rs.ctl.run("ops", "abort", op["id"], "--repl-password-file", rs.repl)
        load.more()
    done = how == "resume" or step in ("name", "repoint", "verify")
    rs.healthy(new if done else old)
    rs.verify(load)


def stopped(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        return False
