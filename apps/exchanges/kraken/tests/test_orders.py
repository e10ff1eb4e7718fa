"""Orders, fills and acknowledgements, recorded or from documents, read in place."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.kraken import orders
from apps.exchanges.kraken.parse import wire_symbol
from apps.exchanges.kraken.tests.payloads import (
    body_of,
    fixture_of,
    names,
    payload_of,
    wrapped,
)
from apps.exchanges.ports import OrderReport, OrderRequest

#: How many orders each file tells.
ORDERS = {
    "ccxt_src_fetch_closed_orders_1": 1,
    "ccxt_static_closed_canceled_client_id": 1,
    "ccxt_static_fetch_closed_market": 1,
    "ccxt_static_fetch_limit_post": 1,
    "ccxt_static_open_client_id": 1,
    "ccxt_static_open_take_profit": 1,
    "ccxt_static_open_trailing_stop": 1,
    "jkorf_GetOpenOrders": 2,
    "jkorf_GetOrders": 2,
    "jkorf_json_GetOpenOrders": 5,
    "jkorf_json_GetOrder": 2,
    "nautilus_http_closed_orders": 2,
    "xchange_example-market-ask-order": 1,
    "xchange_example-openorders-data": 6,
    "xchange_example-openorders-in-transaction-currency-data": 1,
}
#: The answer to an amendment, which lies among the orders.
AMENDED = "ccxt_src_parse_order_1"
CCXT_STATUS = {
    "open": {OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED},
    "closed": {OrderStatus.FILLED},
    "canceled": {OrderStatus.CANCELLED},
}
TRADE = {
    "ordertxid": "O1",
    "pair": "XXBTZUSD",
    "time": 1688667796.8802,
    "type": "buy",
    "price": "30010.0",
    "cost": "600.2",
    "fee": "0.5",
    "vol": "0.02",
    "maker": True,
}
ORDER: dict[str, Any] = {
    "status": "open",
    "opentm": 1688666559.8974,
    "descr": {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "30010.0",
        "price2": "0",
    },
    "vol": "1.25",
    "vol_exec": "0",
    "cost": "0",
    "oflags": "fciq",
}


def read_orders(shared: Path, name: str) -> list[OrderReport]:
    """The orders of a file, by the parser of the question it answers."""
    payload = payload_of(shared, f"orders/{name}")
    body = json.dumps(payload).encode()
    if "open" in payload["result"]:
        return orders.parse_open_orders(body)
    if "closed" in payload["result"]:
        return list(orders.parse_closed_orders(body).rows.values())
    return orders.parse_queried_orders(body)


def order(**changes: Any) -> OrderReport:
    """An open limit order, but for what is changed; `descr` in part."""
    descr = ORDER["descr"] | changes.pop("descr", {})
    (report,) = orders.parse_queried_orders(wrapped({"O1": ORDER | changes | {"descr": descr}}))
    return report


def as_rows(value: Any) -> list[dict[str, Any]]:
    """ccxt's one order, or its many."""
    return [] if value is None else value if isinstance(value, list) else [value]


def assert_agrees(report: OrderReport, reading: dict[str, Any], *, where: str) -> None:
    """What an independent reading of an order says, where it says something comparable."""
    raw = report.raw
    figures = {"amount": report.quantity or report.quote_amount, "filled": report.filled_quantity}
    for key, ours in figures.items():
        if key in reading:
            assert ours == Decimal(str(reading[key])), (where, key)
    assert report.status in CCXT_STATUS[reading["status"]], where
    assert reading.get("side", report.side) == report.side, where
    if "timestamp" in reading:
        assert report.created_at is not None
        # ccxt cuts the fraction of a millisecond off.
        assert int(report.created_at.timestamp() * 1000) == reading["timestamp"], where
    if "symbol" in reading:
        assert report.symbol == wire_symbol(reading["symbol"]), where
    if "price" in reading and reading.get("type") == "limit" and report.order_type:
        assert report.price in {Decimal(str(reading["price"])), None}, where
        # ccxt calls a stop with a limit a limit order; one was recorded without its limit price.
        assert report.price or report.order_type is OrderType.STOP_LOSS_LIMIT
    if "cost" in reading:
        # ccxt multiplies quantity and average price where Kraken tells a rounded cost.
        product = Decimal(str(raw["price"])) * (report.filled_quantity or 0)
        assert Decimal(str(reading["cost"])) in {report.filled_quote, product}, where
    if "triggerPrice" in reading:
        assert report.trigger_price == Decimal(str(reading["triggerPrice"])), where
    # ccxt falls back on `userref`, which names many orders.
    assert report.client_order_id == (raw.get("cl_ord_id") or None), where


