"""Malformed, truncated, oversized and out-of-order bytes at every state: a MySQL error or a closed connection, never a
crash (the daemons_survive fixture looks after each test), a hang, or another client's trouble."""
import os
import random
import socket
import struct
import threading
import time

import pytest

import rawmysql
from conftest import PASSWORD, USER
from rawmysql import DEPRECATE_EOF, MODERN, NATIVE, SHA2, Closed, ProtocolError, Raw, ServerError, lenenc, lenstr



def drain(c, seconds=8):
    """Reads whatever comes until the end or silence; returns the packets."""
    c.sock.settimeout(0.3)
    c.expect = None
    out, end = [], time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            try:
                out.append(c.read_packet())
            except (socket.timeout, TimeoutError):
                return out, "waits"
    except (Closed, OSError):
        return out, "closed"
    return out, "talks"


def half_close(c):
    try:
        c.sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass    # it is closed already


def errors_are_mysqls(packets):
    for p in packets:
        if p[:1] == b"\xff" and len(p) > 2:
            errno = int.from_bytes(p[1:3], "little")
            assert errno != 1105 and not 2000 <= errno < 3000 and not 5000 <= errno < 6000, p


@pytest.fixture
def witness(star):
    """Another client that must not notice anything."""
    with star.raw() as w:
        w.query("SET @w = 'witness'")
        yield w
        assert w.value("SELECT @w") == "witness"
    with star.raw() as w:
        assert w.value("SELECT 1") == "1"


# ---- before login

FIRST = [b"", b"\0", b"\n", b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 4, b"\0\0\0\0", b"\0\0\0\1", b"\1\0\0\1", b"\1\0\0\1\0", b"\x20\0\0\1" + b"\0" * 32,
         b"\xff\xff\xff\1", b"\xff\xff\xff\1" + b"A" * 100, b"\4\0\0\1\1\1\1\1", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", b"\5\0\0\7\x03SELE",
         b"\5\0\0\0\x03SELE", b"\0\0\0\1\0\0\0\2\0\0\0\3"]


@pytest.mark.parametrize("data", FIRST, ids=repr)
def test_garbage_instead_of_a_login(star, witness, data):
    with star.bare(timeout=5) as c:
        c.read_greeting()
        if data:
            c.send_bytes(data)
        half_close(c)
        packets, how = drain(c)
        assert how == "closed"
        errors_are_mysqls(packets)
        assert len(packets) <= 1


def login_packet(c, capabilities=MODERN, **options):
    c.user, c.password = USER, PASSWORD
    return c.login_payload(USER, c.answer(NATIVE, c.greeting.salt), capabilities, "app", NATIVE, **options)


def test_login_cut_off_anywhere(star, witness):
    with star.bare() as c:
        c.read_greeting()
        whole = login_packet(c, attributes={"a": "b", "program": "x"})
    for n in range(len(whole)):
        with star.bare(timeout=5) as c:
            c.read_greeting()
            part = login_packet(c, attributes={"a": "b", "program": "x"})[:n]
            c.send_packet(part)
            half_close(c)
            packets, how = drain(c)
            assert how == "closed", n
            errors_are_mysqls(packets)
            # Without the trailing attributes or plugin name it may be a good login; it must never be one without the
            # password's answer.
            if any(p[:1] == b"\0" for p in packets):
                assert n >= 32 + len(USER) + 1 + 21, n


def test_login_with_wrong_lengths(star, witness):
    head = struct.pack("<IIB23x", MODERN | rawmysql.CONNECT_WITH_DB, 0xffffff, 45)
    for answer in (lenenc(0), lenenc(20) + b"x" * 19, lenenc(21) + b"x" * 21, lenenc(250) + b"x" * 250, b"\xfb", b"\xff", b"\xfc\xff\xff" + b"x" * 65535,
                   b"\xfd\xff\xff\xff", b"\xfe" + b"\xff" * 8, b"\xfe" + b"\0" * 8, lenenc(70000) + b"y" * 70000):
        for tail in (b"", b"\0", b"app\0", b"app\0" + NATIVE.encode() + b"\0", b"app\0" + NATIVE.encode() + b"\0" + b"\xfe" + b"\xff" * 8,
                     b"app\0" + NATIVE.encode() + b"\0" + lenstr(lenenc(5) + b"k"), b"a" * 1000 + b"\0" + b"p" * 1000 + b"\0"):
            with star.bare(timeout=5) as c:
                c.read_greeting()
                c.send_packet(head + USER.encode() + b"\0" + answer + tail)
                half_close(c)
                packets, how = drain(c)
                assert how == "closed"
                errors_are_mysqls(packets)
                assert not any(p[:1] == b"\0" for p in packets)


