"""Ports for programs that cannot be told to take any free one."""
import pathlib
import random
import socket


def free_port():
    """A port that nobody uses. The system gives none of these to outgoing connections, so none of them takes it before the
    program listens."""
    first_given = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(10_000, first_given), 100):
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")
