"""The map in etcd or consul, two proxies: ids from counters in it, and the record of ids given out that is kept in it
whatever the allocator. The store is killed, frozen, and comes back."""
import os
import threading
import time

import pytest

from conftest import BUILD, shop_document
from id_service import IdService
from keyway_dev import Failure, consul, etcd
from keyway_dev.process import wait_for
from rawmysql import ServerError

pytestmark = pytest.mark.usefixtures("only_cluster")
SMALL = {"block": 20, "block_min": 10, "block_max": 100}


@pytest.fixture(params=["etcd", "consul"])
def kind(request):
    try:
        {"etcd": etcd, "consul": consul}[request.param].program(os.path.join(BUILD, "cache"))
    except Failure as x:
        pytest.skip(str(x))
    return request.param


def make(make_site, kind, allocator):
    return make_site([shop_document(2)], tables=True, proxies=2, store=kind,
                     settings={"allocators": [dict(allocator, name="main")]})


def value(site, key):
    store = site.cluster.store
    item = store.server.client().get(store.key(key))
    return item.value.decode() if item else None


def server(site):
    return site.cluster.store.server


def ids(site):
    return [r[0] for r in site.on_all("SELECT id FROM log")]


class Clients:
    """INSERTs through both proxies until the block ends; .done: every row acknowledged, as (first id, rows)."""

    def __init__(self, site, n=6):
        self.done, self.refused, self.errors, self.slowest = [], 0, [], 0
        self.site, self.lock, self.stopping = site, threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(n)]

    def run(self, i):
        try:
            with self.site.raw(proxy=i % 2) as c:
                k = 0
                while not self.stopping.is_set():
                    k += 1
                    n = 1 + (k * 7 + i) % 20
                    rows = ",".join("(%d, 'x')" % (1000 * i + j) for j in range(n))
                    start = time.monotonic()
                    try:
                        ok = c.query("INSERT INTO log (owner, v) VALUES " + rows).ok
                    except ServerError as x:
                        assert x.errno == 1467, x
                        self.refused += 1
                        time.sleep(0.02)
                        continue
                    with self.lock:
                        self.done.append((ok.insert_id, n))
                        self.slowest = max(self.slowest, time.monotonic() - start)
        except Exception as x:
            self.errors.append(x)

    def __enter__(self):
        [t.start() for t in self.threads]
        return self

    def __exit__(self, *exc):
        self.stopping.set()
        [t.join(60) for t in self.threads]
        for i in (0, 1):
            print(*[line for line in self.site.log(i).splitlines() if " ids: " in line], sep="\n")
            with self.site.raw(proxy=i) as c:
                print(*c.values("SHOW KEYWAY ALLOCATORS"), sep="\n")
        assert not self.errors, self.errors

    def rows(self):
        with self.lock:
            return sum(n for _, n in self.done)

    def more(self, rows, timeout=60):
        """Until so many more rows are acknowledged."""
        want = self.rows() + rows
        wait_for("%d rows are acknowledged" % want, lambda: self.errors or self.rows() >= want, timeout, 0.02)


def check_rows(site, clients):
    """Every acknowledged row is there once, with an id of its own."""
    got = ids(site)
    assert len(got) == len(set(got)) == clients.rows(), "an id twice, or a row lost"
    assert {first for first, _ in clients.done} <= set(got)


def test_counters_in_the_maps_store_that_is_killed_in_the_middle(make_site, kind):
    site = make(make_site, kind, dict(SMALL, kind=kind, start=1))
    with Clients(site) as clients:
        clients.more(500)
        server(site).kill()
        wait_for("the ids run out", lambda: clients.refused or clients.errors, 30, 0.02)
        server(site).start().wait_ready()
        clients.more(500)
    check_rows(site, clients)
    for first, n in clients.done:
        assert first > 0
    assert int(value(site, "ids/main/shop.log")) >= max(ids(site))
    assert value(site, "ids_high/main/shop.log").startswith("keyway-ids 1 ")


def test_a_counter_that_is_missing_or_set_back(make_site, kind):
    site = make(make_site, kind, dict(SMALL, kind=kind))
    store = site.cluster.store

    def refused(text):
        with site.raw() as c:
            with pytest.raises(ServerError) as x:
                c.query("INSERT INTO log (owner, v) VALUES (1, 'x')")
        assert x.value.errno == 1467
        wait_for("the log says why", lambda: text in site.log(), 10)

    def served():
        with site.raw() as c:
            def insert():
                try:
                    return c.query("INSERT INTO log (owner, v) VALUES (1, 'x')").ok.insert_id
                except ServerError as x:
                    assert x.errno == 1467
            return wait_for("an INSERT succeeds", insert, 20, 0.1)
    command = {"etcd": "etcdctl put '%s' N", "consul": "consul kv put '%s' N"}[kind]
    refused("there is no counter: " + command % store.key("ids/main/shop.log"))
    store.server.client().put(store.key("ids/main/shop.log"), "5000")
    assert served() == 5001
    for proxy in site.cluster.proxies:      # what they know themselves is gone, the record is not
        proxy.process.kill()
    store.server.client().put(store.key("ids/main/shop.log"), "40")
    for proxy in site.cluster.proxies:
        proxy.start()
        proxy.wait_ready("keyway", "keyway")
    refused("went backwards: the counter stands at 40")
    assert value(site, "ids/main/shop.log") == "40"


def liar(service, **more):
    return dict({"kind": "http", "timeout": "300ms", "rising": True, "block": 40, "block_min": 20, "block_max": 40,
                 "servers": [{"url": service.url + "/json/range/{tag}?n={n}"}],
                 "answer": {"first": "/first", "count": "/count"}}, **more)


def test_one_range_to_two_proxies_of_two_hosts(make_site, kind):
    """The proxies share no folder: only the record in the store tells them."""
    with IdService() as service:
        service.set_mood("twice")
        site = make(make_site, kind, liar(service))
        with Clients(site, 4) as clients:
            wait_for("the lie is seen", lambda: clients.errors or (clients.rows() and any(
                "given before" in site.log(i) or "backwards" in site.log(i) for i in (0, 1))), 60, 0.05)
        check_rows(site, clients)


def test_the_store_is_frozen_and_ids_go_on(make_site, kind):
    with IdService() as service:
        site = make(make_site, kind, liar(service, block=200, block_min=100, block_max=2000))
        with Clients(site, 4) as clients:
            clients.more(1000)
            server(site).pause()
            wait_for("the log says that the record cannot be kept", lambda: all(
                "cannot be kept in the map's store" in site.log(i) for i in (0, 1)), 60, 0.05)
            clients.more(3000)
            server(site).resume()
            wait_for("the record is kept again", lambda: all(
                "is kept in the map's store" in site.log(i) for i in (0, 1)), 60, 0.05)
            clients.more(500)
        check_rows(site, clients)
        assert not any(" error ids: allocator 'main' at " in site.log(i) for i in (0, 1)), "the service did nothing wrong"
        print("%d rows, %d refused, slowest INSERT %.0f ms" % (clients.rows(), clients.refused, clients.slowest * 1e3))


def test_required_means_that_ids_stop_with_the_store(make_site, kind):
    with IdService() as service:
        site = make(make_site, kind, liar(service, marks="required"))
        with Clients(site, 4) as clients:
            clients.more(300)
            server(site).pause()
            wait_for("the ids run out", lambda: clients.refused > 20 or clients.errors, 60, 0.05)
            server(site).resume()
            clients.more(300)
        check_rows(site, clients)
