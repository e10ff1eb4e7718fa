"""Any sequence of what can happen to an order, with a death of the process between any two steps."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle, pairwise
from types import SimpleNamespace

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.core.tasks import TaskName
from apps.domain.orders import LIVE_STATUSES, NEXT_STATUSES, OrderSide, OrderStatus
from apps.exchanges import ports
from apps.markets.models import Symbol
from apps.trading import edits, monitor, path
from apps.trading.amendments import RESTING
from apps.trading.claims import SEND_WINDOW, claim
from apps.trading.models import Book, Fill, Order, OrderEvent, Position, new_client_order_id
from apps.trading.tests.model_exchange import Crash, Fate, ModelExchange

BOOKS = 4
FAR = datetime(2100, 1, 1, tzinfo=UTC)
#: More than the longest look-ups need to believe in an absence.
ROUNDS = 12
#: Shorter than the window in which an absence is not believed yet.
HIDDEN = timedelta(seconds=20)
GAPS = st.sampled_from([timedelta(0), timedelta(seconds=8), HIDDEN])
WAITS = st.sampled_from([timedelta(seconds=1), timedelta(seconds=6), timedelta(seconds=11)])
MEANWHILE = st.sampled_from(["", "", "", "poll", "sweep", "cancel", "wait", "another delivery"])


@dataclass
class Stage:
    """What the machine plays with; `dies_in_report` lets the process die while it writes a report down."""

    books: list[Book]
    symbol: Symbol
    exchange: ModelExchange = field(default_factory=ModelExchange)
    messages: list[tuple[TaskName, dict[str, int]]] = field(default_factory=list)
    dies_in_report: bool = False

    def restart(self) -> None:
        """As it was before the first step."""
        self.exchange, self.messages, self.dies_in_report = ModelExchange(), [], False


class OrdersOfOneBroker(RuleBasedStateMachine):
    """Signals, deliveries, polls and sweeps in any sequence, on rows in PostgreSQL."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        stage.restart()
        self.told: list[tuple[int, ports.OrderReport]] = []
        self.known_to_be_filled: dict[int, Decimal] = {}
        self._rows = transaction.atomic()
        self._rows.__enter__()

    @property
    def exchange(self) -> ModelExchange:
        return self.stage.exchange

    # Wishes.

    # A fate drawn for each order alone would be the same one most of the time.
    @initialize(fates=st.permutations(list(Fate)), limits=st.permutations([False, True] * 2))
    def wish_to_buy(self, fates: list[Fate], limits: list[bool]) -> None:
        self.fates = cycle(fates)
        for book, is_limit in enumerate(limits):
            self.wish_to_trade(book, is_limit)
        # One rests from the start: what can be done with it would seldom be tried otherwise.
        self._run(self.stage.messages.pop(limits.index(True)))

    @rule(book=st.integers(0, BOOKS - 1), is_limit=st.booleans())
    def wish_to_trade(self, book: int, is_limit: bool) -> None:
        """Buys when the book holds nothing, sells when it does; never two at once, as at the gate."""
        row = self.stage.books[book]
        if Order.objects.filter(book=row, is_settled=False).exists():
            return
        position = Position.objects.filter(book=row, closed_at=None).first()
        is_exit = position is not None
        by_amount = not is_exit and not is_limit
        order = Order.objects.create(
            owner=row.owner,
            book=row,
            broker=row.broker,
            symbol=self.stage.symbol,
            position=position,
            dedup_key=new_client_order_id(),
            source="strategy",
            purpose="exit" if is_exit else "entry",
            side="sell" if is_exit else "buy",
            order_type="limit" if is_limit else "market",
            quantity=None if by_amount else (position.quantity if position else Decimal(1)),
            quote_amount=Decimal(100) if by_amount else None,
            price=Decimal(100) if is_limit else None,
            reference_price=Decimal(100),
            status="created",
            valid_until=FAR,
        )
        Order.objects.filter(pk=order.pk).update(created_at=self.exchange.now)
        OrderEvent.objects.create(order=order, at=self.exchange.now, status="created", message="")
        self.stage.messages.append((TaskName.SUBMIT_ORDER, {"order_id": order.pk}))

    @rule(data=st.data())
    def wish_to_cancel(self, data: st.DataObject) -> None:
        if order := self._pick_order(data):
            path.request_cancel(order_id=order.pk, now=self.exchange.now, reason="A test.")

    @rule(data=st.data(), quantity=st.sampled_from([Decimal("0.5"), Decimal(2)]))
    def wish_to_edit(self, data: st.DataObject, quantity: Decimal) -> None:
        resting = Order.objects.filter(status__in=RESTING, order_type="limit").order_by("pk")
        if not resting:
            return
        order = data.draw(st.sampled_from(list(resting)))
        try:
            replacement = edits.request_edit(
                order=order,
                quantity=quantity,
                price=None,
                trigger_price=None,
                now=self.exchange.now,
            )
        except edits.NotChangeable:
            return
        Order.objects.filter(pk=replacement.pk).update(
            created_at=self.exchange.now, valid_until=FAR
        )

    # Workers.

    @precondition(lambda self: self.stage.messages)
    @rule(
        data=st.data(),
        hidden=GAPS,
        before=MEANWHILE,
        after=MEANWHILE,
        is_redelivered=st.booleans(),
        dies_in_report=st.booleans(),
    )
    def a_worker_takes_a_message(
        self,
        data: st.DataObject,
        hidden: timedelta,
        before: str,
        after: str,
        is_redelivered: bool,
        dies_in_report: bool,
    ) -> None:
        messages = self.stage.messages
        message = messages.pop(data.draw(st.integers(0, len(messages) - 1)))
        if is_redelivered:
            messages.append(message)
        self.exchange.fate, self.exchange.hidden_for = next(self.fates), hidden
        self.exchange.before_arrival = lambda: self._do(before, message)
        self.exchange.before_answer = lambda: self._do(after, message)
        with self._dying(in_report=dies_in_report):
            self._run(message)
        self._calm_down()

    @precondition(lambda self: self.stage.messages)
    @rule()
    def valkey_loses_everything(self) -> None:
        self.stage.messages.clear()

    @rule(is_reachable=st.booleans(), dies_in_report=st.booleans())
    def the_monitor_polls(self, is_reachable: bool, dies_in_report: bool) -> None:
        self.exchange.is_reachable = is_reachable
        with self._dying(in_report=dies_in_report):
            self._poll()
        self.exchange.is_reachable = True

    @rule()
    def the_monitor_sweeps(self) -> None:
        monitor.sweep_orders(now=self.exchange.now)

    @rule(wait=WAITS)
    def time_passes(self, wait: timedelta) -> None:
        self.exchange.now += wait

    # The exchange.

    @precondition(lambda self: self.exchange.travelling)
    @rule()
    def a_request_arrives_late(self) -> None:
        self.exchange.travelling.pop()()

    @precondition(lambda self: self.exchange.resting())
    @rule(data=st.data(), share=st.sampled_from([Decimal("0.25"), Decimal(1)]), told_after=GAPS)
    def an_order_fills(self, data: st.DataObject, share: Decimal, told_after: timedelta) -> None:
        placed = data.draw(st.sampled_from(self.exchange.resting()))
        quantity = (placed.quantity - placed.filled) * share
        self.exchange.fill(placed, quantity, told_after=told_after)

    @precondition(lambda self: self.exchange.resting())
    @rule(data=st.data())
    def the_exchange_cancels(self, data: st.DataObject) -> None:
        placed = data.draw(st.sampled_from(self.exchange.resting()))
        placed.status = OrderStatus.CANCELLED

    @precondition(lambda self: self.exchange.book)
    @rule(data=st.data())
    def the_exchange_tells(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.exchange.book, key=self._age)))
        self.told.append((self._age(name), self.exchange.report_of(name)))

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def a_report_comes_late_or_again(self, data: st.DataObject) -> None:
        order_id, report = data.draw(st.sampled_from(self.told))
        path.apply_report(order_id=order_id, report=report, now=self.exchange.now)

    # What must never be.

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        assert all(times == 1 for times in self.exchange.sent.values())

    def check_that_statuses_move_along_the_table(self) -> None:
        for order in Order.objects.prefetch_related("events"):
            statuses = [OrderStatus(event.status) for event in order.events.all()]
            for before, after in pairwise(statuses):
                assert after == before or after in NEXT_STATUSES[before], statuses
            assert statuses[-1] == order.status

    def check_that_fills_are_booked_once(self) -> None:
        booked = Counter(Fill.objects.values_list("trade_id", flat=True))
        assert all(times == 1 for times in booked.values())
        held = Position.objects.aggregate(held=Sum("quantity"))["held"] or Decimal(0)
        signs = {OrderSide.BUY.value: 1, OrderSide.SELL.value: -1}
        traded = sum(signs[fill.side] * fill.quantity for fill in Fill.objects.all())
        assert held == traded

    @invariant()
    def what_is_filled_stays_filled(self) -> None:
        filled = dict(Order.objects.values_list("pk", "filled_quantity"))
        for order_id, quantity in self.known_to_be_filled.items():
            assert filled[order_id] >= quantity
        self.known_to_be_filled = filled

    def check_that_nothing_says_less_than_was_booked(self) -> None:
        for order in Order.objects.filter(is_settled=True).prefetch_related("fills"):
            filled = sum((fill.quantity for fill in order.fills.all()), Decimal(0))
            assert filled == order.filled_quantity

    def teardown(self) -> None:
        try:
            self._settle()
            self._compare()
            self.check_that_statuses_move_along_the_table()
            self.check_that_fills_are_booked_once()
            self.check_that_nothing_says_less_than_was_booked()
        finally:
            transaction.set_rollback(True)
            self._rows.__exit__(None, None, None)

    # How it works.

    def _settle(self) -> None:
        """What was not sent yet meets its fate too; then nothing goes wrong any more, and after so many
        rounds of the monitor all is known."""
        while self.stage.messages:
            self.exchange.fate, self.exchange.hidden_for = next(self.fates), HIDDEN
            with self._dying(in_report=False):
                self._run(self.stage.messages.pop(0))
        self._calm_down()
        while self.exchange.travelling:
            self.a_request_arrives_late()
        for _ in range(ROUNDS):
            if not (self.exchange.resting() or Order.objects.filter(is_settled=False).exists()):
                return
            for placed in self.exchange.resting():
                self.exchange.fill(placed, placed.quantity - placed.filled)
            self.exchange.now += timedelta(seconds=11)
            monitor.sweep_orders(now=self.exchange.now)
            while self.stage.messages:
                self._run(self.stage.messages.pop(0))
            self._poll()

    def _compare(self) -> None:
        orders = {order.client_order_id: order for order in Order.objects.all()}
        assert self.exchange.book.keys() <= orders.keys()
        for name, order in orders.items():
            placed = self.exchange.book.get(name)
            assert order.is_settled, f"{order} is not settled"
            if placed is None:
                assert order.status in {"rejected", "cancelled", "expired", "denied"}
                assert order.filled_quantity == 0
            else:
                assert (order.status, order.filled_quantity) == (placed.status, placed.filled)
                assert order.quantity in {None, placed.quantity}

    def _run(self, message: tuple[TaskName, dict[str, int]]) -> None:
        task, words = message
        if task is TaskName.SUBMIT_ORDER:
            path.submit_order(**words)
        elif task is TaskName.CANCEL_ORDER:
            path.cancel_order(**words, now=self.exchange.now)

    def _do(self, deed: str, message: tuple[TaskName, dict[str, int]]) -> None:
        """What others do while an order is on its way."""
        if deed == "poll":
            self._poll()
        elif deed == "sweep":
            monitor.sweep_orders(now=self.exchange.now)
        elif deed == "cancel" and "order_id" in message[1]:
            path.request_cancel(now=self.exchange.now, reason="A test.", **message[1])
        elif deed == "wait":
            self.exchange.now += timedelta(seconds=11)
        elif deed == "another delivery":
            self._run(message)

    def _poll(self) -> None:
        monitor.poll_broker(broker_id=self.stage.books[0].broker_id, now=self.exchange.now)

    @contextmanager
    def _dying(self, *, in_report: bool) -> Iterator[None]:
        self.stage.dies_in_report = in_report
        try:
            yield
        except Crash:
            pass
        finally:
            self.stage.dies_in_report = False

    def _calm_down(self) -> None:
        exchange = self.exchange
        exchange.fate, exchange.hidden_for = Fate.ANSWERED, timedelta(0)
        exchange.before_arrival = exchange.before_answer = lambda: None

    def _pick_order(self, data: st.DataObject) -> Order | None:
        # What was not sent yet ends at once: only now and then, or little else would happen.
        left_alone = {OrderStatus.CREATED} if data.draw(st.integers(0, 3)) else set()
        live = Order.objects.filter(status__in=LIVE_STATUSES - left_alone).order_by("pk")
        return data.draw(st.sampled_from(list(live))) if live else None

    def _age(self, client_order_id: str) -> int:
        return Order.objects.values_list("pk", flat=True).get(client_order_id=client_order_id)


