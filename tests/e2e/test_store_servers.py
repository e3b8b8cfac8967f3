"""The rig's own etcd and consul: they start, keep their data, can be killed, frozen and replaced, and the tests'
clients say what happened. What is shown of Keyway on top of them stands on this."""
import os
import secrets

import pytest

from conftest import BUILD, certificate
from keyway_dev import Failure, consul, debs, etcd
from keyway_dev.kv import StoreError
from keyway_dev.process import alive, wait_for

CACHE = os.path.join(BUILD, "cache")


def needed(module):
    try:
        return module.program(CACHE)
    except Failure as x:
        pytest.skip(str(x))


@pytest.fixture
def start(tmp_path):
    """start(module, **options): a store that runs."""
    made = []

    def make(module, **options):
        cls = etcd.Etcd if module is etcd else consul.Consul
        store = cls(str(tmp_path / ("store%d" % len(made))), needed(module), **options)
        made.append(store)
        return store.start().wait_ready()
    yield make
    for store in made:
        pids = [(p.pid, p.started) for p in store.processes]
        store.kill()
        assert not any(alive(*p) for p in pids)


@pytest.mark.parametrize("module", [etcd, consul], ids=["etcd", "consul"])
def test_keys_versions_restart_and_freeze(start, module):
    store = start(module)
    c = store.client()
    assert c.get("a/none") is None and c.list("a/") == {}
    c.put("a/x", "1")
    c.put("a/y", b"\0\xff")
    c.put("b", "")
    one = c.get("a/x")
    assert one.value == b"1" and c.get("b").value == b"" and c.get("a/y").value == b"\0\xff"
    assert sorted(c.list("a/")) == ["a/x", "a/y"]
    assert c.cas("a/x", "2", one.version) and not c.cas("a/x", "3", one.version)
    assert not c.cas("a/x", "4", 0) and c.cas("a/z", "5", 0)
    two = c.get("a/x")
    assert two.value == b"2" and two.version != one.version
    assert not c.cas("a/x", None, one.version) and c.cas("a/x", None, two.version) and c.get("a/x") is None
    assert c.delete("a/z") and not c.delete("a/z")

    store.pause()
    with pytest.raises(StoreError):
        store.client(timeout=0.5).get("b")
    store.resume()
    wait_for("it answers again", lambda: store.client().get("b"), 20)
    store.kill()
    with pytest.raises(StoreError):
        store.client().get("b")
    store.start().wait_ready()
    assert store.client().get("a/y").value == b"\0\xff"
    store.reset()
    assert store.client().list("a/") == {}


def test_etcd_of_three_members(start):
    store = start(etcd, members=3)
    c = store.client()
    c.put("k", "1")
    first = store.leader()
    first.kill()
    c.put("k", "2")
    second = store.leader()
    assert second is not first
    store.start_member(first)
    store.wait_ready([first])
    assert store.client(first).get("k").value == b"2"
    spare = next(m for m in store.members if m is not store.leader())
    before = store.status(spare)["header"]["member_id"]
    store.replace_data(spare)
    assert store.status(spare)["header"]["member_id"] != before
    assert store.client(spare).get("k").value == b"2"


def test_etcd_asks_for_accounts_and_certificates(start, tls_files, tmp_path):
    """Both at once go together only with certificates that have no CommonName."""
    certified = start(etcd, tls=tls_files, client_cert=True)
    certified.client().put("/q/a", "1")
    with pytest.raises(StoreError):
        certified.client(cert=None).get("/q/a")
    certified.enable_auth()
    with pytest.raises(StoreError, match="CommonName"):
        certified.client().get("/q/a")
    store = start(etcd, tls=certificate(str(tmp_path), "/O=nameless"), client_cert=True)
    store.enable_auth([("prx", "pp", "/q/", "READ")])
    store.client().put("/q/a", "1")
    reader = store.client(user="prx", password="pp")
    assert reader.get("/q/a").value == b"1"
    for refused in (lambda: reader.put("/q/a", "2"), lambda: reader.get("/r"),
                    lambda: store.client(user="prx", password="no").get("/q/a")):
        with pytest.raises(StoreError):
            refused()
    reader.token = "no.1"
    assert reader.get("/q/a").value == b"1"


def test_consul_asks_for_tokens_and_certificates(start, tls_files):
    store = start(consul, acl=True, tls=tls_files, client_cert=True)
    with pytest.raises((StoreError, OSError)):
        store.client(cert=None).get("q/a")
    store.client().put("q/a", "1")
    reader = store.client(token=store.make_token('key_prefix "q/" { policy = "read" }'))
    assert reader.get("q/a").value == b"1"
    with pytest.raises(StoreError):
        reader.put("q/a", "2")
    with pytest.raises(StoreError):
        store.client(token=secrets.token_hex(16)).get("q/a")


def test_a_package_that_is_nowhere_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(debs, "mirrors", lambda: [])
    with pytest.raises(Failure, match="name no Debian mirror"):
        debs.program("usr/bin/keyway-none", "keyway-none", str(tmp_path), "bullseye")
    monkeypatch.setattr(debs, "mirrors", lambda: ["http://127.0.0.1:1/debian"])
    with pytest.raises(Failure, match="could not be fetched"):
        debs.program("usr/bin/keyway-none", "keyway-none", str(tmp_path), "bullseye")
    assert os.listdir(str(tmp_path)) == []
    monkeypatch.setattr(debs, "fetch", lambda *_: pytest.fail("it was tried again"))
    with pytest.raises(Failure, match="could not be fetched"):
        debs.program("usr/bin/keyway-none", "keyway-none", str(tmp_path), "bullseye")
