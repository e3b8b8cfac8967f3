"""Ids from allocators: INSERT behaves as with AUTO_INCREMENT, and no id is ever given twice."""
import os
import threading
import time

import pytest

from conftest import shop_document
from id_service import IdService
from rawmysql import ServerError

pytestmark = pytest.mark.usefixtures("only_cluster")


def ids(site, table="auto"):
    return sorted(r[0] for r in site.on_all("SELECT id FROM " + table))


def test_missing_null_zero_and_default(clean):
    with clean.raw() as c:
        seen = []
        for sql in ("INSERT INTO auto (v) VALUES ('absent')", "INSERT INTO auto (id, v) VALUES (NULL, 'null')",
                    "INSERT INTO auto (id, v) VALUES (0, 'zero')", "INSERT INTO auto (id, v) VALUES (DEFAULT, 'default')",
                    "INSERT INTO auto VALUES (NULL, 'all columns')", "INSERT INTO auto SET v = 'set'",
                    "INSERT INTO auto SET id = NULL, v = 'set null'", "INSERT INTO auto () VALUES ()",
                    "REPLACE INTO auto (v) VALUES ('replace')", "INSERT IGNORE INTO auto (v) VALUES ('ignore')",
                    "INSERT INTO auto (v) VALUES ('dup') ON DUPLICATE KEY UPDATE v = 'x'",
                    "insert into shop.auto(v)values('tight')", "INSERT auto (v) VALUE ('value')"):
            ok = c.query(sql).ok
            assert ok.affected == 1 and ok.insert_id > 0, sql
            assert c.value("SELECT LAST_INSERT_ID()") == str(ok.insert_id), sql
            seen.append(ok.insert_id)
        assert len(set(seen)) == len(seen) and sorted(seen) == ids(clean)


def test_several_rows(clean):
    with clean.raw() as c:
        ok = c.query("INSERT INTO auto (v) VALUES ('a'), ('b'), ('c'), ('d'), ('e')").ok
        assert ok.affected == 5
        rows = {v: i for i, v in clean.on_all("SELECT id, v FROM auto")}
        assert rows["a"] == ok.insert_id == min(rows.values())
        assert [rows[k] for k in "abcde"] == sorted(rows.values())
        # some given, some not: the first generated one is told
        ok = c.query("INSERT INTO auto (id, v) VALUES (900000001, 'given'), (NULL, 'gen1'), (0, 'gen2')").ok
        rows = {v: i for i, v in clean.on_all("SELECT id, v FROM auto")}
        assert rows["given"] == 900000001 and ok.insert_id == rows["gen1"] and rows["gen2"] > 0


def test_a_given_id_is_kept(clean):
    with clean.raw() as c:
        c.query("INSERT INTO auto (v) VALUES ('x')")
        last = c.value("SELECT LAST_INSERT_ID()")
        ok = c.query("INSERT INTO auto (id, v) VALUES (800000007, 'given')").ok
        assert ok.affected == 1
        assert c.values("SELECT v FROM auto WHERE id = 800000007") == [("given",)]
        assert c.value("SELECT LAST_INSERT_ID()") == last


def test_last_insert_id_belongs_to_the_session(clean):
    with clean.raw() as a, clean.raw() as b:
        one, two = (c.query("INSERT INTO auto (v) VALUES ('x')").ok.insert_id for c in (a, b))
        assert a.value("SELECT LAST_INSERT_ID()") == str(one)
        assert b.value("SELECT LAST_INSERT_ID()") == str(two)
        assert a.values("SELECT v FROM auto WHERE id = LAST_INSERT_ID()") == [("x",)]
        a.query("INSERT INTO log (id, owner, v) VALUES (NULL, LAST_INSERT_ID(), 'child')")
        assert [r for r in clean.on_all("SELECT owner FROM log")] == [(one,)]
        assert a.value("SELECT @@last_insert_id") != "0"
        assert a.value("SELECT LAST_INSERT_ID(33)") == "33"
        assert a.value("SELECT LAST_INSERT_ID()") == "33"


def test_id_that_is_not_the_shard_key(clean):
    with clean.raw() as c:
        ok = c.query("INSERT INTO log (owner, v) VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')").ok
        assert ok.affected == 4 and ok.insert_id > 0
        got = ids(clean, "log")
        assert len(set(got)) == 4 and ok.insert_id == got[0]
        assert c.values("SELECT v FROM log WHERE owner = 3") == [("c",)]


