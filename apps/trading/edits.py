"""Changing an order that rests: where the exchange can, in place; else another takes its place."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from apps.domain.orders import (
    LIVE_STATUSES,
    OrderPurpose,
    OrderSide,
    OrderSource,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from apps.trading.amendments import find_target
from apps.trading.gate import Signal, place
from apps.trading.models import Order
from apps.trading.path import lock_order, request_cancel

#: How long a change may wait for the order it replaces to end.
EDIT_LIFETIME = timedelta(seconds=30)


class NotChangeable(Exception):
    """The order can't be changed any more; the message says why, for a person."""


@transaction.atomic
def request_edit(
    *,
    order: Order,
    quantity: Decimal | None,
    price: Decimal | None,
    trigger_price: Decimal | None,
    now: datetime,
) -> Order:
    """A new row, through the gate, for what is to stand instead of `order`; None keeps what it has. Where
    the exchange can it changes the order in place; else that one gets a cancel wish, and the new one is
    sent when it has ended, for the new quantity less all that it has filled. Raises NotChangeable; a
    denial leaves the old order as it is."""
    order = lock_order(order.pk)
    if OrderStatus(order.status).is_terminal:
        raise NotChangeable(f"The order is {order.get_status_display()}: place a new one.")
    if order.order_type == OrderType.MARKET or order.source == OrderSource.EXTERNAL:
        raise NotChangeable("Only limit and conditional orders placed here can be changed.")
    if OrderPurpose(order.purpose).is_protection:
        raise NotChangeable(
            "It follows its position: change the position's stop-loss or take-profit."
        )
    if order.cancel_requested_at or order.replacements.filter(status__in=LIVE_STATUSES).exists():
        raise NotChangeable("The order is being cancelled or changed already: wait for it.")
    target = quantity or order.quantity or Decimal(0)
    if target <= order.filled_quantity:
        raise NotChangeable(f"It has filled {order.filled_quantity.normalize():f} already.")
    price, trigger_price = price or order.price, trigger_price or order.trigger_price
    if (target, price, trigger_price) == (order.quantity, order.price, order.trigger_price):
        raise NotChangeable("These are the figures it has.")
    in_place = find_target(order, quantity=target, price=price, trigger_price=trigger_price)
    signal = Signal(
        side=OrderSide(order.side),
        order_type=OrderType(order.order_type),
        purpose=OrderPurpose(order.purpose),
        source=OrderSource(order.source),
        dedup_key=f"edit-{order.pk}-{order.replacements.count()}",
        reason=f"Changes order {order.pk} where it rests."
        if in_place
        else f"Takes the place of order {order.pk} with other figures.",
        reference_price=price or trigger_price or order.reference_price,
        valid_until=now + EDIT_LIFETIME,
        quantity=target - order.filled_quantity,
        price=in_place.price if in_place else price,
        trigger_price=in_place.trigger_price if in_place else trigger_price,
        time_in_force=TimeInForce(order.time_in_force),
        stop_loss=order.stop_loss,
        take_profit=order.take_profit,
        stop_loss_price=order.stop_loss_price,
        take_profit_price=order.take_profit_price,
        replaces=order,
        amends_to=in_place.quantity if in_place else None,
    )
    replacement = place(book=order.book, symbol=order.symbol, signal=signal, now=now)
    if replacement.status != OrderStatus.DENIED and not in_place:
        reason = f"Order {replacement.pk} takes its place."
        request_cancel(order_id=order.pk, now=now, reason=reason)
    return replacement
