"""Programs that run from a folder of ours: out of a Debian package that is fetched, verified by apt and unpacked there.
Nothing is installed on the machine, and no rights are needed."""
import glob
import os
import re
import shutil
import subprocess
import tempfile

from . import Failure

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
UPDATE_TIMEOUT = 240
FAILED = {}     # what this process has tried to fetch in vain: not again, many tests may ask


def mirrors():
    """The Debian mirrors that this machine's own apt sources name, its main archive first."""
    r = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)", "Created-By: Packages"],
                       capture_output=True, text=True)
    found = []
    for line in r.stdout.splitlines():
        uri, _, origin = line.partition(" ")
        if origin == "Debian" and uri not in found and "security" not in uri:
            found.append(uri)
    return found or configured_mirrors()


def configured_mirrors():
    """The same out of the files, for a machine whose package lists have not been fetched yet."""
    found = []
    for path in ["/etc/apt/sources.list"] + sorted(glob.glob("/etc/apt/sources.list.d/*")):
        try:
            with open(path) as f:
                lines = [line.split("#")[0] for line in f]
        except OSError:
            continue
        for uri in re.findall(r"(?:^deb\s+(?:\[[^\]]*\]\s+)?|^URIs:\s*)(\S+/debian)/?(?=\s|$)", "\n".join(lines), re.M):
            if uri not in found:
                found.append(uri)
    return found


def apt(folder, *argv):
    """apt with everything it reads and writes below the folder; what is not signed is refused."""
    options = {"Dir::Etc::SourceList": "sources.list", "Dir::Etc::SourceParts": "none", "Dir::Etc::Preferences": "none",
               "Dir::Etc::PreferencesParts": "none", "Dir::State": "state", "Dir::State::Status": "status",
               "Dir::Cache": "cache"}
    words = ["apt-get", "-q"]
    for key, name in options.items():
        words += ["-o", "%s=%s" % (key, os.path.join(folder, name))]
    words += ["-o", "Acquire::AllowInsecureRepositories=false", "-o", "Acquire::Languages=none", "-o", "Acquire::Retries=2",
              "-o", "Acquire::http::Timeout=30", "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
              "-o", "APT::Get::AllowUnauthenticated=false", "-o", "APT::Update::Error-Mode=any",
              "-o", "APT::Sandbox::User="]
    try:
        r = subprocess.run(words + list(argv), cwd=folder, capture_output=True, text=True, timeout=UPDATE_TIMEOUT)
    except subprocess.TimeoutExpired:
        raise Failure("apt-get %s: not within %d s" % (" ".join(argv), UPDATE_TIMEOUT)) from None
    if r.returncode:
        raise Failure("apt-get %s: %s" % (" ".join(argv), (r.stderr or r.stdout).strip()[-500:]))


def fetch(package, suite, mirror, folder):
    """Leaves the package's files in folder/root."""
    for name in ("state/lists/partial", "cache/archives/partial", "none"):
        os.makedirs(os.path.join(folder, name))
    with open(os.path.join(folder, "sources.list"), "w") as f:
        f.write("deb [signed-by=%s] %s %s main\n" % (KEYRING, mirror, suite))
    open(os.path.join(folder, "status"), "w").close()
    apt(folder, "update")
    apt(folder, "download", package)
    debs = glob.glob(os.path.join(folder, package + "_*.deb"))
    if len(debs) != 1:
        raise Failure("apt-get download %s left %d packages" % (package, len(debs)))
    subprocess.run(["dpkg-deb", "-x", debs[0], os.path.join(folder, "root")], check=True)


def own_suite():
    with open("/etc/os-release") as f:
        m = re.search(r"^VERSION_CODENAME=\"?(\w+)", f.read(), re.M)
    return m.group(1) if m else None


def program(path, package, cache, suite=None):
    """The program's path: the installed one, or the one of the package of that Debian suite (None: this machine's),
    which is fetched once into the cache. Failure says why there is none."""
    installed = os.path.join("/", path)
    if os.access(installed, os.X_OK):
        return installed
    suite = suite or own_suite()
    place = os.path.join(cache, "%s-%s" % (package, suite))
    unpacked = os.path.join(place, path)
    if os.access(unpacked, os.X_OK):
        return unpacked
    if not shutil.which("apt-get") or not os.path.exists(KEYRING):
        raise Failure("%s is not installed, and this is no Debian system that could fetch it" % package)
    found = mirrors()
    if not suite or not found:
        raise Failure("%s is not installed, and this machine's apt sources name no Debian mirror" % package)
    if (place, tuple(found)) in FAILED:
        raise FAILED[place, tuple(found)]
    os.makedirs(cache, exist_ok=True)
    why = None
    for mirror in found:
        tmp = tempfile.mkdtemp(prefix=".fetching-", dir=cache)
        try:
            fetch(package, suite, mirror, tmp)
            root = os.path.join(tmp, "root")
            if not os.access(os.path.join(root, path), os.X_OK):
                raise Failure("the package %s has no %s" % (package, path))
            try:
                os.rename(root, place)
            except OSError:     # another run was faster
                pass
            return unpacked
        except (Failure, OSError, subprocess.CalledProcessError) as x:
            why = x
        finally:
            shutil.rmtree(tmp, ignore_errors=True)
    FAILED[place, tuple(found)] = Failure("%s of Debian %s could not be fetched: %s" % (package, suite, why))
    raise FAILED[place, tuple(found)]
