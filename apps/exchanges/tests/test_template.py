"""The template of docs/exchange_template beyond the contract: its requests, errors and streams."""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import websocket

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.errors import (
    ClockSkew,
    ExchangeError,
    InsufficientFunds,
    RateLimited,
    StreamClosed,
    UnknownSymbol,
    Unsupported,
)
from apps.exchanges.http import HttpAnswer
from apps.exchanges.ports import CandleStream, OrderRequest, OrderStream
from apps.exchanges.tests.recordings import CLIENT_ORDER_ID, NOW, RecordedTransport, template
from apps.exchanges.tests.stubs import answer, stream_server
from docs.exchange_template.client import ExampleClient
from docs.exchange_template.constants import EXCHANGE
from docs.exchange_template.order_stream import OrderSocket
from docs.exchange_template.stream import CandleSocket

ROOT = Path(__file__).resolve().parents[3]
DEADLINE = NOW + timedelta(seconds=5)
RECORDED = template()
BTC = ("BTC/USDT", Timeframe.M1)
ORDER = OrderRequest(
    symbol="BTC/USDT",
    side=OrderSide.BUY,
    order_type=OrderType.LIMIT,
    client_order_id=CLIENT_ORDER_ID,
    quantity=Decimal("0.10"),
    price=Decimal(64_000),
)


@pytest.fixture
def transport() -> RecordedTransport:
    """Its made-up answers."""
    return RECORDED.transport(Path())


def test_template_is_offered_to_nobody() -> None:
    assert EXCHANGE not in set(Exchange)


def test_product_does_not_know_the_template() -> None:
    folders = ("apps", "workers", "aristobot")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]

    users = [p for p in sources if "exchange_template" in p.read_text() and "tests" not in p.parts]

    assert len(sources) > 100
    assert users == []


# Requests


def test_order_is_signed_over_what_is_sent(transport: RecordedTransport) -> None:
    RECORDED.client(transport).place_order(ORDER, deadline=DEADLINE)

    (request,) = transport.requests
    assert json.loads(request.body or "") == {
        "symbol": "BTC-USDT",
        "side": "buy",
        "type": "limit",
        "quantity": "0.1",
        "name": CLIENT_ORDER_ID,
        "price": "64000",
        "expires_at": "1767312005000",
    }
    message = f"1767312000000POST/order{request.body}".encode()
    secret = RECORDED.credentials.api_secret.encode()
    signed = hmac.new(secret, message, hashlib.sha256).hexdigest()
    assert request.headers["Example-Signature"] == signed


def test_market_order_has_no_price(transport: RecordedTransport) -> None:
    order = replace(ORDER, order_type=OrderType.MARKET, price=None)

    RECORDED.client(transport).place_order(order, deadline=DEADLINE)

    body = json.loads(transport.requests[-1].body or "")
    assert (body["type"], "price" in body) == ("market", False)


def test_question_names_its_range(transport: RecordedTransport) -> None:
    client = RECORDED.client(transport)

    client.get_candles(*BTC, start=NOW - timedelta(minutes=1), end=NOW, limit=2)
    client.fetch_fills("BTC/USDT", exchange_order_id="28", since=NOW)
    client.cancel_all_orders("BTC/USDT")

    assert [request.query for request in transport.requests] == [
        "symbol=BTC-USDT&timeframe=1m&limit=2&start=1767311940000&end=1767312000000",
        "symbol=BTC-USDT&order=28&since=1767312000000",
        "symbol=BTC-USDT",
    ]


def test_orders_are_told_in_our_words(transport: RecordedTransport) -> None:
    (report,) = RECORDED.client(transport).fetch_open_orders()

    assert (report.symbol, report.side, report.order_type) == (
        "BTC/USDT",
        OrderSide.SELL,
        OrderType.LIMIT,
    )
    assert (report.status, report.average_price) == (
        OrderStatus.PARTIALLY_FILLED,
        Decimal("64000.5"),
    )
    assert report.created_at == NOW


def test_no_candles_are_no_error(transport: RecordedTransport) -> None:
    transport.payloads["GET /candles"] = []

    assert len(RECORDED.client(transport).get_candles(*BTC)) == 0


def test_market_that_is_not_listed_is_unknown(transport: RecordedTransport) -> None:
    with pytest.raises(UnknownSymbol, match="lists no ETH/USDT"):
        RECORDED.client(transport).get_ticker("ETH/USDT")


def test_key_that_may_not_trade_fails_the_connection_test(transport: RecordedTransport) -> None:
    transport.payloads["GET /account"] |= {"rights": ["read"]}

    report = RECORDED.client(transport).test_connection()

    assert (report.ok, report.message) == (False, "Connected; the key may not trade.")


def test_refused_key_fails_the_connection_test(transport: RecordedTransport) -> None:
    transport.instead["GET /account"] = answer({"error": "bad_key", "message": "Who?"}, 401)

    report = RECORDED.client(transport).test_connection()

    assert report.ok is False
    assert "Who? (bad_key)" in report.message


def test_what_it_lacks_is_refused(transport: RecordedTransport) -> None:
    client = RECORDED.client(transport)
    order = client.fetch_order(client.place_order(ORDER, deadline=DEADLINE).ref)

    with pytest.raises(Unsupported, match="way to change an order"):
        client.edit_order(order, ORDER, deadline=DEADLINE)
    for create in (ExampleClient, lambda *, testnet: CandleSocket([BTC], testnet=testnet)):
        with pytest.raises(Unsupported, match="Example has no testnet"):
            create(testnet=True)


