"""Logging in, and the commands that are about the connection itself."""
import signal
import socket
import ssl
import struct
import subprocess
import time

import pymysql
import pytest

import rawmysql
from conftest import PASSWORD, USER, optional_tls, shop_document
from rawmysql import DEPRECATE_EOF, MODERN, NATIVE, OLD, SESSION_TRACK, SHA2, Closed, Raw, ServerError

# Flags that promise what is not there: a client that believed them would talk past us.
NEVER_OFFERED = rawmysql.OPTIONAL_METADATA | rawmysql.ZSTD | rawmysql.MFA | rawmysql.QUERY_ATTRIBUTES | (1 << 29)


def refused(call, *wanted):
    with pytest.raises(ServerError) as x:
        call()
    assert (x.value.errno, x.value.sqlstate) in wanted, x.value
    return x.value


def test_greeting(star, only_cluster):
    with star.bare() as c:
        g = c.read_greeting()
        assert g.version.split("-", 2)[0] in ("5.5.5", "8", "10") or g.version[0].isdigit()
        assert len(g.salt) == 20 and 0 not in g.salt
        assert g.plugin in (NATIVE, SHA2)
        need = (rawmysql.PROTOCOL_41 | rawmysql.SECURE | rawmysql.PLUGIN_AUTH | DEPRECATE_EOF | SESSION_TRACK
                | rawmysql.MULTI_STATEMENTS | rawmysql.MULTI_RESULTS | rawmysql.PS_MULTI_RESULTS
                | rawmysql.CONNECT_WITH_DB | rawmysql.CONNECT_ATTRS | rawmysql.FOUND_ROWS | rawmysql.LOCAL_FILES)
        assert g.capabilities & need == need
        assert not g.capabilities & NEVER_OFFERED
        assert g.extended & 0x1d == 0 or g.capabilities & 1


def test_greetings_differ_in_salt_and_id(star):
    with star.bare() as a, star.bare() as b:
        ga, gb = a.read_greeting(), b.read_greeting()
    assert ga.salt != gb.salt and ga.thread_id != gb.thread_id


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "socket"])
@pytest.mark.parametrize("capabilities", [OLD, MODERN, OLD | DEPRECATE_EOF, OLD | SESSION_TRACK], ids=hex)
def test_native_password(star, unix, capabilities):
    with star.raw(unix=unix, capabilities=capabilities) as c:
        assert c.value("SELECT 41 + 1") == "42"
        assert c.value("SELECT DATABASE()") == "app"
        assert c.quit()


@pytest.mark.parametrize("way", ["tcp", "socket", "tls"])
def test_caching_sha2_password(star, way, only_cluster):
    for _ in range(2):      # the second time may be the fast path
        with star.raw(unix=way == "socket", tls=way == "tls", plugin=SHA2) as c:
            assert c.value("SELECT 1") == "1"
            assert set(c.steps) <= {"fast", "full", "switch " + SHA2, "switch " + NATIVE}


def test_tls_session(star, tls_files, only_cluster):
    ctx = ssl.create_default_context(cafile=tls_files[0])
    with star.raw(tls=True, context=ctx) as c:
        assert c.sock.version() in ("TLSv1.2", "TLSv1.3")
        assert c.value("SELECT 1") == "1"
        assert len(c.query("SELECT REPEAT('x', 300000)").rows[0][0]) == 300000


def test_old_tls_is_refused(star, only_cluster):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    try:
        ctx.minimum_version = ssl.TLSVersion.TLSv1
        ctx.maximum_version = ssl.TLSVersion.TLSv1_1
        ctx.set_ciphers("ALL:@SECLEVEL=0")
    except (ValueError, ssl.SSLError) as x:
        pytest.skip("this OpenSSL has no TLS 1.1: %s" % x)
    with star.bare() as c:
        c.read_greeting()
        with pytest.raises((ssl.SSLError, Closed, OSError)):
            c.start_tls(MODERN, context=ctx)


