"""Protection: an open position has its stop-loss resting at the exchange, and what ends a position is
tried until it is flat.

The wish is on the position, what is done about it in its orders, so a guard that dies in the middle is
finished by the next one. Coins can back one order only: where there is a stop-loss the take-profit is
watched here, and whoever wants to sell at once waits until the leg that locks the coins has ended."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto
from itertools import takewhile

from django.db import DatabaseError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.brokers.models import Broker
from apps.brokers.services import connect
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.enqueue import send
from apps.core.models import Alert
from apps.core.tasks import TaskName
from apps.core.venues import is_reachable
from apps.domain.environments import Environment, Exchange
from apps.domain.markets import ZERO, Market, ceil_to
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderStatus, OrderType
from apps.exchanges import errors
from apps.exchanges.clients import capabilities_of
from apps.markets.models import Candle
from apps.trading.events import record_event
from apps.trading.gate import Signal, place
from apps.trading.models import BrokerWatch, Order, Position
from apps.trading.path import request_cancel
from apps.trading.prices import Prices, find_prices, prices_of

logger = logging.getLogger(__name__)

#: After the first refusal it is tried again at once, after each further one in a row so much later.
PATIENCE = timedelta(seconds=10)
MOST_PATIENCE = timedelta(minutes=5)
#: Refusals in a row after which a person is told.
TOO_MANY_REFUSALS = 3
#: How long a stop may take to sell once the price is beyond it.
JUMP_GRACE = timedelta(seconds=10)
#: How far below its trigger a stop may still sell, where an exchange has only stops with a limit.
STOP_LIMIT_SHARE = Decimal("0.01")
_JUMPED = "The price is beyond the stop, and the stop has not sold. It is watched."


class Keep(Enum):
    """A price that stays as it is."""

    KEEP = auto()


class PositionClosed(Exception):
    """Prices were to be set for a position that is flat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exit:
    """Why a position has to be sold at the market now, and how much of it; everything without a quantity."""

    reason: str
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leg:
    """The one order that shall rest at the exchange for a position."""

    purpose: OrderPurpose
    order_type: OrderType
    price: Decimal | None = None
    trigger_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One position with its sell orders, oldest first, their booked fills as `booked`; all locked."""

    position: Position
    sells: list[Order]
    now: datetime

    @property
    def market(self) -> Market:
        return self.position.symbol.to_market()

    @property
    def held(self) -> Decimal:
        """What of it an order can sell."""
        return self.market.round_quantity(self.position.quantity)

    @property
    def legs(self) -> list[Order]:
        """Legs that rest, or may."""
        return [order for order in self._unsettled if OrderPurpose(order.purpose).is_protection]

    @property
    def exits(self) -> list[Order]:
        """The exits that are under way; there is one at most, and an edit of it."""
        return [order for order in self._unsettled if order.purpose == OrderPurpose.EXIT]

    @property
    def _unsettled(self) -> list[Order]:
        return [order for order in self.sells if not order.is_settled]

    def count_refusals(self, purpose: OrderPurpose) -> int:
        """How many attempts in a row, up to the newest, were refused."""
        return sum(1 for _ in takewhile(_is_refused, self._newest_first(purpose)))

    def is_due(self, purpose: OrderPurpose) -> bool:
        """Whether it is time for another attempt."""
        refusals = self.count_refusals(purpose)
        last = next(self._newest_first(purpose), None)
        if refusals < 2 or last is None or last.terminal_at is None:
            return True
        return self.now >= last.terminal_at + min(PATIENCE * (refusals - 1), MOST_PATIENCE)

    def find_unfinished_exit(self) -> Order | None:
        """The last exit, if it ended before it sold what it was to sell, and nobody had asked for that."""
        last = next(self._newest_first(OrderPurpose.EXIT), None)
        if (
            last
            and last.order_type == OrderType.MARKET
            and _has_failed(last)
            and _left_of(last) > 0
        ):
            return last
        return None

    def make_key(self, purpose: OrderPurpose) -> str:
        """The name of the next attempt."""
        attempts = sum(
            order.purpose == purpose and order.source == OrderSource.PROTECTION
            for order in self.sells
        )
        return f"protection-{self.position.pk}-{purpose}-{attempts}"

    def _newest_first(self, purpose: OrderPurpose) -> Iterator[Order]:
        return (order for order in reversed(self.sells) if order.purpose == purpose)


def _has_failed(order: Order) -> bool:
    """Whether it ended on its own, without being wished away; what was never sent has not failed."""
    was_ended = order.status in {OrderStatus.REJECTED, OrderStatus.EXPIRED} or (
        order.status == OrderStatus.CANCELLED and order.exchange_order_id != ""
    )
    return was_ended and order.cancel_requested_at is None


def _is_refused(order: Order) -> bool:
    """Whether it came to nothing."""
    has_failed = order.status == OrderStatus.DENIED or _has_failed(order)
    return has_failed and not order.filled_quantity


def _left_of(order: Order) -> Decimal:
    """What it has not sold as far as our ledger knows, which is what the position is made of."""
    booked: Decimal = order.booked  # type: ignore[attr-defined]  # annotated by _lock
    return (order.quantity or ZERO) - booked


@transaction.atomic
def guard_position(*, position_id: int, now: datetime, prices: Prices | None = None) -> None:
    """Do the next thing that keeps a position protected or ends it, if there is one; repeating it does no
    harm. Without `prices` the last candle's close is looked at. No exchange is asked."""
    case = _lock(position_id, now)
    _act(case, prices or find_prices(case.position, now=now))


