"""One WebSocket to an exchange, against a scripted server."""

from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

import pytest
import websocket

from apps.exchanges.connection import MAX_AGE_SECONDS, Connection
from apps.exchanges.errors import StreamClosed
from apps.exchanges.tests.stubs import stream_server


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def connection(
    url: str,
    *,
    silence: float = 5.0,
    keep_alive: str = "",
    every: float = 0.0,
    sleep: Callable[[float], None] = lambda _seconds: None,
    monotonic: Callable[[], float] | None = None,
) -> Connection:
    """To this server."""
    return Connection(
        url,
        exchange="binance",
        silence_seconds=silence,
        seconds_between_messages=0.25,
        keep_alive=keep_alive,
        keep_alive_seconds=every,
        sleep=sleep,
        monotonic=monotonic or Clock(),
    )


def test_sign_of_life_is_sent_although_frames_come() -> None:
    received: SimpleQueue[object] = SimpleQueue()
    clock = Clock()

    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.send("1")
        peer.send("2")
        received.put(peer.recv())

    with stream_server(script) as url:
        opened = connection(url, keep_alive="ping", every=20.0, monotonic=clock)
        opened.open()
        assert opened.recv() == b"1"
        clock.at += 20
        assert opened.recv() == b"2"
        assert received.get(timeout=5) == "ping"
        opened.close()


def test_quiet_connection_lets_its_caller_run_before_it_is_given_up() -> None:
    clock = Clock()

    def script(peer: websocket.WebSocket, _path: str) -> None:
        with suppress(websocket.WebSocketException, OSError):
            while True:
                peer.recv()

    with stream_server(script) as url:
        opened = connection(url, silence=60.0, keep_alive="ping", every=0.01, monotonic=clock)
        opened.open()
        assert opened.recv() is None
        clock.at += 60
        with pytest.raises(StreamClosed, match="silent for 60 s"):
            opened.recv()


def test_messages_are_paced() -> None:
    pauses: list[float] = []

    def script(peer: websocket.WebSocket, _path: str) -> None:
        for _ in range(2):
            peer.recv()

    with stream_server(script) as url:
        opened = connection(url, sleep=pauses.append)
        opened.open()
        opened.send({"a": 1})
        opened.send({"a": 2})
        opened.close()

    assert pauses == [0.25]


def test_connection_is_ended_before_the_exchange_cuts_it_after_a_day() -> None:
    clock = Clock()

    with stream_server(lambda peer, _path: peer.send("1")) as url:
        opened = connection(url, monotonic=clock)
        opened.open()
        clock.at += MAX_AGE_SECONDS + 1
        with pytest.raises(StreamClosed, match="a day old"):
            opened.recv()


def test_connection_that_is_not_open_says_so() -> None:
    with pytest.raises(StreamClosed, match="is not open"):
        connection("ws://127.0.0.1:1").recv()