def test_prepared_inserts(clean):
    with clean.raw() as c:
        one = c.prepare("INSERT INTO auto (v) VALUES (?)")
        with_id = c.prepare("INSERT INTO auto (id, v) VALUES (?, ?)")
        two = c.prepare("INSERT INTO auto (id, v) VALUES (?, ?), (?, ?)")
        seen = []
        for i in range(10):
            ok = c.execute(one, ["p%d" % i]).ok
            seen.append(ok.insert_id)
            assert c.value("SELECT LAST_INSERT_ID()") == str(ok.insert_id)
        seen.append(c.execute(with_id, [None, "n"]).ok.insert_id)
        seen.append(c.execute(with_id, [0, "z"]).ok.insert_id)
        first = c.execute(two, [None, "t1", None, "t2"]).ok.insert_id
        rows = {v: i for i, v in clean.on_all("SELECT id, v FROM auto")}
        assert rows["t1"] == first and len(rows) == 14
        assert all(s in rows.values() for s in seen) and len(set(seen)) == 12
        c.execute(with_id, [700000001, "given"])
        assert c.values("SELECT v FROM auto WHERE id = 700000001") == [("given",)]


@pytest.mark.timeout(3600 if os.environ.get("KEYWAY_LONG") else 180)
def test_unique_over_proxies_and_clients(make_site):
    """Eight clients through two proxies; one ticket server is killed when a third of the ids is taken and is back at two
    thirds. KEYWAY_LONG: a million ids."""
    total, most = (1_000_000, 400) if os.environ.get("KEYWAY_LONG") else (12_000, 50)
    site = make_site([shop_document(4)], tables=True, proxies=2, n_shards=4)
    errors, acknowledged, lock, taken = [], [], threading.Lock(), [0]

    def client(i):
        try:
            c = site.raw(proxy=i % 2)
            mine, k, slowest = [], 0, 0
            while taken[0] < total:
                n = 1 + (k * 7 + i) % most
                start = time.monotonic()
                ok = c.query("INSERT INTO auto (v) VALUES " + ",".join(["('c%d')" % i] * n)).ok
                slowest = max(slowest, time.monotonic() - start)
                assert ok.affected == n
                mine.append((ok.insert_id, n))
                k += 1
                with lock:
                    taken[0] += n
            c.close()
            with lock:
                acknowledged.extend(mine)
                times.append(slowest)
        except Exception as x:
            errors.append(x)

    def wait_taken(share):
        while taken[0] < total * share and not errors and any(t.is_alive() for t in threads):
            time.sleep(0.005)
    times = []
    threads = [threading.Thread(target=client, args=(i,)) for i in range(8)]
    start = time.monotonic()
    [t.start() for t in threads]
    wait_taken(1 / 3)
    site.cluster.ticket_servers[0][0].kill()
    wait_taken(2 / 3)
    site.cluster.ticket_servers[0][0].restart()
    [t.join(3600) for t in threads]
    assert not errors, errors
    took = time.monotonic() - start
    got = ids(site)
    assert len(got) == len(set(got)) == sum(n for _, n in acknowledged) >= total
    assert {first for first, _ in acknowledged} <= set(got)
    print("%d ids in %d INSERTs in %.1f s, %.0f a second, slowest INSERT %.0f ms, %d even and %d odd" % (
        len(got), len(acknowledged), took, len(got) / took, max(times) * 1e3, sum(i % 2 == 0 for i in got),
        sum(i % 2 for i in got)))


def test_restart_of_the_proxy_gives_no_id_again(make_site):
    site = make_site([shop_document(2)], tables=True)
    for how in ("stop", "kill"):
        with site.raw() as c:
            for _ in range(20):
                c.query("INSERT INTO auto (v) VALUES ('a'), ('b'), ('c')")
        p = site.cluster.proxies[0]
        getattr(p.process, how)()
        p.start()
        p.wait_ready("keyway", "keyway")
    with site.raw() as c:
        for _ in range(20):
            c.query("INSERT INTO auto (v) VALUES ('a')")
    assert len(set(ids(site))) == 140


