"""The order gate: the one door through which every wish to trade becomes an order, or a denial."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from apps.brokers.models import Automation
from apps.core.enqueue import enqueue_on_commit
from apps.core.tasks import TaskName
from apps.domain.markets import floor_to
from apps.domain.orders import (
    OrderPurpose,
    OrderSide,
    OrderSource,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from apps.domain.risk import DenialCode
from apps.domain.sizing import affordable_amount
from apps.markets.models import Symbol
from apps.trading.events import record_event
from apps.trading.models import Book, Order
from apps.trading.standing import Standing, Unsettled, lock_and_read

#: Share of a trade that the exchange may take; what it really took is read from the fills.
FEE_RATE = Decimal("0.001")
#: Exchanges take amounts of quote currency with eight decimals.
QUOTE_STEP = Decimal("0.00000001")
#: How long an order may wait to be sent.
ORDER_LIFETIME = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to trade: what, why, on which price it was decided, and when it stops being worth it (only
    entries do). The size is a base `quantity`, or a `quote_amount` to spend; an exit without one sells
    everything. With a `position_version` it holds for the position as it was then, and no other; what
    `replaces` an order is not sent before that one is settled."""

    side: OrderSide
    order_type: OrderType
    purpose: OrderPurpose
    source: OrderSource
    dedup_key: str
    reason: str
    reference_price: Decimal
    valid_until: datetime
    quantity: Decimal | None = None
    quote_amount: Decimal | None = None
    price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trigger_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    position_version: int | None = None
    replaces: Order | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """All that the rules look at."""

    signal: Signal
    symbol: Symbol
    standing: Standing
    now: datetime

    @property
    def reduces(self) -> bool:
        return self.signal.purpose.reduces

    @property
    def price(self) -> Decimal:
        """What a unit is expected to trade at."""
        signal = self.signal
        return signal.price or signal.trigger_price or signal.reference_price

    @property
    def others(self) -> list[Unsettled]:
        """What is not settled of the book in the symbol, besides what the signal replaces."""
        replaced = self.signal.replaces
        return [
            order for order in self.standing.unsettled if not replaced or order.id != replaced.pk
        ]

    @property
    def replaces_id(self) -> int | None:
        """What has to be settled before this may be sent: an exit waits for the leg that locks the coins."""
        if self.signal.replaces:
            return self.signal.replaces.pk
        if self.signal.purpose is not OrderPurpose.EXIT:
            return None
        return next((order.id for order in self.others if order.purpose.is_protection), None)


@transaction.atomic(savepoint=False)
def place(*, book: Book, symbol: Symbol, signal: Signal, now: datetime) -> Order:
    """The order that `signal` becomes: created and on its way, or denied with its code and words. The
    same dedup key always gives the same order. No exchange is asked; holds the broker's row lock."""
    standing = lock_and_read(book=book, symbol=symbol, dedup_key=signal.dedup_key)
    if standing.earlier_order_id:
        return Order.objects.get(pk=standing.earlier_order_id)
    case = _Case(signal=signal, symbol=symbol, standing=standing, now=now)
    quantity, quote_amount = _size(case)
    denial = _find_denial(case, quantity=quantity, quote_amount=quote_amount)
    order = Order.objects.create(
        owner_id=book.owner_id,
        book=book,
        broker_id=book.broker_id,
        symbol=symbol,
        position_id=standing.position_id if case.reduces else None,
        dedup_key=signal.dedup_key,
        source=signal.source,
        purpose=signal.purpose,
        side=signal.side,
        order_type=signal.order_type,
        quantity=quantity,
        quote_amount=quote_amount,
        price=signal.price,
        trigger_price=signal.trigger_price,
        time_in_force=signal.time_in_force,
        reference_price=signal.reference_price,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        status=OrderStatus.DENIED if denial else OrderStatus.CREATED,
        denial_code=denial or "",
        reason=signal.reason,
        replaces_id=case.replaces_id,
        valid_until=min(signal.valid_until, now + ORDER_LIFETIME),
        terminal_at=now if denial else None,
        is_settled=denial is not None,
    )
    record_event(order, at=now, message=denial.words if denial else signal.reason)
    if denial is None:
        enqueue_on_commit(TaskName.SUBMIT_ORDER, order_id=order.pk)
        if order.replaces_id and order.position_id:
            # The leg that locks its coins has to go first.
            enqueue_on_commit(TaskName.GUARD_POSITION, position_id=order.position_id)
    return order


