"""The order gate: the one door through which every wish to trade becomes an order, or a denial."""

from collections.abc import Sequence
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
from apps.domain.risk import (
    PRICE_BAND,
    STALE_CANDLES,
    Denial,
    DenialCode,
    RiskState,
    find_breach,
    is_off_price,
    plain,
)
from apps.domain.sizing import affordable_amount, is_sellable_again
from apps.markets.models import Symbol
from apps.trading.events import record_creation
from apps.trading.models import Book, Order
from apps.trading.scopes import Scope, read_scopes
from apps.trading.standing import Standing, Unsettled, lock_and_read

#: Share of a trade that the exchange may take; what it really took is read from the fills.
FEE_RATE = Decimal("0.001")
#: Exchanges take amounts of quote currency with eight decimals.
QUOTE_STEP = Decimal("0.00000001")
#: How long an order may wait to be sent.
ORDER_LIFETIME = timedelta(seconds=30)
#: Entries wait for a monitor that has not looked at the broker for longer than this.
POLL_AGE = timedelta(seconds=60)
#: What a broker's automation has to be for a source that is not a person.
AUTOMATION_OF = {
    OrderSource.STRATEGY: Automation.STRATEGIES,
    OrderSource.WEBHOOK: Automation.WEBHOOKS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish to trade: what, why, on which price it was decided, and when it stops being worth it (only
    entries do). The size is a base `quantity`, a `quote_amount` to spend, or a `share` of what can be spent,
    or is held; an exit without one sells everything. Stop-loss and take-profit are fractions of the entry
    price, or prices. With a `position_version` it holds for the position as it was then, and no other; what
    `replaces` an order is not sent before that one is settled, unless the exchange `amends_to` that quantity
    the order itself. `owner_id` says whose wish it is, where
    somebody from outside expressed it."""

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
    share: Decimal | None = None
    price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    stop_loss_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    trigger_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    position_version: int | None = None
    replaces: Order | None = None
    amends_to: Decimal | None = None
    owner_id: int | None = None

    @property
    def expected_price(self) -> Decimal:
        """What a unit is expected to trade at."""
        return self.price or self.trigger_price or self.reference_price


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """All that the rules look at."""

    book: Book
    symbol: Symbol
    signal: Signal
    standing: Standing
    scopes: Sequence[Scope]
    now: datetime

    @property
    def reduces(self) -> bool:
        return self.signal.purpose.reduces

    @property
    def is_automatic(self) -> bool:
        return self.signal.source is not OrderSource.MANUAL

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
    standing = lock_and_read(
        book=book, symbol=symbol, dedup_key=signal.dedup_key, replaces=signal.replaces
    )
    if standing.earlier_order_id:
        return Order.objects.get(pk=standing.earlier_order_id)
    case = _Case(
        book=book,
        symbol=symbol,
        signal=signal,
        standing=standing,
        scopes=read_scopes(
            book=book,
            symbol=symbol,
            price=signal.expected_price,
            replaces=signal.replaces,
            now=now,
        )
        if standing.is_restricted and not signal.purpose.reduces
        else (),
        now=now,
    )
    size = _size(case)
    denial = _find_denial(case, size)
    order = Order(
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
        quantity=size.quantity,
        quote_amount=size.quote_amount,
        price=signal.price,
        trigger_price=signal.trigger_price,
        time_in_force=signal.time_in_force,
        reference_price=signal.reference_price,
        stop_loss=signal.stop_loss,
        take_profit=signal.take_profit,
        stop_loss_price=signal.stop_loss_price,
        take_profit_price=signal.take_profit_price,
        status=OrderStatus.DENIED if denial else OrderStatus.CREATED,
        denial_code=denial.code if denial else "",
        reason=signal.reason,
        replaces_id=case.replaces_id,
        amends_to=signal.amends_to,
        valid_until=min(signal.valid_until, now + ORDER_LIFETIME),
        terminal_at=now if denial else None,
        is_settled=denial is not None,
    )
    record_creation(order, at=now, message=denial.words if denial else signal.reason)
    if denial is None:
        enqueue_on_commit(TaskName.SUBMIT_ORDER, order_id=order.pk)
        if order.replaces_id and order.position_id:
            # The leg that locks its coins has to go first.
            enqueue_on_commit(TaskName.GUARD_POSITION, position_id=order.position_id)
    return order


@dataclass(frozen=True, slots=True)
class _Size:
    """What to ask the exchange for, in one of two units, and what it is expected to come to in both."""

    quantity: Decimal | None
    quote_amount: Decimal | None
    price: Decimal

    @property
    def base(self) -> Decimal:
        return self.quantity if self.quantity is not None else self.value / self.price

    @property
    def value(self) -> Decimal:
        if self.quote_amount is not None:
            return self.quote_amount
        return (self.quantity or Decimal(0)) * self.price


def _size(case: _Case) -> _Size:
    """An automatic amount is cut to what is affordable, what a person typed is not; an exit never sells
    more than its position holds. What is no number is nothing."""
    signal, market = case.signal, case.symbol.to_market()
    amount, available = signal.quote_amount, case.standing.available
    if signal.share is not None:
        amount = (available or Decimal(0)) * signal.share
    if case.reduces or amount is None:
        wanted = signal.quantity
        if case.reduces:
            held = case.standing.held * (1 if signal.share is None else signal.share)
            wanted = held if wanted is None else min(wanted, held)
        if wanted is None or not wanted.is_finite():
            return _Size(Decimal(0), None, case.signal.expected_price)
        at_market = signal.order_type is OrderType.MARKET
        return _Size(
            market.round_quantity(wanted, at_market=at_market), None, case.signal.expected_price
        )
    if not amount.is_finite():
        return _Size(None, Decimal(0), case.signal.expected_price)
    if available is not None and case.is_automatic:
        amount = affordable_amount(wanted=amount, available=available, fee_rate=FEE_RATE)
    if signal.order_type is not OrderType.MARKET:
        # Only market orders can be sized in quote currency.
        quantity = market.round_quantity(amount / signal.expected_price)
        return _Size(quantity, None, signal.expected_price)
    return _Size(None, floor_to(amount, QUOTE_STEP), case.signal.expected_price)


def _find_denial(case: _Case, size: _Size) -> Denial | None:
    """The first rule that says no. Of what reduces the exchange itself decides in the end: our list of
    markets may be wrong or old."""
    if denial := _find_owner_denial(case) or _find_moment_denial(case):
        return denial
    if case.reduces:
        is_sellable = case.symbol.to_market().is_sellable(size.base, case.signal.expected_price)
        return None if is_sellable else Denial(DenialCode.BELOW_MINIMUM)
    return (
        _find_switch_denial(case)
        or _find_market_denial(case)
        or _find_price_denial(case)
        or _find_balance_denial(case, size)
        or _find_size_denial(case, size)
        or _find_limit_denial(case, size)
    )


def _find_owner_denial(case: _Case) -> Denial | None:
    """Money, broker and wish are of one user; the symbol is one of the broker's; a replacement stays
    within its book and symbol."""
    book, symbol, replaced = case.book, case.symbol, case.signal.replaces
    owners = {book.owner_id, case.standing.broker_owner_id, case.signal.owner_id or book.owner_id}
    if len(owners) > 1 or (replaced and replaced.book_id != book.pk):
        return Denial(DenialCode.NOT_OWNED)
    is_other_symbol = replaced is not None and replaced.symbol_id != symbol.pk
    if is_other_symbol or (symbol.exchange, symbol.environment) != case.standing.market:
        return Denial(DenialCode.OTHER_MARKET)
    return None


def _find_moment_denial(case: _Case) -> Denial | None:
    """Whether it is too late, too early, or about something that is not so any more."""
    signal, standing = case.signal, case.standing
    if signal.valid_until <= case.now and not case.reduces:
        late = case.now - signal.valid_until
        return Denial(DenialCode.STALE, f"It was valid until {late.total_seconds():.0f} s ago.")
    if _is_in_flight(case):
        return Denial(DenialCode.IN_FLIGHT)
    if case.reduces and standing.position_id is None:
        return Denial(DenialCode.NO_POSITION)
    if signal.position_version not in {None, standing.position_version}:
        return Denial(DenialCode.POSITION_CHANGED)
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


def _find_switch_denial(case: _Case) -> Denial | None:
    if not case.standing.is_active:
        return Denial(DenialCode.BROKER_INACTIVE)
    needed = AUTOMATION_OF.get(case.signal.source)
    if needed and case.standing.automation != needed:
        return Denial(DenialCode.AUTOMATION_OFF)
    scope = max(case.scopes, key=lambda scope: scope.state.severity, default=None)
    if scope and not scope.state.allows_entries:
        is_reducing = scope.state is RiskState.REDUCE_ONLY
        code = DenialCode.REDUCE_ONLY if is_reducing else DenialCode.HALTED
        return Denial(code, f"For {scope.label}: {scope.reason}")
    if case.standing.position_id and case.signal.source is OrderSource.STRATEGY:
        return Denial(DenialCode.POSITION_OPEN)
    return None


def _find_market_denial(case: _Case) -> Denial | None:
    """Whether the market is open, and our records and prices are of now."""
    standing, candle = case.standing, case.standing.candle
    if not case.symbol.is_trading:
        return Denial(DenialCode.MARKET_CLOSED)
    polled_at = standing.polled_at if standing.reconciled_at else None
    if polled_at is None or case.now - polled_at > POLL_AGE:
        return Denial(DenialCode.NOT_RECONCILED)
    if candle and case.now - candle.received_at > STALE_CANDLES * candle.timeframe.duration:
        age = (case.now - candle.received_at).total_seconds()
        return Denial(
            DenialCode.STALE_DATA, f"The last candle of {candle.timeframe} came {age:.0f} s ago."
        )
    return None


def _find_price_denial(case: _Case) -> Denial | None:
    """Whether the prices that were thought of are near the market, where one is followed; a limit behind
    a trigger is compared with that."""
    signal, candle = case.signal, case.standing.candle
    if candle is None:
        return None
    pairs = [(signal.reference_price, candle.close)]
    if signal.price is not None:
        pairs.append((signal.price, signal.trigger_price or candle.close))
    for price, anchor in pairs:
        if is_off_price(price, anchor):
            return Denial(
                DenialCode.PRICE_OFF,
                f"{plain(price)} is more than {PRICE_BAND:.0%} from {plain(anchor)}.",
            )
    return None


def _find_balance_denial(case: _Case, size: _Size) -> Denial | None:
    available = case.standing.available
    if available is None:
        return Denial(DenialCode.UNKNOWN_BALANCE)
    if size.base <= 0 < available:
        return Denial(DenialCode.INVALID_SIZE)
    needed = size.value * (1 + FEE_RATE)
    if available <= 0 or needed > available:
        return Denial(
            DenialCode.INSUFFICIENT_BALANCE,
            f"It needs {plain(needed)} {case.symbol.quote} with the fee;"
            f" {plain(max(available, Decimal(0)))} can be spent.",
        )
    return None


def _find_size_denial(case: _Case, size: _Size) -> Denial | None:
    """The exchange has to take the order, and later its sale: after the fee has come off the coins, now,
    at the stop-loss and at the take-profit."""
    market, signal = case.symbol.to_market(), case.signal
    price = signal.expected_price
    if not market.is_sellable(size.base, price):
        return Denial(DenialCode.BELOW_MINIMUM)
    if market.is_too_large(size.base, price, at_market=signal.order_type is OrderType.MARKET):
        return Denial(DenialCode.ABOVE_MAXIMUM)
    prices = [price]
    if signal.stop_loss is not None:
        prices.append(price * (1 - signal.stop_loss))
    if signal.take_profit is not None:
        prices.append(price * (1 + signal.take_profit))
    named = (signal.stop_loss_price, signal.take_profit_price)
    prices += [exit_price for exit_price in named if exit_price is not None]
    if not is_sellable_again(market, quantity=size.base, prices=prices, fee_rate=FEE_RATE):
        return Denial(DenialCode.NOT_SELLABLE)
    return None


def _find_limit_denial(case: _Case, size: _Size) -> Denial | None:
    for scope in case.scopes:
        if breach := find_breach(scope.limits, scope.exposure_with(size.value)):
            return Denial(breach.code, f"{breach.detail} (Limit for {scope.label}.)")
    return None
