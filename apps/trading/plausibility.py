"""What can't be true of a report about one of our orders."""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from apps.brokers.columns import MOST
from apps.domain.orders import OrderSource
from apps.exchanges import ports
from apps.trading.models import Fill, Order


def find_contradiction(order: Order, report: ports.OrderReport) -> str:
    """The first thing in `report` that can't be true of `order`, in words; empty for a good one."""
    return next(_contradictions(order, report), "")


def _contradictions(order: Order, report: ports.OrderReport) -> Iterator[str]:
    name = report.client_order_id
    # One that was placed elsewhere has a name of its own there.
    if name and name != order.client_order_id and order.source != OrderSource.EXTERNAL:
        yield f"it is about order {name}"
    if report.symbol != order.symbol.name:
        yield f"it is about {report.symbol}"
    if report.side != order.side:
        yield f"it tells of a {report.side} order"
    for what, figure in (
        ("filled quantity", report.filled_quantity),
        ("filled value", report.filled_quote),
    ):
        if figure is not None and not _is_amount(figure):
            yield f"its {what} is {figure}"
    if _exceeds(report.filled_quantity, order):
        yield f"it filled {report.filled_quantity}, more than was ordered"
    yield from _contradictions_of_fills(order, report.fills)
    if _belongs_elsewhere(order, report.exchange_order_id):
        yield f"the exchange's id {report.exchange_order_id} is another order's"


def _contradictions_of_fills(order: Order, fills: Sequence[ports.Fill]) -> Iterator[str]:
    for fill in fills:
        if (fill.symbol, fill.side) != (order.symbol.name, order.side):
            yield f"trade {fill.trade_id} is a {fill.side} of {fill.symbol}"
        figures = (fill.quantity, fill.price)
        if not all(_is_amount(figure) and figure > 0 for figure in figures):
            yield f"trade {fill.trade_id} is of {fill.quantity} at {fill.price}"
        if not (fill.fee.is_finite() and abs(fill.fee) <= MOST):
            yield f"trade {fill.trade_id} has a fee of {fill.fee}"
    if not fills:
        return
    told = {fill.trade_id: fill.quantity for fill in fills}
    booked = dict(order.fills.values_list("trade_id", "quantity"))
    if _exceeds(sum((booked | told).values(), Decimal(0)), order):
        yield "its fills add up to more than was ordered"
    elsewhere = Fill.objects.filter(
        broker_id=order.broker_id, symbol_id=order.symbol_id, trade_id__in=told.keys() - booked
    )
    if other := elsewhere.first():
        yield f"trade {other.trade_id} is booked to another order"


def _is_amount(figure: Decimal) -> bool:
    return figure.is_finite() and 0 <= figure <= MOST


def _exceeds(filled: Decimal | None, order: Order) -> bool:
    return filled is not None and order.quantity is not None and filled > order.quantity


def _belongs_elsewhere(order: Order, exchange_order_id: str) -> bool:
    if not exchange_order_id or exchange_order_id == order.exchange_order_id:
        return False
    same = Order.objects.filter(
        broker_id=order.broker_id, symbol_id=order.symbol_id, exchange_order_id=exchange_order_id
    )
    return same.exclude(pk=order.pk).exists()
