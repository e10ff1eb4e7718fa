"""Which processes are alive, and the two addresses a load balancer asks."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.db import DatabaseError
from django.db import connection as database
from django.http import HttpRequest, HttpResponse, JsonResponse
from redis import Redis, RedisError

ALIVE_SECONDS = 15
PREFIX = "alive:"


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """One kind of process; `count` of them have shown a sign of life in the last 15 seconds."""

    name: str
    count: int


def _valkey() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1)


def announce(name: str) -> None:
    """From now on say every 5 s, from a thread of its own, that this process is alive."""
    threading.Thread(target=_keep_announcing, args=(name,), name="alive", daemon=True).start()


def _keep_announcing(name: str) -> None:
    valkey = _valkey()
    key = f"{PREFIX}{name}:{threading.get_native_id()}"
    while True:
        # Missed beats show the process as missing; the next one tries again.
        with suppress(RedisError):
            valkey.set(key, "1", ex=ALIVE_SECONDS)
        time.sleep(5)


def is_listening(address: str) -> bool:
    """Whether somebody accepts connections at `http://host:port`, or at the path of a unix socket."""
    url = urlsplit(address)
    try:
        if url.hostname:
            socket.create_connection((url.hostname, url.port or 80), timeout=0.5).close()
        else:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(0.5)
                connection.connect(address)
    except OSError:
        return False
    return True


def list_processes(expected: tuple[str, ...]) -> list[ProcessHealth]:
    """Every expected process with how many of it are alive, then the others that are."""
    counts = dict.fromkeys(expected, 0)
    for key in _valkey().scan_iter(f"{PREFIX}*", count=1000):
        name = key.decode().removeprefix(PREFIX).rpartition(":")[0]
        counts[name] = counts.get(name, 0) + 1
    return [ProcessHealth(name, count) for name, count in counts.items()]


def healthz(_request: HttpRequest) -> HttpResponse:
    """This process answers; nothing else is asked."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(_request: HttpRequest) -> JsonResponse:
    """200 when PostgreSQL and Valkey answer, else 503 with what doesn't."""
    answer = {"postgresql": "ok", "valkey": "ok"}
    try:
        with database.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        answer["postgresql"] = "no answer"
    try:
        _valkey().ping()
    except RedisError:
        answer["valkey"] = "no answer"
    healthy = set(answer.values()) == {"ok"}
    return JsonResponse(answer, status=200 if healthy else 503)