def test_bytes_before_tls_are_not_taken_as_encrypted(star, only_cluster):
    """What a third party slips in between the SSL request and the handshake must not be run after it (CVE-2021-3935)."""
    smuggled = b"\x09\0\0\0" + bytes([rawmysql.COM_QUERY]) + b"SELECT 1"
    for cut in (len(smuggled), 1, 4, 5):
        with star.bare(timeout=5) as c:
            c.read_greeting()
            request = struct.pack("<IIB23x", MODERN | rawmysql.SSL, 0xffffff, 45)
            c.send_bytes(b"\x20\0\0\1" + request + smuggled[:cut])
            c.capabilities = MODERN | rawmysql.SSL
            ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
            with pytest.raises((ssl.SSLError, OSError, Closed)):
                c.sock = ctx.wrap_socket(c.sock)
                c.user, c.password, c.seq = USER, PASSWORD, 2
                c.send_packet(c.login_payload(USER, c.answer(NATIVE, c.greeting.salt), MODERN))
                c.finish_login(NATIVE, c.greeting.salt)


@pytest.mark.parametrize("plugin", [NATIVE, SHA2])
@pytest.mark.parametrize("password", ["", "wrong", "keyway\0", "k" * 200])
def test_wrong_password(star, plugin, password, only_cluster):
    with star.bare() as c:
        x = refused(lambda: c.login(USER, password, plugin=plugin), (1045, "28000"))
        assert USER in x.message
        assert c.at_end(5)


@pytest.mark.parametrize("user", ["nobody", "", "keyway ", "KEYWAY", "x" * 300, "a'b\"`"])
def test_unknown_user(star, user):
    with star.bare() as c:
        refused(lambda: c.login(user, PASSWORD), (1045, "28000"), (1043, "08S01"))
        assert c.at_end(5)


def test_unknown_and_known_user_are_told_the_same(star, only_cluster):
    seen = []
    for user in ("nobody", USER):
        with star.bare() as c:
            x = refused(lambda: c.login(user, "wrong"), (1045, "28000"))
            seen.append((x.message.replace(user, "U"), tuple(c.steps)))
    assert seen[0] == seen[1]


def test_unknown_database(star):
    with star.bare() as c:
        refused(lambda: c.login(USER, PASSWORD, db="no_such_database"), (1049, "42000"))
    with star.raw() as c:
        refused(lambda: c.init_db("no_such_database"), (1049, "42000"))
        assert c.value("SELECT DATABASE()") == "app"
        assert c.error("USE no_such_database").errno == 1049


def test_unknown_keyspace(shop, only_cluster):
    with shop.bare() as c:
        refused(lambda: c.login(USER, PASSWORD, db="no_such_keyspace"), (1049, "42000"))
    with shop.raw() as c:
        refused(lambda: c.init_db("no_such_keyspace"), (1049, "42000"))
        assert c.value("SELECT DATABASE()") == "shop"


def test_no_database_selected(star):
    with star.raw(database=None) as c:
        assert c.value("SELECT DATABASE()") is None
        x = c.error("SELECT * FROM some_table")
        assert (x.errno, x.sqlstate) == (1046, "3D000")


def test_init_db_tells_the_schema(star):
    with star.raw(database=None) as c:
        ok = c.init_db("app")
        assert (rawmysql.TRACK_SCHEMA, "app") in ok.track
        ok = c.query("USE mysql").ok
        assert (rawmysql.TRACK_SCHEMA, "mysql") in ok.track
        assert c.value("SELECT DATABASE()") == "mysql"


def test_commands_without_a_statement(star):
    with star.raw() as c:
        assert c.ping().status & rawmysql.AUTOCOMMIT
        assert b"Uptime" in c.statistics()
        c.set_option(0)     # multi-statements on
        assert len(c.query_all("SELECT 1; SELECT 2")) == 2
        c.set_option(1)     # and off
        with pytest.raises(ServerError) as x:
            c.query_all("SELECT 1; SELECT 2")
        assert x.value.errno == 1064
        c.command(rawmysql.COM_DEBUG + 200)
        with pytest.raises(ServerError) as x:
            c.read_result()
        assert (x.value.errno, x.value.sqlstate) == (1047, "08S01")
        assert c.value("SELECT 'still here'") == "still here"


def test_field_list(star):
    with star.raw() as c:
        c.query("DROP TABLE IF EXISTS fl")
        c.query("CREATE TABLE fl (a INT, b VARCHAR(10) NOT NULL DEFAULT 'x')")
        columns = [rawmysql.parse_column(p[:]) for p in
                   (strip_default(p) for p in c.field_list("fl"))]
        assert [col.name for col in columns] == ["a", "b"]
        with pytest.raises(ServerError) as x:
            c.field_list("no_such_table")
        assert x.value.errno == 1146
        c.query("DROP TABLE fl")