def test_every_recorded_order_is_read_as_ccxt_reads_it(shared: Path) -> None:
    assert names(shared, "orders") == ORDERS.keys() | {AMENDED}
    compared = 0
    for name, count in ORDERS.items():
        reports = {report.exchange_order_id: report for report in read_orders(shared, name)}
        assert len(reports) == count, name
        fixture = fixture_of(shared, f"orders/{name}")
        for key in ("ccxt_reading", "expected_ccxt_static"):
            for reading in as_rows(fixture.get(key)):
                assert_agrees(reports[reading["id"]], reading, where=f"{name} {key}")
                compared += 1

    assert compared == 34


def test_average_price_agrees(shared: Path) -> None:
    (report,) = read_orders(shared, "ccxt_static_fetch_closed_market")

    assert report.average_price == Decimal("71.05741")
    assert (report.order_type, report.price) == (OrderType.MARKET, None)


def test_limit_order_is_read(shared: Path) -> None:
    first, second = read_orders(shared, "jkorf_GetOpenOrders")

    assert first.symbol == "XBTUSD"
    assert (first.status, first.exchange_status) == (OrderStatus.PARTIALLY_FILLED, "open")
    assert (first.side, first.order_type) == (OrderSide.BUY, OrderType.LIMIT)
    assert (first.price, first.trigger_price) == (Decimal("30010.0"), None)
    assert (first.quantity, first.filled_quantity) == (Decimal("1.25"), Decimal("0.375"))
    assert first.filled_quote == Decimal("11253.7")
    assert first.created_at == datetime(2023, 7, 6, 18, 2, 39, 897400, tzinfo=UTC)
    assert first.updated_at is None
    assert first.raw["txid"] == "OQCLML-BW3P3-BUCMWZ"
    assert (second.status, second.client_order_id) == (OrderStatus.OPEN, None)


def test_ended_order_tells_when(shared: Path) -> None:
    (report,) = read_orders(shared, "ccxt_static_closed_canceled_client_id")

    assert (report.status, report.client_order_id) == (OrderStatus.CANCELLED, "123")
    assert report.updated_at == datetime(2024, 12, 11, 12, 28, 41, 745514, tzinfo=UTC)
    assert (report.filled_quantity, report.average_price) == (Decimal(0), None)


@pytest.mark.parametrize(
    ("word", "prices", "stop_price", "kind", "price", "trigger"),
    [
        ("market", ("0", "0"), "0", OrderType.MARKET, None, None),
        ("limit", ("50", "0"), "0", OrderType.LIMIT, "50", None),
        ("stop-loss", ("40", "0"), "0", OrderType.STOP_LOSS, None, "40"),
        ("stop-loss-limit", ("40", "39"), "0", OrderType.STOP_LOSS_LIMIT, "39", "40"),
        ("stop-loss-limit", ("40", "-5"), "0", OrderType.STOP_LOSS_LIMIT, None, "40"),
        ("take-profit", ("60", "0"), "0", OrderType.TAKE_PROFIT, None, "60"),
        ("take-profit-limit", ("60", "61"), "0", OrderType.TAKE_PROFIT_LIMIT, "61", "60"),
        ("take-profit", ("#5%", "0"), "0", OrderType.TAKE_PROFIT, None, None),
        ("trailing-stop", ("+2.0000%", "0"), "48", OrderType.TRAILING_STOP, None, "48"),
        ("trailing-stop", ("+2.0000%", "0"), "0", OrderType.TRAILING_STOP, None, None),
        # Only Kraken has these.
        ("trailing-stop-limit", ("+2%", "+1"), "48", None, None, None),
        ("iceberg", ("50", "0"), "0", None, None, None),
        ("settle-position", ("0", "0"), "0", None, None, None),
    ],
)
def test_prices_of_each_type(
    word: str,
    prices: tuple[str, str],
    stop_price: str,
    kind: OrderType | None,
    price: str | None,
    trigger: str | None,
) -> None:
    report = order(
        descr={"ordertype": word, "price": prices[0], "price2": prices[1]}, stopprice=stop_price
    )

    assert report.order_type is kind
    assert report.price == (None if price is None else Decimal(price))
    assert report.trigger_price == (None if trigger is None else Decimal(trigger))


