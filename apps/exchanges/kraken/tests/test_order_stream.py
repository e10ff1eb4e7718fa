"""Order changes from scripted servers, and every recorded frame of an account."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import websocket

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.errors import InvalidCredentials, StreamClosed, Unsupported
from apps.exchanges.http import HttpAnswer
from apps.exchanges.kraken.order_stream import ExecutionsChannel
from apps.exchanges.kraken.orders import parse_trades, to_fill
from apps.exchanges.kraken.tests.payloads import (
    SECRET,
    body_of,
    failure,
    names,
    payload_of,
    wrapped,
)
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import Credentials, OrderReport, OrderStream
from apps.exchanges.tests.stubs import StubTransport, stream_server

KEYS = Credentials(api_key="the-key", api_secret=SECRET)
AT = datetime(2026, 1, 2, 10, 0, tzinfo=UTC)
NEW: dict[str, Any] = {
    "order_id": "O1",
    "cl_ord_id": "a" * 32,
    "exec_type": "pending_new",
    "order_status": "pending_new",
    "symbol": "BTC/USD",
    "side": "buy",
    "order_type": "limit",
    "order_qty": 1.25,
    "limit_price": 30010.1,
    "stop_price": 0.0,
    "time_in_force": "GTC",
    "fee_ccy_pref": "fciq",
    "timestamp": "2026-01-02T10:00:00.000000Z",
}
TRADE: dict[str, Any] = {
    "order_id": "O1",
    "exec_type": "trade",
    "order_status": "partially_filled",
    "exec_id": "T1",
    "trade_id": 8253473,
    "last_qty": 0.25,
    "last_price": 30010.1,
    "liquidity_ind": "m",
    "cost": 7502.525,
    "fees": [{"asset": "USD", "qty": 7.5}],
    "timestamp": "2026-01-02T10:00:00.000000Z",
}


def channel(
    transport: StubTransport | None = None,
    url: str = "http://unused",
    monotonic: Callable[[], float] = time.monotonic,
) -> ExecutionsChannel:
    """A stream with limits of its own."""
    return ExecutionsChannel(
        KEYS,
        base_url=url.replace("ws", "http"),
        limits=MemoryLimitStore(),
        transport=transport or StubTransport(),
        monotonic=monotonic,
    )


def frame(*items: dict[str, Any], sequence: int = 1, kind: str = "update") -> bytes:
    """A frame of order events."""
    return json.dumps(
        {"channel": "executions", "type": kind, "data": items, "sequence": sequence}
    ).encode()


def told(stream: ExecutionsChannel, *frames: bytes) -> list[OrderReport]:
    """All that frames tell."""
    for data in frames:
        stream._read_frame(data)
    reports = list(stream._pending)
    stream._pending.clear()
    return reports


def last(*items: dict[str, Any]) -> OrderReport:
    """The report of the last of some events, one in a frame."""
    frames = [frame(item, sequence=number) for number, item in enumerate(items, 1)]
    return told(channel(), *frames)[-1]


def token(shared: Path) -> HttpAnswer:
    """What opens a stream."""
    body = body_of(shared, "account/xchange_example-krakenWebsocketToken-data")
    return HttpAnswer(status=200, body=body)


def test_stream_proves_who_we_are_and_subscribes(shared: Path) -> None:
    seen: SimpleQueue[Any] = SimpleQueue()

    def script(peer: websocket.WebSocket, path: str) -> None:
        seen.put(path)
        seen.put(json.loads(peer.recv()))
        peer.send('{"channel":"status","type":"update","data":[{"system":"online"}]}')
        # What comes before the agreement is not lost.
        peer.send(frame(NEW, kind="snapshot").decode())
        peer.send('{"method":"subscribe","result":{"channel":"executions"},"success":true}')
        peer.send('{"channel":"heartbeat"}')
        peer.send(frame(TRADE, sequence=2).decode())

    transport = StubTransport(token(shared))
    with stream_server(script) as url:
        stream: OrderStream = channel(transport, url)
        stream.connect()
        reports = [stream.recv() for _ in range(3)]
        stream.close()

    assert transport.requests[0].path == "/0/private/GetWebSocketsToken"
    assert seen.get(timeout=5) == "/v2"
    assert seen.get(timeout=5) == {
        "method": "subscribe",
        "params": {
            "channel": "executions",
            "token": "4" * 32,
            "snap_orders": True,
            "snap_trades": False,
            "order_status": True,
        },
        "req_id": 1,
    }
    assert [report and report.exchange_status for report in reports] == [
        *("pending_new", None, "partially_filled"),
    ]


def test_refused_subscription_ends_the_stream(shared: Path) -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        peer.send('{"method":"subscribe","success":false,"error":"ESession:Invalid session"}')

    with stream_server(script) as url:
        stream = channel(StubTransport(token(shared)), url)
        with pytest.raises(StreamClosed, match="refused to subscribe: ESession:Invalid session"):
            stream.connect()


def test_subscription_is_not_waited_for_without_end(shared: Path) -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        for _ in range(3):
            peer.send('{"channel":"heartbeat"}')

    seconds = iter([0.0, 0.0, 9.9, 10.1])
    with stream_server(script) as url:
        stream = channel(StubTransport(token(shared)), url, seconds.__next__)
        with pytest.raises(StreamClosed, match="did not agree to the subscription within 10 s"):
            stream.connect()


def test_refused_key_is_told_before_anything_is_opened() -> None:
    with pytest.raises(InvalidCredentials):
        channel(StubTransport(failure("EAPI:Invalid key"))).connect()


#: How many reports each recorded frame or dialogue of the server tells; none in requests and in
#: the answers to orders sent over the stream, which we don't send.
RECORDED = {
    "ccxt_src_handle_balance_1": 0,
    "ccxt_src_handle_cancel_order_1": 0,
    "ccxt_src_handle_my_trades_1": 1,
    "ccxt_src_handle_orders_1": 1,
    "ccxt_src_parse_ws_order_1": 1,
    "ccxt_src_parse_ws_trade_1": 1,
    "jkorf_ws_CancelOrders": 0,
    "jkorf_ws_EditOrder": 0,
    "jkorf_ws_PlaceMultipleOrders": 0,
    "jkorf_ws_ReplaceOrder": 0,
    "nautilus_ws_add_order_request": 0,
    "nautilus_ws_amend_order_request": 0,
    "nautilus_ws_batch_add_request": 0,
    "nautilus_ws_cancel_order_request": 0,
}


def frames_of(payload: Any) -> list[bytes]:
    """The frames of the server in a recorded payload; an event alone is put into one."""
    if isinstance(payload, list):
        messages = [turn["message"] for turn in payload if turn["from"] != "client"]
        return [json.dumps(message).encode() for message in messages]
    if "exec_type" in payload:
        return [frame(payload)]
    return [json.dumps(payload).encode()]


def test_every_recorded_frame_is_read(shared: Path) -> None:
    assert names(shared, "ws_private") == RECORDED.keys()
    for name, count in RECORDED.items():
        payload = payload_of(shared, f"ws_private/{name}")
        assert len(told(channel(), *frames_of(payload))) == count, name


def test_recorded_order_is_read(shared: Path) -> None:
    payload = payload_of(shared, "ws_private/ccxt_src_handle_orders_1")
    (report,) = told(channel(), *frames_of(payload))

    assert (report.symbol, report.exchange_order_id) == ("BTC/USD", "OK4GJX-KSTLS-7DZZO5")
    assert (report.status, report.exchange_status) == (OrderStatus.OPEN, "pending_new")
    assert (report.side, report.order_type) == (OrderSide.SELL, OrderType.LIMIT)
    assert (report.quantity, report.price) == (Decimal("0.005"), Decimal("26500.0"))
    assert (report.client_order_id, report.trigger_price) == (None, None)
    assert report.created_at == datetime(2023, 9, 22, 10, 33, 5, 709950, tzinfo=UTC)
    assert report.updated_at == report.created_at


def test_recorded_trade_without_a_time_comes_without_its_fill(shared: Path) -> None:
    payload = payload_of(shared, "ws_private/ccxt_src_handle_my_trades_1")
    (report,) = told(channel(), *frames_of(payload))

    assert (report.symbol, report.status) == ("USDC/USD", OrderStatus.FILLED)
    assert (report.filled_quantity, report.quantity, report.fills) == (None, None, ())


def test_numbers_are_read_from_their_text() -> None:
    report = last(NEW | {"limit_price": 0.1, "order_qty": 12345678.12345678})

    assert (report.price, report.quantity) == (Decimal("0.1"), Decimal("12345678.12345678"))


def test_changes_are_merged_into_what_is_known() -> None:
    opened = {"order_id": "O1", "exec_type": "new", "order_status": "new"}
    amended = {"order_id": "O1", "exec_type": "amended", "limit_price": 30000.0}

    report = last(NEW, opened, amended)

    assert (report.symbol, report.client_order_id) == ("BTC/USD", "a" * 32)
    assert (report.status, report.exchange_status) == (OrderStatus.OPEN, "new")
    assert (report.price, report.quantity) == (Decimal("30000.0"), Decimal("1.25"))
    assert (report.created_at, report.updated_at) == (None, None)
    assert report.raw == amended


def test_trade_carries_its_fill() -> None:
    report = last(NEW, TRADE)

    assert report.status is OrderStatus.PARTIALLY_FILLED
    (fill,) = report.fills
    assert (fill.trade_id, fill.exchange_order_id, fill.symbol) == ("T1", "O1", "BTC/USD")
    assert (fill.quantity, fill.price) == (Decimal("0.25"), Decimal("30010.1"))
    assert (fill.fee, fill.fee_asset, fill.is_maker) == (Decimal("7.5"), "USD", True)
    assert (fill.side, fill.executed_at) == (OrderSide.BUY, AT)


def test_fill_is_the_same_as_in_the_history_of_the_account() -> None:
    history = wrapped(
        {
            "T1": {
                "ordertxid": "O1",
                "pair": "XXBTZUSD",
                "time": AT.timestamp(),
                "type": "buy",
                "price": "30010.1",
                "cost": "7502.525",
                "fee": "7.5",
                "vol": "0.25",
                "maker": True,
            }
        }
    )
    (told_by_rest,) = parse_trades(history).items()

    assert last(NEW, TRADE).fills == (to_fill(*told_by_rest, "BTC/USD", "fciq"),)


def test_what_is_filled_is_worked_out_where_it_is_not_told() -> None:
    second = TRADE | {"exec_id": "T2", "last_qty": 1.0, "last_price": 30000.0}

    report = last(NEW, TRADE, second)

    assert report.filled_quantity == Decimal("1.25")
    assert report.filled_quote == Decimal("37502.525")


def test_what_is_told_to_be_filled_counts() -> None:
    done = {
        "order_id": "O1",
        "exec_type": "filled",
        "order_status": "filled",
        "cum_qty": 1.25,
        "cum_cost": 37500.0,
    }

    report = last(NEW, TRADE, done)

    assert (report.status, report.filled_quantity) == (OrderStatus.FILLED, Decimal("1.25"))
    assert (report.filled_quote, report.fills) == (Decimal("37500.0"), ())


def test_fills_of_an_order_of_unknown_history_are_not_added_up() -> None:
    status = {**NEW, "exec_type": "status", "order_status": "partially_filled"}

    report = last(status, TRADE)

    assert (report.filled_quantity, report.filled_quote) == (None, None)
    assert len(report.fills) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"fees": None},
        {"fees": [{"asset": "USD", "qty": 1}, {"asset": "BTC", "qty": 1}]},
        {"timestamp": None},
        {"liquidity_ind": None},
        {"exec_id": None},
    ],
)
def test_trade_that_is_not_told_whole_comes_without_its_fill(changes: dict[str, Any]) -> None:
    assert last(NEW, TRADE | changes).fills == ()


@pytest.mark.parametrize(
    ("fees", "fee"),
    [
        ([], ("0", "USD")),
        ([{"asset": "BTC", "qty": 0.1}, {"asset": "BTC", "qty": 0.2}], ("0.3", "BTC")),
    ],
)
def test_fees_of_one_currency_are_one(fees: list[dict[str, Any]], fee: tuple[str, str]) -> None:
    (fill,) = last(NEW, TRADE | {"fees": fees}).fills

    assert (fill.fee, fill.fee_asset) == (Decimal(fee[0]), fee[1])


@pytest.mark.parametrize(
    ("kind", "word", "status"),
    [
        ("new", "new", OrderStatus.OPEN),
        ("trade", "partially_filled", OrderStatus.PARTIALLY_FILLED),
        ("filled", "filled", OrderStatus.FILLED),
        ("canceled", "canceled", OrderStatus.CANCELLED),
        ("expired", "expired", OrderStatus.EXPIRED),
        ("restated", "haunted", OrderStatus.UNKNOWN),
    ],
)
def test_statuses(kind: str, word: str, status: OrderStatus) -> None:
    report = last(NEW | {"exec_type": kind, "order_status": word})

    assert (report.status, report.exchange_status) == (status, word)


@pytest.mark.parametrize(
    ("changes", "trigger"),
    [
        ({"stop_price": 40000.5}, "40000.5"),
        ({"triggers": {"price": 41000.5, "price_type": "static"}}, "41000.5"),
        ({"triggers": {"price": 2.0, "price_type": "pct"}}, None),
        ({"triggers": {"reference": "last"}}, None),
    ],
)
def test_trigger_prices(changes: dict[str, Any], trigger: str | None) -> None:
    report = last(NEW | {"order_type": "stop-loss"} | changes)

    assert report.order_type is OrderType.STOP_LOSS
    assert report.trigger_price == (None if trigger is None else Decimal(trigger))


def test_order_sized_in_quote() -> None:
    event = {key: value for key, value in NEW.items() if key != "order_qty"}

    report = last(event | {"order_type": "market", "cash_order_qty": 50.0})

    assert (report.quantity, report.quote_amount) == (None, Decimal("50.0"))


def test_ended_orders_are_forgotten() -> None:
    stream = channel()
    cancelled = {"order_id": "O1", "exec_type": "canceled", "order_status": "canceled"}
    told(stream, frame(NEW), frame(cancelled, sequence=2))

    assert stream._orders == {}


def test_trade_that_completes_an_order_leaves_it_known_for_the_last_event() -> None:
    done = {"order_id": "O1", "exec_type": "filled", "order_status": "filled"}

    report = last(NEW, TRADE | {"order_status": "filled"}, done)

    assert (report.symbol, report.filled_quantity) == ("BTC/USD", Decimal("0.25"))


def test_snapshot_replaces_what_was_known() -> None:
    stream = channel()
    other = NEW | {"order_id": "O2"}
    told(stream, frame(NEW, kind="snapshot"), frame(other, sequence=2, kind="snapshot"))

    assert stream._orders.keys() == {"O2"}


def test_change_of_an_unknown_order_ends_the_stream() -> None:
    with pytest.raises(StreamClosed, match="changed order O1, of which it never told"):
        last(TRADE)


@pytest.mark.parametrize("sequence", [1, 3, None])
def test_gap_in_the_sequence_ends_the_stream(sequence: int | None) -> None:
    stream = channel()
    gap = json.loads(frame(NEW)) | {"sequence": sequence}

    with pytest.raises(StreamClosed, match="has a gap"):
        told(stream, frame(NEW), json.dumps(gap).encode())


def test_sequence_begins_anew_with_each_connection(shared: Path) -> None:
    def script(peer: websocket.WebSocket, _path: str) -> None:
        peer.recv()
        peer.send(frame(kind="snapshot").decode())
        peer.send('{"method":"subscribe","success":true}')

    with stream_server(script) as url:
        stream = channel(StubTransport(token(shared)), url)
        told(stream, frame(NEW, sequence=7))
        stream.connect()
        stream.close()

    assert stream._sequence == 1
    assert stream._orders == {}


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b"[]",
        b'{"channel":"executions","type":"update","sequence":1,"data":{}}',
        b'{"channel":"executions","type":"update","sequence":1,"data":[{"order_id":"O1"}]}',
        b'{"channel":"\xff"}',
        frame(NEW).replace(b"BTC", b"\xff"),
        b'{"x":' + b"[" * 100_000,
        frame(NEW | {"side": "hold"}),
        frame(NEW | {"order_qty": "many"}),
        frame(NEW | {"order_qty": "NaN"}),
        frame(NEW | {"timestamp": "2026-01-02T10:00:00"}),
        frame(NEW).replace(b"1.25", b"1e400"),
        frame(NEW | {"triggers": {"price": "Infinity"}}),
        frame(NEW | TRADE | {"fees": [{"asset": "USD", "qty": "NaN"}]}),
        frame(NEW | TRADE | {"fees": [{"asset": "USD"}]}),
    ],
)
def test_unreadable_frame_ends_the_stream(data: bytes) -> None:
    with pytest.raises(StreamClosed, match="can't be read"):
        told(channel(), data)


def test_there_is_no_testnet() -> None:
    with pytest.raises(Unsupported, match="no spot testnet"):
        ExecutionsChannel(KEYS, testnet=True)


def test_private_streams_of_the_exchange_have_a_host_of_their_own() -> None:
    assert ExecutionsChannel(KEYS)._connection.url == "wss://ws-auth.kraken.com"
    assert channel()._connection.url == "ws://unused"
