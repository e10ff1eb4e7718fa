"""Payloads about orders and fills, recorded or from the documents, read in place."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from apps.domain.orders import OrderStatus, OrderType
from apps.exchanges.bitget import orders
from apps.exchanges.bitget.tests.payloads import (
    NOW,
    body_of,
    fixture_of,
    good,
    names,
    order_row,
    payload_of,
)
from apps.exchanges.ports import OrderReport

S, T = OrderStatus, OrderType

#: status, type, quantity, quote amount, filled, filled quote, price.
ORDERS: dict[str, tuple[object, ...]] = {
    "ccxt_src_fetch_canceled_and_closed_orders_1": (
        *(S.CANCELLED, T.LIMIT, "0.0002", None, "0", "0", "25000"),
    ),
    # In lists of open orders the limit price stands in priceAvg.
    "ccxt_src_fetch_open_orders_1": (S.OPEN, T.LIMIT, "0.0002", None, "0", "0", "25000"),
    "ccxt_static_open_orders_spot": (S.OPEN, T.LIMIT, "0.11", None, "0", "0", "50"),
    "ccxt_src_fetch_order_1": (S.OPEN, T.LIMIT, "0.0002", None, "0", "0", "25000"),
    # The size of a market buy is what to spend.
    "jkorf_GetOrder": (S.FILLED, T.MARKET, None, "10", "142.9015", "9.999997279", None),
    "xchange_api_v2_spot_trade_orderinfo-t-valid-market-buy-order": (
        *(S.FILLED, T.MARKET, None, "2", "2.0706", "1.99999254", None),
    ),
    "xchange_api_v2_spot_trade_orderinfo-t-valid-market-sell-order": (
        *(S.FILLED, T.MARKET, "2", None, "2", "1.9298", None),
    ),
}
#: status, word, quantity, price, trigger price.
PLANS: dict[str, tuple[object, ...]] = {
    "ccxt_src_fetch_canceled_and_closed_orders_2": (
        *(S.CANCELLED, "cancelled", "0.0002", "25000", "26000"),
    ),
    "ccxt_src_fetch_open_orders_2": (S.OPEN, "live", "0.0002", "25000", "26000"),
    "jkorf_GetClosedTriggerOrders": (S.OPEN, "not_trigger", "151", "0.041572", "0.041572"),
}
#: Acknowledgements: how each is read, and what of.
ACKNOWLEDGED: dict[str, tuple[Callable[[bytes], object], str | None]] = {
    "order_ack/ccxt_src_create_order_1": (orders.parse_placed, "881669078313766912"),
    "order_ack/jkorf_PlaceOrder": (orders.parse_placed, "1001"),
    "order_ack/xchange_api_v2_spot_trade_place-buy-order": (
        *(orders.parse_placed, "1214189703404097539"),
    ),
    "order_ack/xchange_api_v2_spot_trade_place-sell-order": (
        *(orders.parse_placed, "1214193970718347264"),
    ),
    "order_ack/ccxt_src_cancel_all_orders_1": (orders.parse_cancelled, None),
    "order_ack/ccxt_src_cancel_all_orders_2": (orders.parse_cancelled, None),
    "order_ack/ccxt_src_cancel_all_orders_3": (orders.parse_cancelled, None),
    "order_ack/ccxt_src_cancel_order_1": (orders.parse_cancelled, None),
    "order_ack/jkorf_CancelOrdersBySymbol": (orders.parse_cancelled, None),
    "trigger_orders/ccxt_src_cancel_order_2": (orders.parse_cancelled, None),
    "trigger_orders/jkorf_CancelTriggerOrder": (orders.parse_cancelled, None),
    "trigger_orders/jkorf_EditTriggerOrder": (orders.parse_placed, "121211212122"),
    "cancel_replace/jkorf_CancelReplaceOrder": (orders.parse_replaced, "xxxxxxxxxxxxxxx"),
    # The new order is not named; our own id finds it.
    "cancel_replace/ccxt_static_edit_spot_client_id": (orders.parse_replaced, ""),
}
#: Answers that are read as not done, or belong to calls that are not made; why they are refused.
REFUSED: dict[str, tuple[Callable[[bytes], object], str]] = {
    # A successful placing names its order.
    "order_ack/ccxt_src_edit_order_1": (orders.parse_placed, "Expected `str`, got `null`"),
    # Placing many at once is not used; half of these were refused.
    "order_ack/jkorf_PlaceMultipleOrders": (
        *(orders.parse_cancelled, "1 orders were not cancelled"),
    ),
    "trigger_orders/jkorf_CancelAllTriggerOrders": (
        *(orders.parse_cancelled, "1 orders were not cancelled"),
    ),
    # Replacing many at once is not used: its answer is a list.
    "cancel_replace/jkorf_CancelReplaceMultipleOrders": (
        *(orders.parse_replaced, "Expected `object`, got `array`"),
    ),
}
FILLS = {
    "ccxt_src_fetch_my_trades_1",
    "ccxt_static_my_trades_spot",
    "jkorf_GetUserTrades",
    "xchange_api_v2_spot_trade_fills",
}


def number(text: object) -> Decimal | None:
    """An expected number."""
    return None if text is None else Decimal(str(text))


def read_order(**changes: object) -> OrderReport:
    """One order of a list, with changes; None leaves a field out."""
    row: dict[str, object] = {
        "symbol": "BTCUSDT",
        "orderId": "11",
        "clientOid": "a",
        "price": "25000",
        "size": "0.0002",
        "orderType": "limit",
        "side": "buy",
        "status": "live",
        "priceAvg": "0",
        "baseVolume": "0",
        "quoteVolume": "0",
        "cTime": "1700728077966",
    } | changes
    return orders.parse_order({key: value for key, value in row.items() if value is not None})


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("orders", set(ORDERS)),
        ("fills", FILLS),
    ],
)
def test_no_payload_is_forgotten(shared: Path, kind: str, table: set[str]) -> None:
    assert names(shared, kind) == table


@pytest.mark.parametrize("kind", ["order_ack", "cancel_replace", "trigger_orders"])
def test_no_acknowledgement_is_forgotten(shared: Path, kind: str) -> None:
    lists = {f"trigger_orders/{name}" for name in PLANS} | {
        "trigger_orders/jkorf_GetTriggerSubOrders"
    }
    read = ACKNOWLEDGED.keys() | REFUSED.keys() | lists

    assert {f"{kind}/{name}" for name in names(shared, kind)} == {
        name for name in read if name.startswith(f"{kind}/")
    }


@pytest.mark.parametrize("name", ORDERS)
def test_recorded_order(shared: Path, name: str) -> None:
    fixture = fixture_of(shared, f"orders/{name}")
    row = fixture["payload"]["data"][0]
    other = (fixture.get("expected_ccxt_static") or fixture["ccxt_reading"])[0]
    status, order_type, quantity, quote_amount, filled, filled_quote, price = ORDERS[name]

    symbol = f"{row['symbol'].removesuffix('USDT')}/USDT"

    page = orders.parse_orders(body_of(shared, f"orders/{name}"), symbol)

    assert page.next_id is None
    report = page.rows[0]
    assert (report.status, report.order_type) == (status, order_type)
    assert (report.quantity, report.quote_amount) == (number(quantity), number(quote_amount))
    assert (report.filled_quantity, report.filled_quote) == (number(filled), number(filled_quote))
    assert (report.price, report.trigger_price) == (number(price), None)
    assert (report.symbol, report.side) == (symbol, row["side"])
    assert (report.exchange_order_id, report.client_order_id) == (row["orderId"], row["clientOid"])
    assert report.created_at == datetime.fromtimestamp(int(row["cTime"]) / 1000, UTC)
    assert report.updated_at == datetime.fromtimestamp(int(row["uTime"]) / 1000, UTC)
    assert (report.exchange_status, report.raw) == (row["status"], row)
    # The other reading agrees, but that it calls what a market buy got its amount, and the
    # average its price.
    assert (report.exchange_order_id, report.client_order_id) == (
        *(other["id"], other["clientOrderId"]),
    )
    assert float(report.filled_quantity or 0) == other["filled"]
    if order_type is T.LIMIT:
        assert (float(report.price or 0), float(report.quantity or 0)) == (
            *(other["price"], other["amount"]),
        )
    else:
        assert float(report.filled_quote or 0) == other["cost"]
        assert float(report.average_price or 0) == pytest.approx(other["average"])


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *[(word, S.OPEN) for word in ("init", "new", "live")],
        *[(word, S.PARTIALLY_FILLED) for word in ("partially_filled", "partially_fill")],
        *[(word, S.FILLED) for word in ("filled", "full_fill")],
        ("cancelled", S.CANCELLED),
        ("something_new", S.UNKNOWN),
    ],
)
def test_every_spelling_of_a_status(word: str, status: OrderStatus) -> None:
    report = read_order(status=word)

    assert (report.status, report.exchange_status) == (status, word)


def test_empty_texts_are_not_told() -> None:
    report = read_order(price="", priceAvg="", baseVolume="", quoteVolume="", clientOid="")

    assert (report.price, report.filled_quantity, report.filled_quote) == (None, None, None)
    assert report.client_order_id is None


def test_open_market_order_has_no_price() -> None:
    assert read_order(orderType="market", side="sell", price=None, priceAvg="123").price is None


def test_numbers_may_come_without_quotes() -> None:
    report = read_order(price=25000.5, size=1, cTime=1700728077966)

    assert (report.price, report.quantity) == (Decimal("25000.5"), Decimal(1))


def test_tied_exit_has_a_trigger_and_no_certain_type() -> None:
    report = read_order(tpslType="tpsl", triggerPrice="20000")

    assert (report.order_type, report.trigger_price) == (None, Decimal(20000))


def test_type_that_only_bitget_has_is_none() -> None:
    assert read_order(orderType="iceberg").order_type is None


def test_lower_case_symbol_is_read() -> None:
    assert read_order(symbol="btcusdt").symbol == "BTCUSDT"


@pytest.mark.parametrize(
    "detail",
    ["", '{"newFees":{"t":-0.1}}', {"totalFee": "-0.1"}, [{"feeCoin": "BTC", "fee": "-0.1"}]],
)
def test_fees_of_an_order_may_have_any_shape(detail: object) -> None:
    assert read_order(feeDetail=detail).raw["feeDetail"] == detail


@pytest.mark.parametrize(
    "changes",
    [
        {"orderId": None},
        {"orderId": 5.5},
        {"status": None},
        {"side": "both"},
        {"size": "NaN"},
        {"size": ""},
        {"price": "Infinity"},
        {"baseVolume": "1e50"},
        {"cTime": "soon"},
        {"cTime": "99999999999999999"},
        {"symbol": 1},
    ],
)
def test_order_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read_order(**changes)


def test_full_page_says_where_the_next_begins() -> None:
    row = dict(read_order().raw)
    ids = [*range(205, 105, -1)]
    body = good([row | {"orderId": str(told)} for told in ids]).body

    assert orders.parse_orders(body).next_id == "106"
    assert (
        orders.parse_orders(good([row | {"orderId": str(i)} for i in ids[1:]]).body).next_id is None
    )


def test_smallest_id_is_the_smallest_number() -> None:
    row = dict(read_order().raw)
    body = good([row | {"orderId": str(told)} for told in range(950, 1050)]).body

    assert orders.parse_orders(body).next_id == "950"


def test_list_of_nothing_is_empty() -> None:
    assert orders.parse_orders(good(None).body) == ([], None)
    assert orders.parse_plans(good({"nextFlag": False, "orderList": None}).body) == ([], None)
    assert orders.parse_fills(good([]).body, "BTC/USDT") == ([], None)


@pytest.mark.parametrize("name", PLANS)
def test_recorded_conditional_order(shared: Path, name: str) -> None:
    fixture = fixture_of(shared, f"trigger_orders/{name}")
    row, other = fixture["payload"]["data"]["orderList"][0], fixture["ccxt_reading"][0]
    status, word, quantity, price, trigger_price = PLANS[name]

    symbol = f"{row['symbol'].removesuffix('USDT')}/USDT"

    page = orders.parse_plans(body_of(shared, f"trigger_orders/{name}"), symbol)

    assert page.next_id is None
    report = page.rows[0]
    assert (report.status, report.exchange_status) == (status, word)
    assert (report.quantity, report.price) == (number(quantity), number(price))
    assert (report.trigger_price, report.quote_amount) == (number(trigger_price), None)
    # Nothing has fired; and a stop loss can't be told from a take profit.
    assert (report.filled_quantity, report.order_type) == (0, None)
    assert (report.exchange_order_id, report.client_order_id) == (row["orderId"], row["clientOid"])
    assert (report.exchange_order_id, report.client_order_id) == (
        *(other["id"], other["clientOrderId"]),
    )
    assert (float(report.price or 0), float(report.trigger_price or 0)) == (
        *(other["price"], other["triggerPrice"]),
    )


def plan_row(**changes: object) -> dict[str, object]:
    """A conditional order as told."""
    return {
        "orderId": "7",
        "clientOid": "c" * 32,
        "symbol": "BTCUSDT",
        "size": "2",
        "triggerPrice": "26000",
        "executePrice": "25000",
        "status": "live",
        "orderType": "limit",
        "side": "sell",
        "planType": "AMOUNT",
        "cTime": "1700728978617",
        **changes,
    }


@pytest.mark.parametrize(
    ("word", "status", "filled"),
    [
        ("not_trigger", S.OPEN, 0),
        ("live", S.OPEN, 0),
        ("executing", S.OPEN, None),
        ("executed", S.UNKNOWN, None),
        ("fail_trigger", S.REJECTED, 0),
        ("cancelled", S.CANCELLED, 0),
        ("something_new", S.UNKNOWN, None),
    ],
)
def test_status_of_a_conditional_order(word: str, status: OrderStatus, filled: int | None) -> None:
    report = orders.parse_plan(plan_row(status=word))

    assert (report.status, report.filled_quantity) == (status, filled)


def test_conditional_order_may_be_sized_in_quote() -> None:
    report = orders.parse_plan(plan_row(planType="TOTAL", orderType="market"))

    assert (report.quantity, report.quote_amount, report.price) == (None, 2, None)


def test_more_conditional_orders_are_asked_for_as_told() -> None:
    page = {"nextFlag": True, "idLessThan": "7", "orderList": [plan_row()]}

    assert orders.parse_plans(good(page).body).next_id == "7"


def test_order_of_another_market_is_refused() -> None:
    for parse, row in ((orders.parse_order, order_row(1)), (orders.parse_plan, plan_row())):
        with pytest.raises(msgspec.ValidationError, match="it tells of BTCUSDT, not of ETH/USDT"):
            parse(row, "ETH/USDT")


@pytest.mark.parametrize("field", ["orderId", "status", "side", "size", "triggerPrice", "symbol"])
def test_conditional_order_without_a_needed_field_is_refused(field: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        orders.parse_plan({key: value for key, value in plan_row().items() if key != field})


def test_sub_orders(shared: Path) -> None:
    (sub_order,) = orders.parse_sub_orders(
        body_of(shared, "trigger_orders/jkorf_GetTriggerSubOrders")
    )

    assert (sub_order.order_id, sub_order.status) == ("xxxxxxxxxxxxx", "success")


@pytest.mark.parametrize("name", ACKNOWLEDGED)
def test_acknowledgement(shared: Path, name: str) -> None:
    parser, exchange_order_id = ACKNOWLEDGED[name]
    payload = payload_of(shared, name)

    placed = parser(body_of(shared, name))

    if placed is None:
        assert exchange_order_id is None
        return
    assert isinstance(placed, orders.Placed)
    assert (placed.exchange_order_id, placed.refusal) == (exchange_order_id, None)
    assert placed.at == datetime.fromtimestamp(int(payload["requestTime"]) / 1000, UTC)
    assert placed.raw == payload


@pytest.mark.parametrize("name", REFUSED)
def test_answer_that_is_no_yes_is_refused(shared: Path, name: str) -> None:
    parser, why = REFUSED[name]

    with pytest.raises(msgspec.ValidationError, match=why):
        parser(body_of(shared, name))


def test_replacement_may_have_failed() -> None:
    told = {"orderId": None, "clientOid": None, "success": "failure", "msg": "Insufficient balance"}

    assert orders.parse_replaced(good(told).body).refusal == "Insufficient balance"


@pytest.mark.parametrize("data", [{}, {"success": "maybe"}, {"success": None}, None, []])
def test_replacement_of_unknown_success_is_refused(data: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        orders.parse_replaced(good(data).body)


@pytest.mark.parametrize("data", [{"orderId": ""}, {"orderId": None}, {}, [], None, "x"])
def test_placing_that_names_no_order_is_refused(data: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        orders.parse_placed(good(data).body)


def test_cancel_that_failed_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="ended with 'failure'"):
        orders.parse_cancelled(good({"result": "failure"}).body)


@pytest.mark.parametrize("name", sorted(FILLS))
def test_recorded_fill(shared: Path, name: str) -> None:
    fixture = fixture_of(shared, f"fills/{name}")
    other = (fixture.get("expected_ccxt_static") or fixture["ccxt_reading"])[0]

    (fill,), next_id = orders.parse_fills(body_of(shared, f"fills/{name}"), other["symbol"])

    assert next_id is None
    assert (fill.trade_id, fill.exchange_order_id) == (other["id"], other["order"])
    assert (fill.symbol, fill.side) == (other["symbol"], other["side"])
    assert (float(fill.quantity), float(fill.price)) == (other["amount"], other["price"])
    assert (float(fill.fee), fill.fee_asset) == (other["fee"]["cost"], other["fee"]["currency"])
    assert fill.is_maker == (other["takerOrMaker"] == "maker")
    assert fill.executed_at == datetime.fromtimestamp(other["timestamp"] / 1000, UTC)


FILL_ROW: dict[str, object] = {
    "symbol": "BTCUSDT",
    "orderId": "1",
    "tradeId": "2",
    "side": "buy",
    "priceAvg": "3",
    "size": "4",
    "feeDetail": {"feeCoin": "bgb", "totalFee": "-0.5"},
    "tradeScope": "maker",
    "cTime": "1697603539699",
}


@pytest.mark.parametrize(("told", "fee"), [("-0.5", "0.5"), ("0.5", "-0.5"), ("0", "0")])
def test_fee_is_what_was_paid_and_a_rebate_is_negative(told: str, fee: str) -> None:
    row = FILL_ROW | {"feeDetail": {"feeCoin": "bgb", "totalFee": told}}

    (fill,) = orders.parse_fills(good([row]).body, "BTC/USDT").rows

    assert (str(fill.fee), fill.fee_asset, fill.is_maker) == (fee, "BGB", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"feeDetail": []},
        {"feeDetail": ""},
        # As in the stream, where the sign means something else.
        {"feeDetail": [{"feeCoin": "BGB", "totalFee": "0.5"}]},
        {"feeDetail": {"feeCoin": "BGB"}},
        {"feeDetail": {"feeCoin": "BGB", "totalFee": ""}},
        {"feeDetail": {"feeCoin": "BGB", "totalFee": "NaN"}},
        {"tradeScope": "both"},
        {"priceAvg": "1e40"},
        {"size": None},
    ],
)
def test_fill_told_in_part_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        orders.parse_fills(good([FILL_ROW | changes]).body, "BTC/USDT")


def test_order_that_fired_is_as_wanted_with_the_state_of_what_it_placed() -> None:
    plan = orders.parse_plan(plan_row(status="executed"), "BTC/USDT")
    order = read_order(
        orderId="99",
        clientOid="x",
        side="sell",
        status="filled",
        size="2",
        baseVolume="2",
        quoteVolume="50000",
    )

    report = orders.merge_fired(plan, order)

    assert (report.exchange_order_id, report.client_order_id) == ("99", "c" * 32)
    assert (report.status, report.filled_quantity) == (S.FILLED, 2)
    assert (report.trigger_price, report.price, report.order_type) == (26000, 25000, None)
    assert report.created_at == plan.created_at
    assert json.dumps(report.raw)


def test_times_are_utc() -> None:
    created_at = read_order(cTime=str(int(NOW.timestamp() * 1000))).created_at

    assert created_at == NOW
    assert created_at.tzinfo is UTC
