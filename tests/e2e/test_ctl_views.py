"""keywayctl shards, backends, sessions … and kill: what proxies know, from the command line."""
import json
import os
import shutil
import subprocess

import pytest

from conftest import BUILD, PASSWORD, USER, Cluster, create_tables, shop_document, start_site
from keyway_dev.process import wait_for

pytestmark = pytest.mark.usefixtures("only_cluster")
CTL = os.path.join(BUILD, "src", "bin", "keywayctl")
VIEWS = ["shards", "backends", "pools", "sessions", "pinned", "proxies", "epochs", "allocators", "digests", "zones", "reads"]


@pytest.fixture(scope="module")
def site():
    site = start_site([shop_document(2)], "shop", proxies=2)
    create_tables(site)
    yield site
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


def ctl(site, *args, account=True, check=True, env=None):
    e = {k: v for k, v in os.environ.items() if not k.startswith("KEYWAY_")}
    e.update({"HOME": "/nonexistent"})
    if account:
        e.update({"KEYWAY_USER": USER, "KEYWAY_PASSWORD": PASSWORD})
    e.update(env or {})
    r = subprocess.run([CTL, *args], capture_output=True, text=True, env=e, timeout=60)
    assert not check or r.returncode == 0, r.stderr
    return r


def conf(site, proxy=0):
    return ["--conf", site.cluster.proxies[proxy].config]


def rows(site, *args, **options):
    return json.loads(ctl(site, *args, "--json", *(conf(site) if "--proxy" not in args else []), **options).stdout)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view(site, view):
    with site.raw() as c:
        r = c.query("SHOW KEYWAY " + view)
        names = r.names
    got = rows(site, view)
    if view not in ("pinned", "proxies"):
        assert got
    for row in got:
        assert list(row) == names
    people = ctl(site, view, *conf(site)).stdout.splitlines()
    assert people[0].split()[0] == names[0].upper()
    wide = ctl(site, view, "--wide", *conf(site)).stdout.splitlines()
    assert set(people[0].split()) <= set(wide[0].split()) and len(wide[0].split()) == len(names)


def test_values_are_those_of_sql(site):
    got = {r["name"]: r for r in rows(site, "backends")}
    for b in site.shards:
        r = got[b.name]
        assert r["shard"] == b.shard and r["role"] == "primary" and r["weight"] == 100
    assert [r["shard"] for r in rows(site, "shards", "--like", "80-")] == ["80-"]
    assert rows(site, "shards", "--like", "no'such") == []


def test_which_proxy(site):
    second = site.cluster.proxies[1]
    victim = site.connect(proxy=1)
    for address in ("%s:%d" % (second.host, second.port), second.socket):
        got = rows(site, "sessions", "--proxy", address)
        assert victim.thread_id() in {r["id"] for r in got}
    both = rows(site, "pools", "--proxy", second.socket, "--proxy", site.cluster.proxies[0].socket)
    assert {r["proxy"] for r in both} == {second.socket, site.cluster.proxies[0].socket}
    r = ctl(site, "pools", "--proxy", "127.0.0.1:1", "--proxy", second.socket, "--json", check=False)
    assert r.returncode == 1 and "127.0.0.1:1" in r.stderr and json.loads(r.stdout)
    r = ctl(site, "pools", "--proxy", "nonsense", check=False)
    assert r.returncode == 2 and "HOST:PORT" in r.stderr
    r = ctl(site, "pools", "--proxy", second.socket, "--all", check=False)
    assert r.returncode == 2
    victim.close()


def test_all_proxies_by_their_records(site):
    ports = {p.port for p in site.cluster.proxies}
    got = wait_for("both proxies' records", lambda: (lambda r: len(r) == 2 and r)(rows(site, "proxies")), 20)
    assert {int(r["address"].rpartition(":")[2]) for r in got} == ports
    epoch = rows(site, "epochs")[0]["epoch"]
    for r in got:
        assert r["epochs"] == "shop %d" % epoch and r["refused"] == "" and r["state"] == "up" and r["pid"] > 0
    every = rows(site, "sessions", "--all")
    assert {int(r["proxy"].rpartition(":")[2]) for r in every} == ports
    assert len(rows(site, "epochs", "--all")) == 2