def guard_brokers() -> None:
    """One task for each broker with positions to guard, so that none waits for another."""
    for broker_id in _guarded().values_list("book__broker_id", flat=True).distinct():
        send(TaskName.GUARD_BROKER, broker_id=broker_id)


def guard_broker(*, broker_id: int, now: datetime) -> None:
    """Guard every position of a broker that may need it, with prices from the exchange where no candle
    tells them. What goes wrong with one position does not concern the others."""
    broker = Broker.objects.get(pk=broker_id)
    if not is_reachable(Environment(broker.environment)):
        return
    positions = list(_guarded().filter(book__broker=broker_id).select_related("symbol"))
    prices = _read_prices(broker, positions, now)
    for position in positions:
        try:
            guard_position(
                position_id=position.pk, now=now, prices=prices.get(position.symbol.name)
            )
        except DatabaseError as error:
            logger.warning("position %s could not be guarded: %s", position.pk, error)


def watch_candle(*, candle_id: int, now: datetime) -> None:
    """Guard the positions whose stop-loss or take-profit a candle that just closed has reached."""
    candle = Candle.objects.select_related("series").get(pk=candle_id)
    reached = Q(stop_loss_price__gte=Decimal(str(candle.low))) | Q(
        take_profit_price__lt=Decimal(str(candle.high))
    )
    for position in Position.objects.filter(
        reached, symbol=candle.series.symbol_id, closed_at__isnull=True
    ):
        if prices := prices_of(candle, position):
            guard_position(position_id=position.pk, now=now, prices=prices)


@transaction.atomic
def set_exit_prices(
    *,
    position: Position,
    stop_loss: Decimal | Keep | None = Keep.KEEP,
    take_profit: Decimal | Keep | None = Keep.KEEP,
    now: datetime,
) -> None:
    """Move the prices that are given, for the whole position, None removes one; what rests at the exchange
    follows. Raises PositionClosed."""
    case = _lock(position.pk, now)
    position = case.position
    if not position.is_open:
        raise PositionClosed(f"{position} is flat: there is nothing to protect.")
    if stop_loss is not Keep.KEEP:
        position.stop_loss_price = stop_loss and case.market.round_price(stop_loss)
    if take_profit is not Keep.KEEP:
        position.take_profit_price = take_profit and ceil_to(take_profit, case.market.tick_size)
    position.exit_prices_changed_at = now
    position.version += 1
    position.save(
        update_fields=[
            "stop_loss_price",
            "take_profit_price",
            "exit_prices_changed_at",
            "version",
        ]
    )
    _act(case, find_prices(position, now=now))


def _lock(position_id: int, now: datetime) -> _Case:
    """Orders, then the broker as the gate does, then the position: who changes an order goes to the gate
    after it, and who books a fill to the position."""
    sells = Order.objects.filter(position=position_id, side=OrderSide.SELL)
    ours = sells.exclude(source=OrderSource.EXTERNAL).filter(amends_to=None).order_by("pk")
    live = ours.filter(is_settled=False)
    list(live.select_for_update(no_key=True).values_list("pk"))
    Broker.objects.select_for_update(of=("self",), no_key=True).only("pk").get(
        books__positions=position_id
    )
    rows = Position.objects.select_related("symbol", "book__broker")
    position = rows.select_for_update(of=("self",), no_key=True).get(pk=position_id)
    booked = ours.annotate(booked=Coalesce(Sum("fills__quantity"), ZERO))
    return _Case(position=position, sells=list(booked), now=now)


def _act(case: _Case, prices: Prices | None) -> None:
    _tell_of_refusals(case)
    if not case.position.is_open:
        for order in [*case.legs, *case.exits]:
            _withdraw(order, "The position is closed.", case.now)
    elif case.exits:
        _further_exits(case, prices)
    elif wanted := _find_exit(case, prices):
        _sell(case, wanted, prices)
    else:
        _protect(case)


