"""Cancels and edits."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.core.models import Alert
from apps.core.tasks import TaskName
from apps.domain.orders import OrderStatus
from apps.exchanges import errors
from apps.trading.claims import claim
from apps.trading.edits import NotChangeable, request_edit
from apps.trading.models import Order
from apps.trading.path import (
    apply_report,
    cancel_order,
    request_cancel,
    submit_order,
)
from apps.trading.tests.fakes import FakeExchange, failing, make_fill, make_report

MakeOrder = Callable[..., Order]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TaskName, int]]:
    """Messages that would go out."""
    messages: list[tuple[TaskName, int]] = []

    def note(task: TaskName, **ids: int) -> None:
        messages.append((task, *ids.values()))

    for module in ("path", "gate"):
        monkeypatch.setattr(f"apps.trading.{module}.enqueue_on_commit", note)
    return messages


@pytest.fixture
def resting(make_order: MakeOrder, now: datetime) -> Order:
    """A limit order for one bitcoin at 99."""
    return make_order(
        status="open", order_type="limit", quantity=1, quote_amount=None, price=99, submitted_at=now
    )


def test_what_was_not_sent_is_cancelled_at_once(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    order = make_order()

    request_cancel(order_id=order.pk, now=now, reason="not wanted")
    submit_order(order_id=order.pk)

    order.refresh_from_db()
    assert (order.status, order.is_settled, exchange.placed) == ("cancelled", True, [])


def test_what_rests_gets_a_wish_and_a_task(
    resting: Order, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    for _ in range(2):
        request_cancel(order_id=resting.pk, now=now, reason="not wanted")

    resting.refresh_from_db()
    assert (resting.status, resting.cancel_requested_at) == ("open", now)
    assert sent == [(TaskName.CANCEL_ORDER, resting.pk)]
    assert resting.events.count() == 1


def test_an_unknown_order_is_found_before_it_is_cancelled(
    make_order: MakeOrder, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    order = make_order(status="unknown")
    request_cancel(order_id=order.pk, now=now, reason="not wanted")
    assert sent == []

    apply_report(order_id=order.pk, report=make_report(OrderStatus.OPEN), now=now)

    assert (TaskName.CANCEL_ORDER, order.pk) in sent


def test_a_cancel_is_sent_once_in_ten_seconds_and_looked_up(
    resting: Order, exchange: FakeExchange, now: datetime
) -> None:
    request_cancel(order_id=resting.pk, now=now, reason="not wanted")

    for second in (0, 5, 10):
        cancel_order(order_id=resting.pk, now=now + timedelta(seconds=second))

    assert (len(exchange.cancelled), exchange.fetched) == (2, 2)
    assert Order.objects.get().status == "open"


def test_only_the_look_up_says_that_it_is_cancelled(
    resting: Order, exchange: FakeExchange, now: datetime
) -> None:
    request_cancel(order_id=resting.pk, now=now, reason="not wanted")
    exchange.on_cancel = failing(errors.OutcomeUnknown("no such open order"))
    exchange.on_fetch = lambda: make_report(
        OrderStatus.FILLED, filled_quantity=Decimal(1), filled_quote=Decimal(99)
    )
    exchange.fills = [make_fill("1", "99")]

    cancel_order(order_id=resting.pk, now=now)

    assert Order.objects.get().status == "filled"


def test_a_refused_cancel_is_told(resting: Order, exchange: FakeExchange, now: datetime) -> None:
    request_cancel(order_id=resting.pk, now=now, reason="not wanted")
    exchange.on_cancel = failing(errors.PermissionDenied("not with this key"))

    cancel_order(order_id=resting.pk, now=now)

    assert Alert.objects.get().key == f"order-cancel-{resting.pk}"
    assert Order.objects.get().status == "open"


def edit(order: Order, now: datetime, **figures: Decimal) -> Order:
    none = dict.fromkeys(("quantity", "price", "trigger_price"))
    return request_edit(order=order, now=now, **{**none, **figures})


def test_an_edit_waits_until_the_old_order_has_ended(resting: Order, now: datetime) -> None:
    new = edit(resting, now, price=Decimal(98))

    assert (new.status, new.quantity, new.price, new.replaces) == ("created", 1, 98, resting)
    assert Order.objects.get(pk=resting.pk).cancel_requested_at == now
    assert claim(order_id=new.pk) is None


def test_an_edit_is_sent_for_what_the_old_order_left(
    resting: Order, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    new = edit(resting, now, quantity=Decimal("0.9"), price=Decimal(98))
    Order.objects.filter(pk=new.pk).update(valid_until=datetime(2100, 1, 1, tzinfo=now.tzinfo))

    report = make_report(OrderStatus.CANCELLED, make_fill("0.3", "99"))
    apply_report(order_id=resting.pk, report=report, now=now)
    claimed = claim(order_id=new.pk)

    assert (TaskName.SUBMIT_ORDER, new.pk) in sent
    assert claimed
    assert claimed.quantity == Decimal("0.6")


def test_an_edit_is_not_sent_when_nothing_is_left(
    resting: Order, exchange: FakeExchange, now: datetime
) -> None:
    new = edit(resting, now, quantity=Decimal("0.5"), price=Decimal(98))
    Order.objects.filter(pk=new.pk).update(valid_until=datetime(2100, 1, 1, tzinfo=now.tzinfo))
    report = make_report(OrderStatus.FILLED, make_fill("1", "99"))
    apply_report(order_id=resting.pk, report=report, now=now)

    submit_order(order_id=new.pk)

    new.refresh_from_db()
    assert (new.status, exchange.placed) == ("cancelled", [])


@pytest.mark.parametrize(
    "values", [{"status": "filled"}, {"order_type": "market"}, {"filled_quantity": Decimal(1)}]
)
def test_what_can_not_be_changed_says_why(
    resting: Order, now: datetime, values: dict[str, object]
) -> None:
    Order.objects.update(**values)

    with pytest.raises(NotChangeable):
        edit(resting, now, price=Decimal(98))
