"""The order gate: the one door through which every wish to trade becomes an order, or a denial."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from apps.brokers.models import Automation
from apps.core.enqueue import enqueue_on_commit
from apps.core.tasks import TaskName
from apps.domain.markets import floor_to
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderStatus, OrderType
from apps.domain.risk import DenialCode
from apps.domain.sizing import affordable_amount
from apps.markets.models import Symbol
from apps.trading.events import record_event
from apps.trading.models import Book, Order
from apps.trading.standing import Standing, lock_and_read

#: Share of a trade that the exchange may take; what it really took is read from the fills.
FEE_RATE = Decimal("0.001")
#: Exchanges take amounts of quote currency with eight decimals.
QUOTE_STEP = Decimal("0.00000001")
#: How long an order may wait to be sent.
ORDER_LIFETIME = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to trade: what, why, on which price it was decided, and when it stops being worth it. The
    size is a base `quantity`, or a `quote_amount` to spend; an exit without one sells everything."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """All that the rules look at."""

    signal: Signal
    symbol: Symbol
    standing: Standing
    now: datetime

    @property
    def is_exit(self) -> bool:
        return self.signal.purpose is OrderPurpose.EXIT


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
        position_id=standing.position_id if case.is_exit else None,
        dedup_key=signal.dedup_key,
        source=signal.source,
        purpose=signal.purpose,
        side=signal.side,
        order_type=signal.order_type,
        quantity=quantity,
        quote_amount=quote_amount,
        price=signal.price,
        reference_price=signal.reference_price,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        status=OrderStatus.DENIED if denial else OrderStatus.CREATED,
        denial_code=denial or "",
        reason=signal.reason,
        valid_until=min(signal.valid_until, now + ORDER_LIFETIME),
        terminal_at=now if denial else None,
        is_settled=denial is not None,
    )
    record_event(order, at=now, message=denial.words if denial else signal.reason)
    if denial is None:
        enqueue_on_commit(TaskName.SUBMIT_ORDER, order_id=order.pk)
    return order


def _size(case: _Case) -> tuple[Decimal | None, Decimal | None]:
    """Base quantity and quote amount to ask for. A strategy's amount is cut to what is affordable; an
    exit never sells more than its position holds."""
    signal, market = case.signal, case.symbol.to_market()
    if case.is_exit:
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
    if case.signal.valid_until <= case.now:
        return DenialCode.STALE
    if case.standing.in_flight:
        return DenialCode.IN_FLIGHT
    size = quantity if quantity is not None else quote_amount
    if case.is_exit:
        return _find_exit_denial(case, size or Decimal(0))
    # Of exits the exchange itself decides: our list of markets may be wrong or old.
    if not case.symbol.is_trading:
        return DenialCode.MARKET_CLOSED
    return (
        _find_switch_denial(case)
        or _find_balance_denial(case)
        or _find_size_denial(case, quantity=quantity, quote_amount=quote_amount)
    )


def _find_exit_denial(case: _Case, quantity: Decimal) -> DenialCode | None:
    if case.standing.position_id is None:
        return DenialCode.NO_POSITION
    if not case.symbol.to_market().is_sellable(quantity, case.signal.reference_price):
        return DenialCode.BELOW_MINIMUM
    return None


def _find_switch_denial(case: _Case) -> DenialCode | None:
    if not case.standing.is_active:
        return DenialCode.BROKER_INACTIVE
    needed = {
        OrderSource.STRATEGY: Automation.STRATEGIES,
        OrderSource.WEBHOOK: Automation.WEBHOOKS,
    }.get(case.signal.source)
    if needed and case.standing.automation != needed:
        return DenialCode.AUTOMATION_OFF
    return DenialCode.POSITION_OPEN if case.standing.position_id else None


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
