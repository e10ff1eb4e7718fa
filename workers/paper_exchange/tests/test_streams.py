import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import websocket

from workers.paper_exchange.markets.candles import MINUTE_MS
from workers.paper_exchange.tests.builders import (
    START_MS,
    Wall,
    exchange_of,
    feed_of,
    rising_candles,
)
from workers.paper_exchange.tests.serving import Client, serve

M1, M5 = "btcusdt@kline_1m", "btcusdt@kline_5m"


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def told() -> list[tuple[str, dict[str, object]]]:
    return []


@pytest.fixture
def url(wall: Wall, told: list[tuple[str, dict[str, object]]]) -> Iterator[str]:
    candles = rising_candles(4) + rising_candles(6, first=8)
    exchange = exchange_of(feed_of(candles), wall)
    with serve(exchange, lambda name, facts: told.append((name, facts))) as address:
        yield address


def connect(url: str, path: str) -> "closing[Any]":
    socket = websocket.create_connection(url.replace("http", "ws") + path, timeout=5)
    return closing(socket)


def move(url: str, wall: Wall, seconds: float) -> None:
    """Let the market move on; what it tells is on its way when this returns."""
    wall.now += seconds
    Client(url).get("/api/v3/ping")


def ask(socket: Any, method: str, *names: str) -> Any:
    """Send a request over the socket and give its answer."""
    socket.send(json.dumps({"method": method, "params": list(names), "id": 1}))
    return json.loads(socket.recv())


def next_closed(socket: Any) -> dict[str, Any]:
    while True:
        frame: dict[str, Any] = json.loads(socket.recv())
        if frame["k"]["x"]:
            return frame


def test_every_candle_closes_once_in_order(url: str, wall: Wall) -> None:
    with connect(url, f"/ws/{M1}") as socket:
        assert ask(socket, "LIST_SUBSCRIPTIONS") == {"result": [M1], "id": 1}
        move(url, wall, 4 * 60 + 1)
        move(url, wall, 2 * 60)

        opened = [next_closed(socket)["k"]["t"] for _ in range(6)]

    numbers = [(ms - START_MS) // MINUTE_MS for ms in opened]
    assert numbers == [0, 1, 2, 3, 8, 9]


def test_a_closed_frame_is_the_final_candle(url: str, wall: Wall) -> None:
    with connect(url, f"/ws/{M1}") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        move(url, wall, 60)

        frame = next_closed(socket)

    assert (frame["e"], frame["E"], frame["s"]) == ("kline", START_MS + MINUTE_MS, "BTCUSDT")
    candle = frame["k"]
    assert (candle["o"], candle["h"], candle["l"], candle["c"]) == (
        "100.00000000",
        "101.50000000",
        "99.50000000",
        "101.00000000",
    )
    assert (candle["i"], candle["v"], candle["T"]) == ("1m", "12.00000000", START_MS + 59_999)


def test_a_coarser_candle_closes_although_its_end_lies_in_a_hole(url: str, wall: Wall) -> None:
    with connect(url, f"/ws/{M5}") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        move(url, wall, 4 * 60 + 1)
        move(url, wall, 1)

        opened = [next_closed(socket)["k"]["t"] for _ in range(1)]

    assert opened == [START_MS // (5 * MINUTE_MS) * 5 * MINUTE_MS]


def test_a_running_candle_is_told_at_most_every_two_seconds(url: str, wall: Wall) -> None:
    with connect(url, f"/ws/{M1}") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        for _ in range(12):
            move(url, wall, 1)

        answers = [json.loads(socket.recv())["E"] for _ in range(3)]
        ask_again = ask(socket, "LIST_SUBSCRIPTIONS")

    assert answers == [START_MS, START_MS + 5_000, START_MS + 10_000]
    assert ask_again["id"] == 1


def test_combined_streams_name_themselves(url: str, wall: Wall) -> None:
    with connect(url, f"/stream?streams={M1}/{M5}") as socket:
        assert ask(socket, "LIST_SUBSCRIPTIONS")["result"] == [M1, M5]
        move(url, wall, 1)

        frames = [json.loads(socket.recv()) for _ in range(2)]

    assert {frame["stream"]: frame["data"]["k"]["i"] for frame in frames} == {M1: "1m", M5: "5m"}


def test_streams_are_subscribed_and_left_by_request(url: str, wall: Wall) -> None:
    with connect(url, "/ws") as socket:
        assert ask(socket, "SUBSCRIBE", M1, "nobody@kline_1m") == {"result": None, "id": 1}
        move(url, wall, 1)
        assert json.loads(socket.recv())["k"]["i"] == "1m"
        assert ask(socket, "UNSUBSCRIBE", M1) == {"result": None, "id": 1}
        move(url, wall, 60)

        assert ask(socket, "LIST_SUBSCRIPTIONS")["result"] == ["nobody@kline_1m"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 3),
        ("[]", 2),
        ('{"method":"DANCE","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[1]}', 2),
    ],
)
def test_a_request_that_makes_no_sense_is_answered(url: str, message: str, code: int) -> None:
    with connect(url, "/ws") as socket:
        socket.send(message)

        assert json.loads(socket.recv())["code"] == code


def test_the_probe_hears_of_each_closed_candle(
    url: str, wall: Wall, told: list[tuple[str, dict[str, object]]]
) -> None:
    with connect(url, f"/ws/{M1}") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        move(url, wall, 60)

    assert told == [("kline_closed", {"symbol": "BTC/USDT", "open_time": START_MS})]