@pytest.mark.parametrize("capabilities", [0, rawmysql.PROTOCOL_41, 0xffffffff, 0xffffffff & ~rawmysql.SSL, rawmysql.COMPRESS | MODERN,
                                          MODERN & ~rawmysql.PLUGIN_AUTH, MODERN & ~rawmysql.SECURE, rawmysql.ZSTD | MODERN,
                                          rawmysql.QUERY_ATTRIBUTES | MODERN, rawmysql.OPTIONAL_METADATA | MODERN], ids=hex)
def test_strange_capabilities(star, witness, capabilities):
    if star.direct and capabilities & rawmysql.COMPRESS:
        pytest.skip("a server that offers compression takes the rest as compressed")
    with star.bare(timeout=5) as c:
        c.read_greeting()
        c.send_packet(login_packet(c, capabilities, attributes={}))
        packets, how = drain(c)
        errors_are_mysqls(packets)
        if how == "waits" and packets and packets[-1][:1] == b"\0":
            c.expect = None
            c.sock.settimeout(5)
            c.capabilities = capabilities & c.greeting.capabilities
            try:
                c.command(rawmysql.COM_QUERY, b"SELECT 1")
                c.read_packet()
            except Closed:
                pass


@pytest.mark.parametrize("answer", [b"", b"\0", b"\1", b"\2", b"\2\0", b"x" * 19, b"x" * 21, b"x" * 255, b"x" * 256, b"x" * 257, b"\xff" * 5000, b"keyway\0" * 3],
                         ids=lambda a: "%d bytes" % len(a))
def test_bad_answers_while_logging_in(star, answer, only_cluster):
    for plugin in (NATIVE, SHA2, "mysql_clear_password", "no_such_plugin", "", "p" * 300):
        for first in (b"", b"x" * 20, b"x" * 32):
            with star.bare(timeout=5) as c:
                c.read_greeting()
                c.send_packet(c.login_payload(USER, first, MODERN, None, plugin))
                try:
                    for _ in range(4):
                        p = c.read_packet()
                        assert p[:1] != b"\0", "logged in without the password"
                        if p[:1] == b"\xff":
                            errors_are_mysqls([p])
                            break
                        c.send_packet(answer)
                except (Closed, socket.timeout, TimeoutError):
                    pass


def test_wrong_packet_number_at_login(star, witness):
    for seq in (0, 2, 3, 255):
        with star.bare(timeout=5) as c:
            c.read_greeting()
            c.send_packet(login_packet(c), seq=seq)
            half_close(c)
            packets, how = drain(c)
            assert how == "closed"
            errors_are_mysqls(packets)


def test_random_login_bytes(star, witness):
    rnd = random.Random(11)
    for _ in range(150):
        with star.bare(timeout=5) as c:
            c.read_greeting()
            p = bytearray(login_packet(c, attributes={"k": "v"}))
            for _ in range(rnd.randrange(1, 6)):
                p[rnd.randrange(len(p))] = rnd.randrange(256)
            c.send_packet(bytes(p[:rnd.randrange(1, len(p) + 1)]))
            half_close(c)
            packets, how = drain(c)
            assert how == "closed"
            errors_are_mysqls(packets)


def test_scanner_storm(star, witness):
    """Connections that say nothing and go, in every way."""
    for i in range(150):
        c = star.bare(timeout=5)
        if i % 3 == 0:
            c.read_greeting()
        if i % 4 == 1:
            c.send_bytes(b"\1")
        (c.reset if i % 2 else c.close)()


# ---- after login

ONE_BYTE = [bytes([c]) for c in range(256) if c not in (rawmysql.COM_QUIT, rawmysql.COM_SHUTDOWN)]


