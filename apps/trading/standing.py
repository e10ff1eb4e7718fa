"""Where a book stands when a signal comes to the gate."""

from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from apps.domain.orders import TERMINAL_STATUSES, OrderPurpose, OrderSide, OrderStatus
from apps.markets.models import Symbol
from apps.trading.models import Book

# Who has this row passes the gate for the broker, one at a time. A statement of its own: what the next
# one reads has to include what the one before us in the queue has written.
_LOCK = "SELECT is_active, automation FROM brokers_broker WHERE id = %s FOR NO KEY UPDATE"
# Claims are what buys take that the balance snapshot can't contain: all of one that may still be filled,
# what was filled of one that ended since.
_READ = """
SELECT (SELECT id FROM trading_order WHERE dedup_key = %(dedup_key)s),
       (SELECT json_agg(json_build_array(id, purpose, replaces_id) ORDER BY id) FROM trading_order
        WHERE book_id = %(book_id)s AND symbol_id = %(symbol_id)s AND NOT is_settled),
       position.id, position.quantity, position.version, broker.balances_as_of IS NOT NULL,
       coalesce((SELECT free FROM brokers_balance
                 WHERE broker_id = broker.id AND asset = %(quote)s), 0)
       - coalesce((SELECT sum(CASE WHEN o.status = ANY(%(terminal)s) THEN o.filled_quote
                                   ELSE coalesce(o.quote_amount, o.quantity * coalesce(
                                       o.price, o.trigger_price, o.reference_price)) END)
                   FROM trading_order AS o JOIN markets_symbol AS s ON s.id = o.symbol_id
                   WHERE o.broker_id = broker.id AND o.side = %(buy)s AND s.quote = %(quote)s
                     AND (o.status = ANY(%(in_flight)s) OR o.submitted_at > broker.balances_as_of
                          OR o.terminal_at > broker.balances_as_of)), 0)
FROM brokers_broker AS broker
LEFT JOIN trading_position AS position
       ON position.book_id = %(book_id)s AND position.symbol_id = %(symbol_id)s
      AND position.closed_at IS NULL
WHERE broker.id = %(broker_id)s
"""
_IN_FLIGHT = [OrderStatus.CREATED.value, OrderStatus.SUBMITTED.value, OrderStatus.UNKNOWN.value]
_TERMINAL = [status.value for status in TERMINAL_STATUSES]


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An order of the book in the symbol that is not settled yet."""

    id: int
    purpose: OrderPurpose
    replaces_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A broker's switches, a book's position in a symbol, and the quote currency that is free to spend:
    the last balance less what our own orders still claim of it, None before the first balance.
    `earlier_order_id` is the order that answers the same intent already."""

    is_active: bool
    automation: str
    earlier_order_id: int | None
    unsettled: tuple[Unsettled, ...]
    position_id: int | None
    position_version: int | None
    held: Decimal
    available: Decimal | None


def lock_and_read(*, book: Book, symbol: Symbol, dedup_key: str) -> Standing:
    """The standing, which stays true until the transaction ends: the broker's row is locked till then."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [book.broker_id])
        is_active, automation = cursor.fetchone()
        cursor.execute(
            _READ,
            {
                "dedup_key": dedup_key,
                "book_id": book.pk,
                "symbol_id": symbol.pk,
                "broker_id": book.broker_id,
                "quote": symbol.quote,
                "buy": OrderSide.BUY.value,
                "in_flight": _IN_FLIGHT,
                "terminal": _TERMINAL,
            },
        )
        earlier, unsettled, position_id, held, version, has_snapshot, available = cursor.fetchone()
    return Standing(
        is_active=is_active,
        automation=automation,
        earlier_order_id=earlier,
        unsettled=tuple(
            Unsettled(pk, OrderPurpose(purpose), replaces)
            for pk, purpose, replaces in unsettled or ()
        ),
        position_id=position_id,
        position_version=version,
        held=held or Decimal(0),
        available=available if has_snapshot else None,
    )
