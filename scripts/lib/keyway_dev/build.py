"""Builds Keyway with meson into a folder and finds its programs."""
import json
import os
import subprocess

from . import ROOT, Failure


def run(argv, what, log, env=None):
    with open(log, "ab") as out:
        rc = subprocess.run(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env).returncode
    if rc:
        with open(log, errors="replace") as f:
            tail = "".join(f.readlines()[-40:])
        raise Failure("%s failed (whole log: %s)\n%s" % (what, log, tail))


def options(folder):
    """The build folder's present options as {name: text}."""
    r = subprocess.run(["meson", "introspect", "--buildoptions", folder], capture_output=True, text=True)
    if r.returncode:
        return {}

    def text(v):
        if isinstance(v, bool):
            return "true" if v else "false"
        return ",".join(v) if isinstance(v, list) else str(v)
    return {o["name"]: text(o["value"]) for o in json.loads(r.stdout)}


def build(folder, wanted, targets=(), env=None):
    """Sets the folder up with the options wanted, or changes them, and builds the targets, by default everything."""
    os.makedirs(folder, exist_ok=True)
    log = os.path.join(folder, "build.log")
    if os.path.exists(log):
        os.unlink(log)
    args = ["-D%s=%s" % kv for kv in sorted(wanted.items())]
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        run(["meson", "setup", folder, ROOT] + args, "meson setup", log, env)
    else:
        have = options(folder)
        if any(have.get(k) != v for k, v in wanted.items()):
            run(["meson", "configure", folder] + args, "meson configure", log, env)
    run(["ninja", "-C", folder] + list(targets), "the build", log, env)


# For use, not for work on it: another compiler's new warning must not stand in the way.
RELEASE = {"buildtype": "release", "werror": "false"}
SANITIZED = {"buildtype": "debugoptimized", "b_sanitize": "address,undefined", "werror": "true"}


PROGRAMS = ["src/bin/keyway", "src/bin/keywayctl"]


def program(folder, name):
    path = os.path.join(folder, "src", "bin", name)
    if not os.access(path, os.X_OK):
        raise Failure("%s is missing: build first (scripts/playground and scripts/test do)" % path)
    return path
