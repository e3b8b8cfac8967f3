"""Proxies on etcd, consul and a folder: a new map is served by all at once and said so, and whatever becomes of the
store, the last good map is served. Loads and faults for longer are elsewhere."""
import copy
import json
import os
import shutil
import time

import pymysql
import pytest

from conftest import shop_document
from keyway_dev import Failure, consul, etcd
from keyway_dev.process import wait_for
from store_probe import Probe

pytestmark = pytest.mark.usefixtures("only_cluster")
KINDS = pytest.mark.parametrize("kind", ["etcd", "consul"])


@pytest.fixture
def live(make_site):
    """live(kind, …): a cluster with its map in such a store, and its document."""
    def make(kind, **options):
        try:
            site = make_site([shop_document(2)], store=kind, **options)
        except Failure as x:
            if "could not be fetched" in str(x) or "no Debian mirror" in str(x):
                pytest.skip(str(x))
            raise
        return Live(site)
    return make


class Live:
    def __init__(self, site):
        self.site, self.cluster, self.store = site, site.cluster, site.cluster.store
        self.document = copy.deepcopy(self.cluster.documents[0])
        if self.store.kind == "file":
            self.probe = Probe("file", [self.store.path])
        else:
            self.server = self.store.server
            self.probe = Probe(self.store.kind, self.server.endpoints, prefix=self.store.settings()["prefix"])

    def epoch(self, add=1, **changes):
        """Writes the document with a higher epoch; the epoch."""
        self.document["epoch"] += add
        self.document.update(changes)
        self.store.write(self.document)
        return self.document["epoch"]

    def proxies(self):
        return [json.loads(v) for v in self.probe.list("proxies/").values()]

    def all_serve(self, epoch, n, timeout=30):
        def check():
            records = self.proxies()
            return len(records) == n and all(r["epochs"].get("shop") == epoch for r in records)
        wait_for("%d proxies serve epoch %d" % (n, epoch), check, timeout, 0.05)

    def epochs(self, proxy=0):
        conn = self.site.connect(proxy=proxy)
        with conn.cursor(pymysql.cursors.DictCursor) as cur:
            cur.execute("SHOW KEYWAY EPOCHS")
            rows = {r["keyspace"]: r for r in cur.fetchall()}
        conn.close()
        return rows

    def serves(self, proxy=0):
        conn = self.site.connect(proxy=proxy)
        with conn.cursor() as cur:
            n = cur.execute("SELECT id FROM t")
        conn.close()
        return n

    def restart(self, proxy=0):
        p = self.cluster.proxies[proxy]
        p.process.stop()
        p.start()
        p.wait_ready(self.cluster.user, self.cluster.password)


@KINDS
def test_two_proxies_serve_each_epoch_and_say_so(live, kind):
    c = live(kind, proxies=2, tables=True)
    first = c.document["epoch"]
    c.all_serve(first, 2)
    records = c.proxies()
    assert {r["port"] for r in records} == {p.port for p in c.cluster.proxies}
    assert {r["pid"] for r in records} == {p.pid for p in c.cluster.proxies}
    for r in records:
        assert r["host"] == "127.0.0.1" and r["socket"].endswith(".sock") and r["version"]
        assert not r["map_from_cache"] and r["refused"] == {} and "map_trouble" not in r
    slowest = 0
    for _ in range(5):
        began = time.monotonic()
        epoch = c.epoch()
        wait_for("the map is there", lambda: all(c.epochs(i)["shop"]["epoch"] == epoch for i in (0, 1)), 20, 0.01)
        slowest = max(slowest, time.monotonic() - began)
        c.all_serve(epoch, 2)
    print("slowest of 5 new epochs on 2 proxies over %s: %.3f s" % (kind, slowest))
    # A document that is not good is refused, and told; the next good one is served.
    good = copy.deepcopy(c.document)
    c.document["shards"] = c.document["shards"][:1]
    c.epoch()
    wait_for("the refusal is told", lambda: all("shop" in r["refused"] for r in c.proxies()), 20)
    assert all(r["epochs"]["shop"] == good["epoch"] for r in c.proxies())
    c.document["shards"] = good["shards"]
    c.all_serve(c.epoch(), 2)
    # A proxy that ends takes its record with it.
    c.cluster.proxies[1].process.stop()
    wait_for("one record is left", lambda: len(c.proxies()) == 1, 20)
    c.cluster.proxies[1].start()
    c.cluster.proxies[1].wait_ready(c.cluster.user, c.cluster.password)
    c.all_serve(c.document["epoch"], 2)


