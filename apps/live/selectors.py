"""What the dashboard shows, read for one user."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Max, OuterRef, Q, Subquery, Sum

from apps.accounts.models import User
from apps.bots.models import Activation, Decision
from apps.bots.selectors import list_activations
from apps.brokers.models import Broker
from apps.brokers.selectors import list_brokers
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment
from apps.markets.models import Candle, Series
from apps.trading.models import Fill, OrderEvent, Position
from apps.trading.selectors import last_prices, unrealized_pnl, with_last_price

ZERO = Decimal(0)
CHART_CANDLES = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One broker's money in USDT; `equity` is None before the first balance, `unpriced` lists assets
    that no followed symbol prices and that the equity therefore leaves out."""

    broker: Broker
    money: str
    equity: Decimal | None
    unpriced: list[str]
    realized_pnl: Decimal
    unrealized_pnl: Decimal


def newest_change() -> int:
    """Where the history of all orders ends now: what comes later is new."""
    newest: int | None = OrderEvent.objects.aggregate(newest=Max("pk"))["newest"]
    return newest or 0


def count_changes(user: User, *, since: int) -> int:
    """How many of the user's orders something has happened to since then."""
    new = OrderEvent.objects.filter(pk__gt=since, order__owner=user)
    return new.order_by().values("order").distinct().count()


def list_accounts(user: User) -> list[Account]:
    """The user's brokers with what they are worth."""
    return [_read_account(broker) for broker in list_brokers(user).prefetch_related("balances")]


def _read_account(broker: Broker) -> Account:
    prices = last_prices(broker)
    balances = list(broker.balances.all())
    priced = [row for row in balances if row.asset in prices]
    positions = with_last_price(Position.objects.for_user(broker.owner).filter(book__broker=broker))
    realized = positions.aggregate(total=Sum("realized_pnl"))["total"] or ZERO
    open_positions = positions.filter(closed_at__isnull=True)
    equity = sum(((row.free + row.locked) * prices[row.asset] for row in priced), ZERO)
    return Account(
        broker=broker,
        money=Environment(broker.environment).money,
        equity=equity if broker.balances_as_of else None,
        unpriced=[row.asset for row in balances if row.asset not in prices],
        realized_pnl=realized,
        unrealized_pnl=sum((unrealized_pnl(position) or ZERO for position in open_positions), ZERO),
    )


def list_activation_cards(user: User) -> list[Activation]:
    """The user's activations, each with the `last_action` and `last_reason` of its newest decision."""
    newest = Decision.objects.filter(activation=OuterRef("pk")).order_by("-pk")
    return list(
        list_activations(user).annotate(
            last_action=Subquery(newest.values("action")[:1]),
            last_reason=Subquery(newest.values("reason")[:1]),
        )[:20]
    )


def find_chart_activation(user: User, activation_id: int | None) -> Activation | None:
    """The activation to draw: the one asked for, or the user's newest that is at work."""
    rows = list_activations(user)
    if activation_id is not None:
        return rows.filter(pk=activation_id).first()
    return rows.order_by("-is_active", "-starts_at").first()


def read_chart(activation: Activation) -> dict[str, list[dict[str, object]]]:
    """Candles of its series and the fills of its book, times in UTC seconds, as the chart takes them."""
    newest = Candle.objects.filter(series=activation.series).order_by("-opened_at")[:CHART_CANDLES]
    candles: list[dict[str, object]] = [
        {
            "time": int(row.opened_at.timestamp()),
            "open": row.open,
            "high": row.high,
            "low": row.low,
            "close": row.close,
            "volume": row.volume,
        }
        for row in reversed(newest)
    ]
    since = newest[len(newest) - 1].opened_at if newest else None
    return {"candles": candles, "fills": _list_markers(activation, activation.series, since)}


def _list_markers(
    activation: Activation, series: Series, since: datetime | None
) -> list[dict[str, object]]:
    timeframe = Timeframe(series.timeframe)
    shown = Q(executed_at__gte=since) if since else Q()
    fills = Fill.objects.filter(shown, order__book=activation.book, symbol=series.symbol)
    return [
        {
            "time": int(timeframe.floor(fill.executed_at).timestamp()),
            "side": fill.side,
            "price": float(fill.price),
        }
        for fill in fills.order_by("executed_at", "pk")
    ]
