"""The store layer over real etcd and consul servers: keys, changes by version, following, presence, and what happens
when the servers are killed, frozen, emptied or ask for accounts. Keyway on top of it is shown elsewhere."""
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import BUILD, DIRECT
from keyway_dev import Failure, consul, etcd
from keyway_dev.kv import StoreError
from keyway_dev.process import alive, wait_for
from store_probe import BACKEND, CONFIG, DENIED, PREFIX, TIMEOUT, Probe, Refused

pytestmark = pytest.mark.skipif(DIRECT, reason="only with Keyway")
CACHE = os.path.join(BUILD, "cache")
BOTH = pytest.mark.parametrize("module", [etcd, consul], ids=["etcd", "consul"])


def needed(module):
    try:
        return module.program(CACHE)
    except Failure as x:
        pytest.skip(str(x))


class Stage:
    """A server that runs, and probes of it."""

    def __init__(self, server):
        self.server, self.probes = server, []
        self.kind = server.kind

    def probe(self, **settings):
        p = Probe(self.kind, settings.pop("endpoints", self.server.endpoints), **settings)
        self.probes.append(p)
        return p

    def key(self, name):
        return (PREFIX if self.kind == "etcd" else PREFIX.lstrip("/")) + "/" + name

    def put(self, name, value):
        """Again while the servers choose a leader: the same value twice is the same."""
        def check():
            try:
                self.server.client().put(self.key(name), value)
                return True
            except StoreError as x:
                if 0 < x.status < 500:
                    raise
                return False
        wait_for("%s is written" % name, check, 60, 0.1)

    def delete(self, name):
        self.server.client().delete(self.key(name))


@pytest.fixture
def stage(tmp_path):
    """stage(module, **options): a server and probes of it."""
    made = []

    def make(module, **options):
        cls = etcd.Etcd if module is etcd else consul.Consul
        s = Stage(cls(str(tmp_path / ("store%d" % len(made))), needed(module), **options))
        made.append(s)
        s.server.start().wait_ready()
        return s
    yield make
    for s in made:
        for p in s.probes:
            p.close()
        pids = [(p.pid, p.started) for p in s.server.processes]
        s.server.kill()
        assert not any(alive(*p) for p in pids)


@BOTH
def test_keys_and_changes_by_version(stage, module):
    p = stage(module).probe()
    assert p.get("ops/1") is None and p.list("") == {}
    assert p.commit("ops/1@0=a") and not p.commit("ops/1@0=b")
    v, value = p.get("ops/1")
    assert value == "a" and v > 0
    assert p.commit("ops/1@%d=b" % v) and not p.commit("ops/1@%d=c" % v)
    assert not p.commit("-ops/1@%d" % v) and not p.commit("ops/2=x", "ops/1@%d=c" % v)
    assert p.get("ops/2") is None and p.get("ops/1")[1] == "b"
    # Several at once; a key that must not be there; keys with bytes that a path or a key does not take.
    assert p.commit("ops/2@0=x", "-ops/1", "keyspaces/a%2Fb=1", "keyspaces/*=2", "keyspaces/50%25=3", "history/s p?&#/1=4")
    assert not p.commit("ops/3=x", "-ops/2@0")
    assert sorted(p.list("keyspaces/")) == ["keyspaces/*", "keyspaces/50%25", "keyspaces/a%2Fb"]
    assert p.get("keyspaces/50%25")[1] == "3" and p.get("history/s p?&#/1")[1] == "4"
    assert p.commit("empty=") and p.get("empty")[1] == ""
    assert p.list("ops/") == {"ops/2": "x"} and p.list("op") == {"ops/2": "x"} and p.list("none") == {}
    large = "x" * 100000
    assert p.commit("large=" + large) and p.get("large")[1] == large
    assert module.__name__.split(".")[-1] in p.run("describe")[0]
    with pytest.raises(Refused, match="part between its slashes"):
        p.get("a//b")


