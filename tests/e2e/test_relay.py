"""The relay does what it says: times hold, cuts are exact to the byte, and what vanishes comes back whole."""
import os
import socket
import statistics
import threading
import time

import pytest

from conftest import BUILD
from keyway_dev import Failure
from keyway_dev.process import wait_for
from netrig import Rig


class Server:
    """Takes connections; the test reads and writes their ends itself, or they echo."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()

    def accept(self):
        self.listener.settimeout(10)
        s = self.listener.accept()[0]
        s.settimeout(10)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def echo(self):
        def run(s):
            try:
                while data := s.recv(65536):
                    s.sendall(data)
                s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        s = self.accept()
        threading.Thread(target=run, args=(s,), daemon=True).start()
        return s


@pytest.fixture
def rig():
    with Rig(BUILD, seed=7) as r:
        yield r


@pytest.fixture
def server():
    s = Server()
    yield s
    s.listener.close()


def client(wire, source=None):
    s = socket.create_connection((wire.host, wire.port), 10, (source, 0) if source else None)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def pair(wire, server, source=None):
    c = client(wire, source)
    return c, server.accept()


def read_all(s):
    """(the bytes until the end, how it ended)"""
    out = b""
    try:
        while data := s.recv(65536):
            out += data
    except ConnectionResetError:
        return out, "rst"
    except socket.timeout:
        return out, "silence"
    return out, "fin"


def round_trips(c, n):
    out = []
    for _ in range(n):
        t = time.perf_counter()
        c.sendall(b"x")
        assert c.recv(1) == b"x"
        out.append((time.perf_counter() - t) * 1e6)
    return out


def test_delay(rig, server):
    """Never early; late by little when the machine has time for it."""
    wire = rig.wire(server.address)
    c = client(wire)
    server.echo()
    bare = statistics.median(round_trips(c, 300))
    for each_way in (50, 250, 2000):
        wire.set(delay=each_way)
        got = round_trips(c, 200 if each_way < 1000 else 40)
        print("delay 2 x %d µs: median %.0f, least %.0f, without %.0f, relay late by %d on average"
              % (each_way, statistics.median(got), min(got), bare, wire.stat()["late_avg"]))
        assert min(got) >= 2 * each_way
        assert statistics.median(got) < 2 * each_way + 5 * bare + 2000
    wire.set("up", delay=0)
    assert 2000 <= min(round_trips(c, 20)) < 4000 + 5 * bare


def test_delay_by_source_address_and_jitter_by_seed(rig, server):
    wire = rig.wire(server.address)
    wire.set(zone="127.0.2.0/24", delay=10000)
    wire.set(zone="127.0.3.7", delay=30000)
    got = {}
    for source in ("127.0.0.1", "127.0.2.9", "127.0.3.7", "127.0.3.8"):
        c = client(wire, source)
        server.echo()
        got[source] = min(round_trips(c, 5)) / 1000
    assert got["127.0.2.9"] >= 20 and got["127.0.3.7"] >= 60
    assert got["127.0.0.1"] < 20 and got["127.0.3.8"] < 20
    assert wire.stat(zone="127.0.3.7")["accepted"] == 1 and wire.stat()["accepted"] == 4
    wire.set(jitter=20000)
    spread = round_trips(client_of(wire, server), 20)
    assert max(spread) - min(spread) > 5000 and max(spread) < 1e6


def client_of(wire, server):
    c = client(wire)
    server.echo()
    return c


def test_bytes_arrive_whole_and_in_order(rig, server):
    """Through everything that slows and chops."""
    wire = rig.wire(server.address)
    wire.set(delay=300, jitter=500, segment=7)
    c = client_of(wire, server)
    data = os.urandom(200000)
    threading.Thread(target=lambda: (c.sendall(data), c.shutdown(socket.SHUT_WR)), daemon=True).start()
    assert read_all(c) == (data, "fin")
    wait_for("the link is gone", lambda: wire.stat()["links"] == 0, 5)
    wire.calm()
    wire.set("down", segment=1, gap=2000)
    c, s = pair(wire, server)
    s.sendall(b"abcd")
    pieces = [c.recv(100) for _ in range(4)]
    assert pieces == [b"a", b"b", b"c", b"d"]


def test_rate(rig, server):
    wire = rig.wire(server.address)
    wire.set("down", rate=200000)
    c, s = pair(wire, server)
    t = time.monotonic()
    s.sendall(bytes(100000))
    s.close()
    assert len(read_all(c)[0]) == 100000
    assert 0.4 < time.monotonic() - t < 5


@pytest.mark.parametrize("how", ["fin", "rst", "half", "hole"])
@pytest.mark.parametrize("at", [0, 1, 1000, 70000])
def test_cut_at_a_byte(rig, server, how, at):
    wire = rig.wire(server.address)
    wire.cut("down", at, how)
    if at == 0 and how == "rst":        # it may meet the connection before the client knows that it has one
        with pytest.raises(ConnectionResetError):
            client(wire).recv(1)
        return
    c, s = pair(wire, server)
    data = os.urandom(100000)
    threading.Thread(target=lambda: send_quietly(s, data), daemon=True).start()
    c.settimeout(0.5 if how == "hole" else 10)
    got, end = read_all(c)
    assert got == data[:at]
    assert end == {"fin": "fin", "rst": "rst", "half": "fin", "hole": "silence"}[how]
    if how in ("half", "hole"):     # the other way goes on
        c.sendall(b"still here")
        assert s.recv(100) == b"still here"
    else:
        wait_for("the link is gone", lambda: wire.stat()["links"] == 0, 5)


def send_quietly(s, data):
    try:
        s.sendall(data)
    except OSError:
        pass


def test_cut_counts_from_now_and_once(rig, server):
    wire = rig.wire(server.address)
    pairs = [pair(wire, server) for _ in range(3)]
    for c, s in pairs:
        s.sendall(b"before")
        assert c.recv(100) == b"before"
    wire.cut("down", 3, "rst", once=True)
    c, s = pairs[1]
    s.sendall(b"after")
    assert read_all(c) == (b"aft", "rst")
    for c, s in (pairs[0], pairs[2], pair(wire, server)):
        s.sendall(b"after")
        assert c.recv(100) == b"after"
    wire.cut("up", 2, "fin")
    wire.uncut("up")
    c.sendall(b"whole")
    assert s.recv(100) == b"whole"
    assert wire.stat()["cuts"] == 1


def test_black_hole_one_way_and_back(rig, server):
    wire = rig.wire(server.address)
    c, s = pair(wire, server)
    wire.set("up", hole=1)
    c.sendall(b"lost?")
    s.sendall(b"down works")
    assert c.recv(100) == b"down works"
    s.settimeout(0.3)
    with pytest.raises(socket.timeout):
        s.recv(1)
    wire.set("down", hole=1)
    s.close()                       # nobody is told
    c.settimeout(0.3)
    with pytest.raises(socket.timeout):
        c.recv(1)
    hung = client(wire)             # connected, and no answer: the target has not heard of it
    server.listener.settimeout(0.3)
    with pytest.raises(socket.timeout):
        server.listener.accept()
    wire.set(hole=0)
    c.settimeout(10)
    assert read_all(c)[0] == b""
    s2 = server.accept()
    hung.sendall(b"now")
    assert s2.recv(10) == b"now"


def test_stop_reading_drop_and_accept(rig, server):
    wire = rig.wire(server.address)
    c, s = pair(wire, server)
    wire.set("down", stop=1)
    s.settimeout(0.5)
    sent = 0
    with pytest.raises(socket.timeout):
        while sent < 1 << 28:
            sent += s.send(bytes(1 << 20))
    wire.set("down", stop=0)
    while sent:
        sent -= len(c.recv(1 << 20))
    assert wire.drop("rst") == 1
    assert read_all(c) == (b"", "rst") and read_all(s) == (b"", "rst")
    wire.accept("refuse")
    with pytest.raises(ConnectionRefusedError):
        client(wire)
    wire.accept("reset")
    with pytest.raises(ConnectionResetError):
        client(wire).recv(1)
    wire.accept("hang")
    waiting = client(wire)
    assert wire.stat()["links"] == 0
    wire.accept("open")
    server.accept().sendall(b"hello")
    assert waiting.recv(10) == b"hello"
    server.listener.close()
    with pytest.raises(ConnectionResetError):
        client(wire).recv(1)


def test_it_says_what_it_does_not_understand(rig, server):
    wire = rig.wire(server.address)
    for words in (("set", "nobody", "delay=1"), ("set", wire.name, "delay=-1"), ("set", wire.name, "side.delay=1"),
                  ("set", wire.name + "@127.0.0/8", "delay=1"), ("cut", wire.name, "up", "x", "rst"), ("dance", wire.name),
                  ("cut", wire.name, "up", 1, "none"), ("add", "x", "localhost:1", "127.0.0.1:1"), ("stat",)):
        with pytest.raises(Failure):
            rig.tell(*words)
    wire.remove()
    with pytest.raises(ConnectionRefusedError):
        client(wire)
