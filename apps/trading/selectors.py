"""Reading orders and positions."""

from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import OuterRef, Q, QuerySet, Subquery

from apps.accounts.models import User
from apps.core.models import OwnedQuerySet
from apps.domain.orders import LIVE_STATUSES, OrderSource, OrderStatus, OrderType
from apps.markets.models import Candle, Series
from apps.trading.models import Order, Position

ZERO = Decimal(0)
Positions = TypeVar("Positions", bound=QuerySet[Any])
_IN_FLIGHT = (OrderStatus.CREATED, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)


def list_orders(user: User) -> OwnedQuerySet[Order]:
    """The user's orders, newest first."""
    return Order.objects.for_user(user).select_related("symbol", "book", "broker")


def with_last_price(positions: Positions) -> Positions:
    """Positions with `last_price`, the close of the symbol's newest candle, None without candles."""
    # One candle a series by its index: by the time of arrival all that is stored would be sorted.
    newest = Candle.objects.filter(series=OuterRef("pk")).order_by("-opened_at").values("pk")[:1]
    series = Series.objects.filter(symbol=OuterRef(OuterRef("symbol"))).annotate(
        newest=Subquery(newest)
    )
    last = Candle.objects.filter(pk__in=series.values("newest")).order_by("-received_at")
    return positions.annotate(last_price=Subquery(last.values("close")[:1]))


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


def is_editable(order: Order) -> bool:
    """Whether it rests, or is about to, with figures that a person can still change."""
    return (
        order.status in LIVE_STATUSES
        and order.order_type != OrderType.MARKET
        and order.source != OrderSource.EXTERNAL
        and order.cancel_requested_at is None
    )


def list_unsettled_orders(broker_id: int) -> list[Order]:
    """Sent orders of a broker that the monitor still has to ask about, oldest first."""
    return list(
        Order.objects.select_related("symbol", "broker")
        .filter(broker_id=broker_id, is_settled=False)
        .exclude(status=OrderStatus.CREATED)
        .order_by("pk")
    )


def list_waiting_orders(*, created_before: datetime) -> list[Order]:
    """Orders that still wait to be sent though they were created before this: their message may be lost.
    Those that wait for the order they replace are not meant."""
    ready = Q(replaces=None) | Q(replaces__is_settled=True)
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
