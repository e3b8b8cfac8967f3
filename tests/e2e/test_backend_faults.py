"""Servers that die, hang, answer half or answer nonsense, between, before and after the bytes of a statement."""
import signal
import struct
import threading
import time

import pytest

import rawmysql
from conftest import PASSWORD, USER, create_tables, shop_document, start_site
from keyway_dev.cluster import Cluster
from rawmysql import Closed, ServerError
from relay import Relay

pytestmark = pytest.mark.usefixtures("only_cluster")


class RelayedCluster(Cluster):
    """Every server of a shard is reached through a relay."""

    def start_proxies(self):
        self.relays = []
        for b in self.backends:
            relay = Relay((b.server.host, b.server.port))
            b.entry["port"] = relay.port
            self.relays.append(relay)
        super().start_proxies()

    def stop(self, keep=False):
        for relay in getattr(self, "relays", ()):
            relay.stop()
        return super().stop(keep)


@pytest.fixture(scope="module")
def relayed():
    site = start_site([shop_document(2)], "shop", n_shards=2, cluster_class=RelayedCluster,
                      settings={"backend": {"connect_timeout": "2s", "queue_timeout": "3s", "connects_per_second": 200},
                                "failover": {"wait": "3s"}})
    create_tables(site)
    yield site
    for relay in site.cluster.relays:
        relay.calm()
    troubles = site.stop()
    assert not troubles, "\n".join(troubles)


@pytest.fixture
def site(relayed):
    """(site, an id on the first shard, an id on the second)"""
    for relay in relayed.cluster.relays:
        relay.calm()
    for b in relayed.shards:
        b.sql("DELETE FROM t")
    settle(relayed)
    # a connection that a relay has just cut may still be thought good: a write is not tried again by itself
    for link in [k for relay in relayed.cluster.relays for k in list(relay.links)]:
        link.cut()
    settle(relayed)
    with relayed.raw() as c:
        c.query("INSERT INTO t (id, n, s) VALUES " + ",".join("(%d, 0, REPEAT('r', 90))" % i for i in range(1, 401)))
    first, second = [sorted(r[0] for r in b.sql("SELECT id FROM t")) for b in relayed.shards]
    yield relayed, first[0], second[0]
    for relay in relayed.cluster.relays:
        relay.calm()


def settle(site, seconds=20):
    """Until both shards answer again."""
    end = time.monotonic() + seconds
    while True:
        try:
            with site.raw() as c:
                c.query("SELECT id FROM t")
                c.query("SELECT id FROM t")
            return
        except (ServerError, Closed):
            assert time.monotonic() < end, "does not recover"
            time.sleep(0.2)


def fails(c, sql):
    """The ServerError, or Closed."""
    with pytest.raises((ServerError, Closed)) as x:
        c.query_all(sql)
    if x.type is ServerError:
        assert x.value.errno != 1105 and not 2000 <= x.value.errno < 3000, x.value
    return x.value


def others_live(site, key):
    with site.raw() as c:
        assert c.values("SELECT id FROM t WHERE id = %d" % key) == [(str(key),)]


# ---- lost while idle

@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_idle_connections_cut(site, reset):
    site, a, b = site
    with site.raw() as c:
        for _ in range(5):
            assert len(c.query("SELECT id FROM t").rows) == 400
            for relay in site.cluster.relays:
                relay.cut_all(reset)
            time.sleep(0.15)
            assert c.query("UPDATE t SET n = n + 1 WHERE id = %d" % a).ok.affected == 1
            assert c.values("SELECT id FROM t WHERE id = %d" % b) == [(str(b),)]
    assert site.shards[0].sql("SELECT n FROM t WHERE id = %d" % a) == ((5,),)


