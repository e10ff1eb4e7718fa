"""The user data stream against a scripted WebSocket server."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import websocket

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.binance.auth import sign_message
from apps.exchanges.binance.client import BinanceClient
from apps.exchanges.binance.order_stream import UserDataStream, parse_execution
from apps.exchanges.errors import StreamClosed
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import Credentials, OrderReport
from apps.exchanges.tests.stubs import StubTransport, answer, payload_of, stream_server

KEYS = Credentials(api_key="the-key", api_secret="the-secret")
AGREED = {"id": 1, "status": 200, "result": {"subscriptionId": 0}}


def execution(shared: Path, name: str, **changes: object) -> OrderReport:
    """A recorded event, read."""
    payload = payload_of(shared, f"ws_private/{name}")
    event = payload.get("event") or payload.get("data") or payload
    return parse_execution(json.dumps(event | changes).encode(), "ETH/USDT")


def test_trade_carries_its_fill(shared: Path) -> None:
    report = execution(shared, "nautilus_ws_spot_execution_report_trade")

    assert (report.status, report.filled_quantity) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.5"))
    assert (report.average_price, report.client_order_id) == (2499.5, "O-12345-test-trade")
    (fill,) = report.fills
    assert (fill.trade_id, fill.symbol, fill.side) == ("98765432", "ETH/USDT", OrderSide.BUY)
    assert (fill.quantity, fill.price) == (Decimal("0.5"), Decimal("2499.5"))
    assert (fill.fee, fill.fee_asset, fill.is_maker) == (Decimal("0.0005"), "ETH", True)
    assert fill.executed_at == datetime(2025, 10, 1, 19, 42, 43, 167000, UTC)


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("nautilus_execution_report_new", OrderStatus.OPEN),
        ("nautilus_execution_report_canceled", OrderStatus.CANCELLED),
        ("nautilus_execution_report_expired", OrderStatus.EXPIRED),
        ("nautilus_ws_spot_execution_report_rejected", OrderStatus.REJECTED),
        ("nautilus_ws_spot_execution_report_trade_prevention", OrderStatus.EXPIRED),
    ],
)
def test_other_events_carry_a_status_and_no_fill(
    shared: Path, name: str, status: OrderStatus
) -> None:
    report = execution(shared, name)

    assert (report.status, report.fills) == (status, ())


def test_stop_carries_its_trigger(shared: Path) -> None:
    report = execution(shared, "nautilus_execution_report_stop_loss")

    assert report.order_type is OrderType.STOP_LOSS_LIMIT
    assert (report.trigger_price, report.price) == (2450, 2400)


def test_cancelled_order_keeps_its_own_name(shared: Path) -> None:
    report = execution(shared, "nautilus_execution_report_canceled", C="mine", c="the-cancel")

    assert report.client_order_id == "mine"


def stream_to(url: str, shared: Path) -> UserDataStream:
    """A stream whose exchange tells the time and its markets."""
    info = payload_of(shared, "markets/docs_Exchange_information_1")
    transport = StubTransport(answer({"serverTime": 1_767_312_000_000}), answer(info))
    client = BinanceClient(KEYS, base_url=url, limits=MemoryLimitStore(), transport=transport)
    return UserDataStream(KEYS, base_url=url, client=client)


def serve(*messages: object) -> tuple[Callable[[websocket.WebSocket, str], None], SimpleQueue[Any]]:
    """A script that takes one request and sends these messages, and what it has seen."""
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, path: str) -> None:
        seen.put(path)
        seen.put(json.loads(peer.recv()))
        for message in messages:
            peer.send(json.dumps(message))

    return script, seen


def test_subscription_is_signed_and_orders_are_told_by_canonical_symbol(shared: Path) -> None:
    script, seen = serve(AGREED, payload_of(shared, "ws_private/docs_uds_Order_Update_1"))

    with stream_server(script) as url:
        stream = stream_to(url, shared)
        stream.connect()
        report = stream.recv()
        stream.close()

    assert seen.get() == "/ws-api/v3"
    request = seen.get()
    assert request["method"] == "userDataStream.subscribe.signature"
    assert request["params"] == sign_message(
        {"apiKey": "the-key", "timestamp": 1_767_312_000_000}, "the-secret"
    )
    assert report is not None
    assert (report.symbol, report.exchange_order_id) == ("ETH/BTC", "4293153")


def test_refused_subscription_says_why(shared: Path) -> None:
    refusal = {"id": 1, "status": 400, "error": {"code": -2015, "msg": "Invalid API-key."}}
    script, _ = serve(refusal)

    with stream_server(script) as url, pytest.raises(StreamClosed, match=r"Invalid API-key.*-2015"):
        stream_to(url, shared).connect()


@pytest.mark.parametrize("name", ["ccxt_src_handle_balance_1", "ccxt_src_handle_balance_2"])
def test_event_of_something_else_is_no_order(shared: Path, name: str) -> None:
    script, _ = serve(
        AGREED, {"subscriptionId": 0, "event": payload_of(shared, f"ws_private/{name}")}
    )

    with stream_server(script) as url:
        stream = stream_to(url, shared)
        stream.connect()
        assert stream.recv() is None
        stream.close()


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"e": "eventStreamTerminated", "E": 1}, "ended by the exchange"),
        ({"e": "executionReport", "s": "ETHBTC"}, "can't be read"),
    ],
)
def test_stream_that_can_not_go_on_is_closed(
    shared: Path, event: dict[str, object], words: str
) -> None:
    script, _ = serve(AGREED, {"subscriptionId": 0, "event": event})

    with stream_server(script) as url:
        stream = stream_to(url, shared)
        stream.connect()
        with pytest.raises(StreamClosed, match=words):
            stream.recv()
