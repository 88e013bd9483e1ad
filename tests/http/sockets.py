"""Plain sockets, for tests that look at single bytes of a connection."""


def receive_all(connection):
    """Everything that the daemon sends until it closes the connection, or resets it; closes this side too."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    connection.close()
    return received
