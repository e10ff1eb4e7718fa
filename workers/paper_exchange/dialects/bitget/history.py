"""Which orders, trigger orders and fills a request means, newest first."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from workers.paper_exchange.dialects.bitget import errors
from workers.paper_exchange.dialects.bitget.names import (
    Kind,
    get_market,
    is_ordinary,
    kind_of,
    plan_id,
    read_id,
    trade_id,
    wire_id,
)
from workers.paper_exchange.dialects.bitget.parameters import Parameters
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import DAY_MS
from workers.paper_exchange.orders import Account, Fill, Order

LARGEST_PAGE = 100
_PLAN_PAGE = 20
_REACH_MS = 90 * DAY_MS
_SPAN_MS = 30 * DAY_MS
_SLACK_MS = 60_000
_KINDS = {"normal": Kind.NORMAL, "tpsl": Kind.TPSL}
_Row = TypeVar("_Row", Order, Fill)


def chosen_orders(
    exchange: PaperExchange, account: Account, fields: Parameters, *, is_open: bool
) -> list[Order]:
    """Open orders, or past ones, of the two ordinary kinds."""
    kind = fields.choice("tpslType", _KINDS, default="normal")
    source = account.resting if is_open else account.orders
    rows = [
        order
        for order in source.values()
        if order.is_open == is_open
        and is_ordinary(order)
        and (kind_of(order) is Kind.TPSL) == (kind is Kind.TPSL)
    ]
    named = fields.text("orderId")
    if named is not None:
        rows = [order for order in rows if wire_id(order) == named]
    return _page(exchange, fields, rows, wire_id, _created_ms)


def chosen_plans(
    exchange: PaperExchange, account: Account, fields: Parameters, *, is_open: bool
) -> tuple[list[Order], bool]:
    """Waiting trigger orders, or past ones; and whether there are more."""
    rows = [
        order
        for order in account.orders.values()
        if kind_of(order) is Kind.PLAN and is_waiting(order) == is_open
    ]
    limit = fields.limit(default=_PLAN_PAGE, largest=LARGEST_PAGE)
    found = _page(
        exchange, fields, rows, plan_id, lambda order: order.created_ms, limit + 1, _REACH_MS
    )
    return found[:limit], len(found) > limit


def chosen_fills(exchange: PaperExchange, account: Account, fields: Parameters) -> list[Fill]:
    """The fills of a symbol, or of one of its orders."""
    fields.required("symbol")
    rows = account.fills
    named = fields.text("orderId")
    if named is not None:
        order = account.orders.get(read_id(named).order_id)
        rows = account.fills_of(order) if order is not None and wire_id(order) == named else []
    return _page(
        exchange, fields, rows, lambda fill: trade_id(fill.trade_id), lambda fill: fill.filled_ms
    )


def is_waiting(order: Order) -> bool:
    """Whether a trigger order has neither fired nor ended."""
    return order.is_open and not order.triggered_ms


def _page(
    exchange: PaperExchange,
    fields: Parameters,
    rows: Iterable[_Row],
    name: Callable[[_Row], str],
    moment: Callable[[_Row], int],
    limit: int | None = None,
    span_ms: int = _SPAN_MS,
) -> list[_Row]:
    start_ms, end_ms = _read_window(exchange, fields, span_ms)
    symbol = fields.text("symbol")
    wanted = None if symbol is None else get_market(exchange, symbol).symbol
    below = fields.integer("idLessThan")
    limit = limit or fields.limit(default=LARGEST_PAGE, largest=LARGEST_PAGE)
    found = [
        row
        for row in rows
        if (wanted is None or row.symbol == wanted)
        and (start_ms is None or moment(row) >= start_ms)
        and (end_ms is None or moment(row) <= end_ms)
        and (below is None or int(name(row)) < below)
    ]
    found.sort(key=lambda row: int(name(row)), reverse=True)
    return found[:limit]


def _read_window(
    exchange: PaperExchange, fields: Parameters, span_ms: int
) -> tuple[int | None, int | None]:
    start_ms, end_ms = fields.integer("startTime"), fields.integer("endTime")
    if start_ms is not None and end_ms is not None and end_ms - start_ms > span_ms:
        raise errors.span_too_long() if span_ms == _SPAN_MS else errors.plan_span_too_long()
    wall_ms, market_ms = exchange.clock.wall_ms(), exchange.clock.now_ms()
    if start_ms is not None and start_ms < min(wall_ms, market_ms) - _REACH_MS - _SLACK_MS:
        raise errors.too_far_back()
    # Until now by the sender's own clock is until now: the market's may run ahead of it.
    if end_ms is not None and end_ms >= wall_ms - _SLACK_MS:
        end_ms = None
    return start_ms, end_ms


def _created_ms(order: Order) -> int:
    return order.triggered_ms if kind_of(order) is Kind.PLAN else order.created_ms
