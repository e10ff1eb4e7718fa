"""The stream of events, from a real server, as a browser reads it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import pytest
import requests
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import connection
from django.test import Client
from redis import Redis

from apps.accounts.models import User
from apps.core.broadcast import Publisher, Topic, channel_of
from apps.live import events

PATH = "/live/events/"
OPENED = "retry: 2000"


@pytest.fixture
def url(transactional_db: None) -> Iterator[str]:
    """A server as `up` runs it, on the test's database."""
    config = uvicorn.Config(get_asgi_application(), port=0, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    server.force_exit = True
    thread.join(5)


@pytest.fixture
def stream(url: str, alice: User) -> Callable[[], "object"]:
    """Opens alice's stream; its lines, without the empty ones."""

    @contextmanager
    def opened() -> Iterator[Iterator[str]]:
        client = Client()
        client.force_login(alice)
        cookies = {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}
        with requests.get(url + PATH, cookies=cookies, stream=True, timeout=5) as reply:
            assert reply.headers["Content-Type"] == "text/event-stream"
            lines = filter(None, reply.iter_lines(chunk_size=1, decode_unicode=True))
            assert next(lines) == OPENED
            yield lines

    return opened


def publish(owner_id: int, **ids: int) -> None:
    """Tell of an order."""
    Publisher(settings.REDIS_URL).publish(owner_id, Topic.ORDERS, ids)


def test_a_screen_hears_of_its_user_s_rows_and_of_nobody_else_s(
    stream: Callable, alice: User, bob: User
) -> None:
    with stream() as lines:
        publish(bob.pk, order=1)
        publish(alice.pk, order=2)
        heard = [line for line in islice(lines, 3) if line[0] != ":"]

    assert heard == ["event: orders", 'data: {"order": 2}']


def test_a_quiet_line_is_kept_open(stream: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)

    with stream() as lines:
        assert [next(lines), next(lines)] == [": still here", ": still here"]


def test_after_a_while_the_browser_has_to_show_again_who_it_is(
    stream: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "STREAM_SECONDS", 0.1)
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)

    with stream() as lines:
        assert [line for line in lines if line[0] != ":"] == []


def test_an_open_stream_holds_no_connection_to_the_database(stream: Callable) -> None:
    with stream() as lines, connection.cursor() as cursor:
        next(lines)
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone() == (0,)


def test_a_screen_that_is_closed_is_told_nothing_more(stream: Callable, alice: User) -> None:
    with stream():
        pass

    with Redis.from_url(settings.REDIS_URL) as valkey:
        deadline = time.monotonic() + 5
        while valkey.pubsub_numsub(channel_of(alice.pk))[0][1]:
            assert time.monotonic() < deadline
            publish(alice.pk)
            time.sleep(0.05)


def test_strangers_are_asked_to_log_in(url: str) -> None:
    reply = requests.get(url + PATH, allow_redirects=False, timeout=5)

    assert reply.status_code == 302
    assert "/login/" in reply.headers["Location"]
