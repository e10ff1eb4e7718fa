"""The ledger: lots, positions and profit, derived from fills and transfers and from nothing else.

New fills go on from the open lots. One that comes after later ones that it may concern has its assets
computed again from all their movements, as a change of the P&L method does: both ways give the same rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from apps.core.alerts import raise_alert
from apps.core.formats import quantity
from apps.core.models import Alert
from apps.domain.lots import GRAIN, Cause, Disposal
from apps.domain.markets import ZERO, ceil_to
from apps.domain.orders import OrderSide
from apps.domain.positions import is_cash
from apps.domain.risk import RiskState
from apps.exchanges import ports
from apps.markets.models import Symbol
from apps.markets.selectors import find_rate
from apps.trading.booking import lock_account
from apps.trading.models import Fill, Order, Position, Transfer
from apps.trading.movements import sort_key
from apps.trading.risk import restrict

_TAKEN_BY = {
    Cause.TRADE: "were sold by something else",
    Cause.PAYMENT: "went as a fee or a price of something else",
    Cause.TRANSFER: "left the account without a trade",
}


def record_fills(*, order: Order, fills: Sequence[ports.Fill]) -> list[Fill]:
    """Keep the fills we did not have and book them; the new ones. The caller holds the order's row lock."""
    told = {fill.trade_id: fill for fill in fills}
    if not told:
        return []
    of_market = Fill.objects.filter(broker_id=order.broker_id, symbol_id=order.symbol_id)
    known = set(of_market.filter(trade_id__in=told).values_list("trade_id", flat=True))
    new = [_to_row(order, fill) for fill in told.values() if fill.trade_id not in known]
    if new:
        new.sort(key=sort_key)
        Fill.objects.bulk_create(new)
        _book(order, new)
    return new


@transaction.atomic
def recompute(broker_id: int) -> None:
    """Compute all lots and positions of a broker again, by its present P&L method."""
    account = lock_account(broker_id)
    for asset in list_assets(broker_id):
        account.replay(asset)


def list_assets(broker_id: int) -> list[str]:
    """Assets a broker has, or ever had, lots of."""
    fills = Fill.objects.filter(broker_id=broker_id)
    transfers = Transfer.objects.filter(broker_id=broker_id)
    bases = set(fills.values_list("symbol__base", flat=True).distinct())
    moved = set(fills.values_list("symbol__quote", flat=True).distinct())
    moved |= set(fills.exclude(fee=0).values_list("fee_asset", flat=True).distinct())
    moved |= set(transfers.values_list("asset", flat=True).distinct())
    return sorted(bases | {asset for asset in moved if not is_cash(asset)})


def _to_row(order: Order, fill: ports.Fill) -> Fill:
    return Fill(
        owner_id=order.owner_id,
        order=order,
        broker_id=order.broker_id,
        symbol=order.symbol,
        trade_id=fill.trade_id,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_asset=fill.fee_asset,
        fee_value=_value_fee(order.symbol, fill),
        is_maker=fill.is_maker,
        executed_at=fill.executed_at,
    )


def _value_fee(symbol: Symbol, fill: ports.Fill) -> Decimal | None:
    """What the fee was worth in quote currency; one in a third asset by the candle that had closed last."""
    if fill.fee_asset == symbol.quote or not fill.fee:
        return fill.fee
    if fill.fee_asset == symbol.base:
        return (fill.fee * fill.price).quantize(GRAIN)
    rate = find_rate(
        exchange=symbol.exchange,
        environment=symbol.environment,
        asset=fill.fee_asset,
        quote=symbol.quote,
        at=fill.executed_at,
    )
    return None if rate is None else (fill.fee * rate).quantize(GRAIN)


def _book(order: Order, new: Sequence[Fill]) -> None:
    disposals = lock_account(order.broker_id, order=order, new=new).book(order, new)
    if order.side == OrderSide.BUY:
        _set_exit_prices(order)
    tell_owners(disposals, owner_id=order.owner_id, now=new[-1].executed_at)


def _set_exit_prices(order: Order) -> None:
    """Stop-loss and take-profit of an entry are prices that were named, or follow its average fill price:
    the stop rounded down to the market's tick, the target up. What was set after the entry was made
    stays."""
    prices = dict(_find_exit_prices(order))
    if prices:
        is_newer = Q(exit_prices_changed_at__gt=order.created_at)
        Position.objects.filter(orders=order).exclude(is_newer).update(**prices)


def _find_exit_prices(order: Order) -> Iterator[tuple[str, Decimal]]:
    market = order.symbol.to_market()
    if order.stop_loss_price:
        yield "stop_loss_price", market.round_price(order.stop_loss_price)
    elif order.stop_loss:
        price = _average_price(order) * (1 - order.stop_loss)
        yield "stop_loss_price", market.round_price(price)
    if order.take_profit_price:
        yield "take_profit_price", ceil_to(order.take_profit_price, market.tick_size)
    elif order.take_profit:
        target = market.round_price(_average_price(order) * (1 + order.take_profit))
        yield "take_profit_price", target + market.tick_size


def _average_price(order: Order) -> Decimal:
    bought = order.fills.filter(side=OrderSide.BUY)
    base = sum((fill.quantity for fill in bought), ZERO)
    return sum((fill.quantity * fill.price for fill in bought), ZERO) / base


def tell_owners(disposals: Iterable[Disposal], *, owner_id: int, now: datetime) -> None:
    """Alert for every position that others took coins from; a strategy that owns one opens nothing more
    until a person resumes it, since what it counted on is not there."""
    for disposal in disposals:
        cycle = disposal.lot.cycle
        if cycle is None or cycle.row is None or cycle.book == disposal.movement.book:
            continue
        position = Position.objects.select_related("book", "symbol").get(pk=cycle.row)
        what = (
            f"{quantity(disposal.quantity)} {position.symbol.base} of {position.book}"
            f" {_TAKEN_BY[disposal.movement.cause]}, so its position is smaller by that."
        )
        advice = "Look at the position and its stop-loss."
        if position.book.is_automatic:
            restrict(
                owner_id=owner_id,
                book_id=position.book_id,
                state=RiskState.REDUCE_ONLY,
                reason=what,
                now=now,
            )
            advice += (
                " Its strategy opens nothing more: when you know why it happened, resume it by the"
                " switch at the top of every page."
            )
        raise_alert(
            owner_id=owner_id,
            key=f"position-reduced-{position.pk}",
            level=Alert.Level.CRITICAL,
            message=what,
            advice=advice,
            link=reverse("admin:trading_position_change", args=[position.pk]),
            now=now,
        )