def _size(case: _Case) -> tuple[Decimal | None, Decimal | None]:
    """Base quantity and quote amount to ask for. A strategy's amount is cut to what is affordable; an
    exit never sells more than its position holds."""
    signal, market = case.signal, case.symbol.to_market()
    if case.reduces:
        held = case.standing.held
        return market.round_quantity(min(signal.quantity or held, held)), None
    amount = signal.quote_amount
    if amount is None:
        return market.round_quantity(signal.quantity or Decimal(0)), None
    available = case.standing.available
    if available is not None and amount.is_finite():
        amount = affordable_amount(wanted=amount, available=available, fee_rate=FEE_RATE)
    return None, floor_to(amount, QUOTE_STEP) if amount.is_finite() else Decimal(0)


def _find_denial(
    case: _Case, *, quantity: Decimal | None, quote_amount: Decimal | None
) -> DenialCode | None:
    """The first rule that says no."""
    if denial := _find_moment_denial(case):
        return denial
    if case.reduces:
        is_sellable = case.symbol.to_market().is_sellable(quantity or Decimal(0), case.price)
        return None if is_sellable else DenialCode.BELOW_MINIMUM
    # Of exits the exchange itself decides: our list of markets may be wrong or old.
    if not case.symbol.is_trading:
        return DenialCode.MARKET_CLOSED
    return (
        _find_switch_denial(case)
        or _find_balance_denial(case)
        or _find_size_denial(case, quantity=quantity, quote_amount=quote_amount)
    )


def _find_moment_denial(case: _Case) -> DenialCode | None:
    """Whether it is too late, too early, or about something that is not so any more."""
    signal, standing = case.signal, case.standing
    if signal.valid_until <= case.now and not case.reduces:
        return DenialCode.STALE
    if _is_in_flight(case):
        return DenialCode.IN_FLIGHT
    if case.reduces and standing.position_id is None:
        return DenialCode.NO_POSITION
    if signal.position_version not in {None, standing.position_version}:
        return DenialCode.POSITION_CHANGED
    return None


def _is_in_flight(case: _Case) -> bool:
    """Whether something else has to end first. One exit at a time, one leg of a kind and none beside an
    exit; an entry waits for everything but the legs of a position it adds to."""
    purposes = [order.purpose for order in case.others]
    if case.replaces_id in [order.replaces_id for order in case.others if order.replaces_id]:
        return True
    if case.signal.purpose is OrderPurpose.ENTRY:
        has_position = case.standing.position_id is not None
        return any(not (purpose.is_protection and has_position) for purpose in purposes)
    return OrderPurpose.EXIT in purposes or case.signal.purpose in purposes


def _find_switch_denial(case: _Case) -> DenialCode | None:
    if not case.standing.is_active:
        return DenialCode.BROKER_INACTIVE
    needed = {
        OrderSource.STRATEGY: Automation.STRATEGIES,
        OrderSource.WEBHOOK: Automation.WEBHOOKS,
    }.get(case.signal.source)
    if needed and case.standing.automation != needed:
        return DenialCode.AUTOMATION_OFF
    is_automatic = case.signal.source is not OrderSource.MANUAL
    return DenialCode.POSITION_OPEN if case.standing.position_id and is_automatic else None


def _find_balance_denial(case: _Case) -> DenialCode | None:
    if case.standing.available is None:
        return DenialCode.UNKNOWN_BALANCE
    return DenialCode.INSUFFICIENT_BALANCE if case.standing.available <= 0 else None


def _find_size_denial(
    case: _Case, *, quantity: Decimal | None, quote_amount: Decimal | None
) -> DenialCode | None:
    """The entry has to be sellable again after the fee has come off, or it could never be closed."""
    price = case.signal.reference_price
    bought = quantity if quantity is not None else (quote_amount or Decimal(0)) / price
    if bought <= 0:
        return DenialCode.INVALID_SIZE
    if case.standing.available is not None and bought * price > case.standing.available:
        return DenialCode.INSUFFICIENT_BALANCE
    market = case.symbol.to_market()
    worst_price = price * (1 - (case.signal.stop_loss or Decimal(0)))
    if not market.is_sellable(market.round_quantity(bought) * (1 - FEE_RATE), worst_price):
        return DenialCode.BELOW_MINIMUM
    return None
