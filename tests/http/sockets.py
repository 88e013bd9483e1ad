"""Plain sockets, for tests of the bytes on a connection."""


def receive_all(connection):
    """Everything that the daemon sends until it closes or resets the connection. Closes this side too."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    connection.close()
    return received