def _further_exits(case: _Case, prices: Prices | None) -> None:
    """What locks the coins that an exit waits for has to go; so has an exit that rests at a limit when the
    price falls to the stop."""
    stop = case.position.stop_loss_price
    for order in case.exits:
        if order.status == OrderStatus.CREATED and order.replaces_id:
            reason = f"Order {order.pk} is to sell its coins."
            request_cancel(order_id=order.replaces_id, now=case.now, reason=reason)
        elif stop and prices and prices.last <= stop and order.order_type != OrderType.MARKET:
            _withdraw(order, "The price fell to the stop-loss.", case.now)


def _find_exit(case: _Case, prices: Prices | None) -> _Exit | None:
    """Why the position has to go now: the last exit did not sell it all, or a price was reached, the
    stop-loss first."""
    if not case.is_due(OrderPurpose.EXIT):
        return None
    if last := case.find_unfinished_exit():
        return _Exit(
            reason=f"The last exit ended {last.status} before it was done: it is tried again.",
            quantity=_left_of(last),
        )
    if prices is None:
        return None
    stop, target = case.position.stop_loss_price, case.position.take_profit_price
    if stop is not None and prices.low <= stop:
        return _find_stop(case, stop, prices)
    rests = any(leg.purpose == OrderPurpose.TAKE_PROFIT for leg in case.legs)
    if target is not None and prices.high > target and not rests:
        words = f"The price passed the take-profit at {target.normalize():f}: the position is sold."
        return _Exit(reason=words)
    return None


def _find_stop(case: _Case, stop: Decimal, prices: Prices) -> _Exit | None:
    """A stop that rests sells by itself; one that has not done so ten seconds after the price went beyond
    it was jumped over, or is not there."""
    legs = [leg for leg in case.legs if leg.purpose == OrderPurpose.STOP_LOSS]
    if not legs:
        words = f"The price fell to the stop-loss at {stop.normalize():f}: the position is sold."
        return _Exit(reason=words)
    if prices.last > stop:
        return None
    seen = legs[0].events.filter(message=_JUMPED).first()
    if seen is None:
        record_event(legs[0], at=case.now, message=_JUMPED)
        return None
    if case.now - seen.at < JUMP_GRACE:
        return None
    return _Exit(reason="The stop-loss did not sell though the price is beyond it: it is sold now.")


def _sell(case: _Case, wanted: _Exit, prices: Prices | None) -> None:
    """Write the exit; the gate lets it wait for the leg that locks the coins, and that one is to go."""
    price = prices.last if prices else _entry_price(case.position)
    quantity = min(wanted.quantity or case.held, case.held)
    if not case.market.is_sellable(quantity, price):
        return
    signal = _make_signal(
        case,
        _Leg(purpose=OrderPurpose.EXIT, order_type=OrderType.MARKET),
        reason=wanted.reason,
        quantity=quantity,
        reference_price=price,
    )
    order = _place(case, signal)
    if order.status == OrderStatus.CREATED and order.replaces_id:
        request_cancel(order_id=order.replaces_id, now=case.now, reason=wanted.reason)


def _protect(case: _Case) -> None:
    """Have the wanted leg rest, and no other. One whose outcome is unknown counts as there; a leg that no
    longer fits is cancelled, and its successor placed when it has ended."""
    wanted = _find_wanted_leg(case)
    for leg in case.legs:
        if wanted is None or not _fits(leg, wanted, case):
            _withdraw(leg, "It no longer fits the position.", case.now)
        elif leg.status in {OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED}:
            resolve_alert(
                owner_id=case.position.owner_id, key=_alert_key(case.position), now=case.now
            )
    if wanted is None or case.legs or not case.is_due(wanted.purpose):
        return
    price = wanted.price or wanted.trigger_price or _entry_price(case.position)
    if case.market.is_sellable(case.held, price):
        name = wanted.purpose.replace("_", "-")
        reason = f"The {name} of the position, at {price.normalize():f}."
        signal = _make_signal(
            case, wanted, reason=reason, quantity=case.held, reference_price=price
        )
        _place(case, signal)


def _find_wanted_leg(case: _Case) -> _Leg | None:
    """The stop-loss, as the exchange offers it, or else the take-profit, which is a plain limit order."""
    stop, target = case.position.stop_loss_price, case.position.take_profit_price
    if stop is None:
        if target is None:
            return None
        return _Leg(purpose=OrderPurpose.TAKE_PROFIT, order_type=OrderType.LIMIT, price=target)
    offered = capabilities_of(Exchange(case.position.book.broker.exchange)).order_types
    if OrderType.STOP_LOSS in offered:
        order_type, limit = OrderType.STOP_LOSS, None
    else:
        order_type = OrderType.STOP_LOSS_LIMIT
        limit = case.market.round_price(stop * (1 - STOP_LIMIT_SHARE))
    return _Leg(
        purpose=OrderPurpose.STOP_LOSS, order_type=order_type, price=limit, trigger_price=stop
    )


