"""A small MySQL client that shows every packet: for tests of the protocol itself.

It can log in with either password plugin over TCP, a unix socket or TLS, with any capability flags, send whatever bytes
a test wants at any point, and read packets, results and prepared results as they are on the wire."""
import collections
import hashlib
import socket
import ssl
import struct

LONG_PASSWORD, FOUND_ROWS, LONG_FLAG, CONNECT_WITH_DB, NO_SCHEMA = 1, 2, 4, 8, 16
COMPRESS, ODBC, LOCAL_FILES, IGNORE_SPACE, PROTOCOL_41, INTERACTIVE = 32, 64, 128, 256, 512, 1024
SSL, IGNORE_SIGPIPE, TRANSACTIONS, RESERVED, SECURE = 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15
MULTI_STATEMENTS, MULTI_RESULTS, PS_MULTI_RESULTS, PLUGIN_AUTH = 1 << 16, 1 << 17, 1 << 18, 1 << 19
CONNECT_ATTRS, PLUGIN_AUTH_LENENC, EXPIRED_OK, SESSION_TRACK = 1 << 20, 1 << 21, 1 << 22, 1 << 23
DEPRECATE_EOF, OPTIONAL_METADATA, ZSTD, QUERY_ATTRIBUTES, MFA = 1 << 24, 1 << 25, 1 << 26, 1 << 27, 1 << 28

OLD = LONG_PASSWORD | LONG_FLAG | PROTOCOL_41 | TRANSACTIONS | SECURE | MULTI_RESULTS | PS_MULTI_RESULTS | PLUGIN_AUTH
MODERN = OLD | DEPRECATE_EOF | SESSION_TRACK | CONNECT_ATTRS | PLUGIN_AUTH_LENENC

(COM_SLEEP, COM_QUIT, COM_INIT_DB, COM_QUERY, COM_FIELD_LIST, COM_CREATE_DB, COM_DROP_DB, COM_REFRESH, COM_SHUTDOWN,
 COM_STATISTICS, COM_PROCESS_INFO, COM_CONNECT, COM_PROCESS_KILL, COM_DEBUG, COM_PING, COM_TIME, COM_DELAYED_INSERT,
 COM_CHANGE_USER, COM_BINLOG_DUMP, COM_TABLE_DUMP, COM_CONNECT_OUT, COM_REGISTER_SLAVE, COM_STMT_PREPARE,
 COM_STMT_EXECUTE, COM_STMT_SEND_LONG_DATA, COM_STMT_CLOSE, COM_STMT_RESET, COM_SET_OPTION, COM_STMT_FETCH, COM_DAEMON,
 COM_BINLOG_DUMP_GTID, COM_RESET_CONNECTION) = range(32)

IN_TRANS, AUTOCOMMIT, MORE_RESULTS = 1, 2, 8
CURSOR_EXISTS, LAST_ROW_SENT, PS_OUT_PARAMS, STATE_CHANGED = 0x40, 0x80, 0x1000, 0x4000
TRACK_VARIABLE, TRACK_SCHEMA, TRACK_STATE, TRACK_GTID, TRACK_TRX_CHARACTERISTICS, TRACK_TRX_STATE = range(6)

T_TINY, T_SHORT, T_LONG, T_FLOAT, T_DOUBLE, T_NULL, T_LONGLONG, T_BLOB, T_VAR_STRING = 1, 2, 3, 4, 5, 6, 8, 252, 253
NATIVE, SHA2 = "mysql_native_password", "caching_sha2_password"
MAX_FRAME = 0xffffff


class ServerError(Exception):
    """An ERR packet."""

    def __init__(self, errno, sqlstate, message):
        super().__init__(errno, sqlstate, message)
        self.errno, self.sqlstate, self.message = errno, sqlstate, message


class Closed(Exception):
    """The other side closed the connection."""


class ProtocolError(Exception):
    """What came is not what the protocol allows."""