# Errors


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (answer({"error": "insufficient_funds", "message": "No."}, 400), InsufficientFunds),
        (answer({"error": "bad_time", "message": "No."}, 401), ClockSkew),
        (HttpAnswer(status=404, body=b"<html>"), ExchangeError),
    ],
)
def test_refusal_has_its_class(
    transport: RecordedTransport, told: HttpAnswer, kind: type[ExchangeError]
) -> None:
    transport.instead["GET /account"] = told

    with pytest.raises(ExchangeError) as caught:
        RECORDED.client(transport).get_balance()

    assert type(caught.value) is kind


def test_wait_is_the_one_that_was_told(transport: RecordedTransport) -> None:
    transport.instead["GET /time"] = HttpAnswer(
        status=429, body=b"{}", headers={"retry-after": "7"}
    )

    with pytest.raises(RateLimited) as caught:
        RECORDED.client(transport).get_server_time()

    assert caught.value.retry_after == 7.0


# Streams


def candle_frame(**changes: object) -> str:
    """A running candle."""
    frame = {"candle": "BTC-USDT:1m", "row": [1767312000000, 1, 2, 0.5, 1.5, 10], "closed": False}
    return json.dumps(frame | changes)


def test_candles_are_subscribed_to_and_received() -> None:
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, path: str) -> None:
        seen.put((path, json.loads(peer.recv())))
        peer.send(candle_frame())
        peer.send(candle_frame(candle="ETH-USDT:1m"))
        peer.send(candle_frame(closed=True))

    with stream_server(script) as url:
        stream: CandleStream = CandleSocket([BTC], base_url=url)
        stream.connect()
        updates = [stream.recv() for _ in range(3)]
        stream.close()

    assert seen.get() == ("/candles", {"subscribe": ["BTC-USDT:1m"]})
    assert updates[1] is None
    told = [
        (u.symbol, u.candle.opened_at, u.candle.close, u.candle.is_closed) for u in updates if u
    ]
    assert told == [("BTC/USDT", NOW, 1.5, False), ("BTC/USDT", NOW, 1.5, True)]


def test_subscriptions_change_on_the_live_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docs.exchange_template.constants.SECONDS_BETWEEN_MESSAGES", 0.0)
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, _path: str) -> None:
        for _ in range(3):
            seen.put(json.loads(peer.recv()))

    with stream_server(script) as url:
        stream = CandleSocket([BTC], base_url=url)
        stream.connect()
        stream.set_subscriptions([("ETH/USDT", Timeframe.M1)])
        told = [seen.get() for _ in range(3)]
        stream.close()

    assert told[1:] == [{"unsubscribe": ["BTC-USDT:1m"]}, {"subscribe": ["ETH-USDT:1m"]}]


@pytest.mark.parametrize("frame", ["<html>", candle_frame(row=[1]), '{"error": "No."}'])
def test_candle_frame_that_makes_no_sense_ends_the_stream(frame: str) -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.send(frame)

    with stream_server(script) as url:
        stream = CandleSocket([], base_url=url)
        stream.connect()
        with pytest.raises(StreamClosed):
            stream.recv()


def order_stream(url: str) -> OrderStream:
    """Not connected yet."""
    return OrderSocket(RECORDED.credentials, base_url=url)


def telling(*frames: object) -> Callable[[websocket.WebSocket, str], None]:
    """A server that agrees, then tells these."""

    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        for frame in ({"subscribed": True}, *frames):
            peer.send(json.dumps(frame))

    return script


def test_order_changes_are_told_with_their_fill(transport: RecordedTransport) -> None:
    order, (fill,) = transport.payloads["GET /order"], transport.payloads["GET /fills"]
    frames = [{"order": order | {"fill": fill}}, {}, {"order": order}]

    with stream_server(telling(*frames)) as url:
        stream = order_stream(url)
        stream.connect()
        filled, nothing, changed = stream.recv(), stream.recv(), stream.recv()
        stream.close()

    assert nothing is None
    assert filled is not None
    assert changed is not None
    assert (filled.client_order_id, changed.fills) == (CLIENT_ORDER_ID, ())
    assert [(told.trade_id, told.fee, told.executed_at) for told in filled.fills] == [
        ("7", Decimal("0.0256002"), datetime(2026, 1, 2, tzinfo=UTC))
    ]


def test_order_stream_proves_who_asks() -> None:
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, path: str) -> None:
        seen.put((path, json.loads(peer.recv())))
        peer.send('{"subscribed": true}')

    with stream_server(script) as url:
        stream = order_stream(url)
        stream.connect()
        stream.close()

    path, told = seen.get()
    message, keys = f"{told['time']}GET/orders".encode(), RECORDED.credentials
    signed = hmac.new(keys.api_secret.encode(), message, hashlib.sha256).hexdigest()
    assert (path, told["key"], told["signature"]) == ("/orders", keys.api_key, signed)


def test_refused_order_stream_is_closed() -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        peer.send('{"error": "bad_key"}')

    with (
        stream_server(script) as url,
        pytest.raises(StreamClosed, match="refused the subscription"),
    ):
        order_stream(url).connect()


@pytest.mark.parametrize("frame", [7, {"order": {"id": "28"}}])
def test_order_frame_that_makes_no_sense_ends_the_stream(frame: object) -> None:
    with stream_server(telling(frame)) as url:
        stream = order_stream(url)
        stream.connect()
        with pytest.raises(StreamClosed):
            stream.recv()