@pytest.mark.parametrize(
    ("word", "filled", "status"),
    [
        ("pending", "0", OrderStatus.OPEN),
        ("open", "0", OrderStatus.OPEN),
        ("open", "0.1", OrderStatus.PARTIALLY_FILLED),
        ("closed", "1.25", OrderStatus.FILLED),
        ("canceled", "0.1", OrderStatus.CANCELLED),
        ("expired", "0", OrderStatus.EXPIRED),
        ("haunted", "0.1", OrderStatus.UNKNOWN),
    ],
)
def test_statuses(word: str, filled: str, status: OrderStatus) -> None:
    report = order(status=word, vol_exec=filled)

    assert (report.status, report.exchange_status) == (status, word)


def test_order_sized_in_quote_has_no_quantity_in_base() -> None:
    report = order(oflags="viqc,fciq", vol="50.0")

    assert (report.quantity, report.quote_amount) == (None, Decimal("50.0"))


@pytest.mark.parametrize(
    ("executed", "cost", "average", "filled"),
    [
        ("100.00000", "100.00000", "50000.0", "0.002"),
        ("99.99999999", "99.99999", "30010.1", "0.0033322112"),
        # Told in base all the same.
        ("0.00200000", "100.00000", "50000.0", "0.002"),
        ("0.00333221", "99.99993", "30010.1", "0.00333221"),
        # The average of a cheap coin has few digits: what is told is nearer than what is worked out.
        ("11764705.88", "100.00000", "0.00000852", "11764705.88"),
        # At a price near 1 the nearer reading is taken.
        ("100.00000", "100.00000", "0.9998", "100.0200040008"),
        ("100.02", "100.00000", "0.9998", "100.02"),
        ("0", "0", "0", "0"),
        ("100.0", "100.0", "0", None),
        ("0.002", "0", "50000.0", None),
    ],
)
def test_what_is_filled_of_an_order_sized_in_quote_is_told_in_base(
    executed: str, cost: str, average: str, filled: str | None
) -> None:
    report = order(oflags="fciq,viqc", vol="100.0", vol_exec=executed, cost=cost, price=average)

    assert report.filled_quantity == (None if filled is None else Decimal(filled))
    assert report.filled_quote == Decimal(cost)


def test_what_is_filled_of_other_orders_is_as_told() -> None:
    report = order(vol_exec="100.0", cost="100.0", price="50000.0")

    assert report.filled_quantity == Decimal("100.0")


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "NaN"},
        {"vol": "NaN"},
        {"vol": None},
        {"vol_exec": "Infinity"},
        {"cost": "1e400"},
        {"opentm": "soon"},
        {"opentm": 1e300},
        {"closetm": "nan"},
        {"descr": {"price": "cheap"}},
        {"descr": {"price": ""}},
        {"descr": {"price2": "NaN"}},
        {"descr": {"type": "hold"}},
        {"descr": {"pair": 7}},
        {"stopprice": "sNaN"},
    ],
)
def test_wrong_facts_of_an_order_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.DecodeError):
        order(**changes)


@pytest.mark.parametrize("missing", ["status", "opentm", "descr", "vol", "vol_exec", "cost"])
def test_order_without_a_fact_is_refused(missing: str) -> None:
    cut = {key: value for key, value in ORDER.items() if key != missing}

    with pytest.raises(msgspec.ValidationError, match=missing):
        orders.parse_queried_orders(wrapped({"O1": cut}))


def test_every_acknowledgement_is_read(shared: Path) -> None:
    request = OrderRequest(
        symbol="LTC/USDT",
        side=OrderSide.BUY,
        order_type=OrderType.MARKET,
        client_order_id="a" * 32,
        quantity=Decimal("0.1"),
    )
    placed = {
        "ccxt_src_create_order_1": "OEKVV2-IH52O-TPL6GZ",
        "ccxt_static_create_market": "OL7LNO-R4SAD-6UINEU",
        "jkorf_json_PlaceOrder": "OUF4EM-FRGI2-MQMWZD",
    }
    refused = {
        # Answers to calls that are not made: many orders at once, the dead man's switch.
        "jkorf_PlaceMultipleOrders",
        "jkorf_CancelAllOrdersAfter",
    }
    cancelled = {"ccxt_src_cancel_order_1"}

    assert names(shared, "order_ack") == placed.keys() | refused | cancelled
    for name, txid in placed.items():
        report = orders.parse_added(body_of(shared, f"order_ack/{name}"), request)
        assert (report.exchange_order_id, report.client_order_id) == (txid, "a" * 32)
        assert (report.status, report.filled_quantity) == (OrderStatus.OPEN, None)
        assert (report.created_at, report.updated_at) == (None, None)
    for name in refused:
        with pytest.raises(msgspec.ValidationError):
            orders.parse_added(body_of(shared, f"order_ack/{name}"), request)
    for name in cancelled:
        assert orders.parse_cancelled(body_of(shared, f"order_ack/{name}")) == 1


