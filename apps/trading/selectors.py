"""Reading orders and positions."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Trunc

from apps.accounts.models import User
from apps.brokers.connection import STABLECOINS
from apps.brokers.models import Broker
from apps.core.models import OwnedQuerySet
from apps.domain.orders import LIVE_STATUSES, OrderSource, OrderStatus, OrderType
from apps.markets.models import UNHEARD, Candle, Series, Symbol
from apps.trading.models import EquitySnapshot, Order, Position

ZERO = Decimal(0)
#: What accounts are valued in.
CURRENCY = "USDT"
Positions = TypeVar("Positions", bound=QuerySet[Any])
_CHART_UNITS = {"minute": timedelta(hours=16), "hour": timedelta(days=42)}
_IN_FLIGHT = (OrderStatus.CREATED, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)


def list_orders(user: User) -> OwnedQuerySet[Order]:
    """The user's orders, newest first."""
    return Order.objects.for_user(user).select_related("symbol", "book", "broker")


def with_last_price(positions: Positions) -> Positions:
    """Positions with `last_price`, the close of the symbol's newest candle, None without candles."""
    return positions.annotate(last_price=_last_candle_of("symbol", "close"))


def with_market_time(positions: Positions) -> Positions:
    """Positions with `market_time`, when the symbol's newest candle opened: a market that is replayed has a
    clock of its own."""
    return positions.annotate(market_time=_last_candle_of("symbol", "opened_at"))


def unrealized_pnl(position: Position) -> Decimal | None:
    """What an open position with its `last_price` would earn if it were sold now; None without a price."""
    last: float | None = position.last_price  # type: ignore[attr-defined]  # annotated by with_last_price
    if last is None or not position.is_open:
        return None
    return position.to_holding().unrealized_pnl(Decimal(str(last)))


def list_open_positions(user: User) -> OwnedQuerySet[Position]:
    """The user's open positions with their `last_price`."""
    mine = Position.objects.for_user(user).filter(closed_at__isnull=True)
    return with_last_price(mine.select_related("symbol", "book", "book__broker"))


def last_prices(broker: Broker) -> dict[str, Decimal]:
    """What one of each asset is worth in USDT where the broker is, by the newest candles; assets that no
    followed symbol prices are left out."""
    rows = (
        Symbol.objects.filter(
            exchange=broker.exchange, environment=broker.environment, quote=CURRENCY
        )
        .filter(series__is_followed=True)
        .annotate(last=_last_candle_of("pk", "close"))
    )
    prices = {row.base: Decimal(str(row.last)) for row in rows if row.last is not None}
    return {**prices, **dict.fromkeys(STABLECOINS, Decimal(1))}


def _last_candle_of(symbol: str, value: str) -> Subquery:
    """A value of the candle that came last of the symbol in that column."""
    # One candle a series by its index: by the time of arrival all that is stored would be sorted.
    newest = Candle.objects.filter(series=OuterRef("pk")).order_by("-opened_at").values("pk")[:1]
    series = Series.objects.filter(symbol=OuterRef(OuterRef(symbol)), is_followed=True)
    last = Candle.objects.filter(
        pk__in=series.annotate(newest=Subquery(newest)).values("newest"), received_at__gt=UNHEARD
    )
    return Subquery(last.order_by("-received_at").values(value)[:1])


def list_equity_points(broker: Broker) -> list[dict[str, float]]:
    """A broker's equity as a chart takes it, oldest first, times in UTC seconds: by the minute, hour or day,
    whichever gives at most a thousand points or so."""
    snapshots = EquitySnapshot.objects.filter(broker=broker)
    ends = snapshots.aggregate(first=Min("at"), last=Max("at"))
    if ends["first"] is None:
        return []
    span = ends["last"] - ends["first"]
    unit = next((name for name, limit in _CHART_UNITS.items() if span <= limit), "day")
    by_unit = snapshots.order_by().annotate(unit=Trunc("at", unit)).values("unit")
    newest = snapshots.filter(at__in=by_unit.annotate(newest=Max("at")).values("newest"))
    return [
        {"time": int(at.timestamp()), "value": float(equity)}
        for at, equity in newest.order_by("at").values_list("at", "equity")
    ]


def is_cancellable(order: Order) -> bool:
    """Whether it is an order that has not ended, nor is to."""
    is_wanted = order.status in LIVE_STATUSES and order.cancel_requested_at is None
    return is_wanted and not order.is_amendment


def is_editable(order: Order) -> bool:
    """Whether it rests, or is about to, with figures that a person can still change."""
    return (
        is_cancellable(order)
        and order.order_type != OrderType.MARKET
        and order.source != OrderSource.EXTERNAL
    )


def list_unsettled_orders(broker_id: int) -> list[Order]:
    """Sent orders of a broker that the monitor still has to ask about, oldest first."""
    return list(
        Order.objects.select_related("symbol", "broker", "replaces__symbol")
        .filter(broker_id=broker_id, is_settled=False)
        .exclude(status=OrderStatus.CREATED)
        .order_by("pk")
    )


def list_waiting_orders(*, created_before: datetime) -> list[Order]:
    """Orders that still wait to be sent though they were created before this: their message may be lost.
    Those that wait for the order they replace are not meant."""
    ready = Q(replaces=None) | Q(amends_to__isnull=False) | Q(replaces__is_settled=True)
    return list(
        Order.objects.select_related("broker").filter(
            ready, status=OrderStatus.CREATED, created_at__lt=created_before
        )
    )


def list_uncancelled_orders(*, asked_before: datetime) -> list[int]:
    """Resting orders that are to go and whose cancel was sent before this, or never."""
    wished = Order.objects.filter(
        status__in=(OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED),
        cancel_requested_at__isnull=False,
    )
    due = wished.filter(Q(cancel_sent_at=None) | Q(cancel_sent_at__lte=asked_before))
    return list(due.values_list("pk", flat=True))
