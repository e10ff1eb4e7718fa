"""The unix socket on which the sandbox is asked."""

import errno
import os
import socket
from pathlib import Path

#: What fits into a socket address on every platform.
MAX_SOCKET_PATH = 100


def listen(socket_path: str, backlog: int) -> socket.socket:
    """A socket for this user alone. Raises OSError, also when another process listens there."""
    if len(os.fsencode(socket_path)) > MAX_SOCKET_PATH:
        raise OSError(errno.ENAMETOOLONG, f"the path has more than {MAX_SOCKET_PATH} bytes")
    if Path(socket_path).is_socket():
        _remove_abandoned(socket_path)
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(0o177)
    try:
        listener.bind(socket_path)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener


def _remove_abandoned(socket_path: str) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        if probe.connect_ex(socket_path) != errno.ECONNREFUSED:
            raise OSError(errno.EADDRINUSE, "another sandbox listens there")
    Path(socket_path).unlink()
