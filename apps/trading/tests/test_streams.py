from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.brokers.models import Broker
from apps.domain.orders import OrderStatus
from apps.trading.models import BrokerWatch, Fill, Order
from apps.trading.streams import Outcome, note_alive, note_cut, request_sweep, take_report
from apps.trading.tests.fakes import make_fill, make_report

MakeOrder = Callable[..., Order]


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.trading.path.enqueue_on_commit", lambda *_args, **_kwargs: None)


@pytest.fixture
def resting(make_order: MakeOrder) -> Order:
    """At the exchange under the id 7."""
    return make_order(status="open", exchange_order_id="7", quantity=Decimal(2))


def take(order: Order, now: datetime, status: OrderStatus, *fills: Any, **values: Any) -> Outcome:
    report = make_report(status, *fills, **values)
    return take_report(broker_id=order.broker_id, report=report, now=now)


@pytest.mark.parametrize("is_named", [True, False])
def test_a_fill_is_booked_once(resting: Order, now: datetime, *, is_named: bool) -> None:
    name = resting.client_order_id if is_named else None

    for _ in range(2):
        outcome = take(
            resting, now, OrderStatus.FILLED, make_fill("2"), client_order_id=name, quantity=2
        )

    resting.refresh_from_db()
    assert (outcome, resting.status, resting.is_settled) == (Outcome.TAKEN_OVER, "filled", True)
    assert Fill.objects.get().quantity == 2


def test_fills_add_up_with_those_that_are_booked(resting: Order, now: datetime) -> None:
    take(resting, now, OrderStatus.PARTIALLY_FILLED, make_fill("1"))

    outcome = take(
        resting, now, OrderStatus.FILLED, make_fill("1", trade_id="2"), filled_quantity=Decimal(2)
    )

    resting.refresh_from_db()
    assert (outcome, resting.is_settled) == (Outcome.TAKEN_OVER, True)


def test_news_that_comes_late_does_not_open_it_again(resting: Order, now: datetime) -> None:
    take(resting, now, OrderStatus.CANCELLED)
    take(resting, now, OrderStatus.OPEN)

    resting.refresh_from_db()
    assert resting.status == "cancelled"


@pytest.mark.parametrize(
    ("status", "filled"),
    [(OrderStatus.FILLED, Decimal(2)), (OrderStatus.OPEN, None), (OrderStatus.UNKNOWN, Decimal(0))],
)
def test_what_does_not_say_all_is_left_to_a_poll_at_once(
    resting: Order, now: datetime, status: OrderStatus, filled: Decimal | None
) -> None:
    BrokerWatch.objects.update(stream_alive_at=now, next_poll_at=now)

    outcome = take(resting, now, status, filled_quantity=filled)

    resting.refresh_from_db()
    watch = BrokerWatch.objects.get()
    assert (outcome, resting.status) == (Outcome.LEFT_TO_POLL, "open")
    assert (watch.stream_alive_at, watch.next_poll_at) == (None, None)


def test_another_brokers_order_is_not_ours(resting: Order, now: datetime, broker: Broker) -> None:
    report = make_report(client_order_id=resting.client_order_id)

    outcome = take_report(broker_id=broker.pk + 1, report=report, now=now)

    assert outcome is Outcome.PLACED_ELSEWHERE


@pytest.mark.parametrize(("seconds", "counts"), [(0, True), (1, False)])
def test_a_stream_counts_once_a_poll_has_found_what_came_before(
    broker: Broker, now: datetime, seconds: int, *, counts: bool
) -> None:
    BrokerWatch.objects.update(polled_at=now)

    note_alive(whole_since={broker.pk: now + timedelta(seconds=seconds)}, now=now)

    assert BrokerWatch.objects.filter(stream_alive_at=now).exists() is counts


def test_a_cut_ends_it_and_says_why(broker: Broker, now: datetime) -> None:
    BrokerWatch.objects.update(stream_alive_at=now)

    note_cut(broker_id=broker.pk, why="The key is refused.")

    watch = BrokerWatch.objects.get()
    assert (watch.stream_alive_at, watch.stream_error) == (None, "The key is refused.")


def test_why_it_was_cut_is_forgotten_when_it_is_whole_again(broker: Broker, now: datetime) -> None:
    note_cut(broker_id=broker.pk, why="The key is refused.")

    note_alive(whole_since={broker.pk: now}, now=now)

    assert BrokerWatch.objects.get().stream_error == ""


def test_a_sweep_is_due_at_once(broker: Broker, now: datetime) -> None:
    BrokerWatch.objects.update(next_sweep_at=now + timedelta(minutes=1))

    request_sweep(broker_id=broker.pk)

    assert BrokerWatch.objects.get().next_sweep_at is None
