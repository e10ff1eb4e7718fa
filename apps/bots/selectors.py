"""Reading activations and decisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from apps.accounts.models import User
from apps.bots.models import Activation, Decision, WaivedGate
from apps.brokers.models import Broker
from apps.core.models import OwnedQuerySet
from apps.domain.environments import Environment
from apps.domain.orders import OrderSide
from apps.strategies.models import StrategyVersion
from apps.trading.models import Order, Position
from apps.trading.selectors import unrealized_pnl, with_last_price


def list_activations(user: User) -> OwnedQuerySet[Activation]:
    """The user's activations, newest first."""
    return Activation.objects.for_user(user).select_related(
        "version__strategy", "series__symbol", "book__broker"
    )


def count_active(*, now: datetime) -> int:
    """How many strategies are switched on, of all users together; those that wait for their start too."""
    goes_on = Q(ends_at=None) | Q(ends_at__gt=now)
    return Activation.objects.filter(goes_on, is_active=True).count()


def needs_confirmation(broker: Broker) -> bool:
    """Whether real money is about to trade automatically for the first time for this user."""
    if broker.environment != Environment.LIVE:
        return False
    earlier = Activation.objects.filter(
        owner=broker.owner_id, book__broker__environment=Environment.LIVE
    )
    return not earlier.exists()


def is_decided(*, activation_id: int, candle_id: int) -> bool:
    """Whether this activation has decided on this candle."""
    return Decision.objects.filter(activation_id=activation_id, candle_id=candle_id).exists()


def find_open_position(activation: Activation) -> Position | None:
    """What it holds."""
    positions = Position.objects.select_related("symbol", "book__broker")
    return positions.filter(book=activation.book_id, closed_at=None).first()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One closed cycle: bought and sold at these average prices."""

    position: Position
    entry: Decimal | None
    exit: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What an activation has made of its money; `balance` is the quote currency that it may spend, None
    before the broker's first snapshot."""

    activation: Activation
    position: Position | None
    realized_pnl: Decimal
    unrealized_pnl: Decimal | None
    balance: Decimal | None
    trades: list[Trade]
    waived: list[WaivedGate]


def read_overview(activation: Activation) -> Overview:
    """The last ten trades, and the money."""
    positions = with_last_price(Position.objects.filter(book=activation.book_id)).select_related(
        "symbol"
    )
    position = positions.filter(closed_at=None).first()
    sums = positions.aggregate(realized=Sum("realized_pnl"), cost=Sum("cost"))
    realized = sums["realized"] or Decimal(0)
    return Overview(
        activation=activation,
        position=position,
        realized_pnl=realized,
        unrealized_pnl=unrealized_pnl(position) if position else None,
        balance=_read_balance(activation, realized - (sums["cost"] or Decimal(0))),
        trades=_list_trades(positions),
        waived=list(activation.waived_gates.select_related("version__strategy")),
    )


def _read_balance(activation: Activation, spent: Decimal) -> Decimal | None:
    broker, quote = activation.book.broker, activation.series.symbol.quote
    if broker.balances_as_of is None:
        return None
    row = broker.balances.filter(asset=quote).first()
    free = row.free if row else Decimal(0)
    capital = activation.book.capital
    return free if capital is None else max(Decimal(0), min(free, capital + spent))


def _list_trades(positions: QuerySet[Position]) -> list[Trade]:
    amount, value = (
        "orders__fills__quantity",
        F("orders__fills__quantity") * F("orders__fills__price"),
    )
    buys = Q(orders__fills__side=OrderSide.BUY)
    sells = Q(orders__fills__side=OrderSide.SELL)
    closed = positions.filter(closed_at__isnull=False).annotate(
        bought=Sum(amount, filter=buys),
        paid=Sum(value, filter=buys),
        sold=Sum(amount, filter=sells),
        received=Sum(value, filter=sells),
    )
    return [
        Trade(
            position=row,
            entry=row.paid / row.bought if row.bought else None,
            exit=row.received / row.sold if row.sold else None,
        )
        for row in closed.order_by("-closed_at")[:10]
    ]


def has_unsettled_orders(activation: Activation) -> bool:
    """Whether something may still happen to one of its orders."""
    return Order.objects.filter(book=activation.book_id, is_settled=False).exists()


def list_days_at_work(
    version: StrategyVersion,
    *,
    environments: Iterable[Environment],
    most_capital: int | None = None,
) -> list[date]:
    """The days (UTC) on which a version decided in one of the environments without failing, in books that
    have at most so much capital of their own."""
    decisions = Decision.objects.filter(
        version=version, activation__book__broker__environment__in=list(environments)
    ).exclude(action__in=(Decision.Action.FAILED, Decision.Action.UNASKED))
    if most_capital is not None:
        decisions = decisions.filter(activation__book__capital__lte=most_capital)
    days = decisions.order_by().values_list(TruncDate("created_at"), flat=True).distinct()
    return list(days)
