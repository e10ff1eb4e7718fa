import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
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


@pytest.mark.parametrize(
    ("name", "fixture"),
    [
        ("miniTicker", "Individual_Symbol_Mini_Ticker_Stream"),
        ("ticker", "Individual_Symbol_Ticker_Streams"),
        ("bookTicker", "Individual_Symbol_Book_Ticker_Streams"),
        ("aggTrade", "Aggregate_Trade_Streams"),
        ("kline_1m", "Kline_Candlestick_Streams_for_UTC"),
    ],
)
def test_frames_have_the_documented_fields(
    url: str, wall: Wall, shared: Path, name: str, fixture: str
) -> None:
    path = shared / f"exchanges/fixtures/binance/ws_market/docs_stream_{fixture}_1.json"
    documented = json.loads(path.read_text())["payload"]
    with connect(url, f"/ws/btcusdt@{name}") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        move(url, wall, 1)

        frame = json.loads(socket.recv())

    assert frame.keys() == documented.keys()
    assert frame.get("e") == documented.get("e")


def test_every_price_is_a_trade(url: str, wall: Wall) -> None:
    with connect(url, "/ws/btcusdt@trade") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        move(url, wall, 59)

        trades = [json.loads(socket.recv()) for _ in range(12)]

    assert {trade["e"] for trade in trades} == {"trade"}
    assert sum(float(trade["q"]) for trade in trades) == pytest.approx(12, rel=0.1)
    assert [trade["t"] for trade in trades] == sorted(trade["t"] for trade in trades)


def test_the_average_is_told_once_a_second(url: str, wall: Wall) -> None:
    with connect(url, "/ws/btcusdt@avgPrice") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        move(url, wall, 1)

        frame = json.loads(socket.recv())

    assert (frame["e"], frame["i"], float(frame["w"])) == ("avgPrice", "5m", 100)


def test_all_markets_are_told_at_once(url: str, wall: Wall) -> None:
    with connect(url, "/ws/!miniTicker@arr") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        move(url, wall, 1)

        [row] = json.loads(socket.recv())

    assert (row["e"], row["s"]) == ("24hrMiniTicker", "BTCUSDT")


@pytest.mark.parametrize("suffix", ["", "@100ms"])
def test_a_book_is_told_whole(url: str, wall: Wall, suffix: str) -> None:
    with connect(url, f"/ws/btcusdt@depth5{suffix}") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        for _ in range(26):
            move(url, wall, 5)
            frame = json.loads(socket.recv())
        _, book = Client(url).get("/api/v3/depth", symbol="BTCUSDT", limit=5)

    assert frame.keys() == {"lastUpdateId", "bids", "asks"}
    assert (frame["bids"], frame["asks"]) == (book["bids"], book["asks"])
    assert float(frame["bids"][0][0]) < float(frame["asks"][0][0])


def test_changes_of_a_book_lead_from_one_to_the_next(url: str, wall: Wall) -> None:
    with connect(url, "/ws/btcusdt@depth@100ms") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        move(url, wall, 1)
        first = json.loads(socket.recv())
        move(url, wall, 5)
        second = json.loads(socket.recv())

    assert second["U"] == first["u"] + 1
    sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    for frame in (first, second):
        for side, levels in sides.items():
            levels.update(frame[side])
    _, book = Client(url).get("/api/v3/depth", symbol="BTCUSDT")
    left = {price: quantity for price, quantity in sides["a"].items() if float(quantity)}
    assert left == dict(book["asks"])


@pytest.mark.parametrize(
    "name", ["depth7", "depth@250ms", "kline_7m", "ticker_1m", "trade5", "avgPrice@100ms"]
)
def test_a_stream_that_does_not_exist_stays_silent(url: str, wall: Wall, name: str) -> None:
    with connect(url, f"/ws/btcusdt@{name}") as socket:
        ask(socket, "LIST_SUBSCRIPTIONS")
        move(url, wall, 60)

        assert ask(socket, "LIST_SUBSCRIPTIONS")["id"] == 1


def test_the_form_of_frames_is_changed_by_request(url: str, wall: Wall) -> None:
    with connect(url, f"/ws/{M1}") as socket:
        socket.send('{"method":"SET_PROPERTY","params":["combined",true],"id":2}')
        assert json.loads(socket.recv()) == {"result": None, "id": 2}
        move(url, wall, 1)

        assert json.loads(socket.recv())["stream"] == M1
