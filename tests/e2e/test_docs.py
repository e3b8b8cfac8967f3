"""The commands that the documents show work as shown, in an empty folder and next to another playground."""
import json
import os
import re
import subprocess

import pymysql
import pytest

from conftest import BUILD, DIRECT, ROOT
from keyway_dev import Failure, consul, etcd
from keyway_dev.process import alive, free_ports

pytestmark = pytest.mark.skipif(DIRECT, reason="only with Keyway")


def playground(*args, check=True, timeout=170):
    env = dict(os.environ, KEYWAY_BUILD=BUILD, PYTHONPATH=os.path.join(ROOT, "scripts", "lib"))
    # The build stands already; what is tested is what the command does with it.
    code = "import sys\nfrom keyway_dev import build, playground\nbuild.build = lambda *a: None\nsys.exit(playground.entry(playground.main))"
    r = subprocess.run(["/usr/bin/python3", "-c", code] + [str(a) for a in args], capture_output=True, text=True, env=env, timeout=timeout)
    assert not check or r.returncode == 0, r.stdout + r.stderr
    return r


def shell_lines(name):
    with open(os.path.join(ROOT, name)) as f:
        text = f.read()
    return [line.split("#")[0].strip() for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines() if line.strip()]


@pytest.fixture
def place(tmp_path):
    """Options that put a playground into a folder and on ports of its own."""
    ports = free_ports(3)
    folder = tmp_path / "p"
    yield folder, ["--dir", folder, "--port", ports[0]]
    playground("--stop", "--dir", folder, check=False)


