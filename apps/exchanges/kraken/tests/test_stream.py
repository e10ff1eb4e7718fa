"""Live candles from scripted servers, and every recorded frame of the market."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import websocket

from apps.domain.candles import Timeframe
from apps.exchanges.errors import StreamClosed, Unsupported
from apps.exchanges.kraken.stream import OhlcChannel
from apps.exchanges.kraken.tests.payloads import names, payload_of
from apps.exchanges.ports import CandleStream, KlineUpdate
from apps.exchanges.tests.stubs import stream_server

BTC = ("BTC/USD", Timeframe.M1)
ETH = ("ETH/USDT", Timeframe.M5)
BEGIN = datetime(2023, 10, 4, 16, 25, tzinfo=UTC)


def candle_row(minute: int = 0, symbol: str = "BTC/USD", close: float = 1.5) -> dict[str, Any]:
    """A candle as the exchange tells it, `minute` minutes after the first."""
    return {
        "symbol": symbol,
        "interval": 1,
        "interval_begin": f"{BEGIN + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%S}.000000000Z",
        "timestamp": "2023-10-04T16:26:00.000000Z",
        "open": 1.0,
        "high": 2.0,
        "low": 0.5,
        "close": close,
        "volume": 10.0,
        "vwap": 1.2,
        "trades": 3,
    }


def frame(*rows: dict[str, Any], kind: str = "update") -> bytes:
    """A frame of candles."""
    return json.dumps({"channel": "ohlc", "type": kind, "data": rows}).encode()


def stream(*subscriptions: tuple[str, Timeframe]) -> OhlcChannel:
    """A stream that is not connected."""
    return OhlcChannel(subscriptions or [BTC], base_url="http://unused")


def told(channel: OhlcChannel, *frames: bytes) -> list[tuple[int, float, bool]]:
    """The minute, the close and the closed flag of all that frames tell."""
    for data in frames:
        channel._read_frame(data)
    updates: list[KlineUpdate] = []
    while channel._pending:
        updates.append(channel._pending.popleft())
    return [
        ((u.candle.opened_at - BEGIN) // timedelta(minutes=1), u.candle.close, u.candle.is_closed)
        for u in updates
    ]


def next_message(peer: websocket.WebSocket) -> dict[str, Any]:
    """The next JSON message of the client."""
    message: dict[str, Any] = json.loads(peer.recv())
    return message


def test_candles_are_subscribed_to_and_received(shared: Path) -> None:
    dialogue = payload_of(shared, "ws_market/jkorf_ws_Kline")
    asked, agreed, event = (turn["message"] for turn in dialogue)
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, path: str) -> None:
        seen.put(path)
        seen.put(next_message(peer))
        peer.send(json.dumps(agreed))
        peer.send(json.dumps(event))

    with stream_server(script) as url:
        channel: CandleStream = OhlcChannel([ETH], base_url=url.replace("ws", "http"))
        channel.connect()
        first, second = channel.recv(), channel.recv()
        channel.close()

    assert seen.get(timeout=5) == "/v2"
    message = seen.get(timeout=5)
    # Theirs does not name the snapshot, which is the default, and numbers its messages its own way.
    assert message["method"] == asked["method"]
    assert message["params"] == asked["params"] | {"snapshot": True}
    assert first is None
    assert second is not None
    assert (second.symbol, second.timeframe) == ETH
    candle = second.candle
    assert (candle.opened_at, candle.is_closed) == (BEGIN, False)
    assert (candle.open, candle.high, candle.low) == (0.5624, 0.5628, 0.5622)
    assert (candle.close, candle.volume) == (0.5627, 30927.68066226)


#: How many candles each recorded frame, or dialogue, tells; None for one that can't be read.
RECORDED = {
    "ccxt_src_handle_system_status_2": 0,
    "ccxt_src_handle_trades_1": 0,
    "jkorf_ws_AggBook": 0,
    # Its candles were cut down to their symbol and interval.
    "jkorf_ws_Concurrent": None,
    "jkorf_ws_IndividualBook": 0,
    "jkorf_ws_Kline": 1,
    "jkorf_ws_Trades": 0,
    "nautilus_ws_book_snapshot": 0,
    "nautilus_ws_book_update": 0,
    "nautilus_ws_ohlc_update": 1,
    "nautilus_ws_trade_update": 0,
}


def test_every_recorded_frame_is_read(shared: Path) -> None:
    assert names(shared, "ws_market") == RECORDED.keys()
    for name, count in RECORDED.items():
        payload = payload_of(shared, f"ws_market/{name}")
        turns = payload if isinstance(payload, list) else [{"from": "server", "message": payload}]
        messages = [turn["message"] for turn in turns if turn["from"] != "client"]
        frames = [json.dumps(message).encode() for message in messages]
        channel = stream(BTC, ETH)
        if count is None:
            with pytest.raises(StreamClosed, match="missing required field"):
                told(channel, *frames)
        else:
            assert len(told(channel, *frames)) == count, name


def test_candle_is_told_closed_once_when_a_later_one_begins() -> None:
    channel = stream()

    assert told(channel, frame(candle_row(0, close=1.1))) == [(0, 1.1, False)]
    assert told(channel, frame(candle_row(0, close=1.2))) == [(0, 1.2, False)]
    assert told(channel, frame(candle_row(1, close=1.3))) == [(0, 1.2, True), (1, 1.3, False)]
    assert told(channel, frame(candle_row(1, close=1.4))) == [(1, 1.4, False)]
    # A correction of what was told closed comes too late.
    assert told(channel, frame(candle_row(0, close=9.9))) == []
    # Minutes without a trade are not told.
    assert told(channel, frame(candle_row(4, close=1.5))) == [(1, 1.4, True), (4, 1.5, False)]


def test_one_frame_may_tell_several_candles() -> None:
    channel = stream(BTC, ("ETH/USD", Timeframe.M1))
    rows = candle_row(0), candle_row(0, "ETH/USD", 7.0), candle_row(1, close=1.6)

    assert told(channel, frame(*rows)) == [
        (0, 1.5, False),
        (0, 7.0, False),
        (0, 1.5, True),
        (1, 1.6, False),
    ]


def test_snapshot_tells_the_running_candle_alone() -> None:
    channel = stream()
    history = [candle_row(minute, close=1 + minute / 10) for minute in range(5)]

    assert told(channel, frame(*history, kind="snapshot")) == [(4, 1.4, False)]
    assert told(channel, frame(candle_row(5))) == [(4, 1.4, True), (5, 1.5, False)]


@pytest.mark.parametrize("symbol", ["ETH/USD", "BTC/EUR"])
def test_candle_that_is_not_followed_is_left_out(symbol: str) -> None:
    assert told(stream(), frame(candle_row(symbol=symbol))) == []


def test_both_updates_of_a_frame_are_received() -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        next_message(peer)
        peer.send(frame(candle_row(0)).decode())
        peer.send(frame(candle_row(1)).decode())

    with stream_server(script) as url:
        channel = OhlcChannel([BTC], base_url=url.replace("ws", "http"))
        channel.connect()
        updates = [channel.recv() for _ in range(3)]
        channel.close()

    assert [update and update.candle.is_closed for update in updates] == [False, True, False]


def test_subscriptions_change_on_the_live_connection() -> None:
    seen: SimpleQueue[dict[str, Any]] = SimpleQueue()
    pauses: list[float] = []

    def script(peer: websocket.WebSocket, _path: str) -> None:
        for _ in range(3):
            seen.put(next_message(peer))

    with stream_server(script) as url:
        channel = OhlcChannel([BTC], base_url=url.replace("ws", "http"), sleep=pauses.append)
        channel.connect()
        channel._read_frame(frame(candle_row(0)))
        channel.set_subscriptions([ETH])
        messages = [seen.get(timeout=5) for _ in range(3)]
        channel.close()

    assert [(m["method"], m["params"]["symbol"], m["params"]["interval"]) for m in messages] == [
        ("subscribe", ["BTC/USD"], 1),
        ("unsubscribe", ["BTC/USD"], 1),
        ("subscribe", ["ETH/USDT"], 5),
    ]
    assert "snapshot" not in messages[1]["params"]
    assert [m["req_id"] for m in messages] == [1, 2, 3]
    assert pauses
    assert max(pauses) <= 0.2
    # Followed again, a candle begins anew.
    assert channel._running == {}


def test_many_subscriptions_are_made_in_parts() -> None:
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, _path: str) -> None:
        for _ in range(4):
            seen.put(next_message(peer)["params"])

    with stream_server(script) as url:
        many = [(f"A{number}/USD", Timeframe.M1) for number in range(250)]
        channel = OhlcChannel(
            [*many, ETH], base_url=url.replace("ws", "http"), sleep=lambda _seconds: None
        )
        channel.connect()
        asked = [seen.get(timeout=5) for _ in range(4)]
        channel.close()

    assert [(len(params["symbol"]), params["interval"]) for params in asked] == [
        *((100, 1), (100, 1), (50, 1), (1, 5)),
    ]


def test_stream_may_start_without_subscriptions() -> None:
    with stream_server(lambda _peer, _path: None) as url:
        channel = OhlcChannel([], base_url=url.replace("ws", "http"))
        channel.connect()
        channel.close()


def test_refused_subscription_ends_the_stream() -> None:
    refusal = (
        b'{"success":false,"error":"Currency pair not supported BTC/XXX","method":"subscribe"}'
    )

    with pytest.raises(StreamClosed, match="refused to subscribe: Currency pair not supported"):
        stream()._read_frame(refusal)


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b"[]",
        b'{"channel":"ohlc","type":"update","data":{}}',
        b'{"channel":"ohlc","type":"update","data":[{"symbol":"BTC/USD"}]}',
        frame(candle_row() | {"open": "dear"}),
        frame(candle_row() | {"interval_begin": "2023-10-04T16:25:00"}),
        frame(candle_row()).replace(b"10.0", b"1e999"),
        frame(candle_row()).replace(b"10.0", b"NaN"),
        b'{"channel":"\xff"}',
        frame(candle_row()).replace(b"BTC", b"\xff"),
        b'{"x":' + b"[" * 100_000,
    ],
)
def test_unreadable_frame_ends_the_stream(data: bytes) -> None:
    with pytest.raises(StreamClosed, match="can't be read"):
        stream()._read_frame(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"channel":"heartbeat"}',
        b'{"method":"pong","req_id":1,"time_in":"2023-09-24T14:10:23.799685Z"}',
        b'{"channel":"ohlc","type":"update"}',
    ],
)
def test_other_frames_give_no_candle(data: bytes) -> None:
    assert told(stream(), data) == []


def test_quiet_stream_is_kept_alive_by_pings() -> None:
    pings: SimpleQueue[str] = SimpleQueue()

    def script(peer: websocket.WebSocket, _path: str) -> None:
        pings.put(peer.recv())
        with pytest.raises(websocket.WebSocketConnectionClosedException):
            peer.recv()

    with stream_server(script) as url:
        channel = OhlcChannel([], base_url=url.replace("ws", "http"))
        channel._connection._wait_seconds = 0.01
        channel.connect()
        quiet = [channel.recv(), channel.recv()]
        ping = pings.get(timeout=5)
        channel.close()

    assert quiet == [None, None]
    assert ping == '{"method":"ping"}'


@pytest.mark.parametrize("timeframe", [Timeframe.M3, Timeframe.H2])
def test_candles_of_other_lengths_are_refused(timeframe: Timeframe) -> None:
    with pytest.raises(Unsupported, match=f"no live {timeframe} candles"):
        stream(("BTC/USD", timeframe))


def test_there_is_no_testnet() -> None:
    with pytest.raises(Unsupported, match="no spot testnet"):
        OhlcChannel([BTC], testnet=True)


def test_streams_of_the_exchange_have_a_host_of_their_own() -> None:
    assert OhlcChannel([BTC])._connection.url == "wss://ws.kraken.com"
    assert stream()._connection.url == "ws://unused"