def answers_again(c):
    """After an error the connection may go on or be closed, but not stand still or talk nonsense: a statement sent at
    once is answered, or the connection ends. (A login exchange may swallow the first one.)"""
    c.expect = None
    for _ in range(3):
        try:
            c.command(rawmysql.COM_QUERY, b"SELECT 'sync'")
            c.expect = None
            last = None
            while True:
                p = c.read_packet()
                errors_are_mysqls([p])
                if last == b"\4sync":
                    return
                last = p
        except Closed:
            return
        except (socket.timeout, TimeoutError):
            assert last is not None and last[:1] == b"\xff", "no answer"
    raise AssertionError("no answer")


def test_every_command_byte_alone(star, witness):
    for command in ONE_BYTE:
        if command[0] in (rawmysql.COM_BINLOG_DUMP, rawmysql.COM_TABLE_DUMP, rawmysql.COM_BINLOG_DUMP_GTID, rawmysql.COM_REGISTER_SLAVE) and star.direct:
            continue
        with star.raw(timeout=2) as c:
            c.send_packet(command, seq=0)
            answers_again(c)


def test_every_command_with_junk(star, witness):
    rnd = random.Random(12)
    for com in list(range(2, 32)) + [0xfa, 0xfe]:
        if com in (rawmysql.COM_SHUTDOWN, rawmysql.COM_BINLOG_DUMP, rawmysql.COM_TABLE_DUMP, rawmysql.COM_BINLOG_DUMP_GTID, rawmysql.COM_PROCESS_KILL,
                   rawmysql.COM_REGISTER_SLAVE) and star.direct:
            continue
        for size in (1, 3, 4, 5, 9, 10, 300):
            with star.raw(timeout=2) as c:
                junk = bytes(rnd.randrange(256) for _ in range(size))
                if com == rawmysql.COM_PROCESS_KILL:
                    junk = b"\xff\xff\xff\x7f"[:size]
                c.send_packet(bytes([com]) + junk, seq=0)
                answers_again(c)


def test_empty_command(star, witness):
    with star.raw(timeout=5) as c:
        c.send_packet(b"", seq=0)
        answers_again(c)


def test_packet_out_of_order(star, witness):
    for seq in (1, 2, 200):
        with star.raw(timeout=5) as c:
            c.send_packet(bytes([rawmysql.COM_QUERY]) + b"SELECT 1", seq=seq)
            c.expect = None
            packets, how = drain(c)
            errors_are_mysqls(packets)
            assert how == "closed" or packets
    with star.raw(timeout=5) as c:      # a continuation with the wrong number
        c.send_bytes(b"\xff\xff\xff\0\x03" + b" " * (rawmysql.MAX_FRAME - 1) + b"\1\0\0\5x")
        packets, how = drain(c)
        errors_are_mysqls(packets)
        assert not any(p[:1] == b"\0" for p in packets)


def test_command_cut_off(star, witness):
    for data in (b"\x20", b"\x20\0\0", b"\x20\0\0\0", b"\x20\0\0\0\x03", b"\x20\0\0\0\x03SELECT", b"\xff\xff\xff\0\x03" + b"x" * 100000):
        for end in ("close", "reset", "shutdown"):
            c = star.raw(timeout=5)
            c.send_bytes(data)
            if end == "shutdown":
                half_close(c)
                assert drain(c)[1] == "closed"
                c.close()
            else:
                getattr(c, end)()


def execute_packet(stmt_id, rest, flags=0, count=1):
    return struct.pack("<IBI", stmt_id, flags, count) + rest


BAD_EXECUTES = [
    b"", b"\0", b"\0\1", b"\0\0", b"\xff\1", b"\0\1\x08", b"\0\1\x08\0", b"\0\1\x08\0\x08\0", b"\0\1\x08\0\x08\0" + b"\0" * 15, b"\0\2" + b"\0" * 40,
    b"\0\1\xfd\0\xfd\0" + b"\5ab", b"\0\1\xfd\0\xfd\0" + b"\xff" * 9, b"\0\1\xfd\0\xfd\0\xfe" + b"\xff" * 8, b"\0\1\xfd\0\xfd\0\xfb\xfb",
    b"\0\1\x63\0\x63\0" + b"x" * 20, b"\0\1\x0c\0\x0c\0\xff" + b"x" * 255, b"\0\1\x0c\0\x0c\0\3abc\0", b"\0\1\x0b\0\x0b\0\x0dabcdefghijklm\0",
    b"\0\1\x07\0\x07\0\x05abcde\0", b"\0\1\xf6\0\xf6\0\3abc\1.", b"\0\1\x10\0\x10\0\1\1\1\1", b"\0\1\x06\0\x06\0", b"\0\1\x03\xff\x03\xff" + b"\1\0\0\0" * 2,
    b"\0\1" + b"\x08\0" * 2 + b"\0" * 16 + b"extra",
]


