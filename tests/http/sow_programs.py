"""What the tests of sow share: the program itself, and a stand-in for the daemon that misbehaves on request."""
import ctypes
import fcntl
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
SEED, DRAW = "5b" * 32, "d7" * 32
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


def tensor_head(length):
    return {"Content-Type": "application/x-npy", "Content-Length": str(length), "Sower-Seed": SEED,
            "Sower-Draw": DRAW, "Sower-Ledger": "17"}


def tensor(body):
    """Answers with these bytes as a tensor."""
    def answer(handler, _):
        send_head(handler, 200, tensor_head(len(body)))
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
                while not self.peek and b"\r\n\r\n" not in head and (block := connection.recv(65536)):
                    head += block
                if head or self.peek:
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
