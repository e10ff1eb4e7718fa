from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.brokers.models import Broker
from apps.core.alerts import raise_alert
from apps.core.models import Alert
from apps.core.tasks import TaskName
from apps.domain.orders import OrderStatus
from apps.exchanges import errors, ports
from apps.trading.models import BrokerWatch, Fill, Order
from apps.trading.monitor import (
    forget_reconciliations,
    poll_broker,
    poll_brokers,
    resume_watching,
    sweep_broker,
    sweep_orders,
)
from apps.trading.tests.fakes import NOW, FakeExchange, failing, make_fill, make_report

MakeOrder = Callable[..., Order]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[TaskName, int]]:
    """Messages that would go out."""
    messages: list[tuple[TaskName, int]] = []
    monkeypatch.setattr(
        "apps.trading.monitor.send", lambda task, **ids: messages.append((task, *ids.values()))
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
    assert Alert.objects.get().key == f"order-unknown-{order.pk}"


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


def test_an_order_whose_fills_have_to_wait_is_taken_over_without_them(
    lost: Order, exchange: FakeExchange, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.on_fetch = lambda: make_report(
        OrderStatus.FILLED, filled_quantity=Decimal(1), filled_quote=Decimal(100)
    )
    with monkeypatch.context() as patched:
        patched.setattr(exchange, "fetch_fills", failing(errors.RateLimited("wait")))
        poll_broker(broker_id=lost.broker_id, now=now)

    lost.refresh_from_db()
    assert (lost.status, lost.is_settled) == ("filled", False)

    exchange.fills = [make_fill("1")]
    poll_broker(broker_id=lost.broker_id, now=now + timedelta(seconds=10))

    lost.refresh_from_db()
    assert lost.is_settled


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
    assert Alert.objects.get().key == f"order-missing-{order.pk}"


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


def watch(broker: Broker, **values: object) -> BrokerWatch:
    """As after a full sweep just now."""
    defaults = {
        "swept_at": NOW,
        "reconciled_at": NOW,
        "next_sweep_at": NOW + timedelta(minutes=5),
    }
    return BrokerWatch.objects.update_or_create(broker=broker, defaults={**defaults, **values})[0]


def test_a_resting_order_that_has_not_changed_costs_one_question(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    order = make_order(status="open", exchange_order_id="7")
    watch(order.broker)
    exchange.resting = [make_report(OrderStatus.OPEN)]

    poll_broker(broker_id=order.broker_id, now=now)

    assert (exchange.asked, exchange.fetched) == (["BTC/USDT"], 0)


def test_a_partial_fill_seen_in_the_list_is_booked(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    order = make_order(status="open", exchange_order_id="7", quantity=1, quote_amount=None)
    watch(order.broker)
    fill = make_fill("0.4")
    exchange.resting = [make_report(OrderStatus.PARTIALLY_FILLED, fill, quantity=1, fills=())]
    exchange.fills = [fill]

    poll_broker(broker_id=order.broker_id, now=now)

    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == ("partially_filled", Decimal("0.4"))
    assert (order.fills.count(), exchange.fetched) == (1, 0)


def test_what_vanished_from_the_list_is_asked_for_by_its_id(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    order = make_order(status="open", exchange_order_id="7")
    watch(order.broker)
    exchange.on_fetch = lambda: make_report(OrderStatus.CANCELLED)

    poll_broker(broker_id=order.broker_id, now=now)

    assert Order.objects.get().status == "cancelled"


@pytest.mark.parametrize("where", ["resting", "closed", "fills"])
def test_a_trace_anywhere_keeps_an_order_from_being_taken_for_lost(
    lost: Order, exchange: FakeExchange, now: datetime, where: str
) -> None:
    watch(lost.broker)
    found = make_report(OrderStatus.CANCELLED, client_order_id=lost.client_order_id)
    if where == "fills":
        exchange.fills = [make_fill("1")]
        exchange.on_fetch = failing(errors.OrderNotFound("not by name"))
        by_name = exchange.fetch_order

        def by_id(ref: ports.OrderRef) -> ports.OrderReport:
            return by_name(ref) if ref.client_order_id else found

        exchange.fetch_order = by_id  # type: ignore[method-assign]
    else:
        setattr(exchange, where, [found])
        exchange.on_fetch = failing(errors.OrderNotFound("not by name"))

    poll_broker(broker_id=lost.broker_id, now=now)

    lost.refresh_from_db()
    assert (lost.status, lost.absences) == ("cancelled", 0)


def test_one_question_serves_all_unknown_orders_of_a_symbol(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    orders = [
        make_order(status="unknown", purpose="exit", send_deadline=now - timedelta(minutes=1))
        for _ in range(3)
    ]
    watch(orders[0].broker)
    exchange.on_fetch = failing(errors.OrderNotFound("not by name"))
    name = orders[2].client_order_id
    exchange.closed = [make_report(OrderStatus.CANCELLED, client_order_id=name)]

    poll_broker(broker_id=orders[0].broker_id, now=now)

    assert exchange.asked == ["BTC/USDT"]
    assert list(Order.objects.order_by("pk").values_list("status", "absences")) == [
        ("unknown", 1),
        ("unknown", 1),
        ("cancelled", 0),
    ]


def test_where_history_is_of_all_many_orders_are_looked_for_in_it_at_once(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    deadline = now - timedelta(minutes=1)
    orders = [make_order(status="unknown", purpose="exit", send_deadline=deadline) for _ in "1234"]
    Broker.objects.update(exchange="kraken")
    watch(orders[0].broker)
    exchange.closed = [
        make_report(
            OrderStatus.CANCELLED,
            client_order_id=order.client_order_id,
            exchange_order_id=str(order.pk),
        )
        for order in orders
    ]

    poll_broker(broker_id=orders[0].broker_id, now=now)

    assert exchange.fetched == 0
    assert set(Order.objects.values_list("status", flat=True)) == {"cancelled"}


def test_absence_waits_for_the_clock_of_the_exchange(
    lost: Order, exchange: FakeExchange, now: datetime
) -> None:
    Broker.objects.update(environment="live")
    watch(lost.broker)
    exchange.on_fetch = failing(errors.OrderNotFound("no such order"))
    exchange.clock = now - timedelta(minutes=1)

    poll_broker(broker_id=lost.broker_id, now=now)

    assert Order.objects.get().absences == 0


def test_orders_and_balances_are_enough_for_entries_and_history_follows(
    broker: Broker, exchange: FakeExchange, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    forget_reconciliations()
    exchange.balances = [ports.Balance(asset="USDT", free=Decimal(5), locked=Decimal(0))]

    poll_broker(broker_id=broker.pk, now=now)

    row = BrokerWatch.objects.get()
    assert (row.polled_at, row.reconciled_at, row.swept_at) == (now, now, None)
    assert broker.balances.get().free == 5

    poll_brokers(now=now)

    assert sent == [(TaskName.SWEEP_BROKER, broker.pk)]


def test_a_full_sweep_goes_to_who_waits_longest(
    broker: Broker, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    other = Broker.objects.create(
        owner=broker.owner, name="Other", exchange="binance", environment="simulated"
    )
    for row, minutes in ((broker, 5), (other, 6)):
        watch(
            row,
            swept_at=now - timedelta(minutes=minutes),
            next_sweep_at=now,
            next_poll_at=now + timedelta(minutes=1),
        )

    for second in range(3):
        poll_brokers(now=now + timedelta(seconds=second))

    assert sent == [(TaskName.SWEEP_BROKER, other.pk), (TaskName.SWEEP_BROKER, broker.pk)]


def test_a_sweep_that_has_ended_comes_again_in_its_turn(
    broker: Broker, exchange: FakeExchange, now: datetime
) -> None:
    watch(broker, swept_at=None)

    sweep_broker(broker_id=broker.pk, now=now)

    row = BrokerWatch.objects.get()
    assert row.swept_at == now
    assert row.next_sweep_at
    assert timedelta(0) < row.next_sweep_at - now <= timedelta(minutes=5)


def test_a_difference_is_looked_at_again_after_a_minute(
    broker: Broker, exchange: FakeExchange, now: datetime
) -> None:
    watch(broker)
    exchange.balances = [ports.Balance(asset="BTC", free=Decimal(1), locked=Decimal(0))]

    sweep_broker(broker_id=broker.pk, now=now)

    assert BrokerWatch.objects.get().next_sweep_at == now + timedelta(minutes=1)


def test_a_sweep_that_a_limit_stops_goes_on_when_the_limit_says(
    broker: Broker, exchange: FakeExchange, now: datetime
) -> None:
    watch(broker)
    error = errors.RateLimited("wait")
    error.retry_after = 7.0
    exchange.get_balance = failing(error)  # type: ignore[assignment]

    sweep_broker(broker_id=broker.pk, now=now)

    assert BrokerWatch.objects.get().next_sweep_at == now + timedelta(seconds=7)
    assert not Alert.objects.exists()


def test_a_sweep_leaves_the_most_of_a_limit_to_polls(
    broker: Broker, exchange: FakeExchange, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = []

    def connect(_broker: Broker, *, share: float) -> FakeExchange:
        shares.append(share)
        return exchange

    monkeypatch.setattr("apps.trading.monitor.connect", connect)

    sweep_broker(broker_id=broker.pk, now=now)

    assert shares == [0.2]


def test_a_history_that_is_refused_is_told(
    broker: Broker, exchange: FakeExchange, now: datetime
) -> None:
    watch(broker)
    exchange.get_balance = failing(errors.PermissionDenied("not for this key"))  # type: ignore[assignment]

    sweep_broker(broker_id=broker.pk, now=now)

    assert Alert.objects.get().key == f"sweep-failing-{broker.pk}"


def test_a_start_of_the_installation_forgets_that_all_was_reconciled(broker: Broker) -> None:
    watch(broker)

    forget_reconciliations()

    assert BrokerWatch.objects.get().reconciled_at is None


@pytest.mark.parametrize(("polled_ago", "is_reconciled"), [(59, True), (60, False), (None, False)])
def test_a_start_of_the_monitor_alone_sweeps_first_what_it_has_not_looked_at_for_a_minute(
    broker: Broker, polled_ago: int | None, is_reconciled: bool
) -> None:
    polled_at = None if polled_ago is None else NOW - timedelta(seconds=polled_ago)
    watch(broker, polled_at=polled_at, next_poll_at=NOW + timedelta(seconds=9))

    resume_watching(now=NOW)

    row = BrokerWatch.objects.get()
    assert (row.reconciled_at is not None, row.next_poll_at) == (is_reconciled, None)


def test_a_stream_that_was_alive_lately_has_looked_as_well_as_a_poll(broker: Broker) -> None:
    watch(
        broker,
        polled_at=NOW - timedelta(seconds=70),
        stream_alive_at=NOW - timedelta(seconds=10),
    )

    resume_watching(now=NOW)

    assert BrokerWatch.objects.get().reconciled_at


def test_brokers_are_polled_when_their_turn_comes(
    broker: Broker, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    watch(broker)
    # At once, and then at its own second of each ten.
    for second in range(11):
        poll_brokers(now=now + timedelta(seconds=second))

    assert sent == [(TaskName.POLL_BROKER, broker.pk)] * 2


def test_an_outage_is_asked_less_often_and_told(
    broker: Broker, exchange: FakeExchange, now: datetime
) -> None:
    watch(broker, reconciled_at=None)
    exchange.get_balance = failing(errors.ExchangeUnavailable("down"))  # type: ignore[assignment]
    waits = []
    for seconds in (0, 30, 90):
        poll_broker(broker_id=broker.pk, now=now + timedelta(seconds=seconds))
        row = BrokerWatch.objects.get()
        assert row.next_poll_at
        waits.append((row.next_poll_at - now).total_seconds() - seconds)

    assert waits == [10, 30, 60]
    assert row.failing_since == now
    assert Alert.objects.get().key == f"broker-failing-{broker.pk}"


def test_an_outage_that_is_over_is_put_away(
    broker: Broker, exchange: FakeExchange, now: datetime
) -> None:
    watch(broker, failing_since=now, error="down")
    key = f"broker-failing-{broker.pk}"
    raise_alert(
        owner_id=broker.owner_id,
        key=key,
        level=Alert.Level.CRITICAL,
        message="down",
        advice="",
        now=now,
    )

    poll_broker(broker_id=broker.pk, now=now)

    assert BrokerWatch.objects.get().failing_since is None
    assert Alert.objects.get().resolved_at == now


def test_a_used_up_budget_is_no_outage(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    order = make_order(status="open", exchange_order_id="7")
    watch(order.broker)
    exchange.on_fetch = failing(errors.RateLimited("wait"))

    poll_broker(broker_id=order.broker_id, now=now)

    row = BrokerWatch.objects.get()
    assert (row.failing_since, row.error) == (None, "wait")


def test_refused_keys_are_told_at_once(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    order = make_order(status="open", exchange_order_id="7")
    watch(order.broker)

    def refuse(_symbol: str | None = None) -> list[ports.OrderReport]:
        raise errors.InvalidCredentials("no such key")

    exchange.fetch_open_orders = refuse  # type: ignore[method-assign]

    poll_broker(broker_id=order.broker_id, now=now)

    assert Alert.objects.get().level == "critical"


def test_a_cancel_that_may_not_have_been_heard_is_asked_for_again(
    make_order: MakeOrder, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    order = make_order(status="open", cancel_requested_at=now, cancel_sent_at=now)

    for second in (5, 10):
        sweep_orders(now=now + timedelta(seconds=second))

    assert sent == [(TaskName.CANCEL_ORDER, order.pk)]


def test_what_reduces_never_gets_too_old(
    make_order: MakeOrder, now: datetime, sent: list[tuple[TaskName, int]]
) -> None:
    order = make_order(purpose="exit", valid_until=now)
    Order.objects.update(created_at=now - timedelta(minutes=1))

    sweep_orders(now=now)

    assert sent == [(TaskName.SUBMIT_ORDER, order.pk)]


def test_those_that_waited_longest_are_asked_for_first(
    make_order: MakeOrder, exchange: FakeExchange, now: datetime
) -> None:
    times = [now - timedelta(minutes=minutes) for minutes in (1, 3, 2)]
    orders = [
        make_order(status="open", purpose="exit", looked_up_at=at, exchange_order_id=str(n))
        for n, at in enumerate(times)
    ]
    watch(orders[0].broker)
    asked = []
    by_name = exchange.fetch_order

    def note(ref: ports.OrderRef) -> ports.OrderReport:
        asked.append(ref.exchange_order_id)
        return by_name(ref)

    exchange.fetch_order = note  # type: ignore[method-assign]
    exchange.on_fetch = failing(errors.OrderNotFound("gone"))

    poll_broker(broker_id=orders[0].broker_id, now=now)

    assert asked == ["1", "2", "0"]


@pytest.mark.parametrize(
    ("watch", "status", "polled"),
    [
        ({}, "open", False),
        ({"stream_alive_at": 15}, "open", True),
        ({"stream_alive_at": None}, "open", True),
        ({"polled_at": 60}, "open", True),
        ({"reconciled_at": None}, "open", True),
        ({"next_poll_at": None}, "open", True),
        ({}, "unknown", True),
    ],
)
def test_a_whole_stream_makes_polls_rarer(
    make_order: MakeOrder,
    now: datetime,
    sent: list[tuple[TaskName, int]],
    watch: dict[str, int | None],
    status: str,
    *,
    polled: bool,
) -> None:
    order = make_order(status=status)
    ages = {
        "stream_alive_at": 14,
        "polled_at": 59,
        "next_poll_at": 1,
        "reconciled_at": 300,
        "next_sweep_at": -60,
        **watch,
    }
    BrokerWatch.objects.update(
        **{
            name: None if age is None else now - timedelta(seconds=age)
            for name, age in ages.items()
        }
    )

    poll_brokers(now=now)

    assert sent == [(TaskName.POLL_BROKER, order.broker_id)] * polled