@pytest.mark.parametrize("rest", BAD_EXECUTES, ids=lambda r: r.hex()[:40] or "empty")
def test_bad_executes(star, shop, rest, witness):
    for site in (star, shop):
        with site.raw(timeout=5) as c:
            stmt = c.prepare("SELECT ?, ?") if site is star else c.prepare("SELECT * FROM t WHERE id = ? AND n = ?")
            c.command(rawmysql.COM_STMT_EXECUTE, execute_packet(stmt.id, rest))
            answers_again(c)


def test_statement_commands_with_unknown_or_short_ids(star, witness):
    for com in (rawmysql.COM_STMT_EXECUTE, rawmysql.COM_STMT_SEND_LONG_DATA, rawmysql.COM_STMT_CLOSE, rawmysql.COM_STMT_RESET, rawmysql.COM_STMT_FETCH):
        for data in (b"", b"\1", b"\1\0\0", b"\1\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\xff" + b"\0" * 20, b"\0\0\0\0\0", b"\7\0\0\0\xff\xff"):
            with star.raw(timeout=5) as c:
                c.command(com, data)
                answers_again(c)


def test_closed_twice_and_used_after(star, witness):
    with star.raw() as c:
        stmt = c.prepare("SELECT 1")
        c.close_stmt(stmt)
        c.close_stmt(stmt)
        c.long_data(stmt, 0, b"x")
        for call in (lambda: c.execute(stmt), lambda: c.reset_stmt(stmt), lambda: c.fetch(stmt, [], 1)):
            with pytest.raises(ServerError) as x:
                call()
            assert x.value.errno == 1243
        assert c.value("SELECT 1") == "1"


def test_too_many_parameters(star, shop, only_cluster):
    for site in (star, shop):
        with site.raw(timeout=30) as c:
            with pytest.raises(ServerError) as x:
                c.prepare("SELECT " + ",".join("?" * 65536))
            assert x.value.errno == 1390
            assert c.value("SELECT 1") == "1"


def test_bad_change_user(star, witness, only_cluster):
    for data in (b"", b"\0", USER.encode(), USER.encode() + b"\0", USER.encode() + b"\0\xff", USER.encode() + b"\0\x14" + b"x" * 10,
                 USER.encode() + b"\0\x14" + b"x" * 20, USER.encode() + b"\0\x14" + b"x" * 20 + b"app", USER.encode() + b"\0\0app\0\x2d",
                 b"\0\0\0\0\0\0\0", b"u" * 10000):
        with star.raw(timeout=5) as c:
            c.command(rawmysql.COM_CHANGE_USER, data)
            c.expect = None
            packets, how = drain(c, 3)
            errors_are_mysqls(packets)
            if how == "waits" and packets and packets[-1][:1] == b"\xfe":
                c.send_packet(b"nonsense")
                packets, how = drain(c, 3)
                errors_are_mysqls(packets)
            assert how == "closed" or (packets and packets[-1][:1] == b"\xff"), data
            assert not any(p[:1] == b"\0" for p in packets)


# ---- statements that are hard on a parser

