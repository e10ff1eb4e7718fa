"""The private order channels against a scripted WebSocket server."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import websocket

from apps.domain.orders import OrderStatus, OrderType
from apps.exchanges.bitget import order_stream
from apps.exchanges.bitget.auth import signature
from apps.exchanges.bitget.order_stream import OrdersChannel
from apps.exchanges.bitget.tests.payloads import KEYS, NOW_MS, client, failure, good, payload_of
from apps.exchanges.errors import (
    ExchangeUnavailable,
    InvalidCredentials,
    PermissionDenied,
    StreamClosed,
)
from apps.exchanges.http import ConnectionCut, HttpAnswer
from apps.exchanges.ports import Credentials, OrderReport
from apps.exchanges.tests.stubs import StubTransport, stream_server

LISTED = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "pricePrecision": "2",
    "quantityPrecision": "6",
    "quotePrecision": "6",
    "status": "online",
}
TIME = good({"serverTime": str(NOW_MS)})
LOGGED_IN = json.dumps({"event": "login", "code": 0, "msg": ""})


def agreed(channel: str) -> str:
    """The exchange's agreement to a subscription."""
    arg = {"instType": "SPOT", "channel": channel, "instId": "default"}
    return json.dumps({"event": "subscribe", "arg": arg})


def pushed(channel: str, *rows: object) -> str:
    """A frame of a channel."""
    arg = {"instType": "SPOT", "channel": channel, "instId": "default"}
    return json.dumps({"action": "snapshot", "arg": arg, "data": list(rows), "ts": 1})


def order_row(**changes: object) -> dict[str, object]:
    """A resting order as pushed."""
    return {
        "instId": "BTCUSDT",
        "orderId": "1",
        "clientOid": "a" * 32,
        "newSize": "0.02",
        "orderType": "limit",
        "side": "sell",
        "price": "25000",
        "accBaseVolume": "0",
        "priceAvg": "0",
        "status": "live",
        "cTime": "1695797773257",
        **changes,
    }


Script = Callable[[websocket.WebSocket, str], None]


def serving(
    *after: str | bytes, login: str = LOGGED_IN, heard: SimpleQueue[Any] | None = None
) -> Script:
    """A server that lets everybody in and then says something."""

    def script(peer: websocket.WebSocket, path: str) -> None:
        said: list[Any] = [path, json.loads(peer.recv())]
        peer.send(login)
        if login == LOGGED_IN:
            said.append(json.loads(peer.recv()))
            for text in (agreed("orders"), agreed("orders-algo"), *after):
                peer.send(text, websocket.ABNF.OPCODE_TEXT)
        if heard is not None:
            heard.put(said)

    return script


def channel(url: str, *answers: HttpAnswer | Exception, keys: Credentials = KEYS) -> OrdersChannel:
    """A stream whose questions are answered."""
    transport = StubTransport(*(answers or (TIME, good([LISTED]))))
    return OrdersChannel(
        keys, base_url=url, client=client(transport, keys), sleep=lambda _seconds: None
    )


def talk(*after: str | bytes, count: int = 1) -> list[OrderReport | None]:
    """What a stream makes of some frames."""
    with stream_server(serving(*after)) as url:
        stream = channel(url)
        stream.connect()
        reports = [stream.recv() for _ in range(count)]
        stream.close()
    return reports