@KINDS
def test_the_store_goes_and_the_map_stays(live, kind):
    c = live(kind, tables=True)
    c.all_serve(c.document["epoch"], 1)
    c.server.pause()
    assert c.serves() == 0
    c.restart()                             # from the cache, with a store that takes connections and says nothing
    assert c.serves() == 0
    row = c.epochs()["shop"]
    assert row["from"] == "cache" and row["store"] == "down" and kind in row["store_error"]
    assert "STALE MAP" in c.site.log() and "cached map" in c.site.log()
    c.server.resume()
    wait_for("the store gives the map", lambda: c.epochs()["shop"]["from"] == "store", 40)
    c.server.kill()
    c.restart()
    assert c.serves() == 0 and c.epochs()["shop"]["store"] == "down"
    c.server.start().wait_ready()
    epoch = c.epoch()
    wait_for("the new map came", lambda: c.epochs()["shop"]["epoch"] == epoch, 40)
    c.all_serve(epoch, 1)


@KINDS
def test_another_cluster_and_older_maps_are_refused(live, kind):
    c = live(kind, tables=True)
    epoch = c.epoch(5)
    wait_for("the map is there", lambda: c.epochs()["shop"]["epoch"] == epoch, 20)
    older = dict(c.document, epoch=epoch - 2)
    c.store.write(older)
    wait_for("an older one is refused", lambda: "epochs only rise" in c.epochs()["shop"]["refused_why"], 20)
    c.store.write(c.document)
    wait_for("the refusal is over", lambda: not c.epochs()["shop"]["refused_why"], 20)
    # Another, empty store at the same address, then one with a document that would be newer.
    c.server.reset()
    wait_for("it is told", lambda: "another one" in c.epochs()["shop"]["store_error"], 40)
    c.store.write(dict(c.document, epoch=epoch + 10))
    time.sleep(1)
    row = c.epochs()["shop"]
    assert row["epoch"] == epoch and row["store"] == "down" and "another one" in row["store_error"]
    assert c.serves() == 0
    # Started anew it still knows which store its map came from.
    c.restart()
    assert c.serves() == 0
    row = c.epochs()["shop"]
    assert row["epoch"] == epoch and row["from"] == "cache" and "another one" in row["store_error"]
    assert "nothing is taken from it" in c.site.log()
    # Whoever means it takes the cached map away.
    c.cluster.proxies[0].process.stop()
    os.unlink(os.path.join(c.cluster.folder, "proxy1.cache"))
    c.cluster.proxies[0].start()
    c.cluster.proxies[0].wait_ready(c.cluster.user, c.cluster.password)
    assert c.epochs()["shop"]["epoch"] == epoch + 10


@pytest.mark.parametrize("kind", ["file", "etcd", "consul"])
def test_a_store_that_is_emptied(live, kind):
    c = live(kind, tables=True)
    other = dict(shop_document(1), keyspace="other", epoch=1, shards=[
        {"range": "-", "backends": copy.deepcopy(c.document["shards"][0]["backends"])}])
    other.pop("database", None)
    c.store.write(dict(other, database="shop"))
    wait_for("a second keyspace", lambda: c.epochs().get("other", {"epoch": 0})["epoch"] == 1, 20)
    # All at once: nothing goes.
    if kind == "file":
        shutil.move(os.path.join(c.store.path, "shop.json"), os.path.join(c.store.path, "shop.away"))
        os.rename(os.path.join(c.store.path, "other.json"), os.path.join(c.store.path, "other.away"))
    else:
        keys = c.probe.list("keyspaces/")
        assert c.probe.commit(*["-keyspaces/" + k.split("/")[1] for k in keys])
    wait_for("it is told", lambda: "no keyspaces at all" in c.epochs()["shop"]["store_error"], 30)
    assert c.serves() == 0 and set(c.epochs()) >= {"shop", "other"} and c.epochs()["other"]["from"] == "before"
    c.restart()
    assert c.serves() == 0 and set(c.epochs()) >= {"shop", "other"}
    # They come back one by one; one of several may go.
    c.store.write(c.document)
    c.store.write(dict(other, database="shop"))
    wait_for("all is well", lambda: not c.epochs()["shop"]["store_error"], 30)
    if kind == "file":
        os.unlink(os.path.join(c.store.path, "other.json"))
    else:
        assert c.probe.commit("-keyspaces/other")
    wait_for("the other one is gone", lambda: "other" not in c.epochs(), 30)
    assert c.serves() == 0