def test_acknowledgement_agrees_with_ccxt(shared: Path) -> None:
    expected = fixture_of(shared, "order_ack/ccxt_static_create_market")["expected_ccxt_static"]
    request = OrderRequest(
        symbol=expected["symbol"],
        side=OrderSide(expected["side"]),
        order_type=OrderType(expected["type"]),
        client_order_id="a" * 32,
        quantity=Decimal(str(expected["amount"])),
    )

    report = orders.parse_added(body_of(shared, "order_ack/ccxt_static_create_market"), request)

    assert report.exchange_order_id == expected["id"]


def test_amendments_are_read(shared: Path) -> None:
    amended = wrapped(payload_of(shared, f"orders/{AMENDED}"))

    assert orders.parse_amended(amended) == "TJSMEH-AA67V-YUSQ6O"
    # The older call makes a new order of the old one: it is never made.
    assert names(shared, "amend") == {"jkorf_EditOrder"}
    with pytest.raises(msgspec.ValidationError):
        orders.parse_amended(body_of(shared, "amend/jkorf_EditOrder"))


@pytest.mark.parametrize(("echoed", "is_ours"), [("a" * 32, True), (None, True), ("b" * 32, False)])
def test_taken_order_of_another_name_is_refused(echoed: str | None, is_ours: bool) -> None:
    request = OrderRequest(
        symbol="BTC/USD",
        side=OrderSide.BUY,
        order_type=OrderType.MARKET,
        client_order_id="a" * 32,
        quantity=Decimal(1),
    )
    body = wrapped({"txid": ["O1"], "cl_ord_id": echoed})

    if is_ours:
        assert orders.parse_added(body, request).exchange_order_id == "O1"
    else:
        with pytest.raises(msgspec.ValidationError, match="is about order b"):
            orders.parse_added(body, request)


def test_answer_about_another_order_is_refused() -> None:
    body = wrapped({"O2": ORDER | {"cl_ord_id": "a"}})

    with pytest.raises(msgspec.ValidationError, match="is about order O2, not O1"):
        orders.parse_queried_order(body, "O1", None)
    with pytest.raises(msgspec.ValidationError, match="is about order a, not b"):
        orders.parse_queried_order(body, "O2", "b")
    assert orders.parse_queried_order(wrapped({}), "O1", None) is None


@pytest.mark.parametrize("txids", [[], "O1", None, [7]])
def test_taken_order_without_an_id_is_refused(txids: object) -> None:
    request = OrderRequest(
        symbol="BTC/USD",
        side=OrderSide.BUY,
        order_type=OrderType.MARKET,
        client_order_id="a",
        quantity=Decimal(1),
    )

    with pytest.raises(msgspec.ValidationError):
        orders.parse_added(wrapped({"descr": {}, "txid": txids}), request)


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        ({"count": 1}, 1),
        ({"count": "2"}, 2),
        ({"count": 0}, 0),
        ({"count": 0, "pending": True}, None),
    ],
)
def test_cancels_are_counted(answer: dict[str, object], count: int | None) -> None:
    assert orders.parse_cancelled(wrapped(answer)) == count


def read_trades(shared: Path, name: str) -> dict[str, orders.TradeWire]:
    """The trades of a file, by the parser of the question it answers."""
    payload = payload_of(shared, f"fills/{name}")
    if "result" not in payload:  # one trade alone
        return orders.parse_trades(wrapped({"T": payload}))
    body = json.dumps(payload).encode()
    if "trades" in payload["result"]:
        return orders.parse_trades_page(body).rows
    return orders.parse_trades(body)