def test_server_killed_and_back(make_site):
    site = make_site([shop_document(2)], tables=True, settings={"failover": {"wait": "2s"}})
    with site.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 0)" % i for i in range(1, 41)))
        (a, *_), (b, *_) = [[r[0] for r in rows] for rows in site.on_shards("SELECT id FROM t").values()]
        site.shards[0].server.kill()
        t = time.monotonic()
        x = fails(c, "SELECT id FROM t WHERE id = %d" % a)
        assert time.monotonic() - t < 15
        assert isinstance(x, ServerError)
        assert c.values("SELECT id FROM t WHERE id = %d" % b) == [(str(b),)]     # the other shard does not care
        assert isinstance(fails(c, "SELECT id FROM t"), ServerError)             # never half of the rows
        site.shards[0].server.restart()
        end = time.monotonic() + 15
        while True:
            try:
                assert c.values("SELECT id FROM t WHERE id = %d" % a) == [(str(a),)]
                break
            except ServerError:
                assert time.monotonic() < end
                time.sleep(0.1)
        assert len(c.query("SELECT id FROM t").rows) == 40


def test_start_while_a_server_is_down(make_site):
    site = make_site([shop_document(2)], tables=True, settings={"failover": {"wait": "2s"}})
    with site.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 0)" % i for i in range(1, 41)))
        (a, *_), (b, *_) = [[r[0] for r in rows] for rows in site.on_shards("SELECT id FROM t").values()]
    proxy = site.cluster.proxies[0]
    proxy.process.stop()
    site.shards[0].server.kill()
    proxy.start()
    proxy.wait_ready(USER, PASSWORD)
    with site.raw() as c:
        end = time.monotonic() + 20
        while True:
            try:
                assert c.values("SELECT id FROM t WHERE id = %d" % b) == [(str(b),)]
                break
            except ServerError:
                assert time.monotonic() < end
                time.sleep(0.2)
        fails(c, "SELECT id FROM t WHERE id = %d" % a)
        site.shards[0].server.restart()
        end = time.monotonic() + 20
        while True:
            try:
                assert c.values("SELECT id FROM t WHERE id = %d" % a) == [(str(a),)]
                break
            except ServerError:
                assert time.monotonic() < end
                time.sleep(0.2)


# ---- lost in the middle

def cut_reply_of(relay, text, before=True):
    """The server gets the statement; its answer never passes."""
    done = []

    def on_reply(link, data):
        if text in link.seen_up:
            done.append(1)
            return None
        return data
    relay.on_reply = on_reply
    return done


def test_write_is_never_run_twice(site):
    """The server did it, the answer is lost: the client is told, nothing is sent again (P4)."""
    site, a, _ = site
    for i in range(5):
        with site.raw() as c:
            cut = cut_reply_of(site.cluster.relays[0], b"n = n + 1")
            x = fails(c, "UPDATE t SET n = n + 1 WHERE id = %d" % a)
            assert cut
            if isinstance(x, ServerError):
                assert x.errno in (1158, 1180), x
                assert x.sqlstate != "40001"
            site.cluster.relays[0].calm()
            assert site.shards[0].sql("SELECT n FROM t WHERE id = %d" % a) == ((i + 1,),)
    settle(site)


def test_prepared_write_is_never_run_twice(site):
    site, a, _ = site
    with site.raw() as c:
        stmt = c.prepare("UPDATE t SET n = n + ? WHERE id = ?")
        c.execute(stmt, [1, a])
        site.cluster.relays[0].on_reply = lambda link, data: None if link.seen_up[4:5] == b"\x17" or b"\x17" in link.seen_up[-60:] else data
        with pytest.raises((ServerError, Closed)):
            c.execute(stmt, [1, a])
    site.cluster.relays[0].calm()
    assert site.shards[0].sql("SELECT n FROM t WHERE id = %d" % a)[0][0] in (1, 2)
    settle(site)