Greeting = collections.namedtuple("Greeting", "version thread_id salt capabilities charset status plugin extended raw")
Ok = collections.namedtuple("Ok", "affected insert_id status warnings info track raw")
Eof = collections.namedtuple("Eof", "warnings status raw")
Column = collections.namedtuple("Column", "catalog db table org_table name org_name charset length type flags decimals raw")


class Result:
    """One result: ok (an OK packet ended it) or rows. packets: all payloads of it as they came."""

    def __init__(self):
        self.ok, self.columns, self.rows, self.end, self.packets, self.local_file = None, [], [], None, [], None

    @property
    def status(self):
        return (self.ok or self.end).status

    @property
    def names(self):
        return [c.name for c in self.columns]


def lenenc(n):
    if n < 251:
        return bytes([n])
    if n < 1 << 16:
        return b"\xfc" + struct.pack("<H", n)
    if n < 1 << 24:
        return b"\xfd" + struct.pack("<I", n)[:3]
    return b"\xfe" + struct.pack("<Q", n)


def lenstr(b):
    return lenenc(len(b)) + b


class Reader:
    """Walks over a payload; running over its end is a ProtocolError."""

    def __init__(self, data, pos=0):
        self.data, self.pos = data, pos

    def left(self):
        return len(self.data) - self.pos

    def take(self, n):
        if n > self.left():
            raise ProtocolError("packet of %d bytes ends too early: %r" % (len(self.data), self.data[:60]))
        self.pos += n
        return self.data[self.pos - n:self.pos]

    def rest(self):
        return self.take(self.left())

    def uint(self, n):
        return int.from_bytes(self.take(n), "little")

    def nul(self):
        end = self.data.find(b"\0", self.pos)
        if end < 0:
            raise ProtocolError("no NUL in %r" % self.data[self.pos:])
        out = self.data[self.pos:end]
        self.pos = end + 1
        return out

    def lenenc(self):
        first = self.uint(1)
        if first < 251:
            return first
        if first == 251:
            return None
        if first == 255:
            raise ProtocolError("0xff as a length")
        return self.uint({252: 2, 253: 3, 254: 8}[first])

    def lenstr(self):
        n = self.lenenc()
        return None if n is None else self.take(n)


def native_answer(password, salt):
    if not password:
        return b""
    h = hashlib.sha1(password).digest()
    mask = hashlib.sha1(salt[:20] + hashlib.sha1(h).digest()).digest()
    return bytes(a ^ b for a, b in zip(h, mask))


def sha2_answer(password, salt):
    if not password:
        return b""
    h = hashlib.sha256(password).digest()
    mask = hashlib.sha256(hashlib.sha256(h).digest() + salt[:20]).digest()
    return bytes(a ^ b for a, b in zip(h, mask))


def parse_error(p, capabilities=PROTOCOL_41):
    r = Reader(p, 1)
    errno, sqlstate = r.uint(2), ""
    if capabilities & PROTOCOL_41 and r.left() >= 6 and p[r.pos:r.pos + 1] == b"#":
        sqlstate = r.take(6)[1:].decode()
    return ServerError(errno, sqlstate, r.rest().decode("utf-8", "replace"))


def parse_ok(p, capabilities):
    r = Reader(p, 1)
    affected, insert_id = r.lenenc(), r.lenenc()
    status = warnings = 0
    if capabilities & PROTOCOL_41:
        status, warnings = r.uint(2), r.uint(2)
    info, track = b"", []
    if capabilities & SESSION_TRACK:
        if r.left():
            info = r.lenstr()
        if status & STATE_CHANGED:
            block = Reader(r.lenstr())
            while block.left():
                kind, entry = block.uint(1), Reader(block.lenstr())
                if kind == TRACK_VARIABLE:
                    track.append((kind, entry.lenstr().decode(), entry.lenstr().decode()))
                elif kind == TRACK_GTID:
                    entry.uint(1)
                    track.append((kind, entry.lenstr().decode()))
                else:
                    track.append((kind, entry.lenstr().decode()))
        if r.left():
            raise ProtocolError("bytes after an OK packet: %r" % r.rest())
    else:
        info = r.rest()
    return Ok(affected, insert_id, status, warnings, info, track, p)