def _fits(leg: Order, wanted: _Leg, case: _Case) -> bool:
    is_same = (leg.purpose, leg.price, leg.trigger_price) == (
        wanted.purpose,
        wanted.price,
        wanted.trigger_price,
    )
    return is_same and case.market.round_quantity(_left_of(leg)) == case.held


def _make_signal(
    case: _Case, leg: _Leg, *, reason: str, quantity: Decimal, reference_price: Decimal
) -> Signal:
    return Signal(
        side=OrderSide.SELL,
        order_type=leg.order_type,
        purpose=leg.purpose,
        source=OrderSource.PROTECTION,
        dedup_key=case.make_key(leg.purpose),
        reason=reason,
        reference_price=reference_price,
        valid_until=case.now,
        quantity=quantity,
        price=leg.price,
        trigger_price=leg.trigger_price,
    )


def _place(case: _Case, signal: Signal) -> Order:
    position = case.position
    return place(book=position.book, symbol=position.symbol, signal=signal, now=case.now)


def _withdraw(order: Order, reason: str, now: datetime) -> None:
    request_cancel(order_id=order.pk, now=now, reason=reason)


def _entry_price(position: Position) -> Decimal:
    return position.to_holding().average_price or ZERO


def _alert_key(position: Position) -> str:
    return f"position-naked-{position.pk}"


def _tell_of_refusals(case: _Case) -> None:
    """A position that nothing protects or ends is for a person to look at; told once a refusal."""
    position = case.position
    if not position.is_open:
        resolve_alert(owner_id=position.owner_id, key=_alert_key(position), now=case.now)
        return
    newest = case.sells[-1] if case.sells else None
    if newest is None or not _is_refused(newest) or not newest.terminal_at:
        return
    refusals = case.count_refusals(OrderPurpose(newest.purpose))
    if refusals < TOO_MANY_REFUSALS or case.now - newest.terminal_at >= PATIENCE:
        return
    raise_alert(
        owner_id=position.owner_id,
        key=_alert_key(position),
        level=Alert.Level.CRITICAL,
        message=f"{position}: the exchange has refused {refusals} times to protect or sell it:"
        f" {_last_words(newest)}",
        advice="It is tried again by itself. Sell it on the exchange's own page if that is urgent.",
        link=f"/admin/trading/position/{position.pk}/change/",
        now=case.now,
    )


def _last_words(order: Order) -> str:
    newest = order.events.order_by("-pk").first()
    return newest.message if newest else ""


def _guarded() -> QuerySet[Position]:
    """Open positions with a wish, and whatever has sell orders that have not ended or have failed."""
    sells = Order.objects.filter(side=OrderSide.SELL).exclude(source=OrderSource.EXTERNAL)
    failed = sells.filter(
        position=OuterRef("pk"),
        status__in=(OrderStatus.REJECTED, OrderStatus.EXPIRED, OrderStatus.CANCELLED),
    )
    under_way = sells.filter(is_settled=False, position__isnull=False).values("position")
    has_wish = Q(stop_loss_price__isnull=False) | Q(take_profit_price__isnull=False)
    return Position.objects.filter(
        Q(closed_at__isnull=True) & (has_wish | Exists(failed)) | Q(pk__in=under_way)
    )


def _read_prices(broker: Broker, positions: Sequence[Position], now: datetime) -> dict[str, Prices]:
    """Last prices from the exchange for the symbols whose newest candle is no use: in one question."""
    names = {
        position.symbol.name
        for position in positions
        if position.is_open and _needs_price(position, now)
    }
    is_failing = BrokerWatch.objects.filter(broker=broker, failing_since__isnull=False).exists()
    if not names or is_failing:
        return {}
    try:
        tickers = connect(broker).fetch_tickers(names)
    except errors.ExchangeError as error:
        logger.warning("no prices for %s: %s", ", ".join(sorted(names)), error)
        return {}
    return {name: Prices.at(ticker.last) for name, ticker in tickers.items()}


def _needs_price(position: Position, now: datetime) -> bool:
    """No candle is fresh, or the exchange has just refused the stop, perhaps for the price it is at."""
    if find_prices(position, now=now) is None:
        return True
    newest = position.orders.filter(purpose=OrderPurpose.STOP_LOSS).order_by("-pk").first()
    return newest is not None and _is_refused(newest)
