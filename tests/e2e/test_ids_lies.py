"""Allocators that lie, reset, or give one range to two proxies: no id comes into the tables twice, and an INSERT fails
fast, with errno 1467 and an alarm in the log, when nothing trustworthy is left.

The table has its ids apart from its shard key, so that two rows with one id could lie on two shards unnoticed."""
import os
import re
import threading
import time

import pytest

from conftest import start_site, create_tables, shop_document
from id_service import IdService
from rawmysql import ServerError

pytestmark = pytest.mark.usefixtures("only_cluster")
TAG = "shop.log"


class Liar:
    """Two proxies and one service that gives odd ids; the record of ids given out is in a folder that both know."""

    def __init__(self):
        self.service = IdService(step=2, offset=1).start()
        entry = {"name": "main", "kind": "http", "timeout": "300ms", "rising": True, "block": 40, "block_min": 20,
                 "block_max": 40, "servers": [{"url": self.service.url + "/json/range/{tag}?n={n}", "step": 2, "offset": 1}],
                 "answer": {"first": "/first", "count": "/count"}}
        self.site = start_site([shop_document(2)], "shop", proxies=2, settings={"allocators": [entry]})
        folder = os.path.join(self.site.cluster.folder, "ids")
        self.site.cluster.settings["ids"] = {"state": folder}
        self.restart()
        create_tables(self.site)
        self.owner = 0

    def restart(self, how="stop"):
        """The proxies forget what they know themselves."""
        for p in self.site.cluster.proxies:
            getattr(p.process, how)()
            p.write(self.site.cluster.proxy_settings(p))
            p.start()
        for p in self.site.cluster.proxies:
            p.wait_ready("keyway", "keyway")

    def insert(self, c, rows=3):
        """The number of rows, or the error."""
        values = []
        for _ in range(rows):
            self.owner += 1
            values.append("(%d, 'x')" % self.owner)
        try:
            ok = c.query("INSERT INTO log (owner, v) VALUES " + ",".join(values)).ok
        except ServerError as x:
            return x
        assert ok.affected == rows and ok.insert_id > 0
        return rows

    def until_refused(self, tries=400):
        """INSERTs through both proxies in turn until each has failed; the rows acknowledged."""
        done, refused = 0, [None, None]
        with self.site.raw(proxy=0) as a, self.site.raw(proxy=1) as b:
            for _ in range(tries):
                for i, c in enumerate((a, b)):
                    if refused[i]:
                        continue
                    got = self.insert(c)
                    if isinstance(got, ServerError):
                        refused[i] = got
                    else:
                        done += got
                if all(refused):
                    break
        return done, refused

    def until_served(self, seconds=20):
        """INSERTs succeed again through both proxies; the rows acknowledged."""
        done, end = 0, time.monotonic() + seconds
        for proxy in (0, 1):
            with self.site.raw(proxy=proxy) as c:
                while True:
                    got = self.insert(c)
                    if not isinstance(got, ServerError):
                        done += got
                        break
                    assert got.errno == 1467 and time.monotonic() < end, got
                    time.sleep(0.1)
        return done

    def ids(self):
        return [r[0] for r in self.site.on_all("SELECT id FROM log")]

    def rows(self):
        got = self.ids()
        assert len(got) == len(set(got)), "an id stands in two rows"
        assert all(0 < i < 1 << 63 and i % 2 == 1 for i in got)
        return len(got)

    def alarms(self):
        return [line for i in (0, 1) for line in self.site.log(i).splitlines()
                if re.search(r" error ids: allocator 'main' at ", line)]

    def repair(self):
        """As docs/ids.md says: the counter first, then a word to each proxy."""
        self.service.set_mood("well")
        self.service.raise_to(TAG, max(self.ids() or [1]) + 10000)
        for proxy in (0, 1):
            with self.site.raw(proxy=proxy) as c:
                c.query("RESET KEYWAY ALLOCATOR main")


@pytest.fixture(scope="module")
def liar():
    x = Liar()
    yield x
    troubles = x.site.stop()
    x.service.stop()
    assert not troubles, "\n".join(troubles)


