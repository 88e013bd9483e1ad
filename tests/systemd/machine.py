"""A Debian with systemd as its first process, in a container of systemd-nspawn, and the daemon installed in it.

The root is made once by debootstrap, from the place that apt of this machine is configured with, and kept in the user's cache. A
machine works on two layers above it: what make install installs, and its own, which vanishes with the machine. It has a network of
its own, which only has loopback."""
import contextlib
import ctypes
import http.client
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
ROOTS = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "sower/systemd"
PATIENCE = 60
PACKAGES = ["systemd", "systemd-sysv", "dbus", "libjansson4", "libsodium23", "libsqlite3-0", "libpq5", "libsystemd0"]
RELEASES = {"bookworm": ["libmicrohttpd12", "libcurl4"], "trixie": ["libmicrohttpd12t64", "libcurl4t64"]}
PORT = 7697
# Runs in a mount namespace of its own, where /sys/fs/cgroup has the one hierarchy that systemd wants, also on a machine with the old
# ones. nspawn must not run in a control group that others use. Arguments: name, root, an empty directory, what is installed.
BOOT = """
set -e
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$1"
echo $$ >"/sys/fs/cgroup/$1/cgroup.procs"
mount -t tmpfs tmpfs "$3"
mkdir "$3/own" "$3/work" "$3/root"
mount -t overlay overlay -o "lowerdir=$4:$2,upperdir=$3/own,workdir=$3/work" "$3/root"
chroot "$3/root" env PATH=/usr/local/bin:/usr/bin:/bin sowerd --version
exec systemd-nspawn --quiet --directory="$3/root" --machine="$1" --boot --register=no --keep-unit --private-network \\
    --console=pipe --link-journal=no --kill-signal=SIGRTMIN+4
"""


class Impossible(Exception):
    """This machine cannot run such a container; the message says why."""


def run(*command, **keywords):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **keywords)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout[-2000:]}")
    return done.stdout


def mirror():
    """Where apt of this machine gets Debian's packages from."""
    sites = run("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages").split()
    found = [site for site in sites if site.rstrip("/").endswith("/debian")]
    if not found:
        raise Impossible("apt of this machine has no source of Debian's packages")
    return found[0]


def make_root(release):
    """The root of a release, and the folder with the daemon, installed as make install does it."""
    if os.geteuid() != 0:
        raise Impossible("only root can make the root of a container")
    root = ROOTS / release
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        print(f"debootstrap {release} in {root}", flush=True)
        try:
            run("debootstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES + RELEASES[release]), release, root, mirror())
        except (RuntimeError, FileNotFoundError) as error:
            raise Impossible(f"debootstrap does not make a root: {error}") from error
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        (root / "complete").touch()
    installed = BUILD / "installed"
    shutil.rmtree(installed, ignore_errors=True)
    run("make", "-s", "-C", ROOT, f"BUILD={BUILD}", f"DESTDIR={installed}", "install-programs", "install-service")
    return root, installed


class Machine:
    def __init__(self, release, root=None, installed=None):
        """Without a root, with one that make_root makes. Its files do not change."""
        self.release, self.since = release, time.time()
        if root is None:
            root, installed = make_root(release)
        self.layer = tempfile.mkdtemp(prefix="sower-systemd-")
        self.name = f"sower-{release}-{os.getpid()}"
        if shutil.which("systemd-nspawn") is None:
            raise Impossible("there is no systemd-nspawn")
        self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", BOOT, "sh", self.name, root, self.layer, installed], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        self.output = []
        threading.Thread(target=lambda: self.output.extend(self.process.stdout), daemon=True).start()
        try:
            self.first = self._first_process()
            self.network = os.open(f"/proc/{self.first}/ns/net", os.O_RDONLY)
        except BaseException:
            self.close()
            raise

    def _first_process(self):
        """The process that is number 1 in the container, when systemd has started everything there."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Impossible(f"systemd-nspawn ends with status {self.process.returncode}: {''.join(self.output)[-1000:].strip()}")
            with contextlib.suppress(OSError, ValueError, IndexError, subprocess.CalledProcessError):
                self.first = int(pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])
                done = self.try_run("systemctl", "is-system-running", "--wait")
                if done.stdout.strip() in ("running", "degraded"):
                    return self.first
            time.sleep(0.2)
        raise Impossible(f"systemd does not start in the container: {''.join(self.output)[-1000:].strip()}")

    def try_run(self, *command, **keywords):
        return subprocess.run(["nsenter", f"--target={self.first}", "--all", "--", *map(str, command)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, **keywords)

    def run(self, *command):
        """Runs a program in the container. Returns its output."""
        done = self.try_run(*command)
        assert done.returncode == 0, (command, done.stdout, self.journal())
        return done.stdout

    def journal(self, *options):
        """What the service has logged since `since`."""
        return self.try_run("journalctl", "--unit=sowerd.service", f"--since=@{self.since:.6f}", "--output=cat", "--no-pager", *options).stdout

    def show(self, name, unit="sowerd.service"):
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def wait_until(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{what}; the journal:\n{self.journal()}"
            time.sleep(0.05)

    def file(self, path):
        """The path of a file of the container, for a program outside."""
        return pathlib.Path(f"/proc/{self.first}/root{path}")

    def configure(self, text, unit="sowerd.service"):
        """Replaces the settings of the administrator for a unit."""
        folder = self.file(f"/etc/systemd/system/{unit}.d")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test.conf").write_text(text)
        self.run("systemctl", "daemon-reload")

    @contextlib.contextmanager
    def joined(self):
        """Connections of this thread are made in the container's network."""
        libc, own = ctypes.CDLL(None, use_errno=True), os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        assert libc.setns(self.network, 0) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            libc.setns(own, 0)
            os.close(own)

    def get(self, path, headers=None):
        """Status and body of a request to the daemon."""
        with self.joined(), contextlib.closing(http.client.HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE)) as connection:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)  # nspawn tells the container's systemd to power off
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        with contextlib.suppress(OSError, AttributeError):
            os.close(self.network)
        os.rmdir(self.layer)
        self._remove_control_groups()

    def _remove_control_groups(self):
        """The kernel keeps empty groups, here in the only hierarchy or beside the old ones."""
        for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            for folder, _, _ in os.walk(f"{top}/{self.name}", topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