@pytest.fixture
def stage(book: Book, symbol: Symbol, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The order path and the monitor, with their exchange, their clock and their messages in our hands."""
    others = [
        Book.objects.create(
            owner=book.owner, broker=book.broker, kind="activation", label=f"Book {number}"
        )
        for number in range(2, BOOKS + 1)
    ]
    stage = Stage(books=[book, *others], symbol=symbol)
    record_fills = path.record_fills

    def claim_by_our_clock(*, order_id: int) -> Order | None:
        order = claim(order_id=order_id)
        if order is not None:
            order.submitted_at = stage.exchange.now
            order.send_deadline = stage.exchange.now + SEND_WINDOW
            order.save(update_fields=["submitted_at", "send_deadline"])
        return order

    def record_or_die(**words: object) -> list[Fill]:
        new = record_fills(**words)
        if stage.dies_in_report:
            raise Crash
        return new

    def keep_message(task: TaskName, **words: int) -> None:
        stage.messages.append((task, words))

    monkeypatch.setattr("apps.trading.path.claim", claim_by_our_clock)
    monkeypatch.setattr("apps.trading.path.record_fills", record_or_die)
    clock = SimpleNamespace(now=lambda: stage.exchange.now)
    monkeypatch.setattr("apps.trading.path.timezone", clock)
    monkeypatch.setattr("apps.trading.monitor.send", keep_message)
    for module in ("trading.path", "trading.gate"):
        monkeypatch.setattr(f"apps.{module}.enqueue_on_commit", keep_message)
    for module in ("trading.path", "trading.monitor", "brokers.services"):
        monkeypatch.setattr(f"apps.{module}.connect", lambda _broker, **_how: stage.exchange)
    return stage


def test_no_order_is_sent_twice_and_none_is_lost_whatever_happens(stage: Stage) -> None:
    run_state_machine_as_test(
        lambda: OrdersOfOneBroker(stage),
        settings=settings(
            max_examples=12,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
