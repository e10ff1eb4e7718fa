"""Our rows as an exchange is asked about them."""

from apps.domain.orders import (
    OrderPurpose,
    OrderSide,
    OrderSource,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from apps.exchanges import errors, ports
from apps.trading.models import Order


def to_request(order: Order) -> ports.OrderRequest:
    """The row as it is placed; raises InvalidOrder for one that makes no sense."""
    try:
        return ports.OrderRequest(
            symbol=order.symbol.name,
            side=OrderSide(order.side),
            order_type=OrderType(order.order_type),
            client_order_id=order.client_order_id,
            quantity=order.quantity,
            quote_amount=order.quote_amount,
            price=order.price,
            trigger_price=order.trigger_price,
            time_in_force=TimeInForce(order.time_in_force),
            is_exit=OrderPurpose(order.purpose).reduces,
        )
    except ValueError as error:
        raise errors.InvalidOrder(f"Not sent: {error}") from error


def ref_of(order: Order) -> ports.OrderRef:
    """How the exchange knows an order of ours; one that was placed elsewhere by the exchange's id alone."""
    is_external = order.source == OrderSource.EXTERNAL
    return ports.OrderRef(
        symbol=order.symbol.name,
        client_order_id=None if is_external else order.client_order_id,
        # Both where both are known: some exchanges find an order sooner, and cheaper, by their own.
        exchange_order_id=order.exchange_order_id or None,
        order_type=OrderType(order.order_type),
        placed_at=order.submitted_at,
    )


def to_report(order: Order) -> ports.OrderReport:
    """The row as the exchange would tell it, if it stands there as we know it."""
    return ports.OrderReport(
        symbol=order.symbol.name,
        client_order_id=order.client_order_id,
        exchange_order_id=order.exchange_order_id,
        status=OrderStatus(order.status),
        exchange_status=order.exchange_status,
        side=OrderSide(order.side),
        order_type=OrderType(order.order_type),
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        filled_quote=order.filled_quote,
        price=order.price,
        trigger_price=order.trigger_price,
        created_at=order.submitted_at,
    )
