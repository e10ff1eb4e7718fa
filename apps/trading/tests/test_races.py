"""Two workers at the same moment, on a real PostgreSQL."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connection

from apps.domain.orders import OrderSide
from apps.exchanges import errors
from apps.markets.models import Symbol
from apps.trading.claims import claim
from apps.trading.edits import NotChangeable, request_edit
from apps.trading.gate import Signal, place
from apps.trading.models import Book, Fill, Order, OrderEvent, Position
from apps.trading.monitor import poll_broker, sweep_orders
from apps.trading.path import (
    apply_report,
    cancel_order,
    request_cancel,
    submit_order,
)
from apps.trading.protection import guard_position
from apps.trading.tests.fakes import FakeExchange, OrderStatus, failing, make_fill, make_report

T = TypeVar("T")
FAR = datetime(2100, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gate", "path"):
        monkeypatch.setattr(f"apps.trading.{module}.enqueue_on_commit", lambda *_a, **_k: None)
    monkeypatch.setattr("apps.trading.monitor.send", lambda *_a, **_k: None)


def at_once(count: int, act: Callable[[int], T]) -> list[T]:
    """What `count` threads get that start together, each with a connection of its own."""
    barrier = Barrier(count)

    def run(number: int) -> T:
        try:
            barrier.wait()
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_one_of_many_workers_wins_the_claim(make_order: Callable[..., Order]) -> None:
    order = make_order()

    claims = at_once(8, lambda _number: claim(order_id=order.pk))

    assert len([claimed for claimed in claims if claimed]) == 1
    assert OrderEvent.objects.count() == 1


def test_many_deliveries_send_once(
    make_order: Callable[..., Order], exchange: FakeExchange
) -> None:
    order = make_order()

    at_once(8, lambda _number: submit_order(order_id=order.pk))

    assert len(exchange.placed) == 1


def test_many_signals_become_one_entry_in_flight(
    book: Book, symbol: Symbol, make_signal: Callable[..., Signal], now: datetime
) -> None:
    orders = at_once(
        8,
        lambda number: place(
            book=book, symbol=symbol, signal=make_signal(key=f"signal-{number}"), now=now
        ),
    )

    assert sorted(order.status for order in orders) == ["created"] + ["denied"] * 7
    assert {order.denial_code for order in orders} == {"", "in_flight"}


def test_books_of_one_broker_never_spend_the_same_money(
    book: Book, symbol: Symbol, make_signal: Callable[..., Signal], now: datetime
) -> None:
    books = [
        Book.objects.create(owner=book.owner, broker=book.broker, kind="activation", label=str(n))
        for n in range(6)
    ]

    orders = at_once(
        6,
        lambda number: place(
            book=books[number],
            symbol=symbol,
            signal=make_signal(key=f"book-{number}", amount="300"),
            now=now,
        ),
    )

    spent = sum(order.quote_amount for order in orders if order.status == "created")
    assert 990 < spent <= 1000


def test_the_monitor_and_the_sender_book_a_fill_once(
    make_order: Callable[..., Order], now: datetime
) -> None:
    order = make_order(status="submitted")
    report = make_report(OrderStatus.FILLED, make_fill("1"))

    at_once(6, lambda _number: apply_report(order_id=order.pk, report=report, now=now))

    order.refresh_from_db()
    assert (order.fills.count(), order.position.quantity, order.is_settled) == (1, 1, True)
    assert order.events.count() == 1


def test_a_cancel_and_a_sender_never_both_win(
    make_order: Callable[..., Order], exchange: FakeExchange, now: datetime
) -> None:
    for attempt in range(5):
        order = make_order()
        exchange.on_place = partial(make_report, OrderStatus.OPEN, exchange_order_id=str(attempt))
        sent_before = len(exchange.placed)

        def act(number: int, order_id: int = order.pk) -> None:
            if number % 2:
                submit_order(order_id=order_id)
            else:
                request_cancel(order_id=order_id, now=now, reason="A test.")

        at_once(4, act)

        order.refresh_from_db()
        was_sent = len(exchange.placed) - sent_before == 1
        assert (order.status, order.cancel_requested_at) in {("open", now), ("cancelled", None)}
        assert was_sent is (order.status == "open")
        Order.objects.update(status="cancelled", is_settled=True)


def test_the_gate_and_a_cancel_never_leave_two_entries(
    book: Book,
    symbol: Symbol,
    make_signal: Callable[..., Signal],
    make_order: Callable[..., Order],
    now: datetime,
) -> None:
    first = make_order()

    def act(number: int) -> None:
        if number % 2:
            place(book=book, symbol=symbol, signal=make_signal(key=f"signal-{number}"), now=now)
        else:
            request_cancel(order_id=first.pk, now=now, reason="A test.")

    at_once(8, act)

    first.refresh_from_db()
    assert first.status == "cancelled"
    assert Order.objects.filter(status="created").count() <= 1
    assert set(Order.objects.values_list("denial_code", flat=True)) <= {"", "in_flight"}


def test_the_monitor_concludes_nothing_about_an_order_that_is_being_sent(
    make_order: Callable[..., Order], exchange: FakeExchange, now: datetime
) -> None:
    order = make_order()
    exchange.on_fetch = failing(errors.OrderNotFound("not yet"))

    def act(number: int) -> None:
        if number < 2:
            submit_order(order_id=order.pk)
        elif number < 4:
            sweep_orders(now=now)
        else:
            poll_broker(broker_id=order.broker_id, now=now)

    at_once(6, act)

    order.refresh_from_db()
    assert order.status == "open"
    assert len(exchange.placed) == 1


def test_a_fill_that_overtakes_a_cancel_is_booked_once(
    make_order: Callable[..., Order], exchange: FakeExchange, now: datetime
) -> None:
    order = make_order(
        status="open", order_type="limit", quantity=1, price=100, cancel_requested_at=now
    )
    filled = make_report(OrderStatus.FILLED, make_fill("1"))
    exchange.on_cancel = failing(errors.OutcomeUnknown("no such order is open"))
    exchange.on_fetch, exchange.fills = lambda: filled, list(filled.fills)

    def act(number: int) -> None:
        if number % 2:
            apply_report(order_id=order.pk, report=filled, now=now)
        else:
            cancel_order(order_id=order.pk, now=now)

    at_once(6, act)

    order.refresh_from_db()
    assert (order.status, order.is_settled, order.fills.count()) == ("filled", True, 1)
    assert len(exchange.cancelled) <= 1
    assert order.position.quantity == 1


def test_an_edit_orders_no_more_than_the_old_order_left_over(
    make_order: Callable[..., Order], exchange: FakeExchange, now: datetime
) -> None:
    order = make_order(status="open", order_type="limit", quantity=2, price=100)
    ended = make_report(OrderStatus.CANCELLED, make_fill("1"), quantity=2)

    def act(number: int) -> Order | None:
        if number:
            apply_report(order_id=order.pk, report=ended, now=now)
            return None
        try:
            return request_edit(order=order, quantity=3, price=None, trigger_price=None, now=now)
        except NotChangeable:
            return None

    replacement = at_once(4, act)[0]

    if replacement is not None and replacement.status != "denied":
        Order.objects.filter(pk=replacement.pk).update(valid_until=FAR)
        submit_order(order_id=replacement.pk)
        assert [request.quantity for request in exchange.placed] == [2]
    assert Order.objects.get(pk=order.pk).fills.count() == 1


def test_many_guards_place_one_stop(position: Position, now: datetime) -> None:
    Position.objects.update(stop_loss_price=98)

    at_once(6, lambda _number: guard_position(position_id=position.pk, now=now))

    assert Order.objects.count() == 1


def test_guards_fills_and_exits_never_block_each_other(
    position: Position,
    book: Book,
    symbol: Symbol,
    make_order: Callable[..., Order],
    make_signal: Callable[..., Signal],
    now: datetime,
) -> None:
    Position.objects.update(stop_loss_price=98)
    stop = make_order(
        position=position, purpose="stop_loss", side="sell", order_type="stop_loss", quantity=1,
        quote_amount=None, trigger_price=98, status="open", source="protection",
    )  # fmt: skip
    fill = make_fill("0.4", "98", side=OrderSide.SELL)
    report = make_report(
        OrderStatus.PARTIALLY_FILLED, fill, quantity=Decimal(1), side=OrderSide.SELL
    )
    signal = make_signal(side=OrderSide.SELL)

    def act(number: int) -> object:
        match number % 3:
            case 0:
                return guard_position(position_id=position.pk, now=now)
            case 1:
                return apply_report(order_id=stop.pk, report=report, now=now)
            case _:
                return place(book=book, symbol=symbol, signal=signal, now=now)

    at_once(9, act)

    stop.refresh_from_db()
    assert (stop.filled_quantity, Fill.objects.count()) == (Decimal("0.4"), 1)
    assert Order.objects.filter(purpose="exit").get().replaces == stop
