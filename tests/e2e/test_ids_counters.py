"""Ids from counters in a store: several proxies share them, and a counter that is missing or set back gives none."""
import os
import threading

import pytest

from conftest import shop_document
from keyway_dev.process import wait_for
from rawmysql import ServerError

pytestmark = pytest.mark.usefixtures("only_cluster")


class FileCounters:
    """kind "file": one file a counter."""

    def __init__(self, folder):
        self.folder = folder

    def settings(self):
        return {"kind": "file", "folder": self.folder}

    def path(self, tag):
        return os.path.join(self.folder, ".keyway", "ids", "main", tag + ".json")

    def set(self, tag, value):
        os.makedirs(os.path.dirname(self.path(tag)), exist_ok=True)
        with open(self.path(tag) + ".tmp", "w") as f:
            f.write(value)
        os.rename(self.path(tag) + ".tmp", self.path(tag))

    def get(self, tag):
        with open(self.path(tag)) as f:
            return f.read()

    def remove(self, tag):
        os.unlink(self.path(tag))


def counter_site(make_site, counters, proxies=2, **more):
    return make_site([shop_document(2)], tables=True, proxies=proxies,
                     settings={"allocators": [dict(counters.settings(), name="main", **more)]})


@pytest.fixture
def counters(tmp_path):
    return FileCounters(str(tmp_path))


def ids(site, table="auto"):
    return [r[0] for r in site.on_all("SELECT id FROM " + table)]


def test_several_proxies_share_a_counter(make_site, counters):
    site = counter_site(make_site, counters, start=1, block=20, block_min=10, block_max=200)
    done, errors, lock = [], [], threading.Lock()

    def client(i):
        try:
            with site.raw(proxy=i % 2) as c:
                mine = [(c.query("INSERT INTO auto (v) VALUES " + ",".join(["('x')"] * n)).ok.insert_id, n)
                        for n in [1 + (k * 7 + i) % 30 for k in range(40)]]
            with lock:
                done.extend(mine)
        except Exception as x:
            errors.append(x)
    threads = [threading.Thread(target=client, args=(i,)) for i in range(6)]
    [t.start() for t in threads]
    [t.join(120) for t in threads]
    assert not errors, errors
    got = ids(site)
    assert len(got) == len(set(got)) == sum(n for _, n in done)
    assert {first + k for first, n in done for k in range(n)} == set(got), "a multi-row INSERT has neighbouring ids"
    assert min(got) == 1 and int(counters.get("shop.auto")) >= max(got)


def test_without_a_counter_an_insert_says_how_to_make_it(make_site, counters):
    site = counter_site(make_site, counters, proxies=1)
    with site.raw() as c:
        with pytest.raises(ServerError) as x:
            c.query("INSERT INTO auto (v) VALUES ('x')")
        assert x.value.errno == 1467
        assert "there is no counter" in site.log()
        counters.set("shop.auto", "41")

        def inserted():
            try:
                assert c.query("INSERT INTO auto (v) VALUES ('x')").ok.insert_id == 42
                return True
            except ServerError as e:
                assert e.errno == 1467
                return False
        wait_for("the counter is found", inserted, 20)
        assert ids(site) == [42]


def restart(site, how="kill"):
    for p in site.cluster.proxies:
        getattr(p.process, how)()
    for p in site.cluster.proxies:
        p.start()
        p.wait_ready("keyway", "keyway")


def test_a_counter_that_was_set_back_gives_none(make_site, counters):
    """Nor after a restart; start does not help, as ids of the tag are on record."""
    site = counter_site(make_site, counters, proxies=1, start=1, block=10, block_min=10, block_max=10)
    for round_, value in enumerate(("3", None, "-1", "1e9", "12x", "", "9223372036854775808"), 1):
        with site.raw() as c:
            for _ in range(5):
                c.query("INSERT INTO auto (v) VALUES ('x'), ('y')")
        site.cluster.proxies[0].process.kill()
        last = int(counters.get("shop.auto"))
        counters.set("shop.auto", value) if value is not None else counters.remove("shop.auto")
        restart(site)
        with site.raw() as c:
            with pytest.raises(ServerError) as x:
                c.query("INSERT INTO auto (v) VALUES ('x')")
            assert x.value.errno == 1467, value
        assert len(set(ids(site))) == 10 * round_
        if value is not None:
            assert counters.get("shop.auto") == value
        counters.set("shop.auto", str(last))
        restart(site)
