"""What the tests of sow share: the program itself, and a stand-in for the daemon that misbehaves on request."""
import ctypes
import fcntl
import functools
import http.server
import json
import os
import pathlib
import pty
import socket
import struct
import subprocess
import termios
import threading
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOW = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "sow"
SEED, DRAW = "5b8208dae656f65e30102f0d698873971479acc3e907fcf1628c25d97a68086d", "d7" * 32
TENSOR = ["--experiment", "exp-42", "--name", "w", "--shape", "4,4", "--init", "he_normal"]
NO_RETRY = ["--retry-seconds", "0"]
PATIENCE = 60  # seconds until a test that hangs fails; nothing is measured by it


def environment(**changes):
    """An environment that says nothing of servers, colours and proxies, with the changes made."""
    plain = {key: os.environ[key] for key in ("PATH", "HOME", "ASAN_OPTIONS", "UBSAN_OPTIONS") if key in os.environ}
    return {**plain, "LC_ALL": "C.UTF-8", "TERM": "xterm", **changes}


def start(arguments, env=None, **pipes):
    return subprocess.Popen([SOW, *map(str, arguments)], env=env or environment(), **pipes)


def run(arguments, env=None):
    """Runs sow without a terminal; returns the completed process with stdout as bytes and stderr as text."""
    done = subprocess.run([SOW, *map(str, arguments)], env=env or environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=PATIENCE)
    done.stderr = done.stderr.decode()
    return done


class StandIn:
    """An HTTP server on a free port that answers with the function given, which gets the request handler."""

    def __init__(self, answer):
        self.requests = []  # (method, path, fields of the query, body)
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self):
                length = int(self.headers.get("Content-Length", 0))
                parts = urllib.parse.urlsplit(self.path)
                fields = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
                outer.requests.append((self.command, parts.path, fields, self.rfile.read(length)))
                self.close_connection = True
                answer(self, outer)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_request

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # clients that leave are the subject of some tests
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.01])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def send_head(handler, status, headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.flush()


def raw(size):
    """Options of a tensor whose answer has so many bytes; which ones is not looked at without --verify."""
    return ["--experiment", "exp-42", "--name", "w", "--shape", str(size), "--init", "zeros", "--dtype", "f8_e5m2", "--format", "raw"]


@functools.lru_cache
def plan_of(*arguments):
    """What a tensor comes to, as sow itself derives it."""
    return json.loads(run(["plan", "--offline", "--json", *arguments]).stdout)


def tensor_head(length, arguments=None):
    """The header of the answer for a tensor; without options for raw(length)."""
    plan = plan_of(*(arguments or raw(length)))
    kind = "application/x-npy" if plan["format"] == "npy" else "application/octet-stream"
    return {"Content-Type": kind, "Content-Length": str(length), "ETag": f'"{plan["draw"][:32]}"', "Accept-Ranges": "bytes",
            "Sower-Seed": plan["seed"], "Sower-Draw": plan["draw"], "Sower-Ledger": "17", "Sower-Spec": "1",
            "Sower-Shape": ",".join(map(str, plan["slice_shape"])) or "()", "Sower-Dtype": plan["dtype"],
            "Sower-Fan": f'{plan["fan_in"]},{plan["fan_out"]}'}


def tensor(body, arguments=None):
    """Answers with these bytes as a tensor."""
    def answer(handler, _):
        send_head(handler, 200, tensor_head(len(body), arguments))
        handler.wfile.write(body)
    return answer


def slow_tensor(first, rest):
    """Answers with the first bytes, and with the rest when the test releases it."""
    def answer(handler, stand_in):
        send_head(handler, 200, tensor_head(len(first) + len(rest)))
        handler.wfile.write(first)
        handler.wfile.flush()
        assert stand_in.released.wait(PATIENCE)
        handler.wfile.write(rest)
    return answer


def problem(status, detail, param=None):
    """Answers with a problem."""
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail}
    return page(status, json.dumps({**body, "param": param} if param else body), "application/problem+json")