def strip_default(p):
    """A column of COM_FIELD_LIST ends with its default value."""
    r = rawmysql.Reader(p)
    for _ in range(6):
        r.lenstr()
    r.take(r.lenenc())
    return p[:r.pos]


def test_multi_statements(star):
    with star.raw(capabilities=MODERN | rawmysql.MULTI_STATEMENTS) as c:
        got = c.query_all("SELECT 1; DO 1; SELECT 'three'")
        assert [r.rows for r in got] == [[(b"1",)], [], [(b"three",)]]
        assert [bool(r.status & rawmysql.MORE_RESULTS) for r in got] == [True, True, False]
        c.command(rawmysql.COM_QUERY, b"SELECT 1; SELECT * FROM no_such; SELECT 3")
        assert c.read_result().rows == [(b"1",)]
        with pytest.raises(ServerError) as x:
            c.read_result()
        assert x.value.errno == 1146
        assert c.value("SELECT 4") == "4"


def test_pipelined_commands_are_answered_in_turn(star):
    with star.raw() as c:
        data = b""
        for i in range(20):
            c.seq = 0
            data += c.frame(bytes([rawmysql.COM_QUERY]) + b"SELECT %d" % i)
        c.send_bytes(data)
        for i in range(20):
            c.expect = 1
            assert c.read_result().rows == [(b"%d" % i,)]


def test_one_byte_at_a_time(star):
    with star.bare() as c:
        g = c.read_greeting()
        c.user, c.password = USER, PASSWORD
        c.send_packet(c.login_payload(USER, c.answer(NATIVE, g.salt), MODERN, "app"), chunk=1)
        c.finish_login(NATIVE, g.salt)
        c.send_packet(bytes([rawmysql.COM_QUERY]) + b"SELECT 'slowly'", seq=0, chunk=1)
        assert c.read_result().rows == [(b"slowly",)]


def test_reset_connection(star):
    with star.raw() as c:
        c.query("SET @v = 5, SESSION sql_mode = 'ANSI', autocommit = 0")
        c.query("CREATE TEMPORARY TABLE tmp_reset (a INT)")
        c.query("USE mysql")
        stmt = c.prepare("SELECT 1")
        c.reset_connection()
        assert c.values("SELECT @v, @@autocommit, DATABASE()") == [(None, "1", "mysql")]
        assert "ANSI" not in c.value("SELECT @@sql_mode")
        assert c.error("SELECT * FROM app.tmp_reset").errno == 1146
        refused(lambda: c.execute(stmt), (1243, "HY000"))


def test_change_user(star, only_cluster):
    with star.raw() as c:
        before = c.value("SELECT CONNECTION_ID()")
        c.query("SET @v = 5")
        c.query("BEGIN")
        for plugin in (NATIVE, SHA2):
            c.change_user(USER, PASSWORD, "mysql", plugin)
            assert c.values("SELECT @v, DATABASE()") == [(None, "mysql")]
        assert c.value("SELECT CONNECTION_ID()") == before
        assert not c.ping().status & rawmysql.IN_TRANS


def test_failed_change_user_ends_the_connection(star, only_cluster):
    with star.raw() as c:
        refused(lambda: c.change_user(USER, "wrong"), (1045, "28000"))
        assert c.at_end(5)
    with star.raw() as c:
        with pytest.raises((ServerError, Closed)) as x:
            c.change_user(USER, PASSWORD, "no_such_database")
        if x.type is ServerError:
            assert x.value.errno == 1049


def test_connection_id_is_the_greetings(star):
    with star.raw() as c:
        assert c.value("SELECT CONNECTION_ID()") == str(c.thread_id)


def test_kill(star):
    with star.raw() as a, star.raw() as b:
        assert a.query("KILL %d" % b.thread_id).ok
        with pytest.raises((Closed, ServerError)):
            for _ in range(50):
                b.query("SELECT 1")
                time.sleep(0.1)
        assert a.error("KILL 4000000000").errno == 1094
        assert a.value("SELECT 1") == "1"