def test_commit_without_an_answer(site):
    site, a, _ = site
    with site.raw() as c:
        c.query("BEGIN")
        c.query("UPDATE t SET n = 9 WHERE id = %d" % a)
        cut = cut_reply_of(site.cluster.relays[0], b"COMMIT")
        x = fails(c, "COMMIT")
        assert cut
        if isinstance(x, ServerError):
            assert x.errno == 1180 and "unknown" in x.message.lower(), x
    site.cluster.relays[0].calm()
    assert site.shards[0].sql("SELECT n FROM t WHERE id = %d" % a) == ((9,),)


def test_partial_commit_is_told(site):
    """Mode multi: one shard has committed, the other's outcome is not known."""
    site, a, b = site
    with site.raw() as c:
        c.query("BEGIN")
        c.query("UPDATE t SET n = 3 WHERE id = %d" % a)
        c.query("UPDATE t SET n = 3 WHERE id = %d" % b)
        site.cluster.relays[1].on_request = lambda link, data: None if b"COMMIT" in data else data
        x = fails(c, "COMMIT")
        assert isinstance(x, ServerError) and x.sqlstate != "40001", x
        assert x.errno in (1180, 1158, 1399, 1402), x


def test_transaction_lost_between_statements(site):
    site, a, b = site
    with site.raw() as c:
        c.query("BEGIN")
        c.query("UPDATE t SET n = 1 WHERE id = %d" % a)
        site.cluster.relays[0].cut_all()
        time.sleep(0.2)
        x = fails(c, "UPDATE t SET n = 2 WHERE id = %d" % a)
        assert isinstance(x, ServerError)
        assert (x.errno, x.sqlstate) == (1213, "40001"), x      # rolled back for certain: COMMIT was never sent
        for sql in ("UPDATE t SET n = 2 WHERE id = %d" % a, "UPDATE t SET n = 2 WHERE id = %d" % b, "SELECT n FROM t WHERE id = %d" % b, "COMMIT"):
            try:
                c.query(sql)
                # After 1213 the transaction is over, as with a deadlock: a statement may begin anew, in autocommit.
                assert not c.ping().status & rawmysql.IN_TRANS
                break
            except ServerError as y:
                assert y.errno in (1192, 1213), y
        c.query("ROLLBACK")
        assert not c.ping().status & rawmysql.IN_TRANS
    assert site.shards[0].sql("SELECT n FROM t WHERE id = %d AND n = 1" % a) == ()


@pytest.mark.parametrize("target", ["one", "all", "prepared"])
def test_result_cut_anywhere_is_never_whole(site, target):
    site, a, _ = site
    relay = site.cluster.relays[0]
    site.shards[0].sql("UPDATE t SET s = REPEAT('r', 100)")
    for budget in [0, 1, 3, 4, 5, 9, 40, 60, 61, 100, 150, 200, 260, 300, 500, 1000, 3000, 5000, 9000, 15000, 18000]:
        with site.raw() as c:
            stmt = c.prepare("SELECT id, s FROM t") if target == "prepared" else None
            if stmt:
                assert len(c.execute(stmt).rows) == 400
            armed = []

            def on_request(link, data):
                if b"FROM t" in data or data[4:5] == b"\x17":
                    link.budget = budget
                    armed.append(link)
                return data
            relay.on_request = on_request
            try:
                if target == "one":
                    n = len(c.query("SELECT a.id, a.s FROM t a WHERE a.id = %d UNION ALL SELECT 1, REPEAT('x', 30000)" % a).rows)
                    want = 2
                elif target == "all":
                    n, want = len(c.query("SELECT id, s FROM t").rows), 400
                else:
                    n, want = len(c.execute(stmt).rows), 400
                assert n == want, "%d rows of %d looked like all (cut after %d bytes)" % (n, want, budget)
            except (ServerError, Closed) as x:
                if isinstance(x, ServerError):
                    assert x.errno != 1105 and not 2000 <= x.errno < 3000, x
        relay.calm()
    settle(site)


# ---- hanging

