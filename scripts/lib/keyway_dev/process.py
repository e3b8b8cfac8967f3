"""Processes, ports and progress lines."""
import os
import random
import signal
import socket
import subprocess
import sys
import time

from . import Failure


def stat_fields(pid):
    """Those of /proc/PID/stat from the state on; None when there is no such process (or thread, as PID/task/TID)."""
    try:
        with open("/proc/%s/stat" % pid) as f:
            text = f.read()
    except OSError:
        return None
    return text[text.rindex(")") + 2:].split()


def start_time(pid):
    """Clock ticks since boot at which the process started: with the pid it names one process for ever.
    None when there is none (or only its remains)."""
    fields = stat_fields(pid)
    return None if not fields or fields[0] in "ZX" else int(fields[19])


def frozen(pid):
    """All its threads were stopped by a signal and not continued."""
    try:
        threads = os.listdir("/proc/%d/task" % pid)
    except OSError:
        return False
    return all((stat_fields("%d/task/%s" % (pid, t)) or "T")[0] == "T" for t in threads)


def alive(pid, started=None):
    now = start_time(pid)
    return now is not None and (started is None or now == started)


def wait_for(what, check, timeout, pause=0.02):
    """Calls check() until it answers something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        got = check()
        if got:
            return got
        if time.monotonic() > deadline:
            raise Failure("%s: not within %g s" % (what, timeout))
        time.sleep(pause)


def wait_gone(pids, timeout):
    """pids: {pid: start time}. True when all have ended."""
    deadline = time.monotonic() + timeout
    while any(alive(p, t) for p, t in pids.items()):
        if time.monotonic() > deadline:
            return False
        for p in pids:
            try:
                os.waitpid(p, os.WNOHANG)
            except (ChildProcessError, OSError):
                pass
        time.sleep(0.02)
    return True


def stop_pids(pids, sig=signal.SIGTERM, timeout=15):
    """Ends processes by pid; only those that still are the ones that were started."""
    pids = {p: t for p, t in pids.items() if p and alive(p, t)}
    for p in pids:
        try:
            os.kill(p, sig)
        except ProcessLookupError:
            pass
    if wait_gone(pids, timeout):
        return True
    for p, t in pids.items():
        if alive(p, t):
            os.kill(p, signal.SIGKILL)
    wait_gone(pids, 5)
    return False


class Process:
    """A background process in a session of its own (a terminal's Ctrl-C does not reach it), output to a log file."""

    def __init__(self, name, argv, log, env=None, cwd=None):
        self.name, self.log = name, log
        out = open(log, "ab")
        self.popen = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, cwd=cwd,
                                      start_new_session=True)
        out.close()
        self.pid = self.popen.pid
        self.started = start_time(self.pid)

    def running(self):
        return self.popen.poll() is None

    def exit_code(self):
        return self.popen.poll()

    def send(self, sig):
        if self.running():
            self.popen.send_signal(sig)

    def stop(self, sig=signal.SIGTERM, timeout=15):
        """The exit code, negative for a signal; a process that does not end is killed."""
        self.send(sig)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()

    def kill(self):
        return self.stop(signal.SIGKILL)

    def pause(self):
        """Frozen from now on: the kernel still accepts connections for it, and nobody answers."""
        self.send(signal.SIGSTOP)
        wait_for("%s is frozen" % self.name, lambda: frozen(self.pid) or not self.running(), 10, 0.001)

    def resume(self):
        self.send(signal.SIGCONT)

    def log_tail(self, lines=15):
        try:
            with open(self.log, errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except OSError:
            return ""


def ephemeral_start():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            return int(f.read().split()[0])
    except OSError:
        return 32768


def port_free(port, host="127.0.0.1"):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError:
            return False
    with socket.socket() as s:
        # Some other user's listener on another address or with SO_REUSEPORT would still take our clients.
        s.settimeout(0.5)
        return s.connect_ex((host, port)) != 0


def free_ports(n, taken=()):
    """Ports on which nobody listens, below those that the kernel gives to clients."""
    top = min(ephemeral_start(), 32768)
    bottom = min(20000, top - 4000)
    out = []
    for _ in range(4000):
        if len(out) == n:
            return out
        p = random.randrange(max(bottom, 1024), top)
        if p not in out and p not in taken and port_free(p):
            out.append(p)
    raise Failure("no free ports between %d and %d" % (bottom, top))


class Progress:
    """One line per part: what, how long, and a mark for how it ended."""

    def __init__(self, quiet=False, out=sys.stderr):
        self.quiet, self.out = quiet, out

    def part(self, text):
        return Part(self, text)

    def say(self, text):
        if not self.quiet:
            print(text, file=self.out, flush=True)


class Part:
    def __init__(self, progress, text):
        self.progress, self.text, self.note = progress, text, ""

    def __enter__(self):
        self.t0 = time.monotonic()
        if not self.progress.quiet and self.progress.out.isatty():
            self.progress.out.write("  … %s" % self.text)
            self.progress.out.flush()
        return self

    def __exit__(self, kind, *_):
        if not self.progress.quiet:
            back = "\r\033[K" if self.progress.out.isatty() else ""
            self.progress.say("%s  %s %s%s  %.1f s" % (back, "✗" if kind else "✓", self.text,
                                                     " (%s)" % self.note if self.note else "",
                                                     time.monotonic() - self.t0))
        return False
