"""Load that runs beside a test and must see no error: sysbench for many point selects with their percentiles, and
threads that count what they wrote."""
import re
import shutil
import statistics
import subprocess
import threading
import time

import pymysql
import pytest

from conftest import PASSWORD, USER
from keyway_dev.process import wait_for

LINE = re.compile(r"^\[ (\d+)s \] thds: \d+ tps: ([\d.]+) .*lat \(ms,99%\): ([\d.]+) err/s: ([\d.]+) reconn/s: ([\d.]+)")


class Sysbench:
    """oltp_point_select on one proxy at a steady rate, a line of figures a second."""

    def __init__(self, proxy, database, threads=2, rate=100, rows=2000):
        if not shutil.which("sysbench"):
            pytest.skip("needs sysbench")
        self.base = ["sysbench", "oltp_point_select", "--mysql-host=" + proxy.host, "--mysql-port=%d" % proxy.port,
                     "--mysql-user=" + USER, "--mysql-password=" + PASSWORD, "--mysql-db=" + database, "--tables=1",
                     "--table-size=%d" % rows, "--auto-inc=off", "--rand-type=uniform", "--mysql-ignore-errors="]
        self.more = ["--threads=%d" % threads, "--rate=%d" % rate, "--time=0", "--events=0", "--report-interval=1",
                     "--percentile=99", "run"]
        self.lines, self.other, self.marks = [], [], []
        self.process = None

    def prepare(self):
        r = subprocess.run(self.base + ["prepare"], capture_output=True, text=True, timeout=170)
        assert r.returncode == 0, r.stdout + r.stderr
        return self

    def start(self):
        self.process = subprocess.Popen(self.base + self.more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        wait_for("sysbench runs", lambda: self.lines or self.process.poll() is not None, 60)
        return self

    def read(self):
        for line in self.process.stdout:
            m = LINE.match(line)
            if m:
                self.lines.append((time.monotonic(), float(m.group(2)), float(m.group(3)), float(m.group(4)) + float(m.group(5))))
            else:
                self.other.append(line)

    def errors(self):
        """What went wrong so far: it ends at the first error."""
        if self.process.poll() is not None:
            return ["sysbench ended with status %d:\n%s" % (self.process.returncode, "".join(self.other))]
        return ["%g errors or reconnects a second" % e for _, _, _, e in self.lines if e]

    def p99(self, since, until):
        """Median of the seconds' 99th percentiles, ms."""
        got = [p for t, _, p, _ in self.lines if since + 1 <= t <= until]
        return statistics.median(got) if got else float("nan")

    def rate(self, since, until):
        got = [r for t, r, _, _ in self.lines if since + 1 <= t <= until]
        return statistics.mean(got) if got else 0

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
        if self.process:
            self.process.wait(20)


class Writers:
    """Threads that raise counters of their own rows, by single statements and by transactions, and know how often."""

    def __init__(self, connect, threads=2, pause=0.005, table="t"):
        self.connect, self.pause, self.table = connect, pause, table
        self.done = {i: 0 for i in range(1, threads + 1)}
        self.failures, self.going = [], True
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in self.done]

    def start(self):
        conn = self.connect()
        with conn.cursor() as cur:
            for i in self.done:
                cur.execute("INSERT INTO %s (id, n) VALUES (%d, 0)" % (self.table, i))
        conn.close()
        for t in self.threads:
            t.start()
        return self

    def run(self, i):
        conn = None
        try:
            conn = self.connect()
            with conn.cursor() as cur:
                while self.going:
                    if self.done[i] % 2:
                        cur.execute("BEGIN")
                        cur.execute("SELECT n FROM %s WHERE id = %d FOR UPDATE" % (self.table, i))
                        (n,) = cur.fetchone()
                        cur.execute("UPDATE %s SET n = %d WHERE id = %d" % (self.table, n + 1, i))
                        cur.execute("COMMIT")
                    else:
                        cur.execute("UPDATE %s SET n = n + 1 WHERE id = %d" % (self.table, i))
                    self.done[i] += 1
                    time.sleep(self.pause)
        except (pymysql.Error, OSError) as x:
            self.failures.append("writer %d after %d: %s" % (i, self.done[i], x))
        finally:
            if conn:
                conn.close()

    def errors(self):
        return list(self.failures)

    def stop(self):
        self.going = False
        for t in self.threads:
            t.join(30)
        assert not any(t.is_alive() for t in self.threads)

    def check(self, connect=None):
        """What the table holds is what was acknowledged, once each."""
        conn = (connect or self.connect)()
        with conn.cursor() as cur:
            found = {}
            for i in self.done:
                cur.execute("SELECT n FROM %s WHERE id = %d" % (self.table, i))
                found[i] = cur.fetchone()[0]
        conn.close()
        assert found == self.done