def test_a_hung_server_holds_only_its_own(site):
    site, a, b = site
    with site.raw(timeout=60) as c:
        site.cluster.relays[0].hold()
        c.command(rawmysql.COM_QUERY, b"SELECT id FROM t WHERE id = %d" % a)
        for _ in range(20):
            others_live(site, b)
        site.cluster.relays[0].release()
        assert c.read_result().rows == [(str(a).encode(),)]


def test_full_queue_ends_in_an_error(make_site):
    site = make_site([shop_document(1)], tables=True, n_shards=1,
                     settings={"backend": {"max_connections": 2, "queue_max": 3, "queue_timeout": "1s"}})
    clients = [site.raw(timeout=30) for _ in range(12)]
    for c in clients:
        c.command(rawmysql.COM_QUERY, b"SELECT SLEEP(3) FROM (SELECT 1) AS d LEFT JOIN t ON t.id = 1")
    t, errors = time.monotonic(), 0
    for c in clients:
        try:
            c.read_result()
        except ServerError as x:
            errors += 1
            assert x.errno in (1040, 1203, 1205, 1158, 1159), x
    assert errors >= 5
    assert time.monotonic() - t < 12
    for c in clients:
        assert c.value("SELECT 1") == "1"
        c.close()


def test_query_timeout_kills_on_the_server(make_site):
    site = make_site([shop_document(1)], tables=True, n_shards=1, settings={"limits": {"query_timeout": "1s"}})
    with site.raw() as c:
        t = time.monotonic()
        x = fails(c, "SELECT SLEEP(20) FROM (SELECT 1) AS d LEFT JOIN t ON t.id = 1")
        assert time.monotonic() - t < 5
        assert x.errno in (1969, 3024, 1317), x
        time.sleep(0.5)
        assert site.shards[0].server.sql("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(20)%'") == ()
        assert c.value("SELECT 1") == "1"


def test_stopped_server_and_connect_timeout(make_site):
    site = make_site([shop_document(2)], tables=True, settings={"backend": {"connect_timeout": "1s", "queue_timeout": "2s"}})
    with site.raw() as c:
        c.query("INSERT INTO t (id, n) VALUES " + ",".join("(%d, 0)" % i for i in range(1, 41)))
        (a, *_), (b, *_) = [[r[0] for r in rows] for rows in site.on_shards("SELECT id FROM t").values()]
    server = site.shards[0].server
    clients = [site.raw(timeout=60) for _ in range(10)]
    server.process.send(signal.SIGSTOP)
    try:
        for c in clients:
            c.command(rawmysql.COM_QUERY, b"SELECT id FROM t WHERE id = %d" % a)
        with site.raw() as c:
            for _ in range(20):
                assert c.values("SELECT id FROM t WHERE id = %d" % b) == [(str(b),)]
    finally:
        server.process.send(signal.SIGCONT)
    answered = 0
    for c in clients:
        try:
            assert c.read_result().rows == [(str(a).encode(),)]
            answered += 1
        except ServerError as x:
            assert x.errno in (1158, 1159, 1160, 1205, 1040, 1203), x
        c.close()
    assert answered


# ---- nonsense

def packet(payload, seq=1):
    return struct.pack("<I", len(payload))[:3] + bytes([seq]) + payload


