"""Containers for the tests: podman, whose options are those of docker. tests/image/run builds the images and configures podman."""
import http.client
import json
import queue
import subprocess
import threading
import time

PATIENCE = 60
# Without tokens, a daemon that listens beyond loopback wants to be told that everybody may use it.
OPEN = ("--env", "SOWERD_OPEN=yes")


def podman(*arguments, check=True, **keywords):
    """Runs podman and returns what it printed. Its complaints that there is no systemd to schedule health checks do not matter."""
    done = subprocess.run(["podman", "--log-level=fatal", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=120, **keywords)
    assert not check or done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done if not check else done.stdout.strip()


class Container:
    """A running container of the image. A thread reads its log."""

    def __init__(self, image, *options, arguments=(), until="ready"):
        self.id = podman("run", "--detach", *options, image, *arguments)
        self._follow()
        self.started = self.wait_for(until)
        self.address = self.inspect()["NetworkSettings"]["IPAddress"]

    def _follow(self):
        self.following = subprocess.Popen(["podman", "--log-level=fatal", "logs", "--follow", self.id], stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT)
        self.lines, self.log = queue.Queue(), []
        threading.Thread(target=self._read_log, args=(self.following, self.lines), daemon=True).start()

    @staticmethod
    def _read_log(following, lines):
        for line in following.stdout:
            lines.put(line.decode(errors="replace"))
        lines.put(None)

    def wait_for(self, event):
        while True:
            text = self.lines.get(timeout=PATIENCE)
            assert text is not None, f"the container ended before it logged {event}; its log: {self.log}"
            self.log.append(text)
            if text.startswith("{") and json.loads(text)["event"] == event:
                return json.loads(text)

    def inspect(self):
        return json.loads(podman("inspect", self.id))[0]

    def run(self, *command, check=True, user=None):
        """Runs a program in the container, as docker exec does."""
        return podman("exec", *(["--user", user] if user else []), self.id, *command, check=check)

    def connect(self):
        return http.client.HTTPConnection(self.address, 7697, timeout=PATIENCE)

    def get(self, path):
        connection = self.connect()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ledger(self):
        status, body = self.get("/v1/ledger")
        assert status == 200, body
        return [json.loads(line) for line in body.splitlines()]

    def draw(self, name):
        status, body = self.get(f"/v1/tensor?experiment=image&name={name}&shape=4,6&init=normal")
        assert status == 200, body
        return body

    def healthy(self):
        return podman("healthcheck", "run", self.id, check=False).returncode == 0

    def exit_status(self):
        """Waits until the container ends."""
        return int(podman("wait", self.id))

    def stop(self):
        """As docker stop --time 60. Returns the exit status and how many seconds it took."""
        start = time.monotonic()
        podman("stop", "--time", "60", self.id)
        return self.exit_status(), time.monotonic() - start

    def restart(self):
        podman("restart", "--time", "60", self.id)
        self.following.wait(timeout=PATIENCE)
        self._follow()  # the log from its beginning
        self.wait_for("stopped")
        self.wait_for("ready")
        self.address = self.inspect()["NetworkSettings"]["IPAddress"]

    def remove(self):
        podman("rm", "--force", "--volumes", "--time", "0", self.id)
        self.following.wait(timeout=PATIENCE)
