from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier

import pytest

from apps.brokers.models import Broker
from apps.domain.orders import OrderSide, OrderStatus
from apps.exchanges import errors
from apps.exchanges.ports import OrderReport
from apps.trading.claims import claim
from apps.trading.events import record_event
from apps.trading.models import Book, Fill, Lot, Order, OrderEvent, Position, new_client_order_id
from apps.trading.path import apply_report, record_absence, submit_order
from apps.trading.tests.fakes import FakeExchange, failing, make_fill, make_report

MakeOrder = Callable[..., Order]


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.trading.path.enqueue_on_commit", lambda *_args, **_kwargs: None)


@pytest.fixture
def other_book(book: Book) -> Book:
    """A second one at the same broker."""
    return Book.objects.create(owner=book.owner, broker=book.broker, kind="activation", label="B")


def test_a_filled_order_becomes_a_position(make_order: MakeOrder, exchange: FakeExchange) -> None:
    order = make_order(stop_loss=Decimal("0.02"), take_profit=Decimal("0.04"))
    fill = make_fill("1", fee=Decimal("0.001"))
    exchange.on_place = lambda: make_report(OrderStatus.FILLED, fill)

    submit_order(order_id=order.pk)

    order.refresh_from_db()
    position = Position.objects.get()
    assert (order.status, order.is_settled, order.average_price) == ("filled", True, 100)
    assert (position.quantity, position.cost, order.position) == (Decimal("0.999"), 100, position)
    assert (position.stop_loss_price, position.take_profit_price) == (98, Decimal("104.01"))
    assert [event.status for event in order.events.all()] == ["submitted", "filled"]


def test_a_second_delivery_sends_nothing(make_order: MakeOrder, exchange: FakeExchange) -> None:
    order = make_order()

    submit_order(order_id=order.pk)
    submit_order(order_id=order.pk)

    assert len(exchange.placed) == 1
    assert exchange.placed[0].client_order_id == order.client_order_id


def test_what_else_waits_is_sent_before_an_answer_is_written_down(
    make_order: MakeOrder, other_book: Book, exchange: FakeExchange
) -> None:
    first, second = make_order(), make_order(book=other_book)
    statuses: list[str] = []

    def answer() -> OrderReport:
        statuses.append(Order.objects.get(pk=first.pk).status)
        return make_report(OrderStatus.OPEN, exchange_order_id=str(len(statuses)))

    exchange.on_place = answer

    submit_order(order_id=first.pk)

    assert statuses == ["submitted", "submitted"]
    assert [order.status for order in Order.objects.order_by("pk")] == ["open", "open"]
    assert list(second.events.values_list("status", flat=True)) == ["submitted", "open"]


def test_the_others_travel_side_by_side(
    make_order: MakeOrder, other_book: Book, exchange: FakeExchange
) -> None:
    first = make_order()
    make_order(book=other_book)
    make_order(book=other_book, purpose="exit", side="sell", quantity=Decimal(1), quote_amount=None)
    both_have_left = Barrier(2, timeout=5)

    def answer() -> OrderReport:
        if len(exchange.placed) > 1:
            both_have_left.wait()
        return make_report(OrderStatus.OPEN, exchange_order_id=new_client_order_id())

    exchange.on_place = answer

    submit_order(order_id=first.pk)

    assert len(exchange.placed) == 3
    assert not both_have_left.broken


def test_too_old_is_not_sent(make_order: MakeOrder, exchange: FakeExchange, now: datetime) -> None:
    order = make_order(valid_until=now - timedelta(days=1000))

    submit_order(order_id=order.pk)

    assert exchange.placed == []


def test_a_broker_switched_off_meanwhile_is_not_sent_to(
    make_order: MakeOrder, exchange: FakeExchange
) -> None:
    order = make_order()
    Broker.objects.update(is_active=False)

    submit_order(order_id=order.pk)

    assert exchange.placed == []


def test_the_claim_sets_the_deadline_by_the_database_clock(make_order: MakeOrder) -> None:
    order = claim(order_id=make_order().pk)

    assert order
    assert order.submitted_at
    assert order.send_deadline == order.submitted_at + timedelta(seconds=5)


@pytest.mark.parametrize(
    "error",
    [
        errors.InsufficientFunds("no money"),
        errors.ExchangeUnavailable("refused"),
        errors.RateLimited("wait"),
    ],
)
def test_a_definite_no_is_rejected(
    make_order: MakeOrder, exchange: FakeExchange, error: errors.ExchangeError
) -> None:
    order = make_order()
    exchange.on_place = failing(error)

    submit_order(order_id=order.pk)

    order.refresh_from_db()
    assert (order.status, order.is_settled) == ("rejected", True)
    assert order.events.last().message == error.message