def parse_column(p):
    r = Reader(p)
    texts = [r.lenstr() for _ in range(6)]
    if r.lenenc() != 12:
        raise ProtocolError("column definition: fixed part is not 12 bytes")
    charset, length, kind, flags, decimals = r.uint(2), r.uint(4), r.uint(1), r.uint(2), r.uint(1)
    r.take(2)
    return Column(*[t.decode("utf-8", "replace") for t in texts], charset, length, kind, flags, decimals, p)


def text_row(p, n):
    r = Reader(p)
    row = tuple(r.lenstr() for _ in range(n))
    if r.left():
        raise ProtocolError("bytes after a row of %d columns" % n)
    return row


def binary_row(p, columns):
    """Values as Python numbers, or bytes for all other types (dates and times: their wire form)."""
    r = Reader(p, 1)
    if p[0] != 0:
        raise ProtocolError("a binary row begins with %d" % p[0])
    nulls = r.take((len(columns) + 9) // 8)
    out = []
    for i, c in enumerate(columns):
        if nulls[(i + 2) // 8] >> (i + 2) % 8 & 1:
            out.append(None)
            continue
        size = {1: 1, 2: 2, 13: 2, 3: 4, 9: 4, 8: 8}.get(c.type)
        if size:
            out.append(int.from_bytes(r.take(size), "little", signed=not c.flags & 32))
        elif c.type == T_FLOAT:
            out.append(struct.unpack("<f", r.take(4))[0])
        elif c.type == T_DOUBLE:
            out.append(struct.unpack("<d", r.take(8))[0])
        elif c.type in (7, 10, 11, 12):
            out.append(r.take(r.uint(1)))
        else:
            out.append(r.lenstr())
    if r.left():
        raise ProtocolError("bytes after a binary row")
    return tuple(out)


class Typed:
    """A parameter with a type of the test's choosing: Typed(T_LONG, b"\\1\\0\\0\\0", unsigned=True)."""

    def __init__(self, kind, wire, unsigned=False):
        self.kind, self.wire, self.unsigned = kind, wire, unsigned


class Prepared:
    def __init__(self, stmt_id, n_params, n_columns, warnings, params, columns):
        self.id, self.n_params, self.n_columns, self.warnings = stmt_id, n_params, n_columns, warnings
        self.params, self.columns = params, columns


class Raw:
    def __init__(self, host="127.0.0.1", port=None, path=None, timeout=20):
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(timeout)
            self.sock.connect(path)
        else:
            self.sock = socket.create_connection((host, port), timeout)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local = path is not None
        self.encrypted = False
        self.inbox = b""
        self.seq = 0            # of the next packet to send
        self.expect = 0         # of the next packet to come; None: do not check
        self.capabilities = 0
        self.user = self.password = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- bytes and packets

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def reset(self):
        """Ends the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def send_bytes(self, data, chunk=None):
        try:
            if chunk:
                for i in range(0, len(data), chunk):
                    self.sock.sendall(data[i:i + chunk])
            else:
                self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as x:
            raise Closed(str(x)) from None

    def frame(self, payload):
        """The payload as packets, from self.seq on."""
        out = []
        while True:
            part, payload = payload[:MAX_FRAME], payload[MAX_FRAME:]
            out.append(struct.pack("<I", len(part))[:3] + bytes([self.seq & 255]) + part)
            self.seq += 1
            if len(part) < MAX_FRAME:
                return b"".join(out)

    def send_packet(self, payload, seq=None, chunk=None):
        if seq is not None:
            self.seq = seq
        data = self.frame(payload)
        self.expect = self.seq & 255
        self.send_bytes(data, chunk)

    def read_bytes(self, n):
        while len(self.inbox) < n:
            try:
                got = self.sock.recv(max(65536, n - len(self.inbox)))
            except (ConnectionResetError, ssl.SSLError, BrokenPipeError) as x:
                raise Closed(str(x)) from None
            if not got:
                raise Closed("end of stream, %d bytes of a packet read" % len(self.inbox))
            self.inbox += got
        out, self.inbox = self.inbox[:n], self.inbox[n:]
        return out

    def read_packet(self):
        parts = []
        while True:
            head = self.read_bytes(4)
            n, seq = int.from_bytes(head[:3], "little"), head[3]
            if self.expect is not None:
                if seq != self.expect:
                    raise ProtocolError("packet number %d, expected %d" % (seq, self.expect))
                self.expect = seq + 1 & 255
            self.seq = seq + 1
            parts.append(self.read_bytes(n))
            if n < MAX_FRAME:
                return b"".join(parts)

    def at_end(self, timeout=None):
        """True when the other side has closed and nothing more came."""
        if timeout is not None:
            self.sock.settimeout(timeout)
        try:
            return not self.inbox and self.sock.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
            return True
        except (socket.timeout, TimeoutError):
            return False

    def quiet(self, seconds):
        """True when nothing comes for so long, not even the end."""
        if self.inbox:
            return False
        before = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            got = self.sock.recv(65536)
            self.inbox += got
            return False
        except (socket.timeout, TimeoutError):
            return True
        finally:
            self.sock.settimeout(before)

    # ---- login

    def read_greeting(self):
        p = self.read_packet()
        if p[:1] == b"\xff":
            raise parse_error(p)
        r = Reader(p)
        if r.uint(1) != 10:
            raise ProtocolError("not handshake v10")
        version, thread_id, salt = r.nul().decode(), r.uint(4), r.take(8)
        r.take(1)
        caps = r.uint(2)
        charset, status = r.uint(1), r.uint(2)
        caps |= r.uint(2) << 16
        n = r.uint(1)
        reserved = r.take(10)
        extended = int.from_bytes(reserved[6:], "little")
        salt += r.take(max(13, n - 8))[:12]
        plugin = r.nul().decode() if caps & PLUGIN_AUTH else NATIVE
        self.greeting = Greeting(version, thread_id, salt, caps, charset, status, plugin, extended, p)
        self.thread_id = thread_id
        return self.greeting

    def start_tls(self, capabilities, charset=45, context=None, seq=None):
        self.capabilities = capabilities | SSL
        self.send_packet(struct.pack("<IIB23x", self.capabilities, MAX_FRAME, charset), seq)
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.encrypted = True

    def login_payload(self, user, answer, capabilities, db=None, plugin=NATIVE, charset=45, attributes=None):
        if db is not None:
            capabilities |= CONNECT_WITH_DB
        out = struct.pack("<IIB23x", capabilities, MAX_FRAME, charset) + user.encode() + b"\0"
        out += (lenenc(len(answer)) if capabilities & PLUGIN_AUTH_LENENC else bytes([len(answer)])) + answer
        if db is not None:
            out += db.encode() + b"\0"
        if capabilities & PLUGIN_AUTH:
            out += plugin.encode() + b"\0"
        if capabilities & CONNECT_ATTRS:
            block = b"".join(lenstr(k.encode()) + lenstr(v.encode()) for k, v in (attributes or {}).items())
            out += lenstr(block)
        self.capabilities = capabilities
        return out

    def answer(self, plugin, salt):
        password = self.password.encode()
        if plugin == NATIVE:
            return native_answer(password, salt)
        if plugin == SHA2:
            return sha2_answer(password, salt)
        raise ProtocolError("asked for the plugin %s" % plugin)

    def login(self, user, password="", db=None, capabilities=MODERN, plugin=NATIVE, charset=45, attributes=None, tls=False,
              context=None):
        """Reads the greeting and logs in; returns the OK packet. self.steps tells what was exchanged."""
        greeting = self.read_greeting()
        # A server that leaves bit 0 clear may still be told of it: both ignore it.
        capabilities &= greeting.capabilities | LONG_PASSWORD | FOUND_ROWS | CONNECT_WITH_DB | CONNECT_ATTRS
        if not greeting.capabilities & CONNECT_ATTRS:
            capabilities &= ~CONNECT_ATTRS
        self.user, self.password = user, password
        if tls:
            capabilities |= SSL
            self.start_tls(capabilities, charset, context)
        self.send_packet(self.login_payload(user, self.answer(plugin, greeting.salt), capabilities, db, plugin, charset,
                                            attributes))
        return self.finish_login(plugin, greeting.salt)

    def finish_login(self, plugin, salt):
        self.steps = []
        while True:
            p = self.read_packet()
            if p[:1] == b"\0":
                return parse_ok(p, self.capabilities)
            if p[:1] == b"\xff":
                raise parse_error(p, self.capabilities)
            if p[:1] == b"\xfe":
                r = Reader(p, 1)
                plugin, salt = r.nul().decode(), r.rest()[:20]
                self.steps.append("switch " + plugin)
                self.send_packet(self.answer(plugin, salt))
            elif p == b"\1\3":
                self.steps.append("fast")
            elif p == b"\1\4":
                self.steps.append("full")
                secret = self.password.encode() + b"\0"
                if self.encrypted or self.local:
                    self.send_packet(secret)
                else:
                    self.send_packet(b"\2")
                    key = self.read_packet()
                    self.send_packet(rsa_secret(secret, salt, key[1:]))
            else:
                raise ProtocolError("unexpected packet while logging in: %r" % p[:40])

    # ---- commands

    def command(self, com, data=b""):
        self.send_packet(bytes([com]) + data, seq=0)

    def read_ok(self):
        p = self.read_packet()
        if p[:1] == b"\xff":
            raise parse_error(p, self.capabilities)
        if p[:1] != b"\0":
            raise ProtocolError("expected an OK packet, got %r" % p[:40])
        return parse_ok(p, self.capabilities)

    def is_end(self, p):
        if p[:1] != b"\xfe":
            return False
        return len(p) < MAX_FRAME if self.capabilities & DEPRECATE_EOF else len(p) < 9

    def parse_end(self, p):
        if self.capabilities & DEPRECATE_EOF and len(p) >= 7:
            ok = parse_ok(p, self.capabilities)
            return Eof(ok.warnings, ok.status, p)
        return Eof(int.from_bytes(p[1:3], "little"), int.from_bytes(p[3:5], "little"), p)

    def read_result(self, binary=False, cursor=False):
        res = Result()
        p = self.read_packet()
        res.packets.append(p)
        if p[:1] == b"\xff":
            raise parse_error(p, self.capabilities)
        if p[:1] == b"\0":
            res.ok = parse_ok(p, self.capabilities)
            return res
        if p[:1] == b"\xfb":
            res.local_file = p[1:]
            return res
        n = Reader(p).lenenc()
        for _ in range(n):
            p = self.read_packet()
            res.packets.append(p)
            if p[:1] == b"\xff":       # clients take an ERR in any packet's place
                raise parse_error(p, self.capabilities)
            res.columns.append(parse_column(p))
        if not self.capabilities & DEPRECATE_EOF:
            p = self.read_packet()
            res.packets.append(p)
            if not self.is_end(p):
                raise ProtocolError("no EOF after the columns: %r" % p[:40])
            res.end = self.parse_end(p)
            if cursor and res.end.status & CURSOR_EXISTS:
                return res
        self.read_rows(res, binary)
        return res

    def read_rows(self, res, binary):
        while True:
            p = self.read_packet()
            res.packets.append(p)
            if p[:1] == b"\xff":
                raise parse_error(p, self.capabilities)
            if self.is_end(p):
                res.end = self.parse_end(p)
                return
            res.rows.append(binary_row(p, res.columns) if binary else text_row(p, len(res.columns)))

    def read_results(self, binary=False):
        out = [self.read_result(binary)]
        while out[-1].local_file is None and out[-1].status & MORE_RESULTS:
            out.append(self.read_result(binary))
        return out

    def query(self, sql):
        """The first result; the others are read and thrown away."""
        return self.query_all(sql)[0]

    def query_all(self, sql):
        self.command(COM_QUERY, sql if isinstance(sql, bytes) else sql.encode())
        return self.read_results()

    def value(self, sql):
        v = self.query(sql).rows[0][0]
        return None if v is None else v.decode("utf-8", "surrogateescape")

    def values(self, sql):
        return [tuple(None if v is None else v.decode("utf-8", "surrogateescape") for v in row)
                for row in self.query(sql).rows]

    def error(self, sql):
        """Runs what must fail and returns the ServerError."""
        try:
            self.query_all(sql)
        except ServerError as x:
            return x
        raise AssertionError("no error from: %s" % sql)

    def ping(self):
        self.command(COM_PING)
        return self.read_ok()

    def init_db(self, name):
        self.command(COM_INIT_DB, name.encode())
        return self.read_ok()

    def quit(self):
        self.command(COM_QUIT)
        ended = self.at_end(10)
        self.close()
        return ended

    def statistics(self):
        self.command(COM_STATISTICS)
        return self.read_packet()

    def set_option(self, option):
        self.command(COM_SET_OPTION, struct.pack("<H", option))
        p = self.read_packet()
        if p[:1] == b"\xff":
            raise parse_error(p, self.capabilities)
        return p

    def field_list(self, table, wild=""):
        self.command(COM_FIELD_LIST, table.encode() + b"\0" + wild.encode())
        out = []
        while True:
            p = self.read_packet()
            if p[:1] == b"\xff":
                raise parse_error(p, self.capabilities)
            if self.is_end(p):
                return out
            out.append(p)

    def reset_connection(self):
        self.command(COM_RESET_CONNECTION)
        return self.read_ok()

    def change_user(self, user, password="", db="", plugin=NATIVE, charset=45, attributes=None):
        self.user, self.password = user, password
        answer = self.answer(plugin, self.greeting.salt)
        out = user.encode() + b"\0" + bytes([len(answer)]) + answer + db.encode() + b"\0" + struct.pack("<H", charset)
        if self.capabilities & PLUGIN_AUTH:
            out += plugin.encode() + b"\0"
        if self.capabilities & CONNECT_ATTRS:
            out += lenstr(b"".join(lenstr(k.encode()) + lenstr(v.encode()) for k, v in (attributes or {}).items()))
        self.command(COM_CHANGE_USER, out)
        return self.finish_login(plugin, self.greeting.salt)

    # ---- LOCAL INFILE

    def send_file(self, data, packet=65536):
        for i in range(0, len(data), packet):
            self.send_packet(data[i:i + packet])
        self.send_packet(b"")
        return self.read_result()

    # ---- prepared statements

    def read_definition(self):
        """A column's definition; an answer that breaks off may end in an ERR instead."""
        p = self.read_packet()
        if p[:1] == b"\xff":
            raise parse_error(p, self.capabilities)
        return parse_column(p)

    def prepare(self, sql):
        self.command(COM_STMT_PREPARE, sql if isinstance(sql, bytes) else sql.encode())
        p = self.read_packet()
        if p[:1] == b"\xff":
            raise parse_error(p, self.capabilities)
        r = Reader(p, 1)
        stmt_id, n_columns, n_params = r.uint(4), r.uint(2), r.uint(2)
        r.take(1)
        warnings = r.uint(2)
        groups = []
        for n in (n_params, n_columns):
            groups.append([self.read_definition() for _ in range(n)])
            if n and not self.capabilities & DEPRECATE_EOF:
                p = self.read_packet()
                if not self.is_end(p):
                    raise ProtocolError("no EOF after definitions of a prepared statement")
        return Prepared(stmt_id, n_params, n_columns, warnings, *groups)

    @staticmethod
    def bind(params):
        nulls, types, values = bytearray((len(params) + 7) // 8), b"", b""
        for i, v in enumerate(params):
            if v is None:
                nulls[i // 8] |= 1 << i % 8
                types += struct.pack("<H", T_NULL)
            elif isinstance(v, Typed):
                types += bytes([v.kind, 0x80 if v.unsigned else 0])
                values += v.wire
            elif isinstance(v, int):
                types += bytes([T_LONGLONG, 0x80 if v > 0x7fffffffffffffff else 0])
                values += struct.pack("<Q", v & 0xffffffffffffffff)
            elif isinstance(v, float):
                types += struct.pack("<H", T_DOUBLE)
                values += struct.pack("<d", v)
            elif isinstance(v, str):
                types += struct.pack("<H", T_VAR_STRING)
                values += lenstr(v.encode())
            else:
                types += struct.pack("<H", T_BLOB)
                values += lenstr(v)
        return bytes(nulls), types, values

    def send_execute(self, stmt, params=(), flags=0, bound=True):
        stmt_id = stmt.id if isinstance(stmt, Prepared) else stmt
        out = struct.pack("<IBI", stmt_id, flags, 1)
        if params:
            nulls, types, values = self.bind(params)
            out += nulls + (b"\1" + types if bound else b"\0") + values
        self.command(COM_STMT_EXECUTE, out)

    def execute_all(self, stmt, params=(), bound=True):
        self.send_execute(stmt, params, 0, bound)
        return self.read_results(binary=True)

    def execute(self, stmt, params=(), bound=True):
        return self.execute_all(stmt, params, bound)[0]

    def open_cursor(self, stmt, params=()):
        self.send_execute(stmt, params, 1)
        return self.read_cursor()

    def read_cursor(self):
        """The answer to an execute that asked for a cursor: columns, and rows only if the server opened none."""
        if not self.capabilities & DEPRECATE_EOF:
            return self.read_result(binary=True, cursor=True)
        res = Result()
        p = self.read_packet()
        res.packets.append(p)
        if p[:1] == b"\xff":
            raise parse_error(p, self.capabilities)
        if p[:1] == b"\0":
            res.ok = parse_ok(p, self.capabilities)
            return res
        for _ in range(Reader(p).lenenc()):
            p = self.read_packet()
            res.packets.append(p)
            res.columns.append(parse_column(p))
        self.read_rows(res, True)
        return res

    def fetch(self, stmt, columns, n):
        self.command(COM_STMT_FETCH, struct.pack("<II", stmt.id if isinstance(stmt, Prepared) else stmt, n))
        res = Result()
        res.columns = columns
        self.read_rows(res, True)
        return res

    def long_data(self, stmt, index, data):
        self.command(COM_STMT_SEND_LONG_DATA,
                     struct.pack("<IH", stmt.id if isinstance(stmt, Prepared) else stmt, index) + data)

    def close_stmt(self, stmt):
        self.command(COM_STMT_CLOSE, struct.pack("<I", stmt.id if isinstance(stmt, Prepared) else stmt))

    def reset_stmt(self, stmt):
        self.command(COM_STMT_RESET, struct.pack("<I", stmt.id if isinstance(stmt, Prepared) else stmt))
        return self.read_ok()


def rsa_secret(secret, salt, pem):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    key = serialization.load_pem_public_key(pem)
    mixed = bytes(b ^ salt[i % 20] for i, b in enumerate(secret))
    return key.encrypt(mixed, padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA1()), algorithm=hashes.SHA1(), label=None))
