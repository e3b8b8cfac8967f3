"""Distance and broken networks: steers the relay program (tests/relay), which stands between Keyway and servers.

    with Rig(BUILD) as rig:
        wire = rig.wire(("127.0.0.1", 3306))        # listens on wire.port, carries to there
        wire.set(delay=250, jitter=20)              # µs each way
        wire.set("down", segment=1, gap=50)         # the server's bytes one by one
        wire.cut("down", 100, "rst")                # each link ends after 100 bytes of the server
        wire.calm()

Zones does this for a whole cluster: Cluster(network=Zones(BUILD, {...}))."""
import os
import subprocess
import threading

from keyway_dev import Failure


def program(build):
    path = os.path.join(build, "tests", "relay", "relay")
    if not os.access(path, os.X_OK):
        raise Failure("%s is missing: build first" % path)
    return path


class Wire:
    """One port of the relay, and where it leads. zone: a set of source addresses, as "127.0.2.0/24", that has a rule of
    its own; None: the rule for all others."""

    def __init__(self, rig, name, port):
        self.rig, self.name, self.port, self.host = rig, name, port, "127.0.0.1"

    def tell(self, command, *words, zone=None):
        return self.rig.tell(command, self.name + ("@" + zone if zone else ""), *words)

    def set(self, way=None, zone=None, **values):
        """way: "up" (towards the server), "down" or both. delay, jitter, gap in µs, rate in bytes/s, segment in bytes,
        hole: what comes is kept and arrives later; stop: the source is not read any more."""
        prefix = way + "." if way else ""
        self.tell("set", *["%s%s=%d" % (prefix, k, v) for k, v in values.items()], zone=zone)

    def cut(self, way, after, how, once=False, zone=None):
        """After that many bytes of each link, those that there are count from now: "fin", "rst", "half" or "hole".
        once: only the first link that gets there."""
        self.tell("cut", way, after, how, *["once"] * once, zone=zone)

    def uncut(self, way, zone=None):
        self.tell("cut", way, "none", zone=zone)

    def drop(self, how="rst", zone=None):
        """Ends the links that there are; how many."""
        return int(self.tell("drop", how, zone=zone)[0])

    def accept(self, how):
        """"open", "refuse", "hang" (connected by the kernel, served by nobody) or "reset"."""
        self.tell("accept", how)

    def calm(self):
        self.tell("calm")

    def stat(self, zone=None):
        """links, accepted, up, down (bytes), cuts, late_n, late_avg, late_max (µs after the time it was due)"""
        return {k: int(v) for k, v in (w.split("=") for w in self.tell("stat", zone=zone))}

    def remove(self):
        self.tell("remove")


class Rig:
    """One relay process; it ends with this one."""

    def __init__(self, build, seed=1):
        self.lock, self.wires = threading.Lock(), []
        self.process = subprocess.Popen([program(build), str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, *words):
        """The words of the answer."""
        with self.lock:
            try:
                self.process.stdin.write(" ".join(map(str, words)) + "\n")
                self.process.stdin.flush()
                answer = self.process.stdout.readline().split()
            except BrokenPipeError:
                answer = []
        if not answer or answer[0] != "ok":
            raise Failure("relay: %s: %s" % (" ".join(map(str, words)), " ".join(answer[1:])
                                             or "ended with status %s" % self.process.poll()))
        return answer[1:]

    def wire(self, target, port=0):
        name = "w%d" % (len(self.wires) + 1)
        port = int(self.tell("add", name, "127.0.0.1:%d" % port, "%s:%d" % tuple(target))[0])
        self.wires.append(Wire(self, name, port))
        return self.wires[-1]

    def stop(self):
        """Its exit status; a sanitizer's report has one of its own."""
        self.process.stdin.close()
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        code = self.stop()
        assert code == 0, "relay ended with status %d" % code
