"""When an order that waits for a price fires."""

from decimal import Decimal

from apps.domain.markets import ceil_to, floor_to
from apps.domain.orders import OrderSide, OrderType
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import ZERO, NewOrder, Order


def would_trigger(order: NewOrder | Order, price: Decimal) -> bool:
    """Whether a conditional order would fire at once, which no exchange accepts."""
    if order.order_type is OrderType.TRAILING_STOP or not order.trigger_price:
        return False
    return is_beyond(order, order.trigger_price, price)


def is_trailing(order: Order) -> bool:
    """Whether the trigger follows the price: always so of a trailing stop, of others by their share."""
    return order.order_type is OrderType.TRAILING_STOP or order.trailing_share > 0


def protects(order: Order) -> bool:
    """Whether it fires as the price goes against its holder."""
    return order.order_type.is_stop or is_trailing(order)


def fires_below(order: NewOrder | Order) -> bool:
    """Whether a falling price fires it: a stop as the price goes against its holder, a take profit as
    it goes with him."""
    return (order.side is OrderSide.SELL) == order.order_type.is_stop


def is_beyond(order: NewOrder | Order, trigger_price: Decimal, price: Decimal) -> bool:
    """Whether the price has come to a trigger that stands still."""
    return price <= trigger_price if fires_below(order) else price >= trigger_price


def is_triggered(order: Order, price: Decimal) -> bool:
    """Whether the price has come to where a waiting order fires."""
    if not is_trailing(order):
        return is_beyond(order, order.trigger_price, price)
    if not order.best_price:
        return False
    stop = trailing_stop(order)
    return price <= stop if order.side is OrderSide.SELL else price >= stop


def trailing_stop(order: Order) -> Decimal:
    """Where a trailing stop stands now."""
    distance = order.trailing_amount or order.best_price * order.trailing_share
    return order.best_price + (distance if order.side is OrderSide.BUY else -distance)


def stop_level(order: Order, tick_size: Decimal) -> Decimal:
    """The price at which a stop fires now, zero while a trailing one is not active."""
    if not is_trailing(order):
        return order.trigger_price
    if not order.best_price:
        return ZERO
    rounded = floor_to if order.side is OrderSide.SELL else ceil_to
    return rounded(trailing_stop(order), tick_size)


def begin_following(order: Order, quote: Quote | None) -> None:
    """Remember the price that an order begins with, unless it is first to come to an activation price."""
    if quote is not None and not (is_trailing(order) and order.trigger_price):
        order.best_price = quote.price


def follow(order: Order, price: Decimal) -> None:
    """Remember the best price a trailing stop has seen, from its activation price on."""
    if not is_trailing(order):
        return
    if order.best_price:
        better = max if order.side is OrderSide.SELL else min
        order.best_price = better(order.best_price, price)
    elif _is_active(order, price):
        order.best_price = price


def _is_active(order: Order, price: Decimal) -> bool:
    if order.order_type is not OrderType.TRAILING_STOP:
        return is_beyond(order, order.trigger_price, price)
    if order.side is OrderSide.SELL:
        return price >= order.trigger_price
    return price <= order.trigger_price
