"""Which orders and fills a request for history means."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from apps.domain.markets import Market
from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.dialects.binance.parameters import Parameters
from workers.paper_exchange.markets.candles import DAY_MS
from workers.paper_exchange.orders import Account, Fill, Order, OrderList

_Row = TypeVar("_Row", Order, OrderList, Fill)


def chosen_orders(account: Account, market: Market, parameters: Parameters) -> Sequence[Order]:
    """Orders of a market by id or time, oldest first."""
    order_id = parameters.integer("orderId")
    start_ms, end_ms = _read_period(parameters)
    limit = parameters.limit(default=500, largest=1000)
    parameters.finish()
    rows = [order for order in account.orders.values() if order.symbol == market.symbol]
    if order_id is not None:
        return [order for order in rows if order.order_id >= order_id][:limit]
    return _within(rows, lambda order: order.created_ms, (start_ms, end_ms), limit)


def chosen_trades(account: Account, market: Market, parameters: Parameters) -> Sequence[Fill]:
    """Fills of a market by order, id or time, oldest first."""
    order_id, from_id = parameters.integer("orderId"), parameters.integer("fromId")
    start_ms, end_ms = _read_period(parameters)
    limit = parameters.limit(default=500, largest=1000)
    parameters.finish()
    has_period = start_ms is not None or end_ms is not None
    if has_period and (order_id is not None or from_id is not None):
        raise errors.bad_combination()
    rows = [fill for fill in account.fills if fill.symbol == market.symbol]
    if order_id is not None:
        rows = [fill for fill in rows if fill.order_id == order_id]
    if from_id is not None:
        return [fill for fill in rows if fill.trade_id >= from_id][:limit]
    return _within(rows, lambda fill: fill.filled_ms, (start_ms, end_ms), limit)


def chosen_lists(account: Account, parameters: Parameters) -> Sequence[OrderList]:
    """Order lists by id or time, oldest first."""
    from_id = parameters.integer("fromId")
    start_ms, end_ms = _read_period(parameters)
    limit = parameters.limit(default=500, largest=1000)
    parameters.finish()
    rows = list(account.lists.values())
    if from_id is None:
        return _within(rows, lambda listed: listed.created_ms, (start_ms, end_ms), limit)
    if start_ms is not None or end_ms is not None:
        raise errors.bad_combination()
    return [listed for listed in rows if listed.list_id >= from_id][:limit]


def _read_period(parameters: Parameters) -> tuple[int | None, int | None]:
    start_ms, end_ms = parameters.integer("startTime"), parameters.integer("endTime")
    if start_ms is not None and end_ms is not None and end_ms - start_ms > DAY_MS:
        raise errors.too_many_hours()
    return start_ms, end_ms


def _within(
    rows: Sequence[_Row],
    moment: Callable[[_Row], int],
    period: tuple[int | None, int | None],
    limit: int,
) -> Sequence[_Row]:
    """With a start the oldest rows from there, else the newest; both bounds are included."""
    start_ms, end_ms = period
    chosen = [
        row
        for row in rows
        if (start_ms is None or moment(row) >= start_ms)
        and (end_ms is None or moment(row) <= end_ms)
    ]
    return chosen[-limit:] if start_ms is None else chosen[:limit]
