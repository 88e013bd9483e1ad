"""Shared by the tests of sow: running the program, and servers that take the place of the daemon and misbehave on request."""
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
PATIENCE = 60  # seconds until a test that hangs fails; no test depends on its value


def environment(**changes):
    """An environment without settings for servers, colours and proxies, plus the given variables."""
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
    """An HTTP server on a free port. `respond` is called for each request with the request handler and the StandIn."""

    def __init__(self, respond):
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
                respond(self, outer)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_request

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # some tests close the connection on purpose
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


def send_headers(handler, status, headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.flush()


def raw(size):
    """Options of a tensor whose response has this many bytes. Without --verify sow does not check their values."""
    return ["--experiment", "exp-42", "--name", "w", "--shape", str(size), "--init", "zeros", "--dtype", "f8_e5m2", "--format", "raw"]


@functools.lru_cache
def plan_of(*arguments):
    """The plan of a tensor, as sow derives it offline."""
    return json.loads(run(["plan", "--offline", "--json", *arguments]).stdout)


def tensor_headers(length, arguments=None):
    """The response headers for a tensor; by default for the options raw(length)."""
    plan = plan_of(*(arguments or raw(length)))
    kind = "application/x-npy" if plan["format"] == "npy" else "application/octet-stream"
    return {"Content-Type": kind, "Content-Length": str(length), "ETag": f'"{plan["draw"][:32]}"', "Accept-Ranges": "bytes",
            "Sower-Seed": plan["seed"], "Sower-Draw": plan["draw"], "Sower-Ledger": "17", "Sower-Spec": "1",
            "Sower-Shape": ",".join(map(str, plan["slice_shape"])) or "()", "Sower-Dtype": plan["dtype"],
            "Sower-Fan": f'{plan["fan_in"]},{plan["fan_out"]}'}


def tensor(body, arguments=None):
    """Responds with these bytes as a tensor."""
    def respond(handler, _):
        send_headers(handler, 200, tensor_headers(len(body), arguments))
        handler.wfile.write(body)
    return respond


def slow_tensor(first, rest):
    """Responds with the first bytes, and with the rest when the test sets `released`."""
    def respond(handler, stand_in):
        send_headers(handler, 200, tensor_headers(len(first) + len(rest)))
        handler.wfile.write(first)
        handler.wfile.flush()
        assert stand_in.released.wait(PATIENCE)
        handler.wfile.write(rest)
    return respond


def problem(status, detail, param=None, **headers):
    """Responds with a problem document."""
    body = {"type": "about:blank", "title": "No", "status": status, "detail": detail}
    return page(status, json.dumps({**body, "param": param} if param else body), "application/problem+json", **headers)


def page(status, text, media_type, **headers):
    """Responds with a page. A header's name has "_" in place of "-"."""
    def respond(handler, _):
        body = text.encode()
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        send_headers(handler, status, {"Content-Type": media_type, "Content-Length": str(len(body)), **more})
        handler.wfile.write(body)
    return respond


class Watch:
    """Watches a directory for writes (inotify)."""

    MODIFY = 0x2

    def __init__(self, directory):
        libc = ctypes.CDLL(None, use_errno=True)
        self.file = libc.inotify_init()
        assert self.file >= 0 and libc.inotify_add_watch(self.file, os.fsencode(directory), self.MODIFY) >= 0

    def wait_for_write(self, suffix):
        """Waits until a file with this suffix is written to; returns its name."""
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
    """A pseudo-terminal, and the text that a program has written to it."""

    def __init__(self, columns=100):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.text = ""

    def leave_to_program(self):
        """Closes our copy of the program's end, so that we see when the program closes it."""
        os.close(self.slave)

    def read(self):
        """Adds the next output; False when the program has closed the terminal."""
        try:
            block = os.read(self.master, 65536)
        except OSError:  # Linux: the other end is closed
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
    """A TCP server on a free port: `speak` gets each connection, its number from 0, and the header of the request as bytes."""

    def __init__(self, speak, context=None, peek=False):
        """`context`: an ssl.SSLContext, for a server that speaks TLS; `peek`: `speak` reads the request itself."""
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
                pass  # some tests close the connection on purpose

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
    """Forwards requests to the daemon, and cuts off each response with a model or a tensor after `limit` bytes."""

    def __init__(self, daemon, limit, held=None):
        """`held`: instead of cutting, wait for this event and then send the rest."""
        outer = self
        self.cuts, self.limit = 0, limit
        self.asked = []  # the range headers of the requests for models and tensors

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {key: value for key, value in self.headers.items() if key in ("Range", "If-Range")}
                response = daemon.request(self.command, self.path, body=body, headers=headers)
                self.send_response(response.status)
                for key, value in response.headers.items():
                    if key.startswith(("Content-", "ETag", "Sower-")):
                        self.send_header(key, value)
                self.end_headers()
                has_elements = self.path.startswith(("/v1/model?", "/v1/tensor?"))
                cut = has_elements and len(response.body) > outer.limit
                outer.asked += [headers] * has_elements
                self.wfile.write(response.body[: outer.limit] if cut else response.body)
                if cut and held:
                    self.wfile.flush()
                    assert held.wait(PATIENCE)
                    self.wfile.write(response.body[outer.limit :])
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