OK = b"\0\0\0\2\0\0\0"
COLUMN = b"\3def\4shop\1t\1t\2id\2id\x0c\x3f\0\x14\0\0\0\x08\3\x50\0\0\0"
NONSENSE = {
    "empty packet": packet(b""), "only a header": b"\1\0\0\1", "cut header": b"\1\0", "short OK": packet(b"\0"),
    "short ERR": packet(b"\xff"), "ERR with a short number": packet(b"\xff\x15"), "ERR without state": packet(b"\xff\x15\x04wrong"),
    "ERR 1105": packet(b"\xff\x51\x04#HY000x"), "ERR 2013": packet(b"\xff\xdd\x07#HY000x"), "ERR 65535": packet(b"\xff\xff\xff#HY000x"),
    "ERR with NULs": packet(b"\xff\x15\x04#28000a\0b\0"), "local infile": packet(b"\xfb/etc/passwd"), "empty local infile": packet(b"\xfb"),
    "wrong number": packet(OK, 7), "number 0": packet(OK, 0), "OK with big lengths": packet(b"\0\xfe" + b"\xff" * 8 + b"\xfe" + b"\xff" * 8 + b"\2\0\0\0"),
    "OK with a bad length": packet(b"\0\xff\0\2\0\0\0"), "OK info past the end": packet(b"\0\0\0\2\0\0\0\xfcxx"),
    "OK tracking past the end": packet(b"\0\0\0\2\x40\0\0\0\xfa\0\1"), "OK tracking nonsense": packet(b"\0\0\0\2\x40\0\0\0\x05\0\xff\xff\xff\xff"),
    "0 columns": packet(b"\xfe\0\0\0\0\0\0\0\0"), "2^64-1 columns": packet(b"\xfe" + b"\xff" * 8), "2^24 columns": packet(b"\xfd\xff\xff\xff"),
    "1 column, then OK": packet(b"\1") + packet(OK, 2), "1 column, empty definition": packet(b"\1") + packet(b"", 2),
    "definition past the end": packet(b"\1") + packet(b"\3def\xfc\xff\xff", 2), "definition, then nothing": packet(b"\1") + packet(COLUMN, 2),
    "row past the end": packet(b"\1") + packet(COLUMN, 2) + packet(b"\x50x", 3), "row with 2 values": packet(b"\1") + packet(COLUMN, 2) + packet(b"\0011\0012", 3),
    "end twice": packet(b"\1") + packet(COLUMN, 2) + packet(b"\xfe\0\0\2\0\0\0", 3) + packet(b"\xfe\0\0\2\0\0\0", 4),
    "two answers": packet(OK) + packet(OK), "more results, then nothing": packet(b"\0\0\0\x0a\0\0\0"),
    "auth switch": packet(b"\xfemysql_native_password\0" + b"x" * 21), "EOF": packet(b"\xfe\0\0\2\0"), "16 MB of nothing": b"\xff\xff\xff\1" + b"\0" * 70000,
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


# Rows and definitions pass as bytes; whole packets with the right numbers but nonsense inside reach the client as the
# server sent them.
PASSED_ON = {"row past the end", "row with 2 values", "1 column, then OK", "definition past the end", "1 column, empty definition",
             "OK with big lengths", "OK tracking nonsense", "ERR 65535"}


@pytest.mark.parametrize("name", NONSENSE)
@pytest.mark.parametrize("how", ["text", "prepare", "execute", "begin"])
def test_nonsense_in_place_of_an_answer(site, name, how):
    site, a, b = site
    relay = site.cluster.relays[0]
    stuffed = []

    def on_reply(link, data):
        if stuffed:
            return data if link is not stuffed[0] else None
        if b"id = %d" % a in link.seen_up or how == "execute" and b"\x17" in link.seen_up[-40:]:
            stuffed.append(link)
            link.client.sendall(NONSENSE[name])
            time.sleep(0.05)
            return None
        return data
    with site.raw(timeout=15) as c:
        stmt = c.prepare("SELECT id FROM t WHERE id = ?") if how == "execute" else None
        if how == "begin":
            c.query("BEGIN")
        relay.on_reply = on_reply
        got = None
        try:
            if how == "prepare":
                c.execute(c.prepare("SELECT id, n FROM t WHERE id = %d" % a))
            elif how == "execute":
                got = c.execute(stmt, [a]).rows
            else:
                got = c.query("SELECT id FROM t WHERE id = %d" % a).rows
        except ServerError as x:
            # An error that the server sent is the server's; what Keyway makes of nonsense is in MySQL's own range.
            if not name.startswith("ERR"):
                assert x.errno != 1105 and not 2000 <= x.errno < 3000, x
        except (Closed, rawmysql.ProtocolError) as x:
            assert isinstance(x, Closed) or name in PASSED_ON and "packet number" not in str(x), x
        if got is not None and stuffed:
            assert got in ([(str(a).encode(),)], [(a,)]) or name == "two answers" or name in PASSED_ON and got == [], got
    relay.calm()
    others_live(site, b)
    settle(site)
    others_live(site, a)


GREETINGS = {"nothing": b"", "garbage": b"\xff" * 100, "http": b"HTTP/1.0 200 OK\r\n\r\n", "protocol 9": packet(b"\x093.23\0", 0), "empty": packet(b"", 0),
             "error": packet(b"\xff\x10\x04#08004Too many connections", 0), "error without state": packet(b"\xff\x10\x04Too many connections", 0),
             "cut": packet(b"\x0a8.0.0\0\1\0\0\0abcdefgh\0\xff", 0), "no end of version": packet(b"\x0a" + b"v" * 300, 0),
             "huge": b"\xff\xff\xff\0" + b"\x0a" * 1000, "wrong number": packet(b"\x0a8\0" + b"\0" * 60, 9),
             "old": packet(b"\x0a4.0\0\1\0\0\0abcdefgh\0\0\0", 0), "plugin unknown": packet(
                 b"\x0a8.0.0\0\1\0\0\0abcdefgh\0\xff\xff\x2d\2\0\xff\xdf\x15" + b"\0" * 10 + b"abcdefghijkl\0no_such_plugin\0", 0)}


@pytest.mark.parametrize("name", GREETINGS)
def test_nonsense_in_place_of_a_greeting(site, name):
    site, a, b = site
    relay = site.cluster.relays[0]
    relay.greeting = GREETINGS[name]
    relay.cut_all()
    time.sleep(0.1)
    with site.raw(timeout=30) as c:
        t = time.monotonic()
        fails(c, "SELECT id FROM t WHERE id = %d" % a)
        assert time.monotonic() - t < 15
        assert c.values("SELECT id FROM t WHERE id = %d" % b) == [(str(b),)]
    relay.calm()
    settle(site)
    others_live(site, a)


def test_connects_to_a_broken_server_are_paced(make_site):
    """S21: no storm of connections when a server refuses them."""
    site = make_site([shop_document(1)], tables=True, n_shards=1, cluster_class=RelayedCluster,
                     settings={"backend": {"connects_per_second": 20, "queue_timeout": "1s"}, "failover": {"wait": "1s"}})
    relay = site.cluster.relays[0]
    with site.raw() as c:
        c.query("SELECT id FROM t WHERE id = 1")
    relay.refuse = True
    relay.cut_all()
    before, t = relay.accepted, time.monotonic()

    def client():
        with site.raw(timeout=30) as c:
            for _ in range(10):
                try:
                    c.query("SELECT id FROM t WHERE id = 1")
                except ServerError:
                    pass
    threads = [threading.Thread(target=client) for _ in range(20)]
    [x.start() for x in threads]
    [x.join(60) for x in threads]
    seconds = time.monotonic() - t
    assert relay.accepted - before <= 20 * (seconds + 2) + 20, (relay.accepted - before, seconds)
    relay.calm()
    settle(site)


def test_server_asks_for_a_file(site):
    """S14: a server may not make us ask the client for a file, nor open one."""
    site, a, _ = site
    relay = site.cluster.relays[0]
    relay.on_reply = lambda link, data: packet(b"\xfb/etc/passwd") if b"id = %d" % a in link.seen_up else data
    with site.raw(capabilities=rawmysql.MODERN | rawmysql.LOCAL_FILES, timeout=15) as c:
        c.command(rawmysql.COM_QUERY, b"SELECT id FROM t WHERE id = %d" % a)
        try:
            p = c.read_packet()
            assert p[:1] == b"\xff", p
        except Closed:
            pass
    relay.calm()
    settle(site)