def test_accounts(site, tmp_path):
    assert ctl(site, "shards", *conf(site), account=False, check=False).returncode == 1
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    ctl(site, "shards", *conf(site), "--user", USER, "--password-file", str(password), account=False)
    options = tmp_path / ".my.cnf"
    options.write_text("[keywayctl]\nuser=%s\npassword=%s\n" % (USER, PASSWORD))
    ctl(site, "shards", *conf(site), account=False, env={"HOME": str(tmp_path)})
    r = ctl(site, "shards", *conf(site), check=False, env={"KEYWAY_PASSWORD": "wrong"})
    assert r.returncode == 1 and "1045" in r.stderr and "wrong" not in r.stderr


def test_kill(site):
    victims = [site.connect(), site.connect()]
    ids = [str(v.thread_id()) for v in victims]
    ctl(site, "kill", "--query", ids[0], *conf(site))
    victims[0].ping(reconnect=False)
    ctl(site, "kill", *ids, *conf(site))
    wait_for("their end", lambda: not set(map(int, ids)) & {r["id"] for r in rows(site, "sessions")}, 20)
    r = ctl(site, "kill", ids[0], *conf(site), check=False)
    assert r.returncode == 1 and "1094" in r.stderr
    r = ctl(site, "kill", "1 OR 1", *conf(site), check=False)
    assert r.returncode == 2


def test_digests(site):
    conn = site.connect()
    with conn.cursor() as cur:
        for i in range(20):
            cur.execute("SELECT n FROM t WHERE id = %d AND s = 'digest here'" % i)
        with pytest.raises(Exception):
            cur.execute("SELECT no_such_column_digest FROM t WHERE id = 1")
    got = {r["text"]: r for r in rows(site, "digests")}
    r = next(r for t, r in got.items() if "s = ?" in t and "n FROM t" in t)
    assert r["count"] == 20 and r["errors"] == 0 and r["keyspace"] == "shop" and r["route"] == "ROUTE"
    assert 0 < r["avg_us"] <= r["max_us"] <= r["total_us"] and r["first_seen"] <= r["last_seen"]
    (r,) = [r for t, r in got.items() if "no_such_column_digest" in t]
    assert (r["count"], r["errors"]) == (1, 1)
    # a new map takes the plans, and leaves the counts
    doc = dict(site.cluster.documents[0], epoch=site.cluster.documents[0].get("epoch", 1) + 1)
    site.cluster.write_document(doc)
    wait_for("the new epoch", lambda: rows(site, "epochs")[0]["epoch"] == doc["epoch"], 20)
    with conn.cursor() as cur:
        cur.execute("SELECT n FROM t WHERE id = 5 AND s = 'digest here'")
    r = next(r for r in rows(site, "digests") if "s = ?" in r["text"] and "n FROM t" in r["text"])
    assert r["count"] == 21
    conn.close()


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_completion(site, tmp_path):
    script = tmp_path / "completion"
    script.write_text(ctl(site, "completion", "bash").stdout)

    def complete(*words):
        code = 'source "$0"; COMP_WORDS=(keywayctl "$@"); COMP_CWORD=$#; _keywayctl; printf "%s\\n" "${COMPREPLY[@]}"'
        r = subprocess.run(["bash", "-c", code, str(script), *words], capture_output=True, text=True, cwd=tmp_path)
        assert r.returncode == 0 and not r.stderr, r.stderr
        return r.stdout.split()
    assert {"shards", "kill", "doctor", "completion"} <= set(complete(""))
    assert complete("sess") == ["sessions"]
    assert {"--proxy", "--json", "--like"} <= set(complete("sessions", "--"))
    assert "--query" in complete("kill", "--") and "--watch" not in complete("kill", "--")
    assert complete("completion", "z") == ["zsh"]
    assert complete("sessions", "--password-file", "compl") == ["completion"]
    assert "complete -F" in ctl(site, "completion", "zsh").stdout
    assert ctl(site, "completion", "fish", check=False).returncode == 2


def test_manual_page_is_that_of_the_commands(site):
    with open(os.path.join(os.path.dirname(__file__), "..", "..", "docs", "keywayctl.1")) as f:
        assert f.read() == ctl(site, "help", "--man").stdout, "make it anew: keywayctl help --man > docs/keywayctl.1"