def test_kill_query(star):
    with star.raw() as a, star.raw() as b:
        b.command(rawmysql.COM_QUERY, b"SELECT SLEEP(30)")
        time.sleep(0.7)
        t = time.monotonic()
        a.query("KILL QUERY %d" % b.thread_id)
        with pytest.raises(ServerError) as x:
            b.read_result()
        assert (x.value.errno, x.value.sqlstate) == (1317, "70100")
        assert time.monotonic() - t < 5
        assert b.value("SELECT 'lives'") == "lives"


def test_process_kill_command(star):
    with star.raw() as a, star.raw() as b:
        a.command(rawmysql.COM_PROCESS_KILL, struct.pack("<I", b.thread_id))
        a.read_ok()
        with pytest.raises((Closed, ServerError)):
            for _ in range(50):
                b.query("SELECT 1")
                time.sleep(0.1)


def test_found_rows_flag(star):
    with star.raw() as c:
        c.query("DROP TABLE IF EXISTS fr")
        c.query("CREATE TABLE fr (a INT)")
        c.query("INSERT INTO fr VALUES (1), (1), (2)")
    for flag, wanted in ((0, 0), (rawmysql.FOUND_ROWS, 2)):
        for _ in range(3):
            with star.raw(capabilities=MODERN | flag) as c:
                assert c.query("UPDATE fr SET a = 1 WHERE a = 1").ok.affected == wanted


def test_connection_attributes(star):
    for attributes in ({}, {"_client_name": "test", "program_name": "x" * 500}, {"k%d" % i: "v" for i in range(200)}):
        with star.raw(attributes=attributes) as c:
            assert c.value("SELECT 1") == "1"


def test_character_set_of_the_login(star):
    for charset, name in ((8, "latin1"), (33, "utf8mb3"), (45, "utf8mb4"), (63, "binary")):
        with star.raw(charset=charset) as c:
            assert c.value("SELECT @@character_set_client").replace("utf8mb3", "utf8") in (name.replace("mb3", ""), name)


@pytest.fixture
def limited(make_site, only_cluster):
    return make_site(settings={"limits": {"max_connections": 6, "max_user_connections": 4, "handshake_timeout": "1s",
                                          "idle_timeout": "2s"}}, n_shards=1)


def test_limits_of_connections(limited):
    open_ones = [limited.raw() for _ in range(4)]
    with limited.bare() as c:
        refused(lambda: c.login(USER, PASSWORD), (1203, "42000"), (1226, "42000"))
    early = [limited.bare() for _ in range(2)]
    for c in early:
        c.read_greeting()
    with limited.bare() as c:
        refused(lambda: c.login(USER, PASSWORD), (1040, "08004"), (1040, ""))
    for c in open_ones + early:
        c.close()
    time.sleep(0.3)
    with limited.raw() as c:
        assert c.value("SELECT 1") == "1"


def test_a_client_that_does_not_log_in_is_dropped(limited):
    with limited.bare(timeout=10) as c:
        t = time.monotonic()
        c.read_greeting()
        assert ends(c)
        assert 0.5 < time.monotonic() - t < 6
    with limited.bare(timeout=10) as c:     # not even when it sends now and then
        c.read_greeting()
        t = time.monotonic()
        try:
            for _ in range(60):
                c.send_bytes(b"\x40")
                time.sleep(0.1)
        except (Closed, OSError):
            pass
        assert time.monotonic() - t < 5.5


def ends(c):
    """Whatever errors come, then the end."""
    try:
        while True:
            c.expect = None
            c.read_packet()
    except Closed:
        return True
    except (socket.timeout, TimeoutError):
        return False


def test_an_idle_client_is_dropped(limited):
    with limited.raw(timeout=15) as c:
        t = time.monotonic()
        assert ends(c)
        assert 1 < time.monotonic() - t < 10


def test_tls_required(make_site, tls_files, only_cluster):
    # The harness itself talks without TLS, so the mode is switched on by a reload.
    site = make_site(settings=optional_tls(tls_files), n_shards=1)
    proxy = site.cluster.proxies[0]
    site.cluster.settings["tls"]["mode"] = "required"
    proxy.write(site.cluster.proxy_settings(proxy))
    proxy.process.send(signal.SIGHUP)
    deadline = time.monotonic() + 10
    while True:
        try:
            with site.bare() as c:
                c.login(USER, PASSWORD)
        except ServerError as x:
            assert x.errno in (3159, 1045), x
            break
        assert time.monotonic() < deadline, "the reload did not switch TLS on"
        time.sleep(0.1)
    with site.raw(tls=True) as c:
        assert c.value("SELECT 1") == "1"
    with site.raw(unix=True) as c:   # a unix socket is as safe
        assert c.value("SELECT 1") == "1"


