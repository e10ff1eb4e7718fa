"""The claim: who may send an order, decided by one statement."""

from datetime import timedelta
from typing import Any, cast

from django.db import connection

from apps.brokers.models import Automation, Broker
from apps.core.rows import Rows
from apps.core.traces import current_trace_id
from apps.domain.orders import OrderPurpose, OrderSource, OrderStatus
from apps.markets.models import Symbol
from apps.trading.models import Order
from apps.trading.scopes import ENTRY_IS_STOPPED

#: From the claim to the last moment at which the exchange may still take the order.
SEND_WINDOW = timedelta(seconds=5)

_ROWS = Rows(claimed=Order, broker=Broker, symbol=Symbol)


def _claim_those(which: str) -> str:
    """SQL: claim, events and what is needed to send are one statement: all or nothing, in a single round
    trip."""
    return f"""
WITH claimed AS (
    UPDATE trading_order AS o
    SET status = %(submitted)s, submitted_at = now(), send_deadline = now() + %(window)s,
        quantity = CASE WHEN o.replaces_id IS NULL OR o.amends_to IS NOT NULL
                   THEN o.quantity ELSE greatest(0, least(
            o.quantity - coalesce((SELECT sum(quantity) FROM trading_fill
                                   WHERE order_id = o.replaces_id AND created_at > o.created_at), 0),
            (SELECT quantity FROM trading_position
             WHERE id = o.position_id AND o.purpose <> %(entry)s))) END
    WHERE {which} AND status = %(created)s
      AND (replaces_id IS NULL OR amends_to IS NOT NULL
           OR EXISTS (SELECT 1 FROM trading_order WHERE id = o.replaces_id AND is_settled))
      AND (purpose <> %(entry)s
           OR valid_until > now()
           AND EXISTS (SELECT 1 FROM brokers_broker AS b
                       WHERE b.id = o.broker_id AND b.is_active AND b.automation = CASE o.source
                           WHEN %(strategy)s THEN %(strategies)s
                           WHEN %(webhook)s THEN %(webhooks)s ELSE b.automation END)
           AND NOT {ENTRY_IS_STOPPED})
    RETURNING *
), event AS (
    INSERT INTO trading_orderevent (order_id, at, status, message, trace_id)
    SELECT id, submitted_at, %(submitted)s, %(message)s, %(trace_id)s FROM claimed
)
SELECT {_ROWS.columns}
FROM claimed
JOIN brokers_broker AS broker ON broker.id = claimed.broker_id
JOIN markets_symbol AS symbol ON symbol.id = claimed.symbol_id
"""  # noqa: S608  the columns come from the models


_CLAIM = _claim_those("id = %(order_id)s")
# Whoever finds an order locked leaves it: another worker is about to claim or to cancel it.
_CLAIM_WAITING = _claim_those("""id = ANY(ARRAY(
        SELECT id FROM trading_order
        WHERE broker_id = %(broker_id)s AND status = %(created)s AND replaces_id IS NULL
          AND NOT is_settled
        ORDER BY id LIMIT %(most)s FOR NO KEY UPDATE SKIP LOCKED))""")


def claim(*, order_id: int) -> Order | None:
    """Make a created order ours to send, in one UPDATE; None when another worker has it, while the order
    it replaces is not settled, or when an entry is too old or a switch or risk state
    stands against it by now. What the replaced order has filled meanwhile comes off the quantity."""
    claimed = _claim(_CLAIM, order_id=order_id)
    return claimed[0] if claimed else None


def claim_waiting(*, broker_id: int, most: int) -> list[Order]:
    """The next few orders of a broker that wait for nothing but to be sent, claimed in the same way."""
    return _claim(_CLAIM_WAITING, broker_id=broker_id, most=most)


def _claim(statement: str, **which: int) -> list[Order]:
    values: dict[str, Any] = {
        **which,
        "created": OrderStatus.CREATED.value,
        "submitted": OrderStatus.SUBMITTED.value,
        "entry": OrderPurpose.ENTRY.value,
        "strategy": OrderSource.STRATEGY.value,
        "strategies": Automation.STRATEGIES.value,
        "webhook": OrderSource.WEBHOOK.value,
        "webhooks": Automation.WEBHOOKS.value,
        "window": SEND_WINDOW,
        "message": "Claimed, about to be sent.",
        "trace_id": current_trace_id(),
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [_to_order(row) for row in cursor.fetchall()]


def _to_order(row: tuple[Any, ...]) -> Order:
    (order, broker, symbol), _nothing = _ROWS.split(row)
    order.broker, order.symbol = broker, symbol
    return cast(Order, order)
