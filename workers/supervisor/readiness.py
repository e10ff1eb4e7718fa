"""Questions that tell whether a process has started; each answers at once."""

import http.client
import socket
from urllib.parse import urlsplit

from redis import RedisError

from apps.core import health

ANSWER_SECONDS = 2.0


def answers_http(url: str) -> bool:
    """Whether a web server answers there; a refusal of our host name is an answer too."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port, timeout=ANSWER_SECONDS
    )
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def accepts_tcp(host: str, port: int) -> bool:
    """Whether somebody listens on this port."""
    try:
        socket.create_connection((host, port), timeout=ANSWER_SECONDS).close()
    except OSError:
        return False
    return True


def accepts_unix(path: str) -> bool:
    """Whether somebody listens on this unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        return connection.connect_ex(path) == 0


def shows_life(name: str) -> bool:
    """Whether a process of this name has said in Valkey that it is alive."""
    try:
        return any(process.name == name for process in health.list_processes(()))
    except RedisError:
        return False
