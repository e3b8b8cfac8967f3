"""scripts/test: builds with ASan and UBSan, runs unit tests, end-to-end tests and source checks, sums up."""
import argparse
import glob
import os
import re
import subprocess
import sys
import time

from . import ROOT, build
from .playground import entry
from .process import Progress

# A report of a sanitizer must end the process with a status that nothing else has.
SANITIZER_ENV = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
}


def unit(a, env):
    # The unit tests are the meson tests; one that hangs is ended by its own time limit.
    r = subprocess.run(["meson", "test", "-C", a.build, "--print-errorlogs", "--no-rebuild"], cwd=ROOT, env=env,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    counts = dict(re.findall(r"^(Ok|Expected Fail|Fail|Unexpected Pass|Skipped|Timeout):\s+(\d+)", r.stdout, re.M))
    if r.returncode:
        print(r.stdout)
    if not counts and "No tests defined" in r.stdout:
        return False, "there are none"
    note = ", ".join("%s %s" % (v, k.lower()) for k, v in counts.items() if int(v))
    return r.returncode == 0, note


def e2e(a, env, paths=()):
    argv = ["/usr/bin/python3", "-m", "pytest", "-q", "-ra", "--timeout=180", "--durations=8",
            "-p", "no:cacheprovider"] + (a.pytest or [])
    r = subprocess.Popen(argv + list(paths or [os.path.join(ROOT, "tests", "e2e")]), cwd=ROOT,
                         env=dict(env, KEYWAY_BUILD=a.build), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    last = ""
    for line in r.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
    return r.wait() == 0, last.strip("= ")


def tracked(*patterns):
    r = subprocess.run(["git", "ls-files", "--"] + list(patterns), cwd=ROOT, capture_output=True, text=True)
    if r.returncode == 0:
        return [f for f in r.stdout.split("\n") if f and os.path.exists(os.path.join(ROOT, f))]
    return [os.path.relpath(f, ROOT) for p in patterns for f in glob.glob(os.path.join(ROOT, "**", p), recursive=True)]


def lint(a, env):
    del a, env
    failed = []

    def check(name, argv):
        r = subprocess.run(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if r.returncode:
            failed.append(name)
            print("%s:\n%s" % (name, "\n".join(r.stdout.split("\n")[:60])))

    sources = tracked("*.c", "*.h")
    if sources:
        check("clang-format", ["clang-format-14", "--dry-run", "-Werror"] + sources)
    daemon = [f for f in sources if f.startswith("src/") and f.endswith(".c")]
    if daemon:
        # What is uninitialized, the compiler and the sanitizers know better; its guesses across files are off.
        check("cppcheck", ["cppcheck", "--quiet", "--error-exitcode=1", "-j", str(os.cpu_count() or 1), "--std=c11",
                           "--enable=portability", "--inline-suppr", "--suppress=missingInclude",
                           "--suppress=missingIncludeSystem", "--suppress=uninitvar", "--suppress=*:include/*",
                           "-D_GNU_SOURCE", '-DKEYWAY_VERSION="0"',
                           "-DHASH_ITER(hh,head,el,tmp)=for((el)=(head);(el);(el)=(tmp))", "-I", "include"] + daemon)
    for f in ["scripts/playground", "scripts/test", "scripts/bench", ".ci/run", "scripts/lib/packages.sh"]:
        check("sh " + f, ["sh", "-n", f])
    check("python", ["/usr/bin/python3", "-c", "import sys, ast\nfor f in sys.argv[1:]: ast.parse(open(f).read(), f)"]
          + tracked("*.py"))
    return not failed, ", ".join(failed)


SUITES = {"unit": unit, "e2e": e2e, "lint": lint}


def main(argv):
    p = argparse.ArgumentParser(prog="scripts/test", description="Builds Keyway with ASan and UBSan and runs its tests.")
    p.add_argument("what", nargs="*", metavar="SUITE|PATH",
                   help="unit (meson tests), e2e (pytest against local clusters), lint (format and static checks), or "
                        "test files for pytest; default: all suites")
    p.add_argument("--build", default=os.path.join(ROOT, "build-test"), metavar="DIR", help="build folder (build-test)")
    p.add_argument("-k", dest="pytest", action="append", metavar="EXPR", help="handed to pytest: only tests that match")
    a = p.parse_args(argv)
    a.build = os.path.abspath(a.build)
    a.pytest = ["-k", a.pytest[-1]] if a.pytest else []
    suites = [w for w in a.what if w in SUITES]
    paths = [os.path.abspath(w) for w in a.what if w not in SUITES]
    for path in paths:
        if not os.path.exists(path.split("::")[0]):
            p.error("%s: neither a suite (%s) nor a file" % (path, ", ".join(SUITES)))
    if not a.what:
        suites = list(SUITES)
    env = dict(os.environ, **SANITIZER_ENV)
    # Tests of the daemon's own memory: keep the allocator of the sanitizer, whatever the caller preloads.
    env.pop("LD_PRELOAD", None)

    t0 = time.monotonic()
    results = []
    progress = Progress()
    if paths or suites != ["lint"]:
        with progress.part("build in %s" % a.build):
            build.build(a.build, build.SANITIZED)
    jobs = [(s, SUITES[s], ()) for s in suites] + ([("tests named", e2e, (paths,))] if paths else [])
    for name, run, extra in jobs:
        t = time.monotonic()
        progress.say("== %s" % name)
        ok, note = run(a, env, *extra)
        results.append((name, ok, note, time.monotonic() - t))
    print()
    for name, ok, note, seconds in results:
        print("%s %-6s %5.0f s  %s" % ("✓" if ok else "✗", name, seconds, note))
    good = all(ok for _, ok, _, _ in results)
    print("%s in %.0f s" % ("All tests passed" if good else "TESTS FAILED", time.monotonic() - t0))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(entry(main))
