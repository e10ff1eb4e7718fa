from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.brokers.models import Broker
from apps.core.tasks import TaskName
from apps.domain.orders import OrderStatus
from apps.exchanges import errors, ports
from apps.trading.models import Fill, Order
from apps.trading.monitor import poll_broker, sweep_orders
from apps.trading.tests.fakes import FakeExchange, failing, make_fill, make_report

MakeOrder = Callable[..., Order]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TaskName, int]]:
    """Messages that would go out."""
    messages: list[tuple[TaskName, int]] = []
    monkeypatch.setattr(
        "apps.trading.monitor.send", lambda task, *, order_id: messages.append((task, order_id))
    )
    monkeypatch.setattr("apps.trading.path.enqueue_on_commit", lambda *_args, **_kwargs: None)
    return messages


@pytest.fixture
def lost(make_order: MakeOrder, now: datetime) -> Order:
    """Claimed a minute ago by a process that is gone."""
    return make_order(status="unknown", send_deadline=now - timedelta(minutes=1))


def test_an_order_nobody_sent_in_time_expires(
    make_order: MakeOrder, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    order = make_order(valid_until=now)
    Order.objects.update(created_at=now - timedelta(minutes=1))

    sweep_orders(now=now)

    order.refresh_from_db()
    assert (order.status, order.is_settled, sent) == ("expired", True, [])


def test_a_lost_message_is_sent_again(
    make_order: MakeOrder, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    order = make_order()
    Order.objects.update(created_at=now - timedelta(seconds=3))

    sweep_orders(now=now)

    assert sent == [(TaskName.SUBMIT_ORDER, order.pk)]


def test_claimed_and_never_answered_is_unknown_five_seconds_after_its_deadline(
    make_order: MakeOrder, now: datetime
) -> None:
    order = make_order(status="submitted", send_deadline=now - timedelta(seconds=5))
    sweep_orders(now=now)
    assert Order.objects.get().status == "submitted"

    sweep_orders(now=now + timedelta(seconds=1))
    assert Order.objects.get().status == "unknown"
    assert order.events.count() == 1


def test_a_found_order_is_taken_over_with_its_fills(
    lost: Order, exchange: FakeExchange, now: datetime
) -> None:
    exchange.fills = [make_fill("1")]
    exchange.on_fetch = lambda: make_report(
        OrderStatus.FILLED, filled_quantity=Decimal(1), filled_quote=Decimal(100)
    )

    poll_broker(broker_id=lost.broker_id, now=now)

    lost.refresh_from_db()
    assert (lost.status, lost.is_settled) == ("filled", True)
    assert Fill.objects.get().trade_id == "1"
    assert exchange.placed == []


def test_three_absences_ten_seconds_apart_mean_it_never_arrived(
    lost: Order, exchange: FakeExchange, now: datetime
) -> None:
    exchange.on_fetch = failing(errors.OrderNotFound("no such order"))

    statuses = []
    for second in (0, 5, 10, 20):
        poll_broker(broker_id=lost.broker_id, now=now + timedelta(seconds=second))
        statuses.append(Order.objects.get().status)

    assert statuses == ["unknown", "unknown", "unknown", "rejected"]
    assert exchange.fetched == 3


def test_absence_before_it_could_have_arrived_counts_for_nothing(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    order = make_order(status="unknown", send_deadline=now)
    exchange.on_fetch = failing(errors.OrderNotFound("no such order"))

    poll_broker(broker_id=order.broker_id, now=now + timedelta(seconds=4))

    assert Order.objects.get().absences == 0


def test_an_order_that_was_seen_open_is_not_ended_by_absence(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    order = make_order(status="open", send_deadline=now - timedelta(hours=1))
    exchange.on_fetch = failing(errors.OrderNotFound("no such order"))

    for second in range(0, 60, 10):
        poll_broker(broker_id=order.broker_id, now=now + timedelta(seconds=second))

    assert Order.objects.get().status == "open"


def test_an_exchange_that_is_down_changes_nothing(
    lost: Order, exchange: FakeExchange, now: datetime
) -> None:
    exchange.on_fetch = failing(errors.ExchangeUnavailable("down"))

    poll_broker(broker_id=lost.broker_id, now=now)

    assert Order.objects.get().status == "unknown"


def test_a_market_that_does_not_run_is_not_asked(
    lost: Order, exchange: FakeExchange, now: datetime
) -> None:
    Broker.objects.update(environment="replay")

    poll_broker(broker_id=lost.broker_id, now=now)

    assert exchange.fetched == 0


@pytest.fixture
def other(lost: Order, make_order: MakeOrder, now: datetime) -> Order:
    """Another one, looked up after it."""
    Order.objects.update(purpose="exit")  # of two entries in flight the database would refuse one
    return make_order(status="unknown", send_deadline=now - timedelta(minutes=1))


@pytest.mark.parametrize(
    "answer",
    [
        failing(errors.UnknownSymbol("delisted")),
        failing(errors.ExchangeError("odd")),
        failing(errors.Unreadable("garbage")),
        lambda: make_report(OrderStatus.OPEN, exchange_status="too long" * 9),
        lambda: make_report(OrderStatus.FILLED, filled_quote=Decimal(10) ** 18),
    ],
)
def test_an_order_that_can_not_be_settled_does_not_keep_the_others_from_it(
    lost: Order,
    other: Order,
    exchange: FakeExchange,
    now: datetime,
    answer: Callable[[], ports.OrderReport],
) -> None:
    answers = iter([answer, lambda: make_report(OrderStatus.CANCELLED)])

    def answer_next() -> ports.OrderReport:
        return next(answers)()

    exchange.on_fetch = answer_next

    poll_broker(broker_id=lost.broker_id, now=now)

    lost.refresh_from_db()
    other.refresh_from_db()
    assert (lost.status, other.status) == ("unknown", "cancelled")


@pytest.mark.parametrize("error", [errors.ExchangeUnavailable("down"), errors.RateLimited("wait")])
def test_an_exchange_that_does_not_answer_is_not_asked_about_the_others(
    lost: Order, other: Order, exchange: FakeExchange, now: datetime, error: errors.ExchangeError
) -> None:
    exchange.on_fetch = failing(error)

    poll_broker(broker_id=lost.broker_id, now=now)

    assert exchange.fetched == 1