def test_connection_logs_in_and_subscribes() -> None:
    heard: SimpleQueue[Any] = SimpleQueue()

    with stream_server(serving(heard=heard)) as url:
        stream = channel(url)
        stream.connect()
        path, login, subscription = heard.get(timeout=5)
        stream.close()

    assert path == "/v2/ws/private"
    # In seconds, on the exchange's clock.
    stamp = str(NOW_MS // 1000)
    assert login == {
        "op": "login",
        "args": [
            {
                "apiKey": KEYS.api_key,
                "passphrase": KEYS.passphrase,
                "timestamp": stamp,
                "sign": signature(f"{stamp}GET/user/verify", KEYS.api_secret),
            }
        ],
    }
    assert subscription == {
        "op": "subscribe",
        "args": [
            {"instType": "SPOT", "channel": "orders", "instId": "default"},
            {"instType": "SPOT", "channel": "orders-algo", "instId": "default"},
        ],
    }


@pytest.mark.parametrize(
    ("testnet", "url"), [(False, "wss://ws.bitget.com"), (True, "wss://wspap.bitget.com")]
)
def test_stream_goes_where_the_client_goes(url: str, *, testnet: bool) -> None:
    assert OrdersChannel(KEYS, testnet=testnet)._connection.url == url


def dialogue(shared: Path, name: str) -> tuple[list[Any], list[str]]:
    """What the client and the server of a recorded dialogue say."""
    said = payload_of(shared, f"ws_private/{name}")
    ours = [part["message"] for part in said if part["from"] == "client"]
    return ours, [json.dumps(part["message"]) for part in said if part["from"] != "client"]


def test_recorded_order_is_told_with_its_fill(shared: Path) -> None:
    (login, subscription), (logged_in, _agreed, event) = dialogue(shared, "jkorf_ws_Order")
    heard: SimpleQueue[Any] = SimpleQueue()

    with stream_server(serving(event, heard=heard)) as url:
        stream = channel(url)
        stream.connect()
        report = stream.recv()
        stream.close()

    assert report is not None
    assert (report.symbol, report.status) == ("BTC/USDT", OrderStatus.PARTIALLY_FILLED)
    (fill,) = report.fills
    assert (fill.symbol, fill.quantity, fill.fee) == (
        "BTC/USDT",
        Decimal("0.0003"),
        Decimal("1.8E-7"),
    )
    # We say what they said; and their agreement, a text, is one.
    _path, our_login, our_subscription = heard.get(timeout=5)
    assert our_login["args"][0].keys() >= login["args"][0].keys()
    assert subscription["args"][0] in our_subscription["args"]
    assert json.loads(logged_in)["code"] in order_stream._GOOD_CODES


def test_recorded_conditional_order_is_told(shared: Path) -> None:
    _ours, (_logged_in, _agreed, event) = dialogue(shared, "jkorf_ws_TriggerOrder")

    (report,) = talk(event)

    assert report is not None
    assert (report.symbol, report.trigger_price) == ("BTC/USDT", 27000)
    assert report.created_at == datetime(2023, 9, 26, 9, 6, 37, 612000, tzinfo=UTC)


def test_recorded_frames_of_other_channels_are_read_past(shared: Path) -> None:
    others = [
        json.dumps(payload_of(shared, "ws_private/ccxt_src_handle_balance_1")),
        json.dumps(payload_of(shared, "ws_private/ccxt_src_handle_my_trades_1")),
        dialogue(shared, "jkorf_ws_Balance")[1][-1],
        dialogue(shared, "jkorf_ws_UserTrade")[1][-1],
    ]

    assert talk(*others, count=4) == [None] * 4


def test_frame_may_tell_of_many_orders() -> None:
    rows = [order_row(), order_row(orderId="2", status="cancelled")]

    reports = talk(pushed("orders", *rows), count=2)

    assert [(r.exchange_order_id, r.status) for r in reports if r] == [
        ("1", OrderStatus.OPEN),
        ("2", OrderStatus.CANCELLED),
    ]
    assert reports[0] is not None
    assert reports[0].order_type is OrderType.LIMIT


def test_conditional_order_that_fires_is_to_be_looked_up() -> None:
    fired = {
        "instId": "BTCUSDT",
        "orderId": "7",
        "status": "executed",
        "orderType": "market",
        "side": "sell",
        "size": "1",
        "triggerPrice": "1",
        "cTime": "1695797773257",
    }

    (report,) = talk(pushed("orders-algo", fired))

    assert report is not None
    assert (report.status, report.exchange_status) == (OrderStatus.UNKNOWN, "executed")
    assert report.filled_quantity is None


def test_order_pushed_before_the_agreement_is_not_lost() -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        peer.send(LOGGED_IN)
        peer.recv()
        for text in (
            agreed("orders"),
            pushed("orders", order_row()),
            "pong",
            agreed("orders-algo"),
        ):
            peer.send(text)

    with stream_server(script) as url:
        stream = channel(url)
        stream.connect()
        report = stream.recv()
        stream.close()

    assert report is not None
    assert report.exchange_order_id == "1"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (30005, InvalidCredentials),
        ("30011", InvalidCredentials),
        (30012, InvalidCredentials),
        (30015, InvalidCredentials),
        (40014, PermissionDenied),
        (30006, StreamClosed),
        (30013, StreamClosed),
    ],
)
@pytest.mark.parametrize("event", ["error", "login"])
def test_refused_login_is_told_by_its_reason(
    event: str, code: int | str, kind: type[Exception]
) -> None:
    refusal = json.dumps({"event": event, "code": code, "msg": "no"})

    with stream_server(serving(login=refusal)) as url:
        stream = channel(url)
        with pytest.raises(kind, match=rf"no \({code}\)"):
            stream.connect()

        assert stream._connection._socket is None


