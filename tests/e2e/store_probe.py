"""The store layer of Keyway by hand: tests/store/store_probe.c, run over a real server."""
import os
import queue
import subprocess
import threading

from conftest import BUILD
from keyway_dev.testrun import SANITIZER_ENV

PROGRAM = os.path.join(BUILD, "tests", "store", "store-probe")
PREFIX = "/keyway/test"


class Refused(Exception):
    """What the layer said: its kind of error and its text."""

    def __init__(self, text):
        kind, self.text = text.split(" ", 1)
        self.kind = int(kind)
        super().__init__(text)


CONFIG, DENIED, TIMEOUT, BACKEND = -10, -6, -8, -9


class Running:
    """A probe that follows or is present: its lines, one after another."""

    def __init__(self, argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=dict(os.environ, **SANITIZER_ENV))
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def until(self, begin, timeout=30):
        """All lines up to the first one that begins so; that one is the last."""
        got = []
        while True:
            try:
                line = self.lines.get(timeout=timeout)
            except queue.Empty:
                raise AssertionError("no line %r within %s s after %r" % (begin, timeout, self.seen[-20:]))
            assert line is not None, "the probe ended: %r %s" % (self.seen[-5:], self.process.stderr.read())
            got.append(line)
            self.seen.append(line)
            if line.startswith(begin):
                return got

    def quiet(self):
        """Whether nothing has come that was not asked for yet."""
        return self.lines.empty()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self, timeout=20):
        """The lines of the end."""
        self.process.stdin.close()
        got = self.until("stopped", timeout)
        assert self.process.wait(timeout) == 0, self.process.stderr.read()
        return got

    def kill(self):
        self.process.kill()
        self.process.wait()


class Probe:
    """settings: NAME=VALUE of the program."""

    def __init__(self, kind, endpoints, **settings):
        words = ["%s=%s" % s for s in dict({"prefix": PREFIX}, **settings).items()]
        self.begin = [PROGRAM, kind, ",".join(endpoints)] + words
        self.running = []

    def run(self, *words):
        r = subprocess.run(self.begin + [str(w) for w in words], capture_output=True, text=True, timeout=60,
                           env=dict(os.environ, **SANITIZER_ENV))
        if r.returncode == 1 and r.stdout.startswith("error "):
            raise Refused(r.stdout[6:].strip())
        assert r.returncode == 0, (r.returncode, r.stdout, r.stderr)
        return r.stdout.rstrip("\n").split("\n") if r.stdout.strip() else []

    def get(self, key):
        """(version, value), or None."""
        line = self.run("get", key)[0]
        return None if line == "none" else (int(line.split(" ", 1)[0]), line.split(" ", 1)[1])

    def list(self, prefix):
        return {line.split(" ", 2)[0]: line.split(" ", 2)[2] for line in self.run("list", prefix)}

    def commit(self, *ops):
        """Whether it was done; False: a version was another."""
        return {"done": True, "conflict": False}[self.run("commit", *ops)[0]]

    def start(self, *words):
        r = Running(self.begin + [str(w) for w in words])
        self.running.append(r)
        return r

    def close(self):
        for r in self.running:
            if r.process.poll() is None:
                r.kill()