def test_an_order_that_makes_no_sense_is_rejected_unsent(
    make_order: MakeOrder, exchange: FakeExchange
) -> None:
    order = make_order(order_type="limit", price=Decimal(100))

    submit_order(order_id=order.pk)

    order.refresh_from_db()
    assert (order.status, order.is_settled, exchange.placed) == ("rejected", True, [])
    assert "sized by quantity" in order.events.last().message


def test_no_answer_is_unknown_and_never_sent_again(
    make_order: MakeOrder, exchange: FakeExchange
) -> None:
    order = make_order()
    exchange.on_place = failing(errors.OutcomeUnknown("time-out"))

    submit_order(order_id=order.pk)
    submit_order(order_id=order.pk)

    order.refresh_from_db()
    assert (order.status, order.is_settled, len(exchange.placed)) == ("unknown", False, 1)


def test_a_report_twice_changes_nothing(make_order: MakeOrder, now: datetime) -> None:
    order = make_order(status="submitted")
    report = make_report(OrderStatus.FILLED, make_fill("1"))

    for _ in range(2):
        apply_report(order_id=order.pk, report=report, now=now)

    assert Fill.objects.count() == 1
    assert Position.objects.get().quantity == 1
    assert OrderEvent.objects.count() == 1


@pytest.mark.parametrize("other", [{"symbol": "ETH/USDT"}, {"client_order_id": "f" * 32}])
def test_a_report_of_another_order_changes_nothing(
    make_order: MakeOrder, now: datetime, other: dict[str, str]
) -> None:
    order = make_order(status="submitted")
    report = make_report(OrderStatus.FILLED, make_fill("1"), **other)

    apply_report(order_id=order.pk, report=report, now=now)

    order.refresh_from_db()
    assert (order.status, order.fills.count(), order.events.count()) == ("submitted", 0, 1)


def test_a_report_that_names_our_order_counts(make_order: MakeOrder, now: datetime) -> None:
    order = make_order(status="submitted")
    report = make_report(OrderStatus.OPEN, client_order_id=order.client_order_id)

    apply_report(order_id=order.pk, report=report, now=now)

    assert Order.objects.get().status == "open"


def test_an_event_is_kept_without_what_no_column_holds(
    make_order: MakeOrder, now: datetime
) -> None:
    raw = {"m\0sg": ["N\0o", {"code": 1}]}

    event = record_event(make_order(), at=now, message="N\0o", raw=raw)

    event.refresh_from_db()
    assert (event.message, event.raw) == ("No", {"msg": ["No", {"code": 1}]})


def test_an_older_report_does_not_take_back_a_fill(make_order: MakeOrder, now: datetime) -> None:
    order = make_order(status="submitted")
    apply_report(order_id=order.pk, report=make_report(OrderStatus.FILLED, make_fill("1")), now=now)

    apply_report(order_id=order.pk, report=make_report(OrderStatus.OPEN), now=now)

    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == ("filled", 1)


def test_terminal_without_all_its_fills_is_not_settled(
    make_order: MakeOrder, now: datetime
) -> None:
    order = make_order(status="submitted")
    late = make_report(OrderStatus.FILLED, filled_quantity=Decimal(1), filled_quote=Decimal(100))

    apply_report(order_id=order.pk, report=late, now=now)
    assert not Order.objects.get().is_settled

    apply_report(order_id=order.pk, report=make_report(OrderStatus.FILLED, make_fill("1")), now=now)
    assert Order.objects.get().is_settled


def test_a_trace_of_an_order_that_never_arrived_brings_it_back(
    make_order: MakeOrder, now: datetime
) -> None:
    order = make_order(status="rejected", is_settled=True, terminal_at=now)

    apply_report(order_id=order.pk, report=make_report(OrderStatus.FILLED, make_fill("1")), now=now)

    assert Order.objects.get().status == "filled"


def test_selling_closes_the_position_and_leaves_dust(
    make_order: MakeOrder, position: Position, now: datetime
) -> None:
    order = make_order(
        side="sell",
        purpose="exit",
        quantity=1,
        quote_amount=None,
        position=position,
        status="submitted",
    )
    fill = make_fill("0.99", "110", side=OrderSide.SELL, fee=Decimal("0.1089"), fee_asset="USDT")

    apply_report(order_id=order.pk, report=make_report(OrderStatus.EXPIRED, fill), now=now)

    position.refresh_from_db()
    assert position.closed_at == fill.executed_at
    assert position.quantity == 0
    assert position.realized_pnl == Decimal("9.7911")
    dust = Lot.objects.get(origin="dust")
    assert (dust.remaining, dust.cost, dust.book.kind) == (Decimal("0.01"), 1, "unassigned")


def test_absences_are_counted(make_order: MakeOrder, now: datetime) -> None:
    order = make_order(status="unknown")

    assert [record_absence(order_id=order.pk, now=now) for _ in range(2)] == [1, 2]
