"""keywayctl map: documents read, checked, compared, changed and taken back, in each kind of store; and a live cluster
that follows.

KEYWAY_LONG   when set, all bad maps are put before the live daemons, else every eighth."""
import base64
import copy
import http.server
import json
import os
import re
import stat
import subprocess
import threading
import urllib.error
import urllib.request

import pymysql
import pytest

from conftest import BUILD, DIRECT, ROOT
from keyway_dev import Failure, conf, stores
from keyway_dev.process import wait_for

pytestmark = pytest.mark.skipif(DIRECT, reason="only with Keyway")

CTL = os.path.join(BUILD, "src", "bin", "keywayctl")
BAD_MAPS = os.path.join(ROOT, "tests", "cluster", "bad_maps", "list.txt")


def bad_maps():
    with open(BAD_MAPS, encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t", 1) for line in f]


def server(name, port, **more):
    return dict({"name": name, "host": "127.0.0.1", "port": port}, **more)


SHOP = {"keyspace": "shop", "epoch": 1, "sharding": {"function": "hash"}, "shards": [
    {"range": "-80", "backends": [server("s1a", 1, role="primary"), server("s1b", 2, role="replica")]},
    {"range": "80-", "backends": [server("s2a", 3, role="primary"), server("s2b", 4, role="replica")]}],
    "tables": {"t": {"key": "id"}}}


def known_kinds():
    out = subprocess.run([os.path.join(BUILD, "src", "bin", "keyway"), "--help-config"], capture_output=True, text=True,
                         timeout=30).stdout
    return stores.KINDS if "store.endpoints" in out else ["file"]


class Tool:
    """keywayctl with the settings of a store, and no daemon."""

    def __init__(self, folder, conf_path):
        self.folder, self.conf, self.store = str(folder), conf_path, None
        self.env = dict(os.environ)

    def start(self, *args, **options):
        env = dict(self.env, **options.pop("env", {}))
        return subprocess.Popen([CTL] + [str(a) for a in args] + ["--conf", self.conf], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, **options)

    def __call__(self, *args, code=0, stdin="", **options):
        p = self.start(*args, **options)
        try:
            out, err = p.communicate(stdin, timeout=90)
        finally:
            p.kill()
        assert p.returncode == code, "keywayctl %s: status %d\n%s\n%s" % (args, p.returncode, out, err)
        self.out, self.err = out, err
        return out

    def rows(self, *args):
        return json.loads(self(*args, "--json"))

    def get(self, name="shop"):
        return json.loads(self("map", "get", name))

    def file(self, doc, name="doc.json"):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(doc if isinstance(doc, str) else json.dumps(doc, indent=2))
        return path

    def apply(self, doc, *options, **how):
        return self("map", "apply", self.file(doc), *options, **how)

    def editor(self, script):
        """The environment in which $EDITOR is a Python script: text is the file's, and becomes it."""
        path = os.path.join(self.folder, "editor.py")
        with open(path, "w") as f:
            f.write("#!/usr/bin/python3\nimport sys, json\npath = sys.argv[1]\ntext = open(path).read()\n%s\n"
                    "open(path, 'w').write(text)\n" % script)
        os.chmod(path, stat.S_IRWXU)
        return {"EDITOR": path, "VISUAL": "", "TMPDIR": self.folder}


@pytest.fixture(params=stores.KINDS)
def tool(request, tmp_path):
    if request.param not in known_kinds():
        pytest.skip("the daemon knows no store of kind %s" % request.param)
    cache = os.path.join(BUILD, "cache")
    try:
        store = stores.make(request.param, str(tmp_path), cache)
    except Failure as x:
        pytest.skip(str(x))
    path = tmp_path / "keyway.conf"
    store.start()
    try:
        path.write_text(conf.settings({"cluster": "tool", "store": store.settings(),
                                       "backend": {"user": "nobody", "password": "nothing"}}))
        t = Tool(tmp_path, str(path))
        t.store = store
        yield t
    finally:
        store.kill()


def changed(doc, *path_and_value):
    doc = copy.deepcopy(doc)
    at = doc
    for p in path_and_value[:-2]:
        at = at[p]
    at[path_and_value[-2]] = path_and_value[-1]
    return doc


def weighted(weight, epoch=1):
    return dict(changed(SHOP, "shards", 0, "backends", 1, "weight", weight), epoch=epoch)


def test_a_map_from_its_first_document_on(tool):
    tool("map", "get", "shop", code=1)
    assert "no keyspace shop" in tool.err
    tool.apply(SHOP, "--why", "the beginning")
    assert tool.get() == SHOP
    assert tool("map", "get") == tool("map", "get", "shop")
    assert [(r["keyspace"], r["epoch"], r["shards"], r["backends"]) for r in tool.rows("map", "list")] == [("shop", 1, 2, 4)]
    tool.apply(weighted(7), "--why", "b is small")
    assert "it got the next one, 2" in tool.err and "weight 7 instead of 100" in tool.err
    assert tool.get() == weighted(7, 2)
    # what is there already is no change
    tool.apply(weighted(7, 2))
    assert "so already" in tool.err and len(tool.rows("map", "history", "shop")) == 2
    # made from an epoch that is no more
    tool.apply(weighted(8, 1), code=4)
    assert "epoch 1" in tool.err and "at 2" in tool.err
    history = tool.rows("map", "history", "shop")
    assert [(h["epoch"], h["why"]) for h in history] == [(2, "b is small"), (1, "the beginning")]
    assert all("@" in h["who"] and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", h["at"]) for h in history)
    assert json.loads(tool("map", "get", "shop", "--epoch", "1")) == SHOP
    assert [d["class"] for d in tool.rows("map", "diff", "shop")] == ["traffic"]
    assert tool.rows("map", "diff", "shop", "--epoch", "2") == []
    tool("map", "rollback", "shop", "1", code=3)
    assert "--yes" in tool.err
    tool("map", "rollback", "shop", "1", "--yes")
    assert tool.get() == dict(SHOP, epoch=3)
    assert tool.rows("map", "history", "shop")[0]["why"] == "rollback to epoch 1"
    tool("map", "rollback", "shop", "9", "--yes", code=1)
    assert "epoch 9" in tool.err
    tool("map", "remove", "shop", "--yes", "--why", "enough")
    tool("map", "get", "shop", code=1)
    tool.apply(SHOP)
    assert tool.get()["epoch"] == 5, "a keyspace that came back began to count anew"
    assert tool.rows("map", "history", "shop")[1]["why"] == "removed: enough"


def test_several_keyspaces(tool):
    everything = {"keyspace": "*", "epoch": 1, "shards": [{"backends": [server("main", 9, role="primary")]}]}
    odd = {"keyspace": "a b%ü", "epoch": 3, "shards": [{"backends": [server("main", 9, role="primary")]}]}
    for doc in (SHOP, everything, odd):
        tool.apply(doc)
    assert {r["keyspace"] for r in tool.rows("map", "list")} == {"shop", "*", "a b%ü"}
    assert tool.get("*") == everything and tool.get("a b%ü") == odd
    tool("map", "get", code=1)
    assert "3 keyspaces" in tool.err
    assert [h["epoch"] for h in tool.rows("map", "history", "*")] == [1]
    tool("map", "validate", tool.file(SHOP, "1.json"), tool.file(dict(SHOP, epoch=2), "2.json"), code=3)
    assert "another file describes shop" in tool.err
    twice = {"keyspace": "other", "epoch": 1, "database": "shop",
             "shards": [{"backends": [server("x", 1, role="primary")]}]}
    tool("map", "validate", tool.file(twice))
    assert "warning: backend" in tool.err and "s1a" in tool.err


def test_stranded_rows_must_be_named(tool):
    tool.apply(SHOP)
    split = changed(SHOP, "shards", [dict(SHOP["shards"][0], range="-40"),
                                     {"range": "40-80", "backends": [server("s3a", 5, role="primary")]}, SHOP["shards"][1]])
    rows = tool.rows("map", "diff", "shop", tool.file(split))
    assert any(r["class"] == "strands rows" and r["keys"] == "40-80" and r["share"] == "25 %" for r in rows), rows
    assert any("split into -40 and 40-80" in r["change"] for r in rows)
    tool.apply(split, code=3)
    assert "--strands 40-80" in tool.err and "25 % of the key ids change their owner" in tool.err
    tool.apply(split, "--strands", "-80", code=3)
    tool.apply(split, "--strands", "40-80", "--strands", "80-", code=3)
    tool.apply(split, "--strands", "4-8", code=2)
    assert tool.get() == SHOP
    tool.apply(split, "--strands", "40-60", "--strands", "60-80")
    assert tool.get() == dict(split, epoch=2)
    # and the way back
    tool("map", "rollback", "shop", "1", "--yes", code=3)
    tool("map", "rollback", "shop", "1", "--yes", "--strands", "40-80")


def test_bad_documents_are_refused(tool):
    tool.apply(SHOP)
    for field, text in bad_maps()[::40]:
        tool.apply(text, code=3)
        assert "doc.json: %s: " % field in tool.err, tool.err
    assert tool.get() == SHOP
    tool.apply(changed(SHOP, "tables", "t", {"key": "id", "kye": 1}), code=3)
    assert "tables.t.kye: unknown field" in tool.err


def test_edit(tool):
    tool.apply(SHOP)
    before = tool("map", "get")
    # only what was meant changes
    tool("map", "edit", "shop", "--yes", "--why", "by hand", env=tool.editor("text = text.replace('\"port\": 2', '\"port\": 22')"))
    assert tool("map", "get") == before.replace('"port": 2', '"port": 22').replace('"epoch": 1', '"epoch": 2')
    assert tool.rows("map", "history", "shop")[0]["why"] == "by hand"
    # nothing changed, nothing done
    tool("map", "edit", "shop", "--yes", env=tool.editor("pass"))
    assert "nothing was changed" in tool.err and tool.get()["epoch"] == 2
    # what is not valid comes back with the reason at its top
    tool("map", "edit", "shop", "--yes", env=tool.editor(
        "if text.startswith('# '):\n"
        "    assert 'shards[0].backends[1].port: must be' in text.split('{')[0], text\n"
        "    text = text.replace('99999', '33')\n"
        "else:\n"
        "    text = text.replace('\"port\": 22', '\"port\": 99999')"))
    assert tool("map", "get") == before.replace('"port": 2', '"port": 33').replace('"epoch": 1', '"epoch": 3')
    assert not [f for f in os.listdir(tool.folder) if f.startswith("keyway-map-")], "a text was left behind"


def test_edit_given_up_keeps_the_text(tool):
    tool.apply(SHOP)
    tool("map", "edit", "shop", "--yes", code=3,
         env=tool.editor("text = text if text.startswith('# ') else text.replace('\"port\": 2', '\"port\": 99999')\n"
                         "text = text[text.index('{'):]"))
    kept = re.search(r"kept in (\S+)", tool.err).group(1)
    with open(kept) as f:
        assert "99999" in f.read()
    assert tool.get() == SHOP
    tool("map", "edit", "shop", "--yes", code=1, env=dict(tool.editor("pass"), EDITOR="false"))
    assert "nothing was changed" in tool.err
    tool("map", "edit", "shop", code=3, env=tool.editor("text = text.replace('\"port\": 2', '\"port\": 23')"))
    assert "--yes" in tool.err and tool.get() == SHOP


def test_two_operators_at_once(tool):
    """Each edits what the other has not seen: one of them is told so, and nothing is lost."""
    tool.apply(SHOP)
    script = ("import os, time\nopen(path + '.open', 'w').close()\nwhile not os.path.exists(%r): time.sleep(0.01)\n"
              "text = text.replace('\"port\": 2', '\"port\": 22')")
    go = os.path.join(tool.folder, "go")
    first = tool.start("map", "edit", "shop", "--yes", env=tool.editor(script % go))
    wait_for("the editor is open", lambda: [f for f in os.listdir(tool.folder) if f.endswith(".open")], 30)
    tool.apply(weighted(7))
    open(go, "w").close()
    out, err = first.communicate(timeout=60)
    assert first.returncode == 4, out + err
    assert "kept in" in err
    assert tool.get() == weighted(7, 2)
    # a race for one epoch has one winner
    codes = []

    def apply(i):
        p = tool.start("map", "apply", tool.file(weighted(20 + i, 2), "race%d.json" % i))
        p.communicate(timeout=90)
        codes.append((p.returncode, i))
    threads = [threading.Thread(target=apply, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    winners = [i for code, i in codes if code == 0]
    assert len(winners) == 1 and {c for c, _ in codes} == {0, 4}, codes
    assert tool.get() == weighted(20 + winners[0], 3)


def put_record(tool, name, record):
    text = json.dumps(record)
    if tool.store.kind == "file":
        folder = os.path.join(tool.store.path, ".keyway", "proxies")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name + ".tmp"), "w") as f:
            f.write(text)
        os.rename(os.path.join(folder, name + ".tmp"), os.path.join(folder, name + ".json"))
    else:
        tool.store.server.client().put(tool.store.key("proxies/" + name), text)


def test_the_proxies_are_waited_for(tool):
    ghost = {"id": "ghost", "host": "10.0.0.9", "port": 3306, "epochs": {"shop": 1}}
    put_record(tool, "ghost", ghost)
    tool.apply(SHOP)
    assert "served by 1 proxy" in tool.err
    tool.apply(weighted(7), "--timeout", "300ms", "--json", code=1)
    assert "1 of 1 proxies do not serve epoch 2 of shop: ghost (10.0.0.9:3306) is at epoch 1" in tool.err
    assert json.loads(tool.out)[0] == {"keyspace": "shop", "epoch": 2, "outcome": "unserved", "proxies": 1, "unserved": 1,
                                       "message": json.loads(tool.out)[0]["message"]}
    assert tool.get()["epoch"] == 2, "what is not served in time stays"
    p = tool.start("map", "apply", tool.file(weighted(8, 2)), "--timeout", "60s")
    wait_for("the map is there", lambda: tool.get()["epoch"] == 3, 30, 0.2)
    assert p.poll() is None, "it did not wait"
    put_record(tool, "ghost", dict(ghost, epochs={"shop": 3}))
    out, err = p.communicate(timeout=60)
    assert p.returncode == 0, err
    assert "is served by 0 of 1 proxies; ghost" in err and "epoch 3 of shop is served by 1 proxy" in err
    # without waiting
    tool.apply(weighted(9, 3), "--timeout", "0")


def changes_map(txn):
    """Is it a transaction that writes a document? As etcd or as consul is asked."""
    if isinstance(txn, list):
        return any("keyspaces/" in op["KV"]["Key"] and op["KV"]["Verb"] in ("cas", "set") for op in txn)
    puts = [op.get("requestPut") or op.get("request_put") for op in txn.get("success", ())]
    return any(b"keyspaces/" in base64.b64decode(p["key"]) for p in puts if p)


class Middleman:
    """Stands between the tool and an HTTP store. The first change is passed on or not, and its answer never comes."""

    def __init__(self, endpoint, pass_on):
        self.endpoint, self.pass_on, self.changes = endpoint, pass_on, 0
        self.done = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def forward(self, body):
                request = urllib.request.Request(outer.endpoint + self.path, data=body, method=self.command, headers={
                    k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length", "connection")})
                try:
                    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as r:
                        return r.status, r.headers, r.read()
                except urllib.error.HTTPError as x:
                    return x.code, x.headers, x.read()

            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
                change = body and self.path.endswith("/txn") and changes_map(json.loads(body))
                if change:
                    outer.changes += 1
                    if outer.changes == 1:
                        if outer.pass_on:
                            self.forward(body)
                        outer.done.wait(60)
                        self.close_connection = True
                        return
                status, headers, text = self.forward(body)
                self.send_response(status)
                for k, v in headers.items():
                    if k.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(k, v)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
            do_GET = do_POST = do_PUT = do_DELETE = do

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = "http://127.0.0.1:%d" % self.server.server_address[1]

    def stop(self):
        self.done.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("pass_on", (True, False), ids=("done", "not-done"))
def test_a_change_without_an_answer_is_done_once(tool, pass_on):
    if tool.store.kind == "file":
        pytest.skip("nothing stands between the tool and its files")
    tool.apply(SHOP)
    middle = Middleman(tool.store.server.endpoints[0], pass_on)
    settings = dict(tool.store.settings(), endpoints=[middle.address], timeout="500ms")
    with open(tool.conf, "w") as f:
        f.write(conf.settings({"cluster": "tool", "store": settings, "backend": {"user": "nobody", "password": "nothing"}}))
    try:
        tool.apply(weighted(7))
        assert middle.changes == (1 if pass_on else 2), "the change was sent %d times" % middle.changes
        assert "has not said whether" in tool.err
        assert tool.get() == weighted(7, 2)
        assert [h["epoch"] for h in tool.rows("map", "history", "shop")] == [2, 1]
    finally:
        middle.stop()


def test_a_document_larger_than_a_transaction(tool):
    """Document and history are more than consul takes at once, and both are kept all the same."""
    tables = {"table_%05d_%s" % (i, "x" * 40): {"key": "id"} for i in range(4000)}
    large = dict(SHOP, tables=tables)
    tool.apply(large)
    assert len(json.dumps(large, indent=2)) > 300000
    tool.apply(dict(large, shards=weighted(7)["shards"]))
    assert "history" not in tool.err, tool.err
    assert [h["epoch"] for h in tool.rows("map", "history", "shop")] == [2, 1]
    tool("map", "rollback", "shop", "1", "--yes")
    assert tool.get() == dict(large, epoch=3)


def test_output_for_programs_and_terminals(tool):
    tool.apply(changed(SHOP, "shards", 0, "backends", 0, "az", "z\u009b31m"), "--why", "a\x1b[2Jb")
    tool("map", "history", "shop")
    assert "\x1b" not in tool.out and "a\\x1b[2Jb" in tool.out
    lines = tool("map", "list").splitlines()
    assert lines[0].split() == ["KEYSPACE", "EPOCH", "SHARDING", "SHARDS", "BACKENDS", "TABLES", "PROBLEM"]
    p = tool.start("map", "list", "--watch=0.1", "--json")
    try:
        assert json.loads(p.stdout.readline()) == json.loads(p.stdout.readline()) == tool.rows("map", "list")
    finally:
        p.kill()
        p.communicate()
    tool("map", "list", "--yes", code=2)
    tool("map", "list", "--wtach", code=2)
    assert "no option --wtach" in tool.err


def test_all_bad_maps_by_validate(tmp_path):
    rows = bad_maps()
    assert len(rows) >= 200
    good = tmp_path / "good.json"
    good.write_text(json.dumps(SHOP))
    for i, (field, text) in enumerate(rows):
        (tmp_path / ("%d.json" % i)).write_text(text, encoding="utf-8")
    r = subprocess.run([CTL, "map", "validate", str(good)] + [str(tmp_path / ("%d.json" % i)) for i in range(len(rows))],
                       capture_output=True, text=True, timeout=120, env=dict(os.environ, KEYWAY_CONF=""))
    assert r.returncode == 3
    assert r.stdout.count(": valid") == 1
    for i, (field, text) in enumerate(rows):
        assert "/%d.json: %s: " % (i, field) in r.stderr, (i, field, text)
    r = subprocess.run([CTL, "map", "validate", str(good)], capture_output=True, text=True, timeout=30,
                       env=dict(os.environ, KEYWAY_CONF=""))
    assert r.returncode == 0, r.stderr


# ---- with daemons

def live(site):
    return Tool(site.cluster.folder, site.cluster.proxies[0].config)


@pytest.mark.parametrize("kind", stores.KINDS)
def test_live_daemons_are_waited_for(make_site, only_cluster, kind):
    """When apply has ended, every proxy goes by the new map; while one is stopped it does not end well."""
    try:
        site = make_site(n_shards=2, tables=True, proxies=2, store=kind)
    except Failure as x:
        pytest.skip(str(x))
    tool = live(site)
    start = tool.get()
    conns = [site.connect(proxy=i) for i in range(2)]

    def rows(conn, sql):
        with conn.cursor() as cur:
            cur.execute(sql)
            return cur.fetchall()
    tool.apply(changed(start, "tables", "extra", {"key": "id"}), "--why", "a table")
    epoch = start["epoch"] + 1
    assert "epoch %d of shop is served by all 2 proxies" % epoch in tool.err, tool.err
    assert tool.get()["epoch"] == epoch
    rows(conns[0], "CREATE TABLE extra (id BIGINT NOT NULL PRIMARY KEY)")
    rows(conns[0], "INSERT INTO extra VALUES (1), (2), (3)")
    assert rows(conns[1], "SELECT 1 FROM extra WHERE id = 2") == ((1,),)
    tool("map", "rollback", "shop", str(start["epoch"]), "--yes")
    assert "epoch %d of shop is served by all 2 proxies" % (epoch + 1) in tool.err, tool.err
    for c in conns:
        with pytest.raises(pymysql.err.Error):
            rows(c, "SELECT 1 FROM extra WHERE id = 2")
    frozen = site.cluster.proxies[1]
    frozen.process.pause()
    try:
        tool("map", "rollback", "shop", str(epoch), "--yes", "--timeout", "1s", code=1)
        assert "1 of 2 proxies do not serve epoch %d" % (epoch + 2) in tool.err, tool.err
        assert ":%d) is at epoch %d" % (frozen.port, epoch + 1) in tool.err, tool.err
    finally:
        frozen.process.resume()
    # the change is in force; to wait once more is to apply what is there
    tool.apply(tool.get())
    assert "so already" in tool.err and "served by all 2 proxies" in tool.err, tool.err
    assert rows(conns[1], "SELECT 1 FROM extra WHERE id = 2") == ((1,),)
    for c in conns:
        c.close()
    assert subprocess.run([CTL, "map", "list", "--playground", site.cluster.folder], capture_output=True,
                          timeout=30).returncode == 0


def test_bad_maps_do_not_reach_live_daemons(make_site, only_cluster):
    """Put into the store by hand, one after the other, under load."""
    site = make_site(n_shards=2, tables=True)
    tool = live(site)
    good = json.dumps(tool.get(), indent=2)
    path = os.path.join(site.cluster.folder, "map", "shop.json")
    rows = bad_maps() if os.environ.get("KEYWAY_LONG") else bad_maps()[::8]
    errors, stop, counts = [], threading.Event(), [0]

    def load():
        with site.connect() as conn, conn.cursor() as cur:
            while not stop.is_set():
                try:
                    cur.execute("SELECT COUNT(*) FROM t WHERE id = %d" % (counts[0] % 100))
                    assert cur.fetchone() == (0,)
                    counts[0] += 1
                except Exception as x:
                    errors.append(repr(x))
                    return
    t = threading.Thread(target=load)
    t.start()
    told = 0
    try:
        for field, text in rows:
            seen = len(site.log())
            with open(path + ".tmp", "w", encoding="utf-8") as f:
                f.write(text)
            os.rename(path + ".tmp", path)
            found = wait_for("%s is refused: %s" % (field, text), lambda: re.search(
                r"map document shop\.json is refused, the last good one stays: (.*)", site.log()[seen:]), 30)
            message = found.group(1)
            # the log writes quotes as \x22
            assert message.replace("\\x22", '"').replace("\\x5c", "\\").startswith(field + ": "), (field, message)
            told += 1
    finally:
        stop.set()
        t.join()
    assert told == len(rows) and not errors, errors
    assert counts[0] > 0
    assert "keyspace shop: epoch 1000" not in site.log() and "keyspace *: epoch" not in site.log()
    with open(path + ".tmp", "w") as f:
        f.write(good.replace('"epoch": 1', '"epoch": 2'))
    os.rename(path + ".tmp", path)
    wait_for("the good one is taken", lambda: "keyspace shop: epoch 2," in site.log(), 30)
