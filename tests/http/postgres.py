#!/usr/bin/python3
"""A real PostgreSQL for the tests: a cluster in a temporary directory, with a Unix socket there.

Usage: tests/http/postgres.py PROGRAM [ARGUMENT]...

Runs a program with the URL of such a cluster in SOWER_TEST_POSTGRES. PostgreSQL does not run as root: if this program does,
PostgreSQL runs as the user of Debian's package.
"""
import contextlib
import os
import pathlib
import pwd
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from ports import free_port

PATIENCE = 120


def find_programs():
    """The directory of the newest PostgreSQL. Debian does not put all of its programs on the PATH."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise FileNotFoundError("There is no PostgreSQL in /usr/lib/postgresql; make deps installs it.")
    return found[-1].parent


class Postgres:
    def __init__(self):
        self.programs = find_programs()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sower-pg-", dir="/tmp"))
        self.data = self.directory / "data"
        self.as_user = []
        if os.geteuid() == 0:
            try:
                user = pwd.getpwnam("postgres")
            except KeyError:
                user = pwd.getpwnam("nobody")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self.directory.chmod(0o755)  # others reach the socket
        self.process = None
        try:
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise

    def _make(self):
        # Only initdb runs without flushing to disk. The server flushes as usual.
        command = [*self.as_user, self.programs / "initdb", "--pgdata", self.data, "--username=sower", "--auth=trust",
                   "--encoding=UTF8", "--locale=C", "--no-sync"]
        done = subprocess.run(command, cwd=self.directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout
        (self.data / "pg_hba.conf").write_text("local all guarded scram-sha-256\nlocal all all trust\n")
        with open(self.data / "postgresql.auto.conf", "a") as file:
            file.write(f"listen_addresses = ''\nunix_socket_directories = '{self.directory}'\nshared_buffers = 32MB\n"
                       "max_wal_size = 256MB\nrecovery_init_sync_method = syncfs\nlog_min_messages = log\nmax_connections = 60\n")

    def start(self):
        """Starts the server and waits until it accepts connections. The server ends with this process."""
        command = [*(self.as_user or ["setpriv"]), "--pdeathsig=QUIT", self.programs / "postgres", "-D", self.data]
        self.process = subprocess.Popen(command, cwd=self.directory, stderr=subprocess.PIPE, text=True, errors="replace")
        ready = queue.Queue()
        self.log = []
        threading.Thread(target=self._read_log, args=(self.process, ready), daemon=True).start()
        if not ready.get(timeout=PATIENCE):
            raise RuntimeError("PostgreSQL does not start: " + "".join(self.log))

    def _read_log(self, process, ready):
        for line in process.stderr:
            self.log.append(line)
            if "database system is ready to accept connections" in line:
                ready.put(True)
        ready.put(False)

    def stop(self, number=signal.SIGQUIT):
        """Ends the server: like a crash (SIGQUIT), or cleanly (SIGINT)."""
        self.process.send_signal(number)
        self.process.wait(timeout=PATIENCE)

    def processes(self):
        """Process ids of the server and of its sessions."""
        found = [self.process.pid]
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == self.process.pid:
                found.append(int(path.parts[2]))
        return found

    def _signal_all(self, number):
        """Sends a signal to the server and its sessions, and ignores sessions that have just ended."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def freeze(self):
        """Stops all processes: they do not respond, and their connections stay open."""
        self.process.send_signal(signal.SIGSTOP)  # first, so that it starts no new session
        self._signal_all(signal.SIGSTOP)

    def thaw(self):
        self._signal_all(signal.SIGCONT)

    def url(self, database, user="sower", password="", directory=None):
        password = f":{password}" if password else ""
        return f"postgresql://{user}{password}@/{database}?host={directory or self.directory}"

    def run(self, program, *arguments, **keywords):
        """Runs a program of PostgreSQL and returns its output."""
        command = [self.programs / program, "--host", self.directory, "--username", "sower", *arguments]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, **keywords)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def query(self, database, text):
        """The rows of a query, as lists of strings."""
        printed = self.run("psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
                           "--dbname", database, "--command", text)
        return [line.split("|") for line in printed.splitlines()]

    def create(self, database, encoding="UTF8"):
        self.query("postgres", f"CREATE DATABASE {database} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
        return self.url(database)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Pooler:
    """A pgbouncer between daemons and a database of a cluster. It does not run as root."""

    def __init__(self, program, server, database, mode, *settings):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sower-pgb-", dir=server.directory))
        port = free_port()
        self.url = f"postgresql://sower@127.0.0.1:{port}/{database}"
        (self.directory / "ini").write_text(
            f"[databases]\n{database} = host={server.directory} user=sower\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
            + "\n".join(["unix_socket_dir =", "auth_type = any", f"pool_mode = {mode}", *settings, ""]))
        self.directory.chmod(0o755)
        self.process = subprocess.Popen([*server.as_user, program, self.directory / "ini"], stderr=subprocess.PIPE, text=True)
        log = []
        while not any("process up" in line for line in log):  # from then on it listens
            log.append(self.process.stderr.readline())
            assert log[-1], log
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self):
        self.process.kill()  # since version 1.23 SIGTERM waits for its clients
        self.process.wait(timeout=PATIENCE)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server is stopped and its directory removed
    server = Postgres()
    try:
        environment = dict(os.environ, SOWER_TEST_POSTGRES=server.url("postgres"))
        status = subprocess.run(sys.argv[1:], env=environment).returncode
    finally:
        server.close()
    sys.exit(status if status >= 0 else 128 - status)


if __name__ == "__main__":
    main()
