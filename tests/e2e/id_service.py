#!/usr/bin/env python3
"""A small id service for tests: Leaf-like segments, snowflake-like ids, JSON; it can fail, hang and lie on request.

As a program:   id_service.py [--host 127.0.0.1] [--port 0] [--offset 0] [--step 1] [--token T] [--tls CERT KEY]
                prints one line "port N" when it listens.
In a test:      with IdService() as s: s.url ...; s.mood = "hang"; s.given

GET or POST      /api/segment/get/<tag>          one id, a bare decimal number
                 /api/snowflake/get/<tag>        one id of 63 bits, a bare decimal number
                 /json/id/<tag>                  {"data": {"id": "123"}}
                 /json/range/<tag>?n=100         {"first": 1, "last": 100, "count": 100}
                 /json/strings/<tag>?n=100       the same with strings
                 /stats                          {"requests": ..., "given": ...}
POST             /mood?mood=M[&times=N]          M is one of MOODS; N: for so many requests, then well again

--step and --offset: every id of the service is offset modulo step (odd and even pair). A tag "unknown..." is refused
as Leaf does it: status 500 with a text.
"""
import argparse
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

MOODS = {
    "well": "gives ids",
    "fail": "status 500",
    "refuse": "status 404",
    "hang": "accepts and never answers",
    "slow": "answers after one second: late for a request that timed out",
    "close": "closes without an answer",
    "truncate": "promises more bytes than it sends",
    "unframed": "neither Content-Length nor chunks",
    "redirect": "status 302",
    "zero": "gives 0",
    "negative": "gives -1",
    "big": "gives 2^63",
    "huge": "gives 2^64 + 1",
    "float": "gives 1e3",
    "text": "gives words",
    "empty": "gives an empty body",
    "long": "gives a megabyte",
    "same": "gives the last id again",
    "backwards": "gives ids from 1 on again",
    "overlap": "gives the last id as the first of a new range",
    "residue": "gives an id of the other residue",
    "count": "gives a count that does not fit",
    "twice": "gives every range to two requests, whoever asks",
    "tags": "gives ids of another tag, which has only begun",
}