def page(status, text, media_type):
    """Answers with a page."""
    def answer(handler, _):
        body = text.encode()
        send_head(handler, status, {"Content-Type": media_type, "Content-Length": str(len(body))})
        handler.wfile.write(body)
    return answer


class Watch:
    """The kernel's reports of what is created and written in a directory (inotify)."""

    MODIFY = 0x2

    def __init__(self, directory):
        libc = ctypes.CDLL(None, use_errno=True)
        self.file = libc.inotify_init()
        assert self.file >= 0 and libc.inotify_add_watch(self.file, os.fsencode(directory), self.MODIFY) >= 0

    def wait_for_write(self, suffix):
        """Returns the name of a file with this suffix once somebody has written to it."""
        while True:
            events = os.read(self.file, 65536)
            while events:
                _, mask, _, length = struct.unpack_from("iIII", events)
                name = events[16:16 + length].rstrip(b"\0").decode()
                events = events[16 + length:]
                if mask & self.MODIFY and name.endswith(suffix):
                    return name

    def close(self):
        os.close(self.file)


class Terminal:
    """A pseudo-terminal of a size, and what a program has written to it so far."""

    def __init__(self, columns=100):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.text = ""

    def leave_to_program(self):
        """Closes our end of what the program has by now, so that its end can be seen."""
        os.close(self.slave)

    def read(self):
        """Adds what comes next; False at the end, when the program has gone."""
        try:
            block = os.read(self.master, 65536)
        except OSError:  # how Linux says that the last holder of the other end has gone
            block = b""
        self.text += block.decode(errors="replace")
        return bool(block)

    def read_until(self, words):
        while words not in self.text:
            assert self.read(), f"{words!r} never came: {self.text!r}"

    def read_all(self):
        while self.read():
            pass
        os.close(self.master)
        return self.text


class RawServer:
    """A TCP server on a free port: `speak` gets each connection, its number from 0, and the bytes of the request's head."""

    def __init__(self, speak, context=None, peek=False):
        """`context`: an ssl.SSLContext, for a server that speaks TLS; `peek`: the head is left to `speak`."""
        self.speak, self.context, self.peek = speak, context, peek
        self.count = 0
        self.ended = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self._accept)
        self.threads = []

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=[connection, self.count])
            self.count += 1
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection, number):
        with connection:
            try:
                connection.settimeout(PATIENCE)
                if self.context:
                    connection = self.context.wrap_socket(connection, server_side=True)
                head = b""
                while not self.peek and b"\r\n\r\n" not in head and head[:1] != b"\x16" and (block := connection.recv(65536)):
                    head += block
                if self.peek or b"\r\n\r\n" in head:
                    self.speak(connection, number, head)
                if self.context:
                    connection.unwrap()
            except OSError:
                pass  # clients that leave are the subject of some tests

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in [self.thread, *self.threads]:
            thread.join()


class Breaking:
    """Passes questions on to the daemon, and cuts every answer with a model or a tensor off after some bytes."""

    def __init__(self, daemon, limit, held=None):
        """`held`: an event that is waited for in place of the cut; then the rest is sent."""
        outer = self
        self.cuts, self.limit = 0, limit
        self.asked = []  # the headers of the questions that an answer with bytes came to

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {key: value for key, value in self.headers.items() if key in ("Range", "If-Range")}
                answer = daemon.request(self.command, self.path, body=body, headers=headers)
                self.send_response(answer.status)
                for key, value in answer.headers.items():
                    if key.startswith(("Content-", "ETag", "Sower-")):
                        self.send_header(key, value)
                self.end_headers()
                bytes_come = self.path.startswith(("/v1/model?", "/v1/tensor?"))
                cut = bytes_come and len(answer.body) > outer.limit
                outer.asked += [headers] * bytes_come
                self.wfile.write(answer.body[: outer.limit] if cut else answer.body)
                if cut and held:
                    self.wfile.flush()
                    assert held.wait(PATIENCE)
                    self.wfile.write(answer.body[outer.limit :])
                outer.cuts += cut
                self.close_connection = True

            do_GET = do_POST = do_HEAD = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.01])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
