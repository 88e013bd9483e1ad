"""Free ports for programs that cannot choose one themselves."""
import pathlib
import random
import socket


def free_port():
    """An unused port, below the range for outgoing connections: the system does not use it before the program listens."""
    first_ephemeral = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(10_000, first_ephemeral), 100):
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port")