@BOTH
def test_followed_from_first_to_last(stage, module):
    s = stage(module)
    s.put("keyspaces/one", "1")
    s.put("history/one/1", "no")
    f = s.probe().start("follow")
    first = f.until("settled")
    assert first[0].startswith("identity ") and not first[0].endswith("/") and first[1:] == ["document one 1", "settled"]
    mark = s.server.client().get(s.key("cluster")).value.decode()
    assert first[0].endswith("/" + mark)
    began = time.monotonic()
    s.put("keyspaces/two", "2")
    assert f.until("document")[-1] == "document two 2"
    s.put("keyspaces/one", "1b")
    assert f.until("document")[-1] == "document one 1b"
    s.put("keyspaces/a%2Fb", "3")
    assert f.until("document")[-1] == "document a/b 3"
    s.delete("keyspaces/two")
    assert f.until("gone")[-1] == "gone two"
    assert time.monotonic() - began < 10
    f.until("settled")
    for i in range(20):
        s.put("keyspaces/one", "n%d" % i)
    f.until("document one n19")
    # What lies beside the documents is not told, nor is the same document twice.
    s.put("history/one/2", "no")
    s.put("other", "no")
    f.say("reload")
    f.until("settled")
    time.sleep(0.5)
    assert f.quiet() or f.until("settled")[:-1] == []
    # The same mark for who comes later.
    g = s.probe().start("follow")
    assert g.until("settled")[0] == first[0]
    began = time.monotonic()
    f.stop()
    g.stop()
    assert time.monotonic() - began < 5


@BOTH
def test_killed_frozen_and_back(stage, module):
    s = stage(module)
    s.put("keyspaces/one", "1")
    f = s.probe(timeout_ms=1000).start("follow")
    f.until("settled")
    s.server.kill()
    assert len(f.until("down")) == 1
    s.server.start().wait_ready()
    f.until("up")
    s.put("keyspaces/one", "2")
    f.until("document one 2")
    s.server.pause()
    f.until("down", 30)
    with pytest.raises(Refused) as x:
        s.probe(timeout_ms=500).get("keyspaces/one")
    assert x.value.kind == BACKEND
    with pytest.raises(Refused) as x:
        s.probe(timeout_ms=500).commit("a=1")
    assert x.value.kind == TIMEOUT and "not known" in x.value.text
    s.server.resume()
    f.until("up")
    s.put("keyspaces/one", "3")
    f.until("document one 3")
    s.server.pause()
    began = time.monotonic()
    f.stop()
    assert time.monotonic() - began < 3
    s.server.resume()


@BOTH
def test_down_at_the_start(stage, module):
    s = stage(module)
    s.put("keyspaces/one", "1")
    s.server.kill()
    f = s.probe().start("follow")
    assert [line.split()[0] for line in f.until("settled")] == ["down", "settled"]
    with pytest.raises(Refused) as x:
        s.probe().commit("a=1")
    assert x.value.kind == BACKEND          # surely not done
    s.server.start().wait_ready()
    assert "document one 1" in f.until("up")
    f.stop()


@BOTH
def test_another_store_at_the_same_address(stage, module):
    s = stage(module)
    s.put("keyspaces/one", "1")
    f = s.probe(timeout_ms=1000).start("follow")
    first = f.until("settled")
    f.say("refuse")
    s.server.reset()
    s.put("keyspaces/other", "9")
    told = f.until("identity")
    assert told[-1] != first[0] and not any(line.startswith(("document", "gone")) for line in told)
    f.until("identity")                     # it goes on asking
    f.say("accept")
    told = f.until("settled")
    assert "document other 9" in told and "gone one" in told
    f.stop()


@BOTH
def test_the_mark_is_changed(stage, module):
    s = stage(module)
    s.put("keyspaces/one", "1")
    f = s.probe().start("follow")
    first = f.until("settled")[0]
    s.put("cluster", "other")
    assert f.until("identity")[-1].endswith("/other")
    f.until("settled")
    s.delete("cluster")
    assert f.until("identity")[-1] == first.rsplit("/", 1)[0] + "/"
    f.stop()