# What the service does, and whether that is a lie for sure, not only an answer that did not come.
LIES = {
    "the last id again": ("same", True),
    "a range that overlaps the one before": ("overlap", True),
    "backwards": ("backwards", True),
    "zero": ("zero", True),
    "negative": ("negative", True),
    "above 2^63-1": ("big", True),
    "above 2^64": ("huge", True),
    "not a number": ("text", True),
    "a cut answer": ("truncate", False),
    "too late": ("slow", False),
    "the other residue": ("residue", True),
    "another tag's ids": ("tags", True),
    "one id more than it has": ("count", True),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie(liar, lie):
    mood, alarm = LIES[lie]
    before, alarms = liar.rows(), len(liar.alarms())
    done = liar.until_served()
    liar.service.set_mood(mood)
    more, refused = liar.until_refused()
    done += more
    assert all(refused), "nothing trustworthy was left, and an INSERT went on"
    assert all(x.errno == 1467 and x.sqlstate == "HY000" and "main" in x.message for x in refused), refused
    assert liar.rows() == before + done
    if alarm:
        assert len(liar.alarms()) > alarms
    took = []
    with liar.site.raw() as c:
        for _ in range(5):
            start = time.monotonic()
            assert isinstance(liar.insert(c), ServerError)
            took.append(time.monotonic() - start)
    assert sorted(took)[2] < 0.5, took
    liar.repair()
    done += liar.until_served()
    assert liar.rows() == before + done


def test_a_service_that_lost_its_data_while_the_proxies_were_away(liar):
    """Nothing that lives in a process could know: what it gives was given by it before the restart."""
    before = liar.rows()
    done = liar.until_served()
    liar.service.reset()
    liar.restart("kill")
    more, refused = liar.until_refused()
    done += more
    assert all(refused) and all(x.errno == 1467 and "backwards" in x.message for x in refused), refused
    assert liar.rows() == before + done
    liar.repair()
    done += liar.until_served()
    assert liar.rows() == before + done


def test_reset_names_its_allocator_and_endpoint(liar):
    endpoint = liar.service.url
    with liar.site.raw() as c:
        for text in ("main", "'main'", "`main` ENDPOINT '%s'" % endpoint, "main endpoint \"%s\"" % endpoint):
            c.query("reset keyway allocator " + text)
        for text, errno in (("", 1064), ("main x", 1064), ("main ENDPOINT", 1064), ("main ENDPOINT 'x' y", 1064),
                            ("'main", 1064), ("other", 1210), ("main ENDPOINT 'other'", 1210)):
            with pytest.raises(ServerError) as x:
                c.query("RESET KEYWAY ALLOCATOR " + text)
            assert x.value.errno == errno, text


def test_one_range_to_two_proxies(liar):
    before = liar.rows()
    done, lock, errors = [0], threading.Lock(), []
    liar.service.set_mood("twice")

    def client(proxy, owner):
        try:
            with liar.site.raw(proxy=proxy) as c:
                for k in range(40):
                    try:
                        got = c.query("INSERT INTO log (owner, v) VALUES " + ",".join(
                            "(%d, 'y')" % (owner + j) for j in range(5))).ok.affected
                    except ServerError as x:
                        assert x.errno == 1467, x
                        continue
                    with lock:
                        done[0] += got
        except Exception as x:
            errors.append(x)
    threads = [threading.Thread(target=client, args=(i % 2, 1000000 + 1000 * i)) for i in range(4)]
    [t.start() for t in threads]
    [t.join(60) for t in threads]
    assert not errors, errors
    assert done[0] > 0 and liar.rows() == before + done[0]
    assert any("given before" in line or "backwards" in line for line in liar.alarms())
    liar.repair()


def test_the_other_endpoint_goes_on(make_site):
    """One of a pair lies in every way in turn; no INSERT fails."""
    with IdService(step=2, offset=1) as odd, IdService(step=2, offset=0) as even:
        entry = {"name": "main", "kind": "http", "block": 200, "block_min": 100, "block_max": 200, "timeout": "300ms",
                 "servers": [{"url": s.url + "/json/range/{tag}?n={n}", "step": 2, "offset": s.offset} for s in (odd, even)],
                 "answer": {"first": "/first", "last": "/last"}}
        site = make_site([shop_document(2)], tables=True, settings={"allocators": [entry]})
        done = 0
        with site.raw() as c:
            for mood in ("same", "zero", "negative", "big", "text", "truncate", "residue", "refuse", "fail"):
                odd.set_mood(mood)
                for _ in range(12):
                    done += c.query("INSERT INTO log (owner, v) VALUES " + ",".join(["(1, 'x')"] * 20)).ok.affected
        got = [r[0] for r in site.on_all("SELECT id FROM log")]
        assert len(got) == len(set(got)) == done
