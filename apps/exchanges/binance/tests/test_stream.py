"""The kline stream against a scripted WebSocket server."""

import gzip
import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import websocket

from apps.domain.candles import Timeframe
from apps.exchanges.binance.constants import STREAM_URLS
from apps.exchanges.binance.stream import KlineStream
from apps.exchanges.connection import stream_url
from apps.exchanges.errors import StreamClosed
from apps.exchanges.ports import KlineUpdate
from apps.exchanges.tests.stubs import payload_of, stream_server

BTC = ("BTC/USDT", Timeframe.M1)
ETH = ("ETH/BTC", Timeframe.M1)


def framed(stream: str, data: object) -> str:
    """A frame of a combined stream."""
    return json.dumps({"stream": stream, "data": data})


def receive(frame: str, *subscriptions: tuple[str, Timeframe]) -> KlineUpdate | None:
    """What a stream makes of one frame."""
    stream = KlineStream(subscriptions or [ETH])
    return stream._read_frame(frame.encode())


def next_message(peer: websocket.WebSocket) -> dict[str, Any]:
    """The next JSON message of the client."""
    message: dict[str, Any] = json.loads(peer.recv())
    return message


def test_candle_is_received(shared: Path) -> None:
    kline = payload_of(shared, "ws_market/ccxt_src_handle_ohlcv_1")
    paths: SimpleQueue[str] = SimpleQueue()

    def script(peer: websocket.WebSocket, path: str) -> None:
        paths.put(path)
        peer.send(framed("ethbtc@kline_1m", kline))

    with stream_server(script) as url:
        stream = KlineStream([ETH, BTC], base_url=url)
        stream.connect()
        update = stream.recv()
        stream.close()

    assert paths.get() == "/stream?streams=ethbtc@kline_1m/btcusdt@kline_1m"
    assert update is not None
    assert (update.symbol, update.timeframe) == ETH
    candle = update.candle
    assert candle.opened_at == datetime(2020, 1, 20, 1, 15, tzinfo=UTC)
    assert (candle.open, candle.high, candle.low) == (0.019132, 0.019137, 0.019132)
    assert (candle.close, candle.volume, candle.is_closed) == (0.019135, 5.084, False)


def test_ping_is_answered_and_gives_no_candle() -> None:
    pongs: SimpleQueue[bytes] = SimpleQueue()

    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.ping("abc")
        pongs.put(peer.recv_data(control_frame=True)[1])

    with stream_server(script) as url:
        stream = KlineStream([BTC], base_url=url)
        stream.connect()
        update = stream.recv()
        payload = pongs.get(timeout=5)
        stream.close()

    assert update is None
    assert payload == b"abc"


def test_closed_connection_says_so() -> None:
    with stream_server(lambda peer, _path: peer.send_close()) as url:
        stream = KlineStream([BTC], base_url=url)
        stream.connect()

        with pytest.raises(StreamClosed, match="was closed by the exchange"):
            stream.recv()
        with pytest.raises(StreamClosed, match="is not open"):
            stream.recv()


def test_broken_connection_says_so() -> None:
    with stream_server(lambda _peer, _path: None) as url:
        stream = KlineStream([BTC], base_url=url)
        stream.connect()

        with pytest.raises(StreamClosed, match="broke"):
            stream.recv()


def test_silence_says_so() -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        with pytest.raises(websocket.WebSocketConnectionClosedException):
            peer.recv()

    with stream_server(script) as url:
        stream = KlineStream([BTC], base_url=url, silence_seconds=0.01)
        stream.connect()

        with pytest.raises(StreamClosed, match=r"was silent for 0\.01 s"):
            stream.recv()


def test_refused_connection_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(StreamClosed, match=f"{url} could not be opened"):
        KlineStream([BTC], base_url=url).connect()


def test_subscriptions_change_on_the_live_connection() -> None:
    seen: SimpleQueue[dict[str, Any]] = SimpleQueue()
    pauses: list[float] = []

    def script(peer: websocket.WebSocket, _path: str) -> None:
        seen.put(next_message(peer))
        seen.put(next_message(peer))

    with stream_server(script) as url:
        stream = KlineStream([BTC], base_url=url, sleep=pauses.append)
        stream.connect()
        stream.set_subscriptions([ETH])
        messages = [seen.get(timeout=5), seen.get(timeout=5)]
        stream.close()

    assert messages == [
        {"method": "UNSUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 1},
        {"method": "SUBSCRIBE", "params": ["ethbtc@kline_1m"], "id": 2},
    ]
    assert pauses == [pytest.approx(0.25, abs=0.05)]


def test_many_subscriptions_are_made_in_parts() -> None:
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, path: str) -> None:
        seen.put(path)
        seen.put(next_message(peer))
        seen.put(next_message(peer))

    with stream_server(script) as url:
        many = [(f"A{number}/USDT", Timeframe.M1) for number in range(450)]
        stream = KlineStream(many, base_url=url, sleep=lambda _seconds: None)
        stream.connect()
        path, second, third = (seen.get(timeout=5) for _ in range(3))
        stream.close()

    assert path.count("@kline_1m") == 200
    assert [len(second["params"]), len(third["params"])] == [200, 50]