def test_without_allocators_inserts_fail_clearly(make_site):
    site = make_site([shop_document(2)], tables=True)
    with site.raw() as c:
        c.query("INSERT INTO auto (v) VALUES ('x')")
        for server, _ in site.cluster.ticket_servers:
            server.kill()
        error, done = None, 0
        for _ in range(4000):       # until what was held is used up
            try:
                done += c.query("INSERT INTO auto (v) VALUES " + ",".join(["('x')"] * 500)).ok.affected
            except ServerError as x:
                error = x
                break
        assert error is not None and error.errno == 1467 and error.sqlstate == "HY000", error
        assert "main" in error.message
        assert len(set(ids(site))) == done + 1
        assert c.query("INSERT INTO auto (id, v) VALUES (-5, 'given')").ok.affected == 1
        for server, _ in site.cluster.ticket_servers:
            server.restart()
        end = time.monotonic() + 20
        while True:
            try:
                c.query("INSERT INTO auto (v) VALUES ('again')")
                break
            except ServerError as x:
                assert x.errno == 1467 and time.monotonic() < end, x
                time.sleep(0.2)


def test_id_is_rolled_back_with_its_row_and_not_given_again(clean):
    with clean.raw() as c:
        c.query("BEGIN")
        lost = c.query("INSERT INTO auto (v) VALUES ('x')").ok.insert_id
        c.query("ROLLBACK")
        kept = c.query("INSERT INTO auto (v) VALUES ('y')").ok.insert_id
        assert kept != lost and ids(clean) == [kept]


# ---- HTTP services in place of ticket servers

HTTP = {
    "segment": {"url": "/api/segment/get/{tag}"},
    "snowflake": {"url": "/api/snowflake/get/{tag}"},
    "json id": {"url": "/json/id/{tag}", "answer": {"id": "/data/id"}},
    "json range": {"url": "/json/range/{tag}?n={n}", "answer": {"first": "/first", "last": "/last"}},
    "json strings": {"url": "/json/strings/{tag}?n={n}", "answer": {"first": "/first", "count": "/count"}},
}


def http_site(make_site, services, settings, **more):
    allocator = dict({k: v for k, v in settings.items() if k != "url"}, name="main", kind="http",
                     servers=[{"url": s.url + settings["url"], "step": s.step, "offset": s.offset} for s in services], **more)
    return make_site([shop_document(2)], tables=True, settings={"allocators": [allocator]})


@pytest.mark.parametrize("kind", HTTP)
def test_http_service(make_site, kind):
    with IdService() as service:
        site = http_site(make_site, [service], HTTP[kind])
        with site.raw() as c:
            firsts = []
            for n in (1, 3, 50, 1):
                ok = c.query("INSERT INTO auto (v) VALUES " + ",".join(["('x')"] * n)).ok
                assert ok.affected == n
                assert c.value("SELECT LAST_INSERT_ID()") == str(ok.insert_id)
                firsts.append(ok.insert_id)
        got = ids(site)
        assert len(set(got)) == 55 and set(firsts) <= set(got)


def test_two_http_services_fail_over(make_site):
    with IdService(step=2, offset=1) as odd, IdService(step=2, offset=0) as even:
        site = http_site(make_site, [odd, even], HTTP["json range"], block=50, block_min=10, block_max=100)
        with site.raw() as c:
            done = 0
            for i in range(60):
                if i == 20:
                    odd.set_mood("hang")
                if i == 40:
                    odd.set_mood("well")
                    even.set_mood("fail")
                end = time.monotonic() + 10
                while True:
                    try:
                        done += c.query("INSERT INTO auto (v) VALUES " + ",".join(["('x')"] * 10)).ok.affected
                        break
                    except ServerError as x:        # between two endpoints there may be none for a moment
                        assert x.errno == 1467 and time.monotonic() < end, x
        assert len(set(ids(site))) == done == 600


@pytest.mark.parametrize("mood", ["zero", "negative", "big", "huge", "float", "text", "empty", "same", "overlap", "residue", "truncate", "redirect"])
def test_a_lying_service_gives_no_bad_id(make_site, mood):
    """P10: an id that cannot be right is not used; the INSERT fails when there is no other."""
    with IdService(step=2, offset=1) as service:
        site = http_site(make_site, [service], HTTP["json range"], block=20, block_min=10, block_max=20, rising=True)
        with site.raw() as c:
            c.query("INSERT INTO auto (v) VALUES ('good')")
            service.set_mood(mood)
            failed = None
            for _ in range(200):
                try:
                    c.query("INSERT INTO auto (v) VALUES ('x'), ('y'), ('z')")
                except ServerError as x:
                    failed = x
                    break
            assert failed is not None and failed.errno in (1467,), failed
            got = ids(site)
            assert len(set(got)) == len(got) and all(0 < i < 1 << 63 and i % 2 == 1 for i in got)
