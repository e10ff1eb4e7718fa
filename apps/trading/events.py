"""The append-only history of an order."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection

from apps.brokers.columns import without_nul
from apps.core.broadcast import Topic, broadcast_on_commit
from apps.core.rows import NewRow
from apps.core.traces import current_trace_id
from apps.trading.models import Order, OrderEvent

_NEW_ORDER = NewRow(Order)
# The gate holds its broker's lock meanwhile, so both rows are one statement.
_CREATE = f"""
WITH created AS (
    INSERT INTO trading_order ({_NEW_ORDER.columns}) VALUES ({_NEW_ORDER.placeholders})
    RETURNING id, status
)
INSERT INTO trading_orderevent (order_id, at, status, message, trace_id)
SELECT id, %(event_at)s, status, %(event_message)s, %(event_trace_id)s FROM created
RETURNING order_id
"""  # noqa: S608  the columns come from the model


def record_creation(order: Order, *, at: datetime, message: str) -> None:
    """Write down a new order with the beginning of its history. Its owner's screens are told."""
    values = {
        **_NEW_ORDER.values(order),
        "event_at": at,
        "event_message": without_nul(message),
        "event_trace_id": current_trace_id(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_CREATE, values)
        _NEW_ORDER.is_stored(order, *cursor.fetchone())
    broadcast_on_commit(order.owner_id, Topic.ORDERS, order=order.pk)


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