def test_server_version_can_be_set(make_site, only_cluster):
    site = make_site(settings={"server": {"version": "8.0.36-Keyway"}}, n_shards=1)
    with site.bare() as c:
        assert c.read_greeting().version == "8.0.36-Keyway"
    with site.raw() as c:
        assert c.value("SELECT @@version") == "8.0.36-Keyway"
        assert c.value("SELECT VERSION()") == "8.0.36-Keyway"


def test_version_is_the_backends_by_default(star):
    with star.raw() as c:
        version = c.value("SELECT VERSION()")
        assert version.startswith("10.")
        assert c.greeting.version in (version, "5.5.5-" + version)


def test_pymysql_reads_our_errors(star):
    with pytest.raises(pymysql.OperationalError) as x:
        pymysql.connect(user=USER, password="wrong", **star.address())
    assert x.value.args[0] == 1045


def test_sigterm_lets_a_transaction_finish(make_site, only_cluster):
    site = make_site(tables=True, n_shards=2, settings={"limits": {"drain_timeout": "8s"}})
    busy, idle = site.raw(), site.raw()
    busy.query("BEGIN")
    busy.query("INSERT INTO t (id, n) VALUES (1, 1)")
    site.expected_down = True
    process = site.cluster.proxies[0].process
    process.send(signal.SIGTERM)
    time.sleep(0.5)
    assert process.running()
    with pytest.raises((OSError, Closed, ServerError)):
        with site.bare(timeout=3) as c:
            c.login(USER, PASSWORD)
    assert ends(idle)
    busy.query("UPDATE t SET n = 2 WHERE id = 1")
    assert busy.query("COMMIT").ok
    assert process.popen.wait(20) == 0
    assert site.on_all("SELECT id, n FROM t") == [(1, 2)]


def test_sigterm_rolls_back_what_is_still_open(make_site, only_cluster):
    site = make_site(tables=True, n_shards=2, settings={"limits": {"drain_timeout": "1s"}})
    c = site.raw()
    c.query("BEGIN")
    c.query("INSERT INTO t (id, n) VALUES (1, 1)")
    site.expected_down = True
    process = site.cluster.proxies[0].process
    process.send(signal.SIGTERM)
    assert process.popen.wait(20) == 0
    assert site.on_all("SELECT id FROM t") == []


def test_check_config(make_site, only_cluster):
    site = make_site(n_shards=1)
    proxy = site.cluster.proxies[0]

    def check():
        return subprocess.run([proxy.program, "--check-config", "-c", proxy.config], capture_output=True, text=True,
                              env=proxy.env)
    assert check().returncode == 0
    with open(proxy.config, "a") as f:
        f.write("colour = 3;\n")
    r = check()
    assert r.returncode == 1
    assert "colour" in r.stderr + r.stdout and "%s:" % proxy.config in r.stderr + r.stdout


def test_a_bad_reload_changes_nothing(make_site, only_cluster):
    site = make_site(n_shards=1)
    proxy = site.cluster.proxies[0]
    with site.raw() as c:
        with open(proxy.config, "a") as f:
            f.write("colour = 3;\n")
        proxy.process.send(signal.SIGHUP)
        time.sleep(0.5)
        assert c.value("SELECT 1") == "1"
    with site.raw() as c:
        assert c.value("SELECT 1") == "1"
    assert "colour" in site.log()


def test_two_keyspaces(make_site, only_cluster):
    other = {"keyspace": "billing", "tables": {}}
    site = make_site([shop_document(2), other], "shop", tables=True)
    with site.raw() as c:
        c.query("CREATE TABLE billing.invoice (id INT PRIMARY KEY)")
        c.query("INSERT INTO billing.invoice VALUES (7)")
        assert c.values("SELECT id FROM billing.invoice") == [("7",)]
        c.query("USE billing")
        assert c.values("SELECT id FROM invoice WHERE id = 7") == [("7",)]
        assert {"shop", "billing"} <= {r[0] for r in c.values("SHOW DATABASES")}
        assert [r[0] for r in c.values("SHOW TABLES")] == ["invoice"]
        c.query("USE `shop/-80`")
        c.query("SELECT 1")