@BOTH
def test_presence(stage, module):
    s = stage(module)
    c = s.server.client()
    value = lambda: (c.get(s.key("proxies/p1")) or type("none", (), {"value": None})).value
    p = s.probe(timeout_ms=1000).start("present", "proxies/p1", "one", 2000)
    wait_for("it is there", lambda: value() == b"one", 20)
    p.say("two")
    wait_for("its value has changed", lambda: value() == b"two", 20)
    s.delete("proxies/p1")
    wait_for("it was made again", lambda: value() == b"two", 30)
    time.sleep(4)
    assert value() == b"two"                # renewed past its time
    began = time.monotonic()
    p.stop()
    assert time.monotonic() - began < 5 and value() is None
    p = s.probe(timeout_ms=1000).start("present", "proxies/p1", "three", 2000)
    wait_for("it is there", lambda: value() == b"three", 20)
    if module is etcd:
        lease = c.call("/v3/lease/leases", {})["leases"][0]["ID"]
        c.call("/v3/lease/revoke", {"ID": lease})
    else:
        for session in c.call("GET", "/v1/session/list"):
            c.call("PUT", "/v1/session/destroy/" + session["ID"])
    wait_for("a new lease was made", lambda: value() == b"three", 30)
    s.server.kill()
    s.server.start().wait_ready()
    p.say("four")
    wait_for("it is there after a restart", lambda: value() == b"four", 30)
    p.kill()
    wait_for("it goes with its lease", lambda: value() is None, 40)


@BOTH
def test_tls_with_certificates(stage, tls_files, module):
    s = stage(module, tls=tls_files, client_cert=True)
    ca, cert, key = tls_files
    p = s.probe(ca=ca, cert=cert, key=key)
    assert p.commit("a=1") and p.get("a")[1] == "1"
    f = p.start("follow")
    f.until("settled")
    s.put("keyspaces/one", "1")
    f.until("document one 1")
    f.stop()
    for settings in ({"ca": ca}, {"cert": cert, "key": key}):
        with pytest.raises(Refused) as x:
            s.probe(**settings).get("a")
        assert x.value.kind == BACKEND
    plain = [e.replace("https", "http") for e in s.server.endpoints]
    with pytest.raises(Refused):
        s.probe(endpoints=plain).get("a")


def test_etcd_accounts(stage):
    s = stage(etcd)
    s.put("keyspaces/one", "1")
    s.server.enable_auth([("rw", "pa ss\"\\", PREFIX + "/", "READWRITE"), ("ro", "r", PREFIX + "/", "READ")])
    p = s.probe(user="rw", password="pa ss\"\\")
    assert p.get("keyspaces/one")[1] == "1" and p.commit("a=1")
    f, reader = p.start("follow"), s.probe(user="ro", password="r").start("follow")
    f.until("settled")
    # Who may only read follows too; the mark was made by the other, or is not there yet.
    assert "document one 1" in reader.until("settled")
    # A password that is set anew ends all tokens of the account: it logs in again, once.
    s.server.client().call("/v3/auth/user/changepw", {"name": "rw", "password": "pa ss\"\\"})
    s.put("keyspaces/one", "2")
    f.until("document one 2")
    reader.until("document one 2")
    f.stop()
    reader.stop()
    for settings in ({}, {"user": "rw", "password": "wrong"}, {"user": "none", "password": "x"}):
        with pytest.raises(Refused) as x:
            s.probe(**settings).get("a")
        assert x.value.kind == DENIED
    with pytest.raises(Refused) as x:
        s.probe(user="ro", password="r").commit("a=2")
    assert x.value.kind == DENIED
    outside = s.probe(user="rw", password="pa ss\"\\", prefix="/keyway/other")
    with pytest.raises(Refused) as x:
        outside.get("a")
    assert x.value.kind == DENIED
    o = outside.start("follow")
    assert "permission denied" in o.until("down")[-1]
    o.stop()


def test_etcd_loses_its_leader_and_members(stage):
    s = stage(etcd, members=3)
    s.put("keyspaces/one", "1")
    f = s.probe(timeout_ms=1500).start("follow")
    f.until("settled")
    first = s.server.leader()
    first.kill()
    s.server.leader()
    s.put("keyspaces/one", "2")
    f.until("document one 2")
    # A frozen member: the follower may hang on it.
    second = next(m for m in s.server.members if m is not first)
    s.server.start_member(first)
    s.server.wait_ready([first])
    second.pause()
    s.put("keyspaces/one", "3")
    f.until("document one 3")
    second.resume()
    # Members without a majority look healthy, but are not.
    alone = s.probe(endpoints=[first.endpoint], timeout_ms=1500).start("follow")
    alone.until("settled")
    others = [m for m in s.server.members if m is not first]
    for m in others:
        m.kill()
    alone.until("down", 40)
    for m in others:
        s.server.start_member(m)
    s.server.wait_ready()
    alone.until("up", 40)
    s.put("keyspaces/one", "4")
    alone.until("document one 4")
    f.until("document one 4")
    alone.stop()
    f.stop()


