"""The ledger: positions and profit, derived from fills and from nothing else."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from apps.core.broadcast import Topic, broadcast_on_commit
from apps.domain.orders import OrderSide
from apps.domain.positions import Execution
from apps.exchanges import ports
from apps.trading.models import Fill, Order, Position


def record_fills(*, order: Order, fills: Sequence[ports.Fill]) -> list[Fill]:
    """Keep the fills we did not have and book them into the position; the new ones. The caller holds the
    order's row lock."""
    known = set(order.fills.values_list("trade_id", flat=True))
    new = [_to_row(order, fill) for fill in fills if fill.trade_id not in known]
    if not new:
        return []
    Fill.objects.bulk_create(new)
    _book(order=order, fills=sorted(new, key=lambda fill: (fill.executed_at, fill.trade_id)))
    return new


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
        is_maker=fill.is_maker,
        executed_at=fill.executed_at,
    )


def _book(*, order: Order, fills: Sequence[Fill]) -> None:
    position = _lock_position(order, opened_at=fills[0].executed_at)
    holding = position.to_holding()
    for fill in fills:
        holding = holding.apply(_to_execution(fill, order))
    position.quantity = holding.quantity
    position.cost = holding.cost
    position.realized_pnl = holding.realized_pnl
    if order.side == OrderSide.BUY:
        _set_exit_prices(position, order)
    elif not order.symbol.to_market().is_sellable(position.quantity, fills[-1].price):
        position.closed_at = fills[-1].executed_at
    position.save()
    broadcast_on_commit(position.owner_id, Topic.POSITIONS, position=position.pk)
    if order.position_id != position.pk:
        order.position = position
        order.save(update_fields=["position"])


def _lock_position(order: Order, *, opened_at: datetime) -> Position:
    """The position the fill belongs to: the order's own, or the open cycle, or a new one."""
    rows = Position.objects.select_for_update()
    if order.position_id:
        return rows.get(pk=order.position_id)
    position, _created = rows.get_or_create(
        book_id=order.book_id,
        symbol=order.symbol,
        closed_at=None,
        defaults={"owner_id": order.owner_id, "opened_at": opened_at},
    )
    return position


def _to_execution(fill: Fill, order: Order) -> Execution:
    """A fee in a third asset is kept on the fill and takes nothing of this position."""
    return Execution(
        side=OrderSide(fill.side),
        quantity=fill.quantity,
        price=fill.price,
        fee_base=fill.fee if fill.fee_asset == order.symbol.base else Decimal(0),
        fee_quote=fill.fee if fill.fee_asset == order.symbol.quote else Decimal(0),
    )


def _set_exit_prices(position: Position, order: Order) -> None:
    """Stop-loss and take-profit follow the average fill price of the entry: the stop rounded down to the
    market's tick, the target up."""
    bought = order.fills.filter(side=OrderSide.BUY)
    quantity = sum((fill.quantity for fill in bought), Decimal(0))
    average = sum((fill.quantity * fill.price for fill in bought), Decimal(0)) / quantity
    market = order.symbol.to_market()
    if order.stop_loss:
        position.stop_loss_price = market.round_price(average * (1 - order.stop_loss))
    if order.take_profit:
        target = market.round_price(average * (1 + order.take_profit))
        position.take_profit_price = target + market.tick_size
