"""The append-only history of an order."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apps.brokers.columns import without_nul
from apps.core.broadcast import Topic, broadcast_on_commit
from apps.core.traces import current_trace_id
from apps.trading.models import Order, OrderEvent


def record_event(
    order: Order, *, at: datetime, message: str, raw: Mapping[str, Any] | None = None
) -> OrderEvent:
    """Write down what just happened to `order`, with the exchange's redacted answer if there is one;
    without NUL, which no column holds. Its owner's screens are told."""
    broadcast_on_commit(order.owner_id, Topic.ORDERS, order=order.pk)
    return OrderEvent.objects.create(
        order=order,
        at=at,
        status=order.status,
        message=without_nul(message),
        raw=without_nul(raw),
        trace_id=current_trace_id(),
    )


def link_to(order: Order) -> str:
    """The order's page."""
    return f"/admin/trading/order/{order.pk}/change/"
