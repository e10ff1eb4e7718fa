"""Reading orders and positions."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.core.models import OwnedQuerySet
from apps.domain.orders import LIVE_STATUSES, OrderSide, OrderStatus
from apps.markets.models import Candle, Symbol
from apps.trading.models import Book, Fill, Order, Position

ZERO = Decimal(0)
Positions = TypeVar("Positions", bound=QuerySet[Any])
_IN_FLIGHT = (OrderStatus.CREATED, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)


def list_orders(user: User) -> OwnedQuerySet[Order]:
    """The user's orders, newest first."""
    return Order.objects.for_user(user).select_related("symbol", "book", "broker")


def list_fills(user: User) -> OwnedQuerySet[Fill]:
    """The user's fills, newest first."""
    return Fill.objects.for_user(user).select_related("symbol", "broker")


def with_last_price(positions: Positions) -> Positions:
    """Positions with `last_price`, the close of the symbol's newest candle, None without candles."""
    newest = Candle.objects.filter(series__symbol=OuterRef("symbol")).order_by("-received_at")
    return positions.annotate(last_price=Subquery(newest.values("close")[:1]))


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


def find_open_position(*, book_id: int, symbol_id: int) -> Position | None:
    """The open cycle of a book in a symbol."""
    return Position.objects.filter(
        book_id=book_id, symbol_id=symbol_id, closed_at__isnull=True
    ).first()


def list_orders_in_the_way(*, book: Book, symbol: Symbol, dedup_key: str) -> list[Order]:
    """Orders that keep a new one out: the one that answers the same intent, and those of the same book
    and symbol that are not settled, whose outcome may still change the position."""
    unsettled = Q(book=book, symbol=symbol, is_settled=False)
    return list(Order.objects.filter(unsettled | Q(dedup_key=dedup_key)))


def claimed_quote(*, broker: Broker, asset: str) -> Decimal:
    """What buys that the broker's balance snapshot can't contain still take of it, in quote currency."""
    seen = broker.balances_as_of
    unseen = Q(status__in=_IN_FLIGHT) | Q(submitted_at__gt=seen) | Q(terminal_at__gt=seen)
    wanted = Coalesce(F("quote_amount"), F("quantity") * F("reference_price"))
    claims = Order.objects.filter(
        unseen, broker=broker, symbol__quote=asset, side=OrderSide.BUY
    ).aggregate(
        live=Sum(wanted, filter=Q(status__in=LIVE_STATUSES)),
        done=Sum("filled_quote", filter=~Q(status__in=LIVE_STATUSES)),
    )
    return (claims["live"] or ZERO) + (claims["done"] or ZERO)


def list_unsettled_orders(broker_id: int) -> list[Order]:
    """Sent orders of a broker that the monitor still has to ask about, oldest first."""
    return list(
        Order.objects.select_related("symbol", "broker")
        .filter(broker_id=broker_id, is_settled=False)
        .exclude(status=OrderStatus.CREATED)
        .order_by("pk")
    )


def list_created_order_ids(*, now: datetime, waiting: timedelta) -> list[int]:
    """Orders that wait to be sent longer than `waiting`: their message may be lost."""
    return list(
        Order.objects.filter(status=OrderStatus.CREATED, created_at__lt=now - waiting).values_list(
            "pk", flat=True
        )
    )
