"""A relay between Keyway and a server that can cut, hold and change what passes, at a chosen byte."""
import select
import socket
import threading


class Link:
    """One connection: client is Keyway's side, server the database's."""

    def __init__(self, relay, client):
        self.relay, self.client, self.server = relay, client, None
        self.seen_up = b""      # the last bytes that Keyway sent
        self.budget = None      # bytes of the server that may still pass; then the link is cut
        self.passed = 0

    def cut(self, reset=False):
        for s in (self.client, self.server):
            if s is None:
                continue
            try:
                if reset:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            try:
                s.close()
            except OSError:
                pass

    def run(self):
        try:
            if self.relay.greeting is not None:
                self.client.sendall(self.relay.greeting)
                self.client.settimeout(5)
                self.client.recv(65536)
                return
            self.server = socket.create_connection(self.relay.target, 10)
            for s in (self.client, self.server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pump()
        except OSError:
            pass
        finally:
            self.cut()
            with self.relay.lock:
                if self in self.relay.links:
                    self.relay.links.remove(self)

    def pump(self):
        while True:
            ready, _, _ = select.select([self.client, self.server], [], [], 1)
            for s in ready:
                data = s.recv(65536)
                if not data:
                    return
                if s is self.client:
                    self.seen_up = (self.seen_up + data)[-2000:]
                    if self.relay.on_request:
                        data = self.relay.on_request(self, data)
                        if data is None:
                            return
                    self.server.sendall(data)
                else:
                    self.relay.open_gate.wait()
                    if self.relay.on_reply:
                        data = self.relay.on_reply(self, data)
                        if data is None:
                            return
                    if self.budget is not None:
                        data, self.budget = data[:self.budget], self.budget - len(data)
                    self.client.sendall(data)
                    self.passed += len(data)
                    if self.budget is not None and self.budget <= 0:
                        return


class Relay:
    """on_request(link, data) and on_reply(link, data) may change the bytes, or answer None: cut here."""

    def __init__(self, target):
        self.target = target
        self.lock, self.links, self.accepted = threading.Lock(), [], 0
        self.on_request = self.on_reply = self.greeting = None
        self.refuse = False
        self.open_gate = threading.Event()
        self.open_gate.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self.refuse:
                conn.close()
                continue
            link = Link(self, conn)
            with self.lock:
                self.links.append(link)
            threading.Thread(target=link.run, daemon=True).start()

    def hold(self):
        """Nothing of the server passes until release()."""
        self.open_gate.clear()

    def release(self):
        self.open_gate.set()

    def cut_all(self, reset=False):
        with self.lock:
            links = list(self.links)
        for link in links:
            link.cut(reset)

    def calm(self):
        self.on_request = self.on_reply = self.greeting = None
        self.refuse = False
        self.open_gate.set()

    def stop(self):
        self.calm()
        self.listener.close()
        self.cut_all()