def test_recorded_refusal_of_a_login(shared: Path) -> None:
    refusal = json.dumps(payload_of(shared, "errors/ccxt_src_handle_error_message_1"))

    with (
        stream_server(serving(login=refusal)) as url,
        pytest.raises(InvalidCredentials, match=r"Invalid sign \(30015\)"),
    ):
        channel(url).connect()


def test_refused_subscription_ends_the_stream() -> None:
    refusal = json.dumps({"event": "error", "code": 30001, "msg": "channel doesn't exist"})

    with pytest.raises(StreamClosed, match=r"refused: channel doesn't exist \(30001\)"):
        talk(refusal)


def test_exchange_that_does_not_agree_is_given_up() -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        peer.send("pong")

    times = iter([0.0, 1.0, 21.0])
    with stream_server(script) as url:
        stream = OrdersChannel(
            KEYS,
            base_url=url,
            client=client(StubTransport(TIME)),
            monotonic=lambda: next(times),
        )
        with pytest.raises(StreamClosed, match="did not agree to the login"):
            stream.connect()


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        '{"arg":',
        pushed("orders", order_row(side="both")),
        pushed("orders", order_row(newSize="NaN")),
        pushed("orders", {}),
        pushed("orders", "x"),
        pushed("orders-algo", order_row()),
        json.dumps({"arg": {"channel": "orders"}, "data": {}}),
    ],
)
def test_frame_that_makes_no_sense_ends_the_stream(text: str) -> None:
    with pytest.raises(StreamClosed, match="can't be read"):
        talk(text)


@pytest.mark.parametrize(
    "data",
    [
        b'{"event":"\xff"}',
        b'{"arg":' + b"[" * 60_000,
        b'{"arg":{"channel":"orders"},"data":[{"orderId":"\xff"}]}',
    ],
    ids=["not UTF-8", "nested without end", "rows not UTF-8"],
)
def test_frame_that_breaks_a_reader_ends_the_stream(data: bytes) -> None:
    with pytest.raises(StreamClosed, match="can't be read"):
        talk(data)


def test_market_that_can_not_be_learned_is_no_lost_report() -> None:
    # The caller connects again, and asks for what it missed.
    with stream_server(serving(pushed("orders", order_row()))) as url:
        stream = channel(url, TIME, *[ConnectionCut("x")] * 3)
        stream.connect()
        with pytest.raises(ExchangeUnavailable):
            stream.recv()
        stream.close()


def test_clock_that_can_not_be_asked_is_no_connection() -> None:
    with pytest.raises(ExchangeUnavailable):
        channel("ws://127.0.0.1:1", *[failure("40015")] * 3).connect()


def test_key_without_a_passphrase_connects_to_nothing() -> None:
    keys = Credentials(api_key="a", api_secret="b")
    transport = StubTransport()
    stream = OrdersChannel(keys, base_url="ws://127.0.0.1:1", client=client(transport, keys))

    with pytest.raises(InvalidCredentials, match="has a passphrase"):
        stream.connect()

    assert transport.requests == []
