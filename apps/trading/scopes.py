"""The risk scopes that an entry falls into, and what each has at stake already."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from apps.domain.orders import TERMINAL_STATUSES, OrderPurpose
from apps.domain.risk import Exposure, Limits, RiskState
from apps.markets.models import Symbol
from apps.trading.models import Book, Order

#: Which scopes hold for an order or a book `{0}` with owner_id, broker_id and book id as columns.
_HOLDS = """
(scope.owner_id IS NULL
 OR scope.owner_id = {owner} AND (scope.broker_id IS NULL AND scope.book_id IS NULL
                                  OR scope.broker_id = {broker} OR scope.book_id = {book}))
"""
#: For the claim: whether a scope stands against the entry `o` that is to be sent now.
ENTRY_IS_STOPPED = f"""
EXISTS (SELECT 1 FROM trading_riskscope AS scope
        WHERE scope.state <> '{RiskState.ACTIVE}'
          AND {
    _HOLDS.format(
        owner="o.owner_id",
        broker="o.broker_id",
        book="o.book_id",
    )
})
"""  # noqa: S608  no value of anybody's is in it
#: For the gate: whether any scope has something to say about the `book` at the `broker`; reading what
#: they have at stake costs more.
IS_RESTRICTED = f"""
EXISTS (SELECT 1 FROM trading_riskscope AS scope
        WHERE (scope.state <> '{RiskState.ACTIVE}'
               OR num_nonnulls(scope.max_order_value, scope.max_position_value,
                               scope.max_open_positions, scope.max_orders_per_minute) > 0)
          AND {_HOLDS.format(owner="book.owner_id", broker="broker.id", book="book.id")})
"""  # noqa: S608  as above
# The limits of everybody hold for each user by himself. What an order replaces counts as gone.
_READ = f"""
SELECT coalesce(book.label, broker.name, CASE WHEN scope.owner_id IS NULL THEN 'everybody'
                                              ELSE 'you' END),
       scope.state, scope.reason,
       scope.max_order_value, scope.max_position_value, scope.max_open_positions,
       scope.max_orders_per_minute,
       CASE WHEN scope.max_position_value IS NOT NULL THEN
           coalesce((SELECT sum(p.quantity) FROM trading_position AS p
                     JOIN trading_book AS b ON b.id = p.book_id
                     WHERE p.owner_id = %(owner_id)s AND p.symbol_id = %(symbol_id)s
                       AND p.closed_at IS NULL
                       AND (scope.broker_id IS NULL OR b.broker_id = scope.broker_id)
                       AND (scope.book_id IS NULL OR b.id = scope.book_id)), 0) * %(price)s
           + coalesce((SELECT sum(coalesce(o.quote_amount, o.quantity * coalesce(
                                  o.price, o.trigger_price, o.reference_price)) - o.filled_quote)
                       FROM trading_order AS o
                       WHERE o.owner_id = %(owner_id)s AND o.symbol_id = %(symbol_id)s
                         AND o.purpose = %(entry)s AND NOT o.is_settled
                         AND o.status <> ALL(%(terminal)s)
                         AND o.id IS DISTINCT FROM %(replaces_id)s
                         AND (scope.broker_id IS NULL OR o.broker_id = scope.broker_id)
                         AND (scope.book_id IS NULL OR o.book_id = scope.book_id)), 0) END,
       CASE WHEN scope.max_open_positions IS NOT NULL THEN
           (SELECT count(*) FROM (
               SELECT p.book_id, p.symbol_id FROM trading_position AS p
               JOIN trading_book AS b ON b.id = p.book_id
               WHERE p.owner_id = %(owner_id)s AND p.closed_at IS NULL
                 AND (scope.broker_id IS NULL OR b.broker_id = scope.broker_id)
                 AND (scope.book_id IS NULL OR b.id = scope.book_id)
               UNION
               SELECT o.book_id, o.symbol_id FROM trading_order AS o
               WHERE o.owner_id = %(owner_id)s AND o.purpose = %(entry)s AND NOT o.is_settled
                 AND o.status <> ALL(%(terminal)s)
                 AND (scope.broker_id IS NULL OR o.broker_id = scope.broker_id)
                 AND (scope.book_id IS NULL OR o.book_id = scope.book_id)
               UNION
               SELECT %(book_id)s, %(symbol_id)s) AS cycle) END,
       CASE WHEN scope.max_orders_per_minute IS NOT NULL THEN
           (SELECT count(*) FROM trading_order AS o
            WHERE o.owner_id = %(owner_id)s AND o.created_at > %(minute_ago)s
              AND o.denial_code = '' AND o.purpose = %(entry)s
              AND (scope.broker_id IS NULL OR o.broker_id = scope.broker_id)
              AND (scope.book_id IS NULL OR o.book_id = scope.book_id)) END
FROM trading_riskscope AS scope
LEFT JOIN brokers_broker AS broker ON broker.id = scope.broker_id
LEFT JOIN trading_book AS book ON book.id = scope.book_id
WHERE {_HOLDS.format(owner="%(owner_id)s", broker="%(broker_id)s", book="%(book_id)s")}
"""  # noqa: S608  as above


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One scope as an entry meets it. What is at stake is counted only where a limit asks for it."""

    label: str
    state: RiskState
    reason: str
    limits: Limits
    position_value: Decimal
    open_positions: int
    orders_last_minute: int

    def exposure_with(self, order_value: Decimal) -> Exposure:
        """What would be at stake with one more order of this value."""
        return Exposure(
            order_value=order_value,
            position_value=self.position_value + order_value,
            open_positions=self.open_positions,
            orders_last_minute=self.orders_last_minute + 1,
        )


def read_scopes(
    *, book: Book, symbol: Symbol, price: Decimal, replaces: Order | None, now: datetime
) -> list[Scope]:
    """Those of everybody, the owner, the broker and the book, as far as there are any."""
    values: dict[str, Any] = {
        "owner_id": book.owner_id,
        "broker_id": book.broker_id,
        "book_id": book.pk,
        "symbol_id": symbol.pk,
        "price": price,
        "replaces_id": replaces.pk if replaces else None,
        "minute_ago": now - timedelta(minutes=1),
        "entry": OrderPurpose.ENTRY.value,
        "terminal": [status.value for status in TERMINAL_STATUSES],
    }
    with connection.cursor() as cursor:
        cursor.execute(_READ, values)
        rows = cursor.fetchall()
    return [
        Scope(
            label=label,
            state=RiskState(state),
            reason=reason,
            limits=Limits(
                max_order_value=order_value,
                max_position_value=position_value,
                max_open_positions=positions,
                max_orders_per_minute=per_minute,
            ),
            position_value=at_stake or Decimal(0),
            open_positions=open_positions or 0,
            orders_last_minute=last_minute or 0,
        )
        for (
            label,
            state,
            reason,
            order_value,
            position_value,
            positions,
            per_minute,
            at_stake,
            open_positions,
            last_minute,
        ) in rows
    ]
