"""Changes in place: Binance makes an order that rests smaller, and changes nothing else so."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.core.models import Alert
from apps.domain.orders import OrderStatus
from apps.exchanges import errors
from apps.trading.edits import NotChangeable, request_edit
from apps.trading.models import Order, Position
from apps.trading.path import (
    apply_report,
    request_cancel,
    submit_order,
)
from apps.trading.protection import guard_position
from apps.trading.settling import look_at_orders
from apps.trading.tests.fakes import FakeExchange, failing, make_fill, make_report

MakeOrder = Callable[..., Order]
HALF = Decimal("0.5")


@pytest.fixture(autouse=True)
def unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages go nowhere."""
    for module in ("path", "gate"):
        monkeypatch.setattr(f"apps.trading.{module}.enqueue_on_commit", lambda *_, **__: None)


@pytest.fixture
def resting(make_order: MakeOrder, now: datetime) -> Order:
    """A limit order for one bitcoin at 99."""
    return make_order(
        status="open", order_type="limit", quantity=1, quote_amount=None, price=99, submitted_at=now
    )


@pytest.fixture
def amendment(resting: Order, now: datetime) -> Order:
    """The wish to have half of it, good for ever by the real clock."""
    row = edit(resting, now, quantity=HALF)
    Order.objects.filter(pk=row.pk).update(valid_until=datetime(2100, 1, 1, tzinfo=now.tzinfo))
    return row


def edit(order: Order, now: datetime, **figures: Decimal) -> Order:
    none = dict.fromkeys(("quantity", "price", "trigger_price"))
    return request_edit(order=order, now=now, **{**none, **figures})


def shown(exchange: FakeExchange, quantity: Decimal, *, filled: str = "0") -> None:
    """The exchange has the order with this quantity."""
    fills = [make_fill(filled, "99")] if Decimal(filled) else []
    status = OrderStatus.PARTIALLY_FILLED if fills else OrderStatus.OPEN
    exchange.fills = fills
    exchange.on_fetch = lambda: make_report(status, *fills, quantity=quantity, price=Decimal(99))


def figures(order: Order) -> tuple[str, Decimal]:
    order.refresh_from_db()
    return order.status, order.quantity


def test_the_order_rests_on_while_its_change_is_on_its_way(
    resting: Order, amendment: Order
) -> None:
    assert (amendment.status, amendment.amends_to) == ("created", HALF)
    assert Order.objects.get(pk=resting.pk).cancel_requested_at is None


def test_what_the_exchange_shows_makes_it_done(
    resting: Order, amendment: Order, exchange: FakeExchange
) -> None:
    shown(exchange, HALF)

    submit_order(order_id=amendment.pk)
    submit_order(order_id=amendment.pk)

    assert [request.quantity for request in exchange.edited] == [HALF]
    assert (figures(resting), figures(amendment)[0]) == (("open", HALF), "cancelled")
    assert resting.events.last().message == "Changed in place to 0.5 BTC at 99."
    assert Order.objects.filter(is_settled=False).get() == resting


def test_of_an_order_that_fills_it_asks_for_the_rest(
    resting: Order, amendment: Order, exchange: FakeExchange, now: datetime
) -> None:
    shown(exchange, Decimal(1), filled="0.2")
    apply_report(order_id=resting.pk, report=exchange.on_fetch(), now=now)

    submit_order(order_id=amendment.pk)

    assert [request.quantity for request in exchange.edited] == [Decimal("0.3")]


def test_a_definite_no_leaves_the_order_as_it_was(
    resting: Order, amendment: Order, exchange: FakeExchange
) -> None:
    exchange.on_edit = failing(errors.InvalidOrder("not this market"))

    submit_order(order_id=amendment.pk)

    assert (figures(resting), figures(amendment)[0]) == (("open", 1), "rejected")


@pytest.mark.parametrize(("quantity", "status"), [(HALF, "cancelled"), (Decimal(1), "rejected")])
def test_an_unclear_answer_is_settled_by_looking(
    resting: Order,
    amendment: Order,
    exchange: FakeExchange,
    quantity: Decimal,
    status: str,
) -> None:
    exchange.on_edit = failing(errors.OutcomeUnknown("no answer"))
    submit_order(order_id=amendment.pk)
    shown(exchange, quantity)
    assert figures(amendment)[0] == "unknown"

    for seconds in (15, 25, 35):
        moment = amendment.submitted_at + timedelta(seconds=seconds)
        look_at_orders(broker=resting.broker, client=exchange, now=moment)

    assert (figures(resting), figures(amendment)[0]) == (("open", quantity), status)
    assert len(exchange.edited) == 1


def test_that_it_arrived_is_not_given_up_before_it_could_not(
    amendment: Order, exchange: FakeExchange
) -> None:
    exchange.on_edit = failing(errors.OutcomeUnknown("no answer"))
    submit_order(order_id=amendment.pk)
    shown(exchange, Decimal(1))
    amendment.refresh_from_db()

    look_at_orders(broker=amendment.broker, client=exchange, now=amendment.send_deadline)

    assert (figures(amendment)[0], amendment.absences) == ("unknown", 0)


def test_any_report_that_shows_it_makes_it_done(
    resting: Order, amendment: Order, now: datetime
) -> None:
    Order.objects.filter(pk=amendment.pk).update(status="submitted")
    report = make_report(OrderStatus.FILLED, make_fill("0.5", "99"), price=Decimal(99))

    apply_report(order_id=resting.pk, report=report, now=now)

    assert (figures(resting), figures(amendment)[0]) == (("filled", HALF), "cancelled")


def test_one_that_shows_after_all_is_believed(
    resting: Order, amendment: Order, exchange: FakeExchange, now: datetime
) -> None:
    Order.objects.filter(pk=amendment.pk).update(status="rejected", is_settled=True)
    shown(exchange, HALF)

    apply_report(order_id=resting.pk, report=exchange.on_fetch(), now=now)

    assert (figures(resting), figures(amendment)[0]) == (("open", HALF), "cancelled")
    assert not Alert.objects.filter(key=f"order-odd-{resting.pk}").exists()


def test_nothing_is_asked_of_an_order_that_is_being_cancelled(
    resting: Order, amendment: Order, exchange: FakeExchange, now: datetime
) -> None:
    request_cancel(order_id=resting.pk, now=now, reason="not wanted")

    submit_order(order_id=amendment.pk)

    assert (figures(amendment)[0], exchange.edited) == ("cancelled", [])


def test_one_change_at_a_time(resting: Order, amendment: Order, now: datetime) -> None:
    with pytest.raises(NotChangeable):
        edit(resting, now, price=Decimal(98))


def test_the_figures_it_has_are_no_change(resting: Order, now: datetime) -> None:
    with pytest.raises(NotChangeable):
        edit(resting, now, quantity=Decimal(1))


def test_an_exit_that_is_changed_in_place_is_not_cancelled_for_its_coins(
    resting: Order, position: Position, now: datetime
) -> None:
    Order.objects.update(side="sell", purpose="exit", position=position)
    resting.refresh_from_db()
    assert edit(resting, now, quantity=HALF).is_amendment

    guard_position(position_id=position.pk, now=now)

    assert Order.objects.get(pk=resting.pk).cancel_requested_at is None
