"""The candle channels against a scripted WebSocket server."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import websocket

from apps.domain.candles import Timeframe
from apps.exchanges.bitget.stream import CandleChannel
from apps.exchanges.bitget.tests.payloads import names, payload_of
from apps.exchanges.errors import StreamClosed, Unsupported
from apps.exchanges.ports import KlineUpdate
from apps.exchanges.tests.stubs import stream_server

BTC, ETH = ("BTC/USDT", Timeframe.M1), ("ETH/USDT", Timeframe.H1)
M = 60_000


def arg(channel: str = "candle1m", market: str = "BTCUSDT") -> dict[str, str]:
    """What a channel is called."""
    return {"instType": "SPOT", "channel": channel, "instId": market}


def frame(*rows: list[str], action: str = "update", **named: str) -> str:
    """A frame of candles."""
    return json.dumps({"action": action, "arg": arg(**named), "data": list(rows), "ts": 1})


def row(at_ms: int, close: str = "5", volume: str = "1") -> list[str]:
    """A candle as told."""
    return [str(at_ms), "1", "9", "1", close, volume, "0", "0"]


def talk(
    *frames: str | bytes, subscriptions: Any = (BTC,), count: int | None = None
) -> list[KlineUpdate | None]:
    """What a stream makes of some frames."""

    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        for text in frames:
            peer.send(text, websocket.ABNF.OPCODE_TEXT)

    with stream_server(script) as url:
        stream = CandleChannel(subscriptions, base_url=url)
        stream.connect()
        updates = [stream.recv() for _ in range(len(frames) if count is None else count)]
        stream.close()
    return updates


def told(updates: list[KlineUpdate | None]) -> list[tuple[int, float, bool]]:
    """Updates in short: which minute, its close, whether it is over."""
    return [
        (int(u.candle.opened_at.timestamp() * 1000) // M, u.candle.close, u.candle.is_closed)
        for u in updates
        if u is not None
    ]


def test_connection_subscribes_where_candles_are() -> None:
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, path: str) -> None:
        seen.put(path)
        seen.put(json.loads(peer.recv()))

    with stream_server(script) as url:
        stream = CandleChannel([BTC, ETH], base_url=url.replace("ws", "http", 1))
        stream.connect()
        path, message = seen.get(timeout=5), seen.get(timeout=5)
        stream.close()

    assert path == "/v2/ws/public"
    assert message == {"op": "subscribe", "args": [arg(), arg("candle1H", "ETHUSDT")]}


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ({}, "wss://ws.bitget.com"),
        ({"testnet": True}, "wss://wspap.bitget.com"),
        ({"base_url": "https://api.bitget.com"}, "wss://ws.bitget.com"),
        ({"base_url": "https://api.bitget.com/", "testnet": True}, "wss://wspap.bitget.com"),
        ({"base_url": "http://127.0.0.1:9002"}, "ws://127.0.0.1:9002"),
        ({"base_url": "http://127.0.0.1:9002", "testnet": True}, "ws://127.0.0.1:9002"),
    ],
)
def test_stream_is_beside_its_rest_host(arguments: dict[str, Any], url: str) -> None:
    assert CandleChannel([BTC], **arguments)._connection.url == url


def test_running_candle_is_told_with_every_update() -> None:
    updates = talk(frame(row(M)), frame(row(M, close="6", volume="2.5")))

    assert told(updates) == [(1, 5, False), (1, 6, False)]
    last = updates[-1]
    assert last is not None
    assert (last.symbol, last.timeframe) == BTC
    assert (last.candle.open, last.candle.high, last.candle.low) == (1, 9, 1)
    assert last.candle.volume == 2.5
    assert last.candle.opened_at == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


def test_candle_is_told_closed_once_when_a_later_one_begins() -> None:
    updates = talk(
        frame(row(M, close="6")), frame(row(2 * M)), frame(row(2 * M, close="7")), count=4
    )

    assert told(updates) == [(1, 6, False), (1, 6, True), (2, 5, False), (2, 7, False)]


def test_last_state_of_a_candle_may_come_with_the_next_one() -> None:
    updates = talk(frame(row(M)), frame(row(2 * M), row(M, close="8")), count=3)

    assert told(updates) == [(1, 5, False), (1, 8, True), (2, 5, False)]


def test_minutes_without_a_trade_close_the_one_before() -> None:
    updates = talk(frame(row(M)), frame(row(5 * M)), count=3)

    assert told(updates) == [(1, 5, False), (1, 5, True), (5, 5, False)]


def test_late_row_of_a_closed_candle_is_left_out() -> None:
    updates = talk(frame(row(2 * M)), frame(row(M)))

    assert told(updates) == [(2, 5, False)]
    assert updates[1] is None


def test_first_snapshot_tells_only_the_running_candle() -> None:
    history = frame(row(M), row(2 * M), row(3 * M), action="snapshot")

    updates = talk(history, frame(row(3 * M, close="6")))

    assert told(updates) == [(3, 5, False), (3, 6, False)]


def test_what_ended_while_there_was_no_connection_is_told_closed() -> None:
    snapshots = [
        frame(row(M), row(2 * M), action="snapshot"),
        frame(row(M), row(2 * M, close="6"), row(3 * M), row(4 * M), action="snapshot"),
    ]

    def script(text: str) -> Callable[[websocket.WebSocket, str], None]:
        def serve(peer: websocket.WebSocket, _path: str) -> None:
            peer.recv()
            peer.send(text)

        return serve

    with stream_server(script(snapshots[0])) as url:
        stream = CandleChannel([BTC], base_url=url)
        stream.connect()
        before = [stream.recv()]
    with stream_server(script(snapshots[1])) as url:
        stream._connection.url = url
        stream.connect()
        after = [stream.recv() for _ in range(3)]
        stream.close()

    assert told(before) == [(2, 5, False)]
    assert told(after) == [(2, 6, True), (3, 5, True), (4, 5, False)]


def test_series_are_kept_apart() -> None:
    updates = talk(
        frame(row(M)),
        frame(row(60 * M), channel="candle1H", market="ETHUSDT"),
        frame(row(M, close="7")),
        subscriptions=[BTC, ETH],
    )

    assert [(u.symbol, u.candle.is_closed) for u in updates if u] == [
        ("BTC/USDT", False),
        ("ETH/USDT", False),
        ("BTC/USDT", False),
    ]


def test_subscriptions_change_on_the_live_connection() -> None:
    seen: SimpleQueue[Any] = SimpleQueue()
    pauses: list[float] = []

    def script(peer: websocket.WebSocket, _path: str) -> None:
        for _ in range(3):
            seen.put(json.loads(peer.recv()))

    with stream_server(script) as url:
        stream = CandleChannel([BTC], base_url=url, sleep=pauses.append)
        stream.connect()
        stream.set_subscriptions([ETH])
        messages = [seen.get(timeout=5) for _ in range(3)]
        stream.close()

    assert messages[1:] == [
        {"op": "unsubscribe", "args": [arg()]},
        {"op": "subscribe", "args": [arg("candle1H", "ETHUSDT")]},
    ]
    # No more than 10 messages a second.
    assert [pause > 0.1 for pause in pauses] == [True, True]


def test_candle_that_is_followed_no_more_is_left_out() -> None:
    assert talk(frame(row(M)), subscriptions=[ETH]) == [None]


def test_series_that_comes_back_begins_anew() -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        peer.send(frame(row(M)))
        peer.recv()
        peer.recv()
        peer.send(frame(row(M), row(2 * M), row(3 * M), action="snapshot"))

    with stream_server(script) as url:
        stream = CandleChannel([BTC], base_url=url, sleep=lambda _seconds: None)
        stream.connect()
        updates = [stream.recv()]
        stream.set_subscriptions([])
        stream.set_subscriptions([BTC])
        updates.append(stream.recv())
        stream.close()

    assert told(updates) == [(1, 5, False), (3, 5, False)]


def test_frame_without_candles_tells_none() -> None:
    assert talk(frame(), frame(action="snapshot")) == [None, None]


def test_many_subscriptions_are_made_in_parts() -> None:
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, _path: str) -> None:
        for _ in range(3):
            seen.put(json.loads(peer.recv()))

    with stream_server(script) as url:
        many = [(f"A{number}/USDT", Timeframe.M1) for number in range(120)]
        stream = CandleChannel(many, base_url=url, sleep=lambda _seconds: None)
        stream.connect()
        sizes = [len(seen.get(timeout=5)["args"]) for _ in range(3)]
        stream.close()

    assert sizes == [50, 50, 20]


def test_more_series_than_a_connection_takes_are_refused() -> None:
    many = [(f"A{number}/USDT", Timeframe.M1) for number in range(1001)]

    with pytest.raises(ValueError, match="1001 candle series are more than the 1000"):
        CandleChannel(many)


@pytest.mark.parametrize("timeframe", [Timeframe.M3, Timeframe.H2])
def test_timeframe_without_a_channel_is_refused(timeframe: Timeframe) -> None:
    with pytest.raises(Unsupported, match=f"Bitget has no live {timeframe} candles"):
        CandleChannel([("BTC/USDT", timeframe)])


def test_silence_is_broken_by_a_sign_of_life() -> None:
    seen: SimpleQueue[str] = SimpleQueue()

    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        text = peer.recv()
        seen.put(text if isinstance(text, str) else text.decode())
        peer.send("pong")
        peer.send(frame(row(M)))

    with stream_server(script) as url:
        stream = CandleChannel([BTC], base_url=url)
        stream._connection._wait_seconds = 0.05
        stream.connect()
        updates: list[KlineUpdate | None] = []
        while not any(updates):
            updates.append(stream.recv())
        stream.close()

    assert seen.get(timeout=5) == "ping"
    # Neither the silence nor the answer is a candle.
    assert updates[:2] == [None, None]
    assert told(updates) == [(1, 5, False)]


def test_refused_subscription_ends_the_stream() -> None:
    refusal = json.dumps({"event": "error", "code": 30001, "msg": "channel doesn't exist"})

    with pytest.raises(
        StreamClosed, match=r"refused a subscription: channel doesn't exist \(30001\)"
    ):
        talk(refusal)


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        '{"arg":',
        "[]",
        frame(["1", "2"]),
        frame(row(M, close="NaN")),
        frame(row(M, close="Infinity")),
        frame(row(M, volume="1e300")),
        frame(row(-1)),
        frame(["x", "1", "1", "1", "1", "1"]),
        json.dumps({"arg": arg(), "data": {"a": 1}}),
        json.dumps({"arg": 5}),
    ],
)
def test_frame_that_makes_no_sense_ends_the_stream(text: str) -> None:
    with pytest.raises(StreamClosed, match="can't be read"):
        talk(text)


@pytest.mark.parametrize(
    "data",
    [
        b'{"event":"\xff"}',
        b'{"event":' + b"[" * 60_000,
        b'{"arg":{"channel":"candle1m","instId":"BTCUSDT"},"data":[["\xff"]]}',
    ],
    ids=["not UTF-8", "nested without end", "rows not UTF-8"],
)
def test_frame_that_breaks_a_reader_ends_the_stream(data: bytes) -> None:
    with pytest.raises(StreamClosed, match="can't be read"):
        talk(data)


def test_closed_connection_says_so() -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        peer.send_close()

    with stream_server(script) as url:
        stream = CandleChannel([BTC], base_url=url)
        stream.connect()

        with pytest.raises(StreamClosed, match="was closed by the exchange"):
            stream.recv()
        with pytest.raises(StreamClosed, match="is not open"):
            stream.recv()


#: Every recorded frame of public channels: what a stream of one-minute candles makes of it.
RECORDED: dict[str, list[tuple[int, float, bool]]] = {
    # One row without its frame.
    "ccxt_src_parse_ws_ohlcv_1": [(28_364_527, 44028.51, False)],
    # Agreements, other channels and a candle of a week: read past.
    "ccxt_src_handle_subscription_status_1": [],
    "ccxt_src_handle_ticker_1": [],
    "jkorf_ws_Klines": [],
    "jkorf_ws_Trades": [],
}


def test_no_recorded_frame_is_forgotten(shared: Path) -> None:
    assert set(RECORDED) == names(shared, "ws_market")


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_frame(shared: Path, name: str) -> None:
    payload = payload_of(shared, f"ws_market/{name}")
    frames = [json.dumps(payload)]
    if isinstance(payload, list) and isinstance(payload[0], str):
        frames = [frame(payload)]
    elif isinstance(payload, list):
        frames = [json.dumps(said["message"]) for said in payload if said["from"] != "client"]

    updates = talk(*frames, subscriptions=[BTC, ("ETH/USDT", Timeframe.M1)])

    assert told(updates) == RECORDED[name]


def test_recorded_subscription_is_ours(shared: Path) -> None:
    said = payload_of(shared, "ws_market/jkorf_ws_Klines")[0]["message"]

    assert said["op"] == "subscribe"
    assert said["args"] == [arg("candle1W", "ETHUSDT")]