def test_readme_commands(place):
    folder, options = place
    lines = shell_lines("README.md")
    start = next(line for line in lines if line.startswith("scripts/playground"))
    connect = next(line for line in lines if line.startswith("mysql "))
    r = playground(*start.split()[1:], *options)
    assert "Smoke queries: all passed" in r.stderr
    with open(folder / "playground.json") as f:
        state = json.load(f)
    port = state["proxies"][0]["port"]
    assert connect.replace("15306", str(port)) in r.stdout
    out = subprocess.run(connect.replace("15306", str(port)).split() + ["-Ne", "SELECT COUNT(*) FROM customer WHERE customer_id = 1"],
                         capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert len(state["backends"]) == 4 and {b["shard"] for b in state["backends"]} == {"-40", "40-80", "80-c0", "c0-"}
    for key in ("user", "password", "store", "allocators", "proxies"):
        assert state[key]
    pids = [b["pid"] for b in state["backends"]] + [p["pid"] for p in state["proxies"]]
    assert all(alive(p) for p in pids)
    again = playground(*start.split()[1:], *options)        # nothing but a look
    assert "Already running" in again.stdout
    playground("--stop", *options)
    assert not any(alive(p) for p in pids) and not folder.exists()


def test_two_side_by_side_and_a_crashed_one(place, tmp_path):
    folder, options = place
    other = ["--dir", tmp_path / "q", "--port", free_ports(1)[0]]
    try:
        playground("--detach", "--shards", 2, "--kind", "pair", "--proxies", 2, *options)
        playground("--detach", "--unsharded", "--smoke", *other)
        with open(folder / "playground.json") as f:
            state = json.load(f)
        assert len(state["proxies"]) == 2 and [b["side"] for b in state["backends"]] == ["odd", "even"] * 2
        for p in state["proxies"] + state["backends"][:2]:
            os.kill(p["pid"], 9)
        r = playground("--detach", "--shards", 1, "--replicas", 1, "--smoke", *options)
        assert "crashed" in r.stderr
        assert not any(alive(b["pid"], b["started"]) for b in state["backends"])
    finally:
        playground("--stop", *other, check=False)


@pytest.mark.parametrize("kind, module", [("etcd", etcd), ("consul", consul)])
def test_map_in_a_store(place, kind, module):
    folder, options = place
    try:
        module.program(os.path.join(BUILD, "cache"))
    except Failure as x:
        pytest.skip(str(x))
    playground("--store", kind, "--detach", "--smoke", "--shards", 2, "--azs", 2, "--replicas", 1, "--proxies", 2, *options)
    with open(folder / "playground.json") as f:
        state = json.load(f)
    store = state["store"]
    assert store["kind"] == kind and store["prefix"] == "/keyway/playground" and all(map(alive, store["pids"]))
    client = module.Client(store["endpoints"])
    doc = client.list((store["prefix"] + "/keyspaces/").lstrip("/" if kind == "consul" else ""))
    assert [i.json()["keyspace"] for i in doc.values()] == ["shop"]
    assert [b["az"] for b in state["backends"]] == ["az1", "az2"] * 2 and [p["az"] for p in state["proxies"]] == ["az1", "az2"]
    again = playground("--store", kind, *options)
    assert "Already running" in again.stdout and store["endpoints"][0] in again.stdout
    playground("--stop", *options)
    assert not any(map(alive, store["pids"])) and not folder.exists()


def test_own_map_schema_account_and_given_servers(place, tmp_path):
    folder, options = place
    (tmp_path / "m.json").write_text(json.dumps({"keyspace": "app", "sharding": {"function": "parity"}, "tables": {"item": {"key": "id"}}}))
    (tmp_path / "s.sql").write_text("CREATE TABLE item (id INT PRIMARY KEY, v VARCHAR(20));\nINSERT INTO item VALUES (1, 'odd'), (2, 'even');\n")
    (tmp_path / "my.cnf").write_text("max_connections = 77\n")
    playground("--detach", "--smoke", "--keyspace", tmp_path / "m.json", "--schema", tmp_path / "s.sql", "--shards", 2, "--user", "app", "--password", "",
               "--server-config", tmp_path / "my.cnf", *options)
    with open(folder / "playground.json") as f:
        state = json.load(f)
    p = state["proxies"][0]
    conn = pymysql.connect(host=p["host"], port=p["port"], user="app", password="", database="app")
    with conn.cursor() as cur:
        cur.execute("SELECT v FROM item WHERE id = 2")
        assert cur.fetchall() == (("even",),)
    conn.close()
    by_shard = {}
    for b in state["backends"]:
        direct = pymysql.connect(unix_socket=b["socket"], user=state["admin"]["user"], password=state["admin"]["password"], database="app")
        with direct.cursor() as cur:
            cur.execute("SELECT v, @@max_connections FROM item")
            by_shard[b["shard"]] = cur.fetchall()
            cur.execute("CREATE USER ours@'127.0.0.1' IDENTIFIED BY 'pw'")
            cur.execute("GRANT ALL ON *.* TO ours@'127.0.0.1'")
        direct.close()
    assert by_shard == {"-80": (("even", 77),), "80-": (("odd", 77),)}
    # the same servers behind a second playground that starts none of its own
    shards = [{"range": b["shard"], "backends": [{k: b[k] for k in ("name", "host", "port", "role", "az")}]} for b in state["backends"]]
    (tmp_path / "given.json").write_text(json.dumps({"keyspace": "app", "sharding": {"function": "parity"}, "shards": shards, "tables": {"item": {"key": "id"}}}))
    other = ["--dir", tmp_path / "q", "--port", free_ports(1)[0]]
    try:
        playground("--detach", "--keyspace", tmp_path / "given.json", "--backend-user", "ours", "--backend-password", "pw", *other)
        conn = pymysql.connect(host="127.0.0.1", port=other[3], user="keyway", password="keyway", database="app")
        with conn.cursor() as cur:
            cur.execute("SELECT v FROM item WHERE id = 1")
            assert cur.fetchall() == (("odd",),)
        conn.close()
    finally:
        playground("--stop", *other, check=False)


def test_what_is_refused(place, tmp_path):
    folder, options = place
    r = playground("--store", "paper", *options, check=False)
    assert r.returncode == 2 and "etcd" in r.stderr
    folder.mkdir()
    (folder / "mine").write_text("not a playground's")
    r = playground("--detach", *options, check=False)
    assert r.returncode == 1 and "not empty" in r.stderr and (folder / "mine").exists()
    (folder / "mine").unlink()
    r = playground("--keyspace", tmp_path / "missing.json", *options, check=False)
    assert r.returncode == 1 and "missing.json" in r.stderr
    assert playground("--stop", "--dir", tmp_path / "nothing").returncode == 0


def test_documents_are_there():
    with open(os.path.join(ROOT, "README.md")) as f:
        links = re.findall(r"\]\(([^)]+)\)", f.read())
    missing = [link for link in links if not link.startswith("http") and not os.path.exists(os.path.join(ROOT, link))]
    assert not missing