def test_stream_may_start_without_subscriptions() -> None:
    paths: SimpleQueue[str] = SimpleQueue()

    with stream_server(lambda _peer, path: paths.put(path)) as url:
        stream = KlineStream([], base_url=url)
        stream.connect()
        stream.close()

    assert paths.get() == "/stream"


def test_subscribing_on_a_broken_connection_says_so() -> None:
    with stream_server(lambda _peer, _path: None) as url:
        stream = KlineStream([BTC], base_url=url)
        stream.connect()
        opened = stream._connection._socket
        assert opened is not None
        assert opened.sock is not None
        opened.sock.shutdown(socket.SHUT_WR)

        with pytest.raises(StreamClosed, match="broke"):
            stream.set_subscriptions([ETH])


def test_more_streams_than_a_connection_takes_are_refused() -> None:
    many = [(f"A{number}/USDT", Timeframe.M1) for number in range(1025)]

    with pytest.raises(ValueError, match="1025 candle series are more than the 1024"):
        KlineStream(many)


@pytest.mark.parametrize(
    "name",
    [
        "docs_stream_Subscribe_to_a_stream_2",
        "docs_stream_Aggregate_Trade_Streams_1",
        "xchange_testTradeEvent",
    ],
)
def test_other_frames_give_no_candle(shared: Path, name: str) -> None:
    payload = payload_of(shared, f"ws_market/{name}")

    assert receive(json.dumps(payload)) is None
    assert receive(framed("ethbtc@kline_1m", payload)) is None


def test_candle_that_is_not_followed_any_more_is_left_out(shared: Path) -> None:
    kline = payload_of(shared, "ws_market/ccxt_src_handle_ohlcv_1")

    assert receive(framed("ethbtc@kline_1m", kline), BTC) is None


def test_announced_shutdown_ends_the_stream(shared: Path) -> None:
    shutdown = payload_of(shared, "ws_market/docs_stream_Server_Shutdown_1")

    with pytest.raises(StreamClosed, match="about to be shut down"):
        receive(framed("!serverShutdown", shutdown))


def test_refused_subscription_ends_the_stream() -> None:
    with pytest.raises(StreamClosed, match="refused a subscription \\(Invalid request\\)"):
        receive('{"error": {"code": 2, "msg": "Invalid request"}, "id": 1}')


def test_unreadable_frame_ends_the_stream() -> None:
    with pytest.raises(StreamClosed, match="can't be read"):
        receive("<html>")


def test_recorded_frames_are_all_read(shared: Path) -> None:
    recording = shared / "data" / "ws" / "real_BINANCE.jsonl.gz"
    lines = gzip.decompress(recording.read_bytes()).splitlines()[1:]
    frames = [json.loads(line)["m"] for line in lines]
    followed = [("NKN/USDT", Timeframe.M1), ("LRC/BTC", Timeframe.M1), ("BLZ/ETH", Timeframe.M1)]

    updates = [receive(json.dumps(frame), *followed) for frame in frames]

    expected = [f for f in frames if f["stream"] in {"nknusdt@kline_1m", "lrcbtc@kline_1m"}]
    assert expected
    assert [u.candle.close for u in updates if u] == [
        float(frame["data"]["k"]["c"]) for frame in expected
    ]


@pytest.mark.parametrize(
    ("rest", "stream"),
    [
        ("https://api.binance.com", "wss://stream.binance.com:9443"),
        ("https://testnet.binance.vision", "wss://stream.testnet.binance.vision"),
        ("http://127.0.0.1:9001/", "ws://127.0.0.1:9001"),
        ("https://paper.example", "wss://paper.example"),
    ],
)
def test_streams_are_found_beside_the_rest_host(rest: str, stream: str) -> None:
    assert stream_url(rest, STREAM_URLS) == stream


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ({}, "wss://stream.binance.com:9443"),
        ({"testnet": True}, "wss://stream.testnet.binance.vision"),
        ({"base_url": "http://127.0.0.1:9001"}, "ws://127.0.0.1:9001"),
    ],
)
def test_stream_goes_where_the_client_goes(arguments: dict[str, Any], url: str) -> None:
    assert KlineStream([BTC], **arguments)._connection.url == url


@pytest.mark.parametrize("junk", [{"c": "NaN"}, {"h": "inf"}, {"t": 10**18}])
def test_candle_without_prices_or_time_is_no_candle(shared: Path, junk: dict[str, object]) -> None:
    kline = payload_of(shared, "ws_market/ccxt_src_handle_ohlcv_1")
    kline["k"] |= junk

    with pytest.raises(StreamClosed, match="can't be read"):
        receive(framed("ethbtc@kline_1m", kline))


def test_frame_that_is_not_utf8_is_no_candle() -> None:
    with pytest.raises(StreamClosed, match="can't be read"):
        KlineStream([ETH])._read_frame(b'{"stream":"\xff"}')