def test_every_recorded_fill_is_read_as_ccxt_reads_it(shared: Path) -> None:
    counts = {
        "ccxt_src_fetch_order_trades_1": 1,
        "ccxt_src_parse_trade_3": 1,
        "jkorf_GetUserTrades": 2,
        "jkorf_json_GetUserTrades": 50,
        "xchange_example-tradehistory-data": 3,
    }
    # A trade of the market, as the public stream tells it: not one of an account.
    public = {"ccxt_src_parse_trade_4"}

    assert names(shared, "fills") == counts.keys() | public
    for name in public:
        with pytest.raises(msgspec.ValidationError):
            read_trades(shared, name)
    for name, count in counts.items():
        trades = read_trades(shared, name)
        assert len(trades) == count, name
        for reading in fixture_of(shared, f"fills/{name}").get("ccxt_reading", []):
            symbol = reading["symbol"]
            if "/" not in symbol:  # ccxt's map of markets had it not
                symbol = {"USDCUSDT": "USDC/USDT"}[symbol]
            fill = orders.to_fill(reading["id"], trades[reading["id"]], symbol, None)
            assert (fill.trade_id, fill.exchange_order_id) == (reading["id"], reading["order"])
            assert (fill.side, fill.is_maker) == (
                reading["side"],
                reading.get("takerOrMaker") == "maker",
            )
            figures = (fill.price, fill.quantity, fill.fee)
            assert figures == tuple(
                Decimal(str(figure))
                for figure in (reading["price"], reading["amount"], reading["fee"]["cost"])
            )
            assert fill.fee_asset == (reading["fee"]["currency"] or "USDT")
            assert int(fill.executed_at.timestamp() * 1000) == reading["timestamp"]


def test_pages_of_trades_tell_how_many_there_are(shared: Path) -> None:
    told = orders.parse_trades_page(body_of(shared, "fills/xchange_example-tradehistory-data"))
    untold = orders.parse_trades_page(body_of(shared, "fills/jkorf_GetUserTrades"))

    assert (told.total, untold.total) == (3, None)


@pytest.mark.parametrize(
    ("oflags", "fee", "asset"),
    [
        (None, "0.00002", "USD"),
        ("fciq", "0.00002", "USD"),
        ("fcib", "0.00002", "BTC"),
        ("post,fcib", "-0.00002", "BTC"),
        # Of 0.02 bitcoin none can be taken as half a bitcoin of fee.
        ("fcib", "0.5", "USD"),
    ],
)
def test_fee_currency_is_that_of_the_order(oflags: str | None, fee: str, asset: str) -> None:
    (trade,) = orders.parse_trades(wrapped({"T1": TRADE | {"fee": fee}})).values()

    fill = orders.to_fill("T1", trade, "BTC/USD", oflags)

    assert (fill.fee, fill.fee_asset) == (Decimal(fee), asset)


def test_documented_order_with_fees_in_base_tells_them_in_quote(shared: Path) -> None:
    wires = orders.parse_order_wires(body_of(shared, "orders/jkorf_json_GetOrder"))
    trades = read_trades(shared, "jkorf_json_GetUserTrades")
    txid = "OMMDB2-FSB6Z-7W3HPO"
    (trade_id,) = wires[txid].trades

    fill = orders.to_fill(trade_id, trades[trade_id], "BTC/USD", wires[txid].oflags)

    assert wires[txid].oflags == "fcib"
    # One thousandth of 7500 dollars, where a thousandth of 0.25 bitcoin would be 0.00025.
    assert (fill.quantity, fill.fee, fill.fee_asset) == (Decimal("0.25"), Decimal("7.5"), "USD")


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "NaN"},
        {"fee": "Infinity"},
        {"vol": "1e400"},
        {"vol": None},
        {"time": "later"},
        {"time": 1e300},
        {"type": "swap"},
        {"maker": "perhaps"},
        {"ordertxid": None},
    ],
)
def test_wrong_facts_of_a_trade_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.DecodeError):
        orders.parse_trades(wrapped({"T1": TRADE | changes}))


@pytest.mark.parametrize("missing", ["ordertxid", "pair", "time", "type", "price", "fee", "vol"])
def test_trade_without_a_fact_is_refused(missing: str) -> None:
    cut = {key: value for key, value in TRADE.items() if key != missing}

    with pytest.raises(msgspec.ValidationError, match=missing):
        orders.parse_trades(wrapped({"T1": cut}))


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error":[],"result":{"open":{"O1":', b"[]"])
@pytest.mark.parametrize(
    "parser",
    [
        orders.parse_open_orders,
        orders.parse_closed_orders,
        orders.parse_queried_orders,
        orders.parse_order_wires,
        orders.parse_trades,
        orders.parse_trades_page,
        orders.parse_amended,
        orders.parse_cancelled,
    ],
)
def test_garbage_is_refused(parser: Any, body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        parser(body)


def test_last_order_of_a_name_is_meant() -> None:
    older = order(cl_ord_id="a", opentm=1)
    newer = order(cl_ord_id="a", opentm=2)
    other = order(cl_ord_id="b", opentm=3)

    assert orders.newest_named([newer, older, other], "a") is newer
    assert orders.newest_named([other], "a") is None
