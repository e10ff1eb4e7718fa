"""The order path: claim, send once, answer. What comes back unclear is settled by the monitor, and
nothing is ever sent a second time."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from apps.brokers.models import Automation, Broker
from apps.brokers.services import connect
from apps.core.enqueue import enqueue_on_commit
from apps.core.rows import Rows
from apps.core.tasks import TaskName
from apps.core.traces import current_trace_id
from apps.core.venues import NotRunning
from apps.domain.orders import (
    NEXT_STATUSES,
    OrderPurpose,
    OrderSide,
    OrderSource,
    OrderStatus,
    OrderType,
    check_transition,
)
from apps.exchanges import errors, ports
from apps.exchanges.rounding import fit_to_market
from apps.markets.models import Symbol
from apps.trading.events import record_event
from apps.trading.ledger import record_fills
from apps.trading.models import Order
from apps.trading.scopes import ENTRY_IS_STOPPED

logger = logging.getLogger(__name__)

#: From the claim to the last moment at which the exchange may still take the order.
SEND_WINDOW = timedelta(seconds=5)


_ROWS = Rows(claimed=Order, broker=Broker, symbol=Symbol)
# Claim, event and what is needed to send are one statement: all or nothing, in a single round trip.
_CLAIM = f"""
WITH claimed AS (
    UPDATE trading_order
    SET status = %(submitted)s, submitted_at = now(), send_deadline = now() + %(window)s
    WHERE id = %(order_id)s AND status = %(created)s
      AND (purpose <> %(entry)s
           OR valid_until > now()
           AND EXISTS (SELECT 1 FROM brokers_broker AS b
                       WHERE b.id = broker_id AND b.is_active AND b.automation = CASE source
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


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nobody can say yet whether the exchange took the order."""

    message: str


def submit_order(*, order_id: int) -> None:
    """Carry an order from created to the exchange's answer. Whoever loses the claim returns, so any
    number of deliveries of the same task send the order once."""
    order = claim(order_id=order_id)
    if order is None:
        return
    outcome = _send(order)
    now = timezone.now()
    match outcome:
        case ports.OrderReport():
            apply_report(order_id=order_id, report=outcome, now=now)
            if outcome.filled_quantity is None:
                # The exchange only took note: what became of it has to be asked.
                enqueue_on_commit(TaskName.POLL_BROKER, broker_id=order.broker_id)
        case errors.ExchangeError():
            move(order_id=order_id, status=OrderStatus.REJECTED, message=str(outcome), now=now)
        case Unclear():
            move(order_id=order_id, status=OrderStatus.UNKNOWN, message=outcome.message, now=now)


def claim(*, order_id: int) -> Order | None:
    """Make a created order ours to send, in one UPDATE; None when another worker has it, when it is too
    old, or when a switch or a
    risk state stands against it by now (what only reduces passes all of that)."""
    values: dict[str, Any] = {
        "order_id": order_id,
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
        cursor.execute(_CLAIM, values)
        row = cursor.fetchone()
    if row is None:
        return None
    (order, broker, symbol), _nothing = _ROWS.split(row)
    order.broker, order.symbol = broker, symbol
    return cast(Order, order)


def _send(order: Order) -> ports.OrderReport | errors.ExchangeError | Unclear:
    """The one call that places an order. Definite answers come back as values; anything else is unclear."""
    assert order.send_deadline is not None  # noqa: S101  only claimed orders get here
    request = ports.OrderRequest(
        symbol=order.symbol.name,
        side=OrderSide(order.side),
        order_type=OrderType(order.order_type),
        client_order_id=order.client_order_id,
        quantity=order.quantity,
        quote_amount=order.quote_amount,
        price=order.price,
        is_exit=order.purpose == OrderPurpose.EXIT,
    )
    try:
        fitted = fit_to_market(request, order.symbol.to_market())
        return connect(order.broker).place_order(fitted, deadline=order.send_deadline)
    except errors.OutcomeUnknown as error:
        logger.warning("order %s: outcome unknown: %s", order.client_order_id, error)
        return Unclear(
            f"No clear answer: {error} It is being looked up and will not be sent again."
        )
    except errors.ExchangeError as error:
        return error
    except NotRunning as error:
        return errors.ExchangeUnavailable(str(error))


@transaction.atomic
def apply_report(*, order_id: int, report: ports.OrderReport, now: datetime) -> Order:
    """Move our order to what the exchange reports. Repeating a report, or getting an older one late,
    changes nothing, nor does one about another order. Locks the order's row."""
    order = (
        Order.objects.select_for_update(of=("self",))
        .select_related("symbol", "broker")
        .get(pk=order_id)
    )
    if not _is_about(order, report):
        name = report.client_order_id or report.exchange_order_id
        logger.error(
            "order %s: ignored a report about %s, %s", order.client_order_id, name, report.symbol
        )
        return order
    record_fills(order=order, fills=report.fills)
    was_settled, before = order.is_settled, (order.status, order.filled_quantity)
    if report.filled_quantity is None or report.filled_quantity >= order.filled_quantity:
        _take_over(order, report, now)
    order.is_settled = _is_settled(order)
    order.save()
    if (order.status, order.filled_quantity) != before or order.is_settled != was_settled:
        record_event(order, at=now, message=_describe(order), raw=report.raw)
    if order.is_settled and not was_settled and order.filled_quantity:
        enqueue_on_commit(TaskName.REFRESH_BALANCES, broker_id=order.broker_id)
    return order


def _is_about(order: Order, report: ports.OrderReport) -> bool:
    name = report.client_order_id
    return report.symbol == order.symbol.name and (not name or name == order.client_order_id)


def _take_over(order: Order, report: ports.OrderReport, now: datetime) -> None:
    """Copy what the exchange says, unless the report is older than what we know."""
    order.absences = 0
    order.exchange_order_id = report.exchange_order_id
    if report.filled_quantity is not None:
        order.filled_quantity = report.filled_quantity
    if report.filled_quote is not None:
        order.filled_quote = report.filled_quote
    if report.status in NEXT_STATUSES[OrderStatus(order.status)]:
        order.exchange_status = report.exchange_status
        _change_status(order, report.status, now)


def _is_settled(order: Order) -> bool:
    if not OrderStatus(order.status).is_terminal:
        return False
    filled = sum((fill.quantity for fill in order.fills.all()), Decimal(0))
    return bool(filled >= order.filled_quantity)


def _change_status(order: Order, status: OrderStatus, now: datetime) -> None:
    check_transition(OrderStatus(order.status), status)
    order.status = status
    order.terminal_at = now if status.is_terminal else None


def _describe(order: Order) -> str:
    if not order.filled_quantity:
        return f"The exchange says {order.exchange_status or order.status}."
    return (
        f"Filled {order.filled_quantity.normalize():f} {order.symbol.base} "
        f"at {order.average_price:.8g} {order.symbol.quote} on average."
    )


@transaction.atomic
def move(
    *,
    order_id: int,
    status: OrderStatus,
    message: str,
    now: datetime,
    raw: Mapping[str, Any] | None = None,
) -> bool:
    """Change the status for a reason that carries no fills; False when the order has moved on already."""
    order = Order.objects.select_for_update().get(pk=order_id)
    current = OrderStatus(order.status)
    if current in {status, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED} or current.is_terminal:
        return False
    _change_status(order, status, now)
    order.is_settled = status.is_terminal
    order.save(update_fields=["status", "terminal_at", "is_settled"])
    record_event(order, at=now, message=message, raw=raw)
    return True


@transaction.atomic
def record_absence(*, order_id: int, now: datetime) -> int:
    """Count one complete look-up that did not find the order; how many in a row there are now."""
    Order.objects.filter(pk=order_id).update(absences=F("absences") + 1, looked_up_at=now)
    return Order.objects.values_list("absences", flat=True).get(pk=order_id)