class IdService:
    """The service on a thread of its own. Attributes may be changed while it runs."""

    def __init__(self, host="127.0.0.1", port=0, offset=0, step=1, token=None, tls=None):
        self.offset, self.step, self.token = offset % step, step, token
        self.mood, self.mood_left = "well", None
        self.lock = threading.Lock()
        self.next = {}  # tag -> counter
        self.repeat = {}  # tag -> counter that is given once more
        self.snow_ms, self.snow_seq = 0, 0
        self.worker = offset & 1023
        self.requests, self.given = 0, 0
        self.stopping = threading.Event()
        service = self

        class Handler(_Handler):
            pass

        Handler.service = service
        self.server = _Server((host, port), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host, self.port = self.server.server_address[:2]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def set_mood(self, mood, times=None):
        if mood not in MOODS:
            raise ValueError(f"no such mood: {mood}")
        with self.lock:
            self.mood, self.mood_left = mood, times

    def take_mood(self):
        with self.lock:
            self.requests += 1
            mood = self.mood
            if self.mood_left is not None:
                self.mood_left -= 1
                if self.mood_left <= 0:
                    self.mood, self.mood_left = "well", None
            return mood

    def ids(self, tag, n):
        """The first of n new ids of the tag, step apart."""
        with self.lock:
            counter = self.next.get(tag, 1)
            self.next[tag] = counter + n
            self.given += n
            return counter * self.step + self.offset

    def reset(self):
        """Back to the beginning, as a service that lost its data."""
        with self.lock:
            self.next.clear()

    def raise_to(self, tag, first):
        """What an operator does who repairs the counter."""
        with self.lock:
            self.next[tag] = max(self.next.get(tag, 1), first // self.step + 1)

    def twice(self, tag, n):
        """A new range at every other call, else the one before."""
        with self.lock:
            counter = self.repeat.pop(tag, None)
            if counter is None:
                counter = self.next.get(tag, 1)
                self.repeat[tag] = counter
            self.next[tag] = max(self.next.get(tag, 1), counter + n)
            self.given += n
            return counter * self.step + self.offset

    def last(self, tag):
        with self.lock:
            return (self.next.get(tag, 1) - 1) * self.step + self.offset

    def snowflake(self):
        """41 bits of milliseconds, 10 of worker, 12 of sequence, then made to fit the residue."""
        with self.lock:
            now = int(time.time() * 1000) - 1577836800000
            if now > self.snow_ms:
                self.snow_ms, self.snow_seq = now, 0
            else:
                self.snow_seq += self.step
            if self.snow_seq >= 4096 - 2 * self.step:
                self.snow_ms, self.snow_seq = self.snow_ms + 1, 0
            self.given += 1
            raw = self.snow_ms << 22 | self.worker << 12 | self.snow_seq
            return raw - raw % self.step + self.offset if self.step > 1 else raw


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that gives up is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536
    service = None

    def log_message(self, *args):
        pass

    def answer(self, status, body, content_type="text/plain"):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length).decode()
        self.do_any()

    def do_GET(self):
        self.body = ""
        self.do_any()

    def do_any(self):
        s = self.service
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path == "/mood":
            try:
                times = query.get("times")
                s.set_mood(query["mood"][0], int(times[0]) if times else None)
            except (KeyError, ValueError):
                return self.answer(400, "moods: " + " ".join(MOODS))
            return self.answer(200, "ok")
        if url.path == "/stats":
            return self.answer(200, json.dumps({"requests": s.requests, "given": s.given}), "application/json")
        if s.token and self.headers.get("Authorization") != f"Bearer {s.token}":
            return self.answer(401, f"bad token: {self.headers.get('Authorization')}")
        parts = [unquote(p) for p in url.path.split("/") if p]
        n = query.get("n", ["1"])[0]
        if self.body:
            try:
                asked = json.loads(self.body)
                n = str(asked.get("n", n))
                if "tag" in asked:
                    parts.append(asked["tag"])
            except (ValueError, AttributeError):
                return self.answer(400, "the body is not JSON")
        if not n.isdigit() or not 1 <= int(n) <= 10_000_000:
            return self.answer(400, "n is 1 to 10000000")
        self.give(parts, int(n))

    def give(self, parts, n):
        s = self.service
        mood = s.take_mood()
        if mood == "fail":
            return self.answer(500, "the service is ill")
        if mood == "refuse":
            return self.answer(404, "no such tag")
        if mood == "redirect":
            self.send_response(302)
            self.send_header("Location", "/json/id/elsewhere")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if mood == "hang":
            s.stopping.wait(3600)
            self.close_connection = True
            return None
        if mood == "close":
            self.close_connection = True
            return None
        if mood == "slow":
            s.stopping.wait(1)
        if len(parts) == 4 and parts[0] == "api" and parts[2] == "get" and parts[1] in ("segment", "snowflake"):
            return self.give_number(mood, parts[1], parts[3])
        if len(parts) == 3 and parts[0] == "json" and parts[1] in ("id", "range", "strings"):
            return self.give_json(mood, parts[1], parts[2], n)
        return self.answer(404, "see the head of id_service.py")

    def lie(self, mood, tag, first):
        """What stands in for the first id."""
        s = self.service
        return {
            "zero": "0",
            "negative": "-1",
            "big": str(1 << 63),
            "huge": str((1 << 64) + 1),
            "float": "1e3",
            "text": '"words"',
            "same": str(s.last(tag)),
            "overlap": str(s.last(tag)),
            "backwards": str(s.step + s.offset),
            "residue": str(first + 1),
        }.get(mood)

    def send(self, mood, text, content_type):
        if mood == "empty":
            return self.answer(200, "")
        if mood == "long":
            return self.answer(200, "1" * (1 << 20), content_type)
        if mood in ("truncate", "unframed"):
            self.close_connection = True
            self.send_response(200)
            self.send_header("Connection", "close")
            if mood == "truncate":
                self.send_header("Content-Length", str(len(text) + 3))
            self.end_headers()
            self.wfile.write(text.encode()[: max(1, len(text) - 1)])
            return None
        return self.answer(200, text, content_type)

    def give_number(self, mood, kind, tag):
        s = self.service
        if tag.startswith("unknown"):
            return self.answer(500, f"key {tag} not found")
        if mood == "same" or mood == "overlap":
            return self.send(mood, self.lie(mood, tag, 0), "text/plain")
        first = s.snowflake() if kind == "snowflake" else s.ids(tag, 1)
        return self.send(mood, (self.lie(mood, tag, first) or str(first)).strip('"'), "text/plain")

    def give_json(self, mood, kind, tag, n):
        s = self.service
        if tag.startswith("unknown"):
            return self.answer(404, json.dumps({"error": f"tag {tag} not found"}), "application/json")
        if kind == "id":
            n = 1
        if mood == "tags":
            tag = "another." + tag
        first = None if mood in ("same", "overlap") else s.twice(tag, n) if mood == "twice" else s.ids(tag, n)
        said = self.lie(mood, tag, first or 0) or str(first)
        if kind == "id":
            return self.send(mood, f'{{"data": {{"id": {json.dumps(said) if mood == "well" else said}}}}}', "application/json")
        last = int(said) + (n - 1) * s.step if said.lstrip("-").isdigit() else 0
        count = n + 1 if mood == "count" else n
        q = '"' if kind == "strings" and not said.startswith('"') else ""
        text = f'{{"first": {q}{said}{q}, "last": {q}{last}{q}, "count": {q}{count}{q}}}'
        return self.send(mood, text, "application/json")


def main():
    p = argparse.ArgumentParser(description="An id service for tests.")
    p.add_argument("--host", default="127.0.0.1")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--offset", type=int, default=0)
    p.add_argument("--step", type=int, default=1)
    p.add_argument("--token")
    p.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    a = p.parse_args()
    service = IdService(a.host, a.port, a.offset, a.step, a.token, a.tls).start()
    print(f"port {service.port}", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        service.stop()
        return 0


if __name__ == "__main__":
    sys.exit(main())