DEEP = [("(" * 100000) + "1" + ")" * 100000, "SELECT " + "(" * 50000 + "1" + ")" * 50000, "SELECT " + "-" * 2 + " " + "x" * 100000,
        "SELECT " + "NOT " * 100000 + "1", "SELECT " + "- " * 100000 + "1", "SELECT 1" + "+1" * 200000, "SELECT " + "CASE WHEN 1 THEN " * 5000 + "1" + " END" * 5000,
        "SELECT " + "(SELECT " * 5000 + "1" + ")" * 5000, "SELECT 1" + " UNION SELECT 1" * 20000, "SELECT * FROM " + "(" * 5000 + "t" + ")" * 5000,
        "SELECT " + "IF(1," * 10000 + "1" + ",0)" * 10000, "SELECT " + ",".join(["1"] * 100000), "SELECT 1 /*" + "/*" * 50000, "SELECT '" + "''" * 100000,
        "SELECT 1 WHERE 1 IN (" + ",".join(["1"] * 200000) + ")", "SELECT " + "a." * 50000 + "b", "SELECT " + "@" * 10000, "SELECT `" + "a" * 100000 + "`",
        "WITH " + ",".join("c%d AS (SELECT 1)" % i for i in range(5000)) + " SELECT 1", "SELECT 1;" * 20000, "SELECT 0x" + "f" * 200000,
        "SELECT 1e" + "9" * 10000, "SELECT " + "9" * 100000, "SET " + ",".join("@a%d=1" % i for i in range(20000)),
        "SELECT * FROM t a " + "JOIN t b%d ON 1 " * 3000 % tuple(range(3000)), "/*!" * 30000 + "1", "SELECT " + "1 BETWEEN 1 AND " * 20000 + "1",
        "SELECT 1 " + "AND 1 OR 0 " * 50000, "SELECT 1 LIKE " * 20000 + "1", "SELECT " + "CAST(" * 5000 + "1" + " AS CHAR)" * 5000,
        "SELECT id FROM t WHERE id = 1" + " OR id = 1" * 30000, "INSERT INTO t (id) VALUES " + ",".join("(%d)" % i for i in range(50000)) + ",(NULL)",
        "EXPLAIN ROUTE " * 5000 + "SELECT 1", "SELECT x'" + "4" * 99999 + "'", "PREPARE p FROM '" + "PREPARE q FROM " * 1000 + "'", "\0" * 10000, "\xff" * 10000,
        "SELECT * FROM t WHERE " + "id IN (SELECT id FROM t WHERE " * 2000 + "1" + ")" * 2000, "SELECT JSON_EXTRACT('{}', '$" + ".a" * 20000 + "')"]


@pytest.mark.parametrize("sql", DEEP, ids=["%d %s" % (i, s[:24]) for i, s in enumerate(DEEP)])
def test_statements_that_are_hard_on_a_parser(clean, sql, only_cluster):
    with clean.raw(timeout=60) as c:
        before = time.monotonic()
        try:
            c.query_all(sql.encode("latin1"))
        except ServerError as x:
            assert x.errno != 1105 and not 2000 <= x.errno < 3000, x
        assert time.monotonic() - before < 30
        assert c.value("SELECT 'after'") == "after"
        c.query("DELETE FROM t")
    with clean.raw(timeout=60) as c:
        try:
            stmt = c.prepare(sql.encode("latin1"))
            c.close_stmt(stmt)
        except ServerError as x:
            assert x.errno != 1105 and not 2000 <= x.errno < 3000, x
        except Closed:      # more columns than the 16 bits of a prepared statement's count: the server's answer is broken
            assert sql.count(",") > 65535
            return
        assert c.value("SELECT 'after'") == "after"


def test_mutated_statements(clean, only_cluster):
    rnd = random.Random(13)
    seeds = [b"SELECT a.id, b.v FROM t a LEFT JOIN child b ON b.t_id = a.id WHERE a.id IN (1, 2, '3') AND a.s LIKE 'x%' -- end\n",
             b"INSERT INTO t (id, n, s) VALUES (1, 2, 'it''s'), (2, 0x41, \"q\") ON DUPLICATE KEY UPDATE n = VALUES(n) + 1",
             b"UPDATE t SET s = CONCAT('a', \"b\", @x := 5) WHERE id = 7 AND n BETWEEN 1 AND 5",
             b"SELECT CASE WHEN n > 1 THEN 'x' ELSE NULL END, COUNT(*) OVER (PARTITION BY n) FROM t WHERE id = 5 /*!50000 AND 1 */",
             b"SET SESSION sql_mode = 'ANSI', @a = 1, NAMES utf8mb4 COLLATE utf8mb4_bin", b"SELECT _utf8mb4'x' COLLATE utf8mb4_bin, N'y', b'01', 1.5e-3, .5, 5."]
    with clean.raw(timeout=60) as c:
        for _ in range(600):
            s = bytearray(rnd.choice(seeds))
            for _ in range(rnd.randrange(1, 5)):
                kind, at = rnd.randrange(4), rnd.randrange(len(s))
                if kind == 0:
                    s[at] = rnd.randrange(256)
                elif kind == 1:
                    del s[at:at + rnd.randrange(1, 6)]
                elif kind == 2:
                    s[at:at] = rnd.choice([b"'", b'"', b"`", b"/*", b"*/", b"(", b")", b"\\", b"--", b";", b"\0", b"@@", b"?", b"0x", b"\xc3"])
                else:
                    s[at:at] = s[rnd.randrange(len(s)):][:20]
                if not s:
                    s = bytearray(b"x")
            if s.lower().lstrip().startswith((b"shutdown", b"kill")):
                continue
            try:
                c.query_all(bytes(s))
            except ServerError as x:
                assert x.errno != 1105 and not 2000 <= x.errno < 3000, (bytes(s), x)
            except Closed:
                pytest.fail("closed by %r" % bytes(s))
    with clean.raw() as c:
        c.query("SET sql_mode = DEFAULT")
        assert c.value("SELECT 1") == "1"


