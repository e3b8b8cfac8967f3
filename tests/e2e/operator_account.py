"""An operator's account on the servers with the grants that docs/operations.md names, and keywayctl run under it."""
import json
import os
import subprocess

from keyway_dev import build
from keyway_dev.cluster import Cluster
from keyway_dev.mariadb import Account

GRANTS = [
    "GRANT PROCESS, RELOAD, SHOW DATABASES, CONNECTION ADMIN, READ_ONLY ADMIN, BINLOG ADMIN, BINLOG MONITOR, "
    "REPLICATION SLAVE ADMIN, SLAVE MONITOR ON *.* TO {who}",
    "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX ON `shop`.* TO {who}",
]
USER, PASSWORD = "keyway_op", "operate-it"


class OperatedCluster(Cluster):
    def new_server(self, name, accounts, settings=(), domain=0):
        return super().new_server(name, accounts + [Account(USER, PASSWORD, GRANTS)], settings, domain)


class Ctl:
    """keywayctl with the settings of a site's first proxy and the operator's account."""

    def __init__(self, site):
        self.site = site
        self.secret = os.path.join(site.cluster.folder, "operator.password")
        with open(os.open(self.secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
            f.write(PASSWORD + "\n")

    def argv(self, *words, admin=True):
        argv = [build.program(self.site.cluster.build_folder, "keywayctl"), *words, "--conf",
                self.site.cluster.proxies[0].config]
        return argv + (["--admin-user", USER, "--admin-password-file", self.secret] if admin else [])

    def start(self, *words, env=None, **options):
        return subprocess.Popen(self.argv(*words, **options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=dict(self.site.cluster.env or os.environ, **(env or {})))

    def run(self, *words, code=0, timeout=120, **options):
        p = self.start(*words, **options)
        try:
            out, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            raise AssertionError("%s did not end\n%s%s" % (" ".join(words), out, err)) from None
        assert code is None or p.returncode == code, "%s: status %d\n%s%s" % (" ".join(words), p.returncode, out, err)
        self.said = err
        return out

    def json(self, *words, **options):
        return json.loads(self.run(*words, "--json", **options))
