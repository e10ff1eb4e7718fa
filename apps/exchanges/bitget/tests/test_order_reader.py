"""Looking up orders and fills against scripted answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.domain.orders import OrderStatus, OrderType
from apps.exchanges.bitget.tests.payloads import (
    NOW,
    NOW_MS,
    asked,
    client,
    failure,
    good,
    order_row,
    plan_row,
    plans,
    query,
)
from apps.exchanges.errors import ExchangeUnavailable, OrderNotFound
from apps.exchanges.http import HttpAnswer
from apps.exchanges.ports import OrderRef
from apps.exchanges.tests.stubs import StubTransport

ID = "a" * 32
NOT_FOUND = failure("43001", "The order does not exist")
REF = OrderRef(symbol="BTC/USDT", client_order_id=ID)


def test_order_is_looked_up_by_our_id() -> None:
    transport = StubTransport(good([order_row(1001, clientOid=ID, status="filled")]))

    report = client(transport).fetch_order(replace(REF, order_type=OrderType.LIMIT))

    assert transport.requests[0].target == f"/api/v2/spot/trade/orderInfo?clientOid={ID}"
    assert (report.status, report.symbol) == (OrderStatus.FILLED, "BTC/USDT")


@pytest.mark.parametrize("nothing", [good([]), NOT_FOUND])
def test_order_is_looked_up_by_the_exchanges_id_where_ours_is_forgotten(
    nothing: HttpAnswer,
) -> None:
    transport = StubTransport(nothing, good([order_row(1001)]))
    ref = replace(REF, order_type=OrderType.LIMIT, exchange_order_id="1001")

    assert client(transport).fetch_order(ref).exchange_order_id == "1001"
    assert query(transport) == {"orderId": "1001"}


@pytest.mark.parametrize(
    "row",
    [
        order_row(1001, clientOid="another"),
        order_row(1001, clientOid=""),
        order_row(1001, clientOid=ID, symbol="ETHUSDT"),
    ],
)
def test_answer_about_another_order_is_none(row: dict[str, object]) -> None:
    transport = StubTransport(*[good([row])] * 3)

    with pytest.raises(ExchangeUnavailable, match="it tells of"):
        client(transport).fetch_order(replace(REF, order_type=OrderType.LIMIT))


def test_answer_under_another_exchange_id_is_none() -> None:
    transport = StubTransport(*[good([order_row(1002)])] * 3)
    ref = OrderRef(symbol="BTC/USDT", exchange_order_id="1001", order_type=OrderType.LIMIT)

    with pytest.raises(ExchangeUnavailable, match="it tells of orderId 1002, not of 1001"):
        client(transport).fetch_order(ref)


@pytest.mark.parametrize("nothing", [good([]), NOT_FOUND])
def test_unknown_order_is_not_found(nothing: HttpAnswer) -> None:
    transport = StubTransport(nothing)

    with pytest.raises(OrderNotFound, match=f"Bitget knows no order {ID} in BTC/USDT"):
        client(transport).fetch_order(replace(REF, order_type=OrderType.LIMIT))


def test_waiting_conditional_order_is_found_in_its_list() -> None:
    transport = StubTransport(plans(plan_row(1), more="1"), plans(plan_row(2, clientOid=ID)))

    report = client(transport).fetch_order(replace(REF, order_type=OrderType.STOP_LOSS_LIMIT))

    assert asked(transport) == ["GET current-plan-order"] * 2
    assert query(transport) == {"symbol": "BTCUSDT", "limit": "100", "idLessThan": "1"}
    assert (report.exchange_order_id, report.status) == ("2", OrderStatus.OPEN)
    # The list does not tell the type, who asks does.
    assert report.order_type is OrderType.STOP_LOSS_LIMIT


def test_conditional_order_of_somebody_else_is_found_by_its_exchange_id() -> None:
    transport = StubTransport(plans(plan_row(3), plan_row(2)))
    ref = OrderRef(symbol="BTC/USDT", exchange_order_id="2", order_type=OrderType.STOP_LOSS)

    assert client(transport).fetch_order(ref).client_order_id == "c2"


def test_past_conditional_order_is_found_in_its_history() -> None:
    placed_at = NOW - timedelta(days=40)
    transport = StubTransport(
        plans(), plans(), plans(plan_row(3), plan_row(2, clientOid=ID, status="cancelled"))
    )
    ref = replace(REF, order_type=OrderType.STOP_LOSS, placed_at=placed_at)

    report = client(transport).fetch_order(ref)

    assert report.status is OrderStatus.CANCELLED
    assert asked(transport) == ["GET current-plan-order", *["GET history-plan-order"] * 2]
    newest, oldest = query(transport, 1), query(transport, 2)
    # Windows of 30 days, up to a minute from now, from an hour before it was placed.
    day = 86_400_000
    assert int(newest["endTime"]) == NOW_MS + 60_000
    assert int(newest["endTime"]) - int(newest["startTime"]) == 30 * day
    assert int(oldest["endTime"]) == int(newest["startTime"]) - 1
    assert int(oldest["startTime"]) == NOW_MS - 40 * day - 3_600_000


FIRED = plans(plan_row(2, clientOid=ID, status="executed"))
SUB_ORDER = good([{"orderId": "99", "price": "39000", "type": "limit", "status": "success"}])


def test_conditional_order_that_fired_is_followed_to_the_order_it_placed() -> None:
    placed = order_row(99, status="filled", baseVolume="0.1", quoteVolume="3910")
    transport = StubTransport(plans(), FIRED, SUB_ORDER, good([placed]))

    report = client(transport).fetch_order(replace(REF, order_type=OrderType.STOP_LOSS_LIMIT))

    assert asked(transport)[2:] == ["GET plan-sub-order", "GET orderInfo"]
    assert (query(transport, 2), query(transport, 3)) == ({"planOrderId": "2"}, {"orderId": "99"})
    assert (report.status, report.filled_quote) == (OrderStatus.FILLED, 3910)
    # Under the id that its fills are told under, and our own.
    assert (report.exchange_order_id, report.client_order_id) == ("99", ID)
    assert (report.order_type, report.trigger_price) == (
        *(OrderType.STOP_LOSS_LIMIT, Decimal("40000.5")),
    )


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([good([{"orderId": "99", "status": "fail"}])], OrderStatus.REJECTED),
        ([good([{"orderId": "99", "status": "in_progress"}])], OrderStatus.UNKNOWN),
        ([good([])], OrderStatus.UNKNOWN),
        ([SUB_ORDER, good([])], OrderStatus.UNKNOWN),
    ],
)
def test_conditional_order_that_fired_without_a_trace(
    answers: list[HttpAnswer], status: OrderStatus
) -> None:
    transport = StubTransport(plans(), FIRED, *answers)

    report = client(transport).fetch_order(replace(REF, order_type=OrderType.STOP_LOSS))

    assert (report.status, report.exchange_status) == (status, "executed")


def test_order_of_unknown_type_is_looked_up_among_the_ordinary_first() -> None:
    transport = StubTransport(good([]), plans(plan_row(2, clientOid=ID)))

    report = client(transport).fetch_order(REF)

    assert asked(transport) == ["GET orderInfo", "GET current-plan-order"]
    assert (report.exchange_order_id, report.order_type) == ("2", None)


def test_conditional_order_named_by_what_it_placed_is_found() -> None:
    transport = StubTransport(*[plans()] * 5, good([order_row(99)]))
    ref = OrderRef(symbol="BTC/USDT", exchange_order_id="99", order_type=OrderType.STOP_LOSS_LIMIT)

    report = client(transport).fetch_order(ref)

    assert asked(transport)[-1] == "GET orderInfo"
    assert report.exchange_order_id == "99"


def test_open_orders_of_every_kind_are_one_list() -> None:
    transport = StubTransport(
        good([order_row(3), order_row(1, status="partially_filled")]),
        good([order_row(4, tpslType="tpsl", triggerPrice="45000")]),
        plans(plan_row(2)),
    )

    reports = client(transport).fetch_open_orders("BTC/USDT")

    assert [(report.exchange_order_id, report.trigger_price) for report in reports] == [
        ("1", None),
        ("2", Decimal("40000.5")),
        ("3", None),
        ("4", 45000),
    ]
    assert [query(transport, index) for index in range(3)] == [
        {"symbol": "BTCUSDT", "limit": "100", "tpslType": "normal"},
        {"symbol": "BTCUSDT", "limit": "100", "tpslType": "tpsl"},
        {"symbol": "BTCUSDT", "limit": "100"},
    ]


def test_open_orders_of_all_markets_have_canonical_symbols() -> None:
    digits = {"pricePrecision": "2", "quantityPrecision": "6", "quotePrecision": "6"}
    listed = {"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "online"}
    transport = StubTransport(
        good([order_row(1), order_row(2, symbol="GONEUSDT")]),
        good([]),
        plans(),
        good([listed | digits]),
    )

    reports = client(transport).fetch_open_orders()

    # One that is listed no more keeps the name it was told under.
    assert [report.symbol for report in reports] == ["BTC/USDT", "GONEUSDT"]
    assert asked(transport)[-1] == "GET symbols"


def test_open_orders_are_paged_to_the_end() -> None:
    first = [order_row(order_id) for order_id in range(300, 200, -1)]
    second = [order_row(order_id) for order_id in range(200, 150, -1)]
    transport = StubTransport(good(first), good(second), good([]), plans())

    reports = client(transport).fetch_open_orders("BTC/USDT")

    assert [int(report.exchange_order_id) for report in reports] == [*range(151, 301)]
    assert query(transport, 1)["idLessThan"] == "201"


def test_page_that_comes_again_ends_the_paging() -> None:
    page = good([order_row(order_id) for order_id in range(300, 200, -1)])
    transport = StubTransport(page, page, good([]), plans())

    assert len(client(transport).fetch_open_orders("BTC/USDT")) == 200
    assert len(transport.requests) == 4


def test_closed_orders_of_every_kind_are_one_list() -> None:
    since = NOW - timedelta(hours=1)
    transport = StubTransport(
        # The order that a conditional one placed is in this list too, with an id of its own.
        good([order_row(9, status="filled", baseVolume="0.1"), order_row(3, status="cancelled")]),
        good([order_row(4, status="cancelled", tpslType="tpsl", triggerPrice="1")]),
        plans(
            plan_row(5, status="cancelled"),
            plan_row(2, clientOid=ID, status="executed"),
            plan_row(6),
        ),
        good([{"orderId": "9", "status": "success"}]),
    )

    reports = client(transport).fetch_closed_orders("BTC/USDT", since=since)

    assert [
        (report.exchange_order_id, report.client_order_id, report.status) for report in reports
    ] == [
        ("9", ID, OrderStatus.FILLED),
        ("3", "c3", OrderStatus.CANCELLED),
        ("4", "c4", OrderStatus.CANCELLED),
        ("5", "c5", OrderStatus.CANCELLED),
    ]
    assert asked(transport) == [
        *("GET history-orders", "GET history-orders", "GET history-plan-order"),
        "GET plan-sub-order",
    ]


def test_closed_orders_are_asked_for_in_windows_and_cut_at_the_start() -> None:
    since = NOW - timedelta(days=45)
    early = order_row(1, status="cancelled", cTime=str(NOW_MS - 46 * 86_400_000))
    late = order_row(2, status="cancelled", cTime=str(NOW_MS - 44 * 86_400_000))
    nothing = [good([]), good([]), plans()]
    transport = StubTransport(*nothing, good([late, early]), good([]), plans())

    reports = client(transport).fetch_closed_orders("BTC/USDT", since=since)

    assert [report.exchange_order_id for report in reports] == ["2"]
    assert len(transport.requests) == 6


def test_history_reaches_no_further_back_than_it_is_kept() -> None:
    transport = StubTransport(*[good([]), good([]), plans()] * 3)

    client(transport).fetch_closed_orders("BTC/USDT", since=datetime(2020, 1, 1, tzinfo=UTC))

    starts = [int(query(transport, index)["startTime"]) for index in range(9)]
    assert min(starts) == NOW_MS - 90 * 86_400_000 + 3_600_000
    for index in range(9):
        window = query(transport, index)
        assert int(window["endTime"]) - int(window["startTime"]) <= 30 * 86_400_000


# Fills


def fill_row(trade_id: int, **changes: object) -> dict[str, object]:
    """A fill as told."""
    return {
        "symbol": "BTCUSDT",
        "orderId": "1001",
        "tradeId": str(trade_id),
        "side": "sell",
        "priceAvg": "50000",
        "size": "0.01",
        "feeDetail": {"feeCoin": "USDT", "totalFee": "-0.5"},
        "tradeScope": "taker",
        "cTime": str(NOW_MS - 3_600_000 + trade_id * 1000),
        **changes,
    }


def test_fills_of_an_order_are_paged_and_told_oldest_first() -> None:
    first = [fill_row(trade_id) for trade_id in range(250, 150, -1)]
    second = [fill_row(trade_id) for trade_id in range(150, 145, -1)]
    transport = StubTransport(good(first), good(second))

    fills = client(transport).fetch_fills("BTC/USDT", exchange_order_id="1001")

    assert [int(fill.trade_id) for fill in fills] == [*range(146, 251)]
    assert query(transport) == {
        "symbol": "BTCUSDT",
        "orderId": "1001",
        "limit": "100",
        "idLessThan": "151",
    }


def test_fills_since_a_moment_are_asked_for_in_windows() -> None:
    since = NOW - timedelta(minutes=50)
    transport = StubTransport(good([fill_row(900), fill_row(600), fill_row(599)]))

    fills = client(transport).fetch_fills("BTC/USDT", since=since)

    assert [fill.trade_id for fill in fills] == ["600", "900"]
    assert query(transport) == {
        "symbol": "BTCUSDT",
        "limit": "100",
        "startTime": str(NOW_MS - 3_000_000),
        "endTime": str(NOW_MS + 60_000),
    }


def test_fill_that_two_windows_tell_is_one() -> None:
    transport = StubTransport(*[good([fill_row(1)])] * 3)

    assert len(client(transport).fetch_fills("BTC/USDT")) == 1
    assert len(transport.requests) == 3