def test_etcd_compacted_while_the_follower_was_away(stage):
    s = stage(etcd)
    for i in range(3):
        s.put("keyspaces/k%d" % i, "1")
    f = s.probe(timeout_ms=1000).start("follow")
    f.until("settled")
    f.process.send_signal(19)
    try:
        s.put("keyspaces/k0", "2")
        s.delete("keyspaces/k1")
        s.server.kill()
        s.server.start().wait_ready()
        c = s.server.client()
        for i in range(50):
            s.put("other", str(i))
        c.compact(c.revision())
    finally:
        f.process.send_signal(18)
    told = f.until("document k0 2")
    if "gone k1" not in told:
        f.until("gone k1")
    s.put("keyspaces/k2", "3")
    f.until("document k2 3")
    f.stop()


def test_consul_tokens(stage):
    s = stage(consul, acl=True)
    s.put("keyspaces/one", "1")
    rules = 'key_prefix "keyway/test/" { policy = "%s" } session_prefix "" { policy = "write" }'
    writer, reader = s.server.make_token(rules % "write"), s.server.make_token(rules % "read")
    p = s.probe(token=writer)
    assert p.commit("a=1") and p.get("a")[1] == "1"
    r = s.probe(token=reader)
    f = r.start("follow")
    assert "document one 1" in f.until("settled")
    s.put("keyspaces/one", "2")
    f.until("document one 2")
    f.stop()
    for probe, words in ((r, ("commit", "a=2")), (s.probe(), ("commit", "a=2")), (s.probe(token="no"), ("get", "a"))):
        with pytest.raises(Refused) as x:
            probe.run(*words)
        assert x.value.kind == DENIED, x.value.text
    present = p.start("present", "proxies/p1", "one", 10000)
    wait_for("it is there", lambda: s.server.client().get(s.key("proxies/p1")), 20)
    present.stop()


def test_consul_without_any_key_is_not_asked_all_the_time(stage):
    s = stage(consul)
    f = s.probe(prefix="/keyway/empty").start("follow")
    f.until("settled")
    time.sleep(0.5)
    # While there is no key below the prefix, every change in consul wakes the query.
    until, n, c = time.monotonic() + 3, 0, s.server.client()
    while time.monotonic() < until:
        c.put("busy", str(n))
        n += 1
    woken = 0
    while not f.quiet():
        f.until("settled")
        woken += 1
    assert n > 60 and woken <= 40, (n, woken)
    c.put("keyway/empty/keyspaces/one", "1")
    f.until("document one 1")
    f.stop()


class Garbage(BaseHTTPRequestHandler):
    """A service that is no store, and answers well."""

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "11")
        self.end_headers()
        self.wfile.write(b"<html>\n[]\n ")
    do_GET = do_PUT = do_POST

    def log_message(self, *args):
        pass


@BOTH
def test_an_endpoint_that_is_no_store(stage, module):
    s = stage(module)
    s.put("keyspaces/one", "1")
    web = ThreadingHTTPServer(("127.0.0.1", 0), Garbage)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    try:
        bad = "http://127.0.0.1:%d" % web.server_port
        f = s.probe(endpoints=[bad] + s.server.endpoints).start("follow")
        assert "could not be understood" in f.until("down")[-1]
        f.until("document one 1")
        f.until("up")
        f.stop()
        only = s.probe(endpoints=[bad])
        with pytest.raises(Refused, match="could not be understood"):
            only.get("a")
        with pytest.raises(Refused) as x:
            only.commit("a=1")
        assert x.value.kind == TIMEOUT      # what it came to is not known
    finally:
        web.shutdown()
        web.server_close()


def test_settings_that_cannot_work(tmp_path):
    for endpoint in ("127.0.0.1:1", "ftp://127.0.0.1"):
        with pytest.raises(Refused) as x:
            Probe("etcd", [endpoint]).get("a")
        assert x.value.kind == CONFIG