def test_names_that_are_hard_on_logs_and_paths(star):
    with star.raw(capabilities=MODERN) as c:
        for name in ("a/b", "../../etc", "x'y", 'x"y', "a b", "%n%s", "\u202e", "a\nb", "😀" * 10, "con.", "a`b", "a\\b"):
            quoted = "`" + name.replace("`", "``") + "`"
            try:
                c.query("CREATE DATABASE " + quoted)
            except ServerError as x:
                assert x.errno in (1102, 1300, 1064), (name, x)
                continue
            c.query("CREATE TABLE %s.%s (a INT)" % (quoted, quoted))
            c.query("INSERT INTO %s.%s VALUES (1)" % (quoted, quoted))
            c.init_db(name)
            assert c.values("SELECT a FROM %s" % quoted) == [("1",)]
            assert c.value("SELECT DATABASE()") == name
            c.query("DROP DATABASE " + quoted)


def test_clients_that_leave_at_any_moment(star, witness):
    """Close and reset at random moments of many kinds of work."""
    rnd = random.Random(14)
    stop = time.monotonic() + 6

    def work(i):
        r = random.Random(i)
        while time.monotonic() < stop:
            try:
                c = star.raw(timeout=5)
                kind = r.randrange(5)
                if kind == 0:
                    c.command(rawmysql.COM_QUERY, b"SELECT REPEAT('x', 3000000)")
                elif kind == 1:
                    c.command(rawmysql.COM_QUERY, b"SELECT SLEEP(0.2)")
                elif kind == 2:
                    c.query("BEGIN")
                    c.command(rawmysql.COM_QUERY, b"SELECT 1")
                elif kind == 3:
                    c.send_bytes(os.urandom(r.randrange(1, 50)))
                else:
                    c.prepare("SELECT ?")
                time.sleep(r.random() * 0.05)
                (c.reset if r.randrange(2) else c.close)()
            except (Closed, ServerError, ProtocolError, OSError):
                pass
    threads = [threading.Thread(target=work, args=(rnd.random(),)) for _ in range(8)]
    [t.start() for t in threads]
    [t.join(30) for t in threads]


def test_length_that_looks_like_packets(star):
    """Text and rows that contain what looks like packets stay what they are (S13)."""
    evil = b"\x01\0\0\1\x01\x17\0\0\2\x03def\0\0\0\x011\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0\5\0\0\3\xfe\0\0\2\0"
    with star.raw(capabilities=MODERN & ~DEPRECATE_EOF) as c:
        for n in (1, 1000, rawmysql.MAX_FRAME // len(evil) + 1):
            assert c.query(b"SELECT X'" + (evil * n).hex().encode() + b"'").rows == [(evil * n,)] if n <= 1000 else True
            assert c.query("SELECT REPEAT(X'%s', %d)" % (evil.hex(), n)).rows == [(evil * n,)]
        assert c.value("SELECT 1") == "1"


def test_raw_unix_socket_takes_the_same(star, witness):
    for data in FIRST[1:6]:
        with star.bare(unix=True, timeout=5) as c:
            c.read_greeting()
            c.send_bytes(data)
            half_close(c)
            assert drain(c)[1] == "closed"
    assert isinstance(witness, Raw)
