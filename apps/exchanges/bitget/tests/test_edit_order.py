"""Changing resting orders against scripted answers."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.domain.orders import OrderSide, OrderType, TimeInForce
from apps.exchanges.bitget.constants import CAPABILITIES
from apps.exchanges.bitget.tests.payloads import (
    DEADLINE,
    NOW,
    NOW_MS,
    asked,
    client,
    failure,
    good,
    order_row,
    sent_body,
)
from apps.exchanges.errors import (
    ExchangeUnavailable,
    InvalidCredentials,
    InvalidOrder,
    OutcomeUnknown,
    Unsupported,
)
from apps.exchanges.http import HttpAnswer
from apps.exchanges.ports import (
    AttachedExit,
    EditMethod,
    OrderReport,
    OrderRequest,
)
from apps.exchanges.tests.stubs import StubTransport

ID, NEW_ID = "a" * 32, "b" * 32
LIMIT = OrderRequest(
    symbol="BTC/USDT",
    side=OrderSide.SELL,
    order_type=OrderType.LIMIT,
    client_order_id=ID,
    quantity=Decimal("0.10"),
    price=Decimal(50000),
)
STOP = OrderRequest(
    symbol="BTC/USDT",
    side=OrderSide.SELL,
    order_type=OrderType.STOP_LOSS_LIMIT,
    client_order_id=ID,
    quantity=Decimal("0.10"),
    price=Decimal(39000),
    trigger_price=Decimal("40000.50"),
)
#: The resting order as it is read once more before it is replaced.
AS_READ = order_row(1001, clientOid=ID)
NO_PLAN = failure("43025", "plan order does not exist")
STAMPS = {"requestTime": str(NOW_MS), "receiveWindow": "5000"}


def resting(**changes: Any) -> OrderReport:
    """A limit order of ours that rests."""
    at = NOW - timedelta(hours=1)
    report = OrderReport.acknowledged(LIMIT, exchange_order_id="1001", at=at, raw={})
    return replace(report, **changes)


def waiting(**changes: Any) -> OrderReport:
    """A conditional order of ours that waits, as a list tells it: without its type."""
    at = NOW - timedelta(hours=1)
    report = OrderReport.acknowledged(STOP, exchange_order_id="7", at=at, raw={})
    return replace(report, **{"order_type": None} | changes)


def test_limit_order_is_replaced_with_price_and_size_and_a_new_id() -> None:
    transport = StubTransport(
        good([AS_READ]), good({"orderId": "1002", "success": "success", "msg": None})
    )
    target = replace(
        LIMIT,
        client_order_id=NEW_ID,
        price=Decimal(51000),
        stop_loss=AttachedExit(trigger_price=Decimal(60000)),
    )

    assert not CAPABILITIES.can_amend(resting(), target)
    report = client(transport).edit_order(resting(), target, deadline=DEADLINE)

    assert asked(transport) == ["GET orderInfo", "POST cancel-replace-order"]
    assert sent_body(transport) == STAMPS | {
        "symbol": "BTCUSDT",
        "clientOid": ID,
        "newClientOid": NEW_ID,
        "price": "51000",
        "size": "0.1",
        "presetStopLossPrice": "60000",
    }
    assert report.method is EditMethod.REPLACED
    assert (report.order.exchange_order_id, report.order.client_order_id) == ("1002", NEW_ID)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (good({"success": "failure", "msg": "Insufficient balance"}), "Insufficient balance"),
        (good({"success": "failure"}), "no reason given"),
        (failure("43012", "Insufficient balance"), "Insufficient balance"),
        (failure("45110", "less than the minimum amount 5 USDT"), "minimum amount"),
        (failure("43001", "The order does not exist"), "does not exist"),
    ],
)
def test_refused_replacement_may_have_cancelled_the_old_one(answer: HttpAnswer, why: str) -> None:
    transport = StubTransport(good([AS_READ]), answer)
    target = replace(LIMIT, client_order_id=NEW_ID)

    with pytest.raises(OutcomeUnknown, match=why) as caught:
        client(transport).edit_order(resting(), target, deadline=DEADLINE)

    assert f"instead of {ID}, which may be gone all the same. Look both up" in str(caught.value)
    assert len(transport.requests) == 2


@pytest.mark.parametrize("filled", [None, Decimal("0.01")])
def test_order_that_filled_meanwhile_is_not_replaced(filled: Decimal | None) -> None:
    transport = StubTransport(good([AS_READ | {"baseVolume": "0.02"}]))
    current = resting(filled_quantity=filled)

    with pytest.raises(InvalidOrder, match="was filled further meanwhile: nothing was changed"):
        client(transport).edit_order(current, LIMIT, deadline=DEADLINE)

    assert asked(transport) == ["GET orderInfo"]


def test_order_that_is_filled_as_far_as_known_is_replaced() -> None:
    replaced = good({"orderId": "1002", "clientOid": NEW_ID, "success": "success"})
    transport = StubTransport(good([AS_READ | {"baseVolume": "0.0200"}]), replaced)
    current, target = (
        resting(filled_quantity=Decimal("0.02")),
        replace(LIMIT, client_order_id=NEW_ID),
    )

    client(transport).edit_order(current, target, deadline=DEADLINE)

    assert sent_body(transport)["size"] == "0.1"


def test_fill_of_the_last_instant_is_declared() -> None:
    assert "a fill in the last instant is not seen" in CAPABILITIES.replaces


@pytest.mark.parametrize("name", [ID, NEW_ID, None])
def test_replacement_may_be_told_under_the_old_name_or_the_new(name: str | None) -> None:
    replaced = good({"orderId": "1002", "clientOid": name, "success": "success"})
    target = replace(LIMIT, client_order_id=NEW_ID)

    report = client(StubTransport(good([AS_READ]), replaced)).edit_order(
        resting(), target, deadline=DEADLINE
    )

    assert report.order.client_order_id == NEW_ID


@pytest.mark.parametrize(
    ("current", "answers"),
    [
        (resting(), [good([AS_READ]), good({"clientOid": "another", "success": "success"})]),
        (waiting(), [good({"orderId": "7", "clientOid": "another"})]),
    ],
)
def test_edit_of_another_order_is_doubt(current: OrderReport, answers: list[HttpAnswer]) -> None:
    target = STOP if current.trigger_price else LIMIT

    with pytest.raises(OutcomeUnknown, match=f"it tells of clientOid another, not of {ID}"):
        client(StubTransport(*answers)).edit_order(current, target, deadline=DEADLINE)


def test_replacement_refused_before_anything_was_done_is_a_no() -> None:
    target = replace(LIMIT, client_order_id=NEW_ID)

    with pytest.raises(InvalidCredentials):
        client(StubTransport(good([AS_READ]), failure("40009"))).edit_order(
            resting(), target, deadline=DEADLINE
        )


@pytest.mark.parametrize("order_type", [OrderType.STOP_LOSS_LIMIT, None])
def test_conditional_order_is_amended_in_place(order_type: OrderType | None) -> None:
    transport = StubTransport(good({"orderId": "7", "clientOid": ID}))
    current = replace(waiting(), order_type=order_type)
    target = replace(STOP, client_order_id=NEW_ID, trigger_price=Decimal(41000))

    assert CAPABILITIES.can_amend(waiting(order_type=STOP.order_type), target)
    report = client(transport).edit_order(current, target, deadline=DEADLINE)

    assert asked(transport) == ["POST modify-plan-order"]
    assert sent_body(transport) == STAMPS | {
        "clientOid": ID,
        "orderType": "limit",
        "size": "0.1",
        "triggerPrice": "41000",
        "executePrice": "39000",
    }
    assert report.method is EditMethod.AMENDED
    # It keeps its ids and its age.
    assert (report.order.client_order_id, report.order.exchange_order_id) == (ID, "7")
    assert (report.order.created_at, report.order.trigger_price) == (current.created_at, 41000)


def test_amended_order_that_is_gone_is_to_be_looked_up() -> None:
    with pytest.raises(OutcomeUnknown, match=r"no waiting order .* it has ended or never arrived"):
        client(StubTransport(NO_PLAN)).edit_order(waiting(), STOP, deadline=DEADLINE)


@pytest.mark.parametrize(
    ("current", "target"),
    [
        (resting(), replace(LIMIT, order_type=OrderType.MARKET, price=None)),
        (resting(), STOP),
        (waiting(), LIMIT),
        (resting(order_type=None), LIMIT),
        (resting(), replace(LIMIT, side=OrderSide.BUY)),
        (resting(), replace(LIMIT, symbol="ETH/USDT")),
        (resting(), replace(LIMIT, time_in_force=TimeInForce.POST_ONLY)),
        (waiting(), replace(STOP, take_profit=AttachedExit(trigger_price=Decimal(1)))),
    ],
)
def test_edit_that_bitget_lacks_is_refused_unsent(
    current: OrderReport, target: OrderRequest
) -> None:
    transport = StubTransport()

    with pytest.raises(Unsupported, match="Nothing was sent"):
        client(transport).edit_order(current, target, deadline=DEADLINE)

    assert transport.requests == []


def test_late_edit_is_not_sent() -> None:
    transport = StubTransport(good([AS_READ]))

    with pytest.raises(ExchangeUnavailable, match="Not sent"):
        client(transport).edit_order(resting(), LIMIT, deadline=NOW)

    assert asked(transport) == ["GET orderInfo"]
