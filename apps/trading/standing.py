"""Where a book stands when a signal comes to the gate."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from apps.domain.candles import Timeframe
from apps.domain.orders import TERMINAL_STATUSES, OrderPurpose, OrderSide, OrderStatus
from apps.markets.models import Symbol
from apps.trading.models import Book, Order
from apps.trading.scopes import IS_RESTRICTED

# Who has this row passes the gate for the broker, one at a time. A statement of its own: what the next
# one reads has to include what the one before us in the queue has written.
_LOCK = """
SELECT is_active, automation, owner_id, exchange, environment
FROM brokers_broker WHERE id = %s FOR NO KEY UPDATE
"""
# What a buy takes in quote currency when all of it is filled.
_WHOLE = (
    "coalesce(o.quote_amount, o.quantity * coalesce(o.price, o.trigger_price, o.reference_price))"
)


def cash_of_book(quote: str) -> str:
    """SQL: what the envelope of `book` has in cash by the fills that are booked, NULL without one; `quote`
    is SQL for the quote currency."""
    return f"""(book.capital + coalesce((
        SELECT sum(p.realized_pnl - p.cost)
        FROM trading_position AS p JOIN markets_symbol AS s ON s.id = p.symbol_id
        WHERE p.book_id = book.id AND s.quote = {quote}), 0))"""  # noqa: S608  no value of anybody's


# Claims are what buys take that the balance snapshot can't contain: all of one that may still be filled,
# what was filled of one that ended since. A book's own cash knows the fills that are booked, so what its
# unsettled buys claim is the rest. What an order is about to replace claims nothing beside it.
_READ = f"""
SELECT (SELECT id FROM trading_order WHERE dedup_key = %(dedup_key)s),
       (SELECT json_agg(json_build_array(id, purpose, replaces_id) ORDER BY id) FROM trading_order
        WHERE book_id = %(book_id)s AND symbol_id = %(symbol_id)s AND NOT is_settled),
       position.id, position.quantity, position.version, {IS_RESTRICTED},
       watch.reconciled_at, greatest(watch.polled_at, watch.stream_alive_at),
       (SELECT json_agg(json_build_array(
                   series.timeframe, candle.close, extract(epoch FROM candle.received_at)))
        FROM markets_series AS series CROSS JOIN LATERAL (
            SELECT close, received_at FROM markets_candle WHERE series_id = series.id
            ORDER BY opened_at DESC LIMIT 1) AS candle
        WHERE series.symbol_id = %(symbol_id)s AND series.is_followed),
       CASE WHEN broker.balances_as_of IS NOT NULL THEN
           coalesce((SELECT free FROM brokers_balance
                     WHERE broker_id = broker.id AND asset = %(quote)s), 0)
           - coalesce((SELECT sum(claim) FROM (
                 SELECT CASE WHEN o.status = ANY(%(terminal)s) THEN o.filled_quote
                             ELSE {_WHOLE} END AS claim
                 FROM trading_order AS o JOIN markets_symbol AS s ON s.id = o.symbol_id
                 WHERE o.broker_id = broker.id AND o.side = %(buy)s AND s.quote = %(quote)s
                   AND NOT o.is_settled
                   AND (o.status = ANY(%(in_flight)s) OR o.submitted_at > broker.balances_as_of
                        OR o.terminal_at > broker.balances_as_of)
                 UNION ALL
                 SELECT o.filled_quote
                 FROM trading_order AS o JOIN markets_symbol AS s ON s.id = o.symbol_id
                 WHERE o.broker_id = broker.id AND o.side = %(buy)s AND s.quote = %(quote)s
                   AND o.is_settled AND o.terminal_at > broker.balances_as_of) AS claims), 0) END,
       {cash_of_book("%(quote)s")}
       - coalesce((SELECT sum(CASE WHEN o.status = ANY(%(terminal)s) THEN o.filled_quote
                                   ELSE {_WHOLE} END
                              - coalesce((SELECT sum(f.quantity * f.price) FROM trading_fill AS f
                                          WHERE f.order_id = o.id), 0))
                   FROM trading_order AS o JOIN markets_symbol AS s ON s.id = o.symbol_id
                   WHERE o.book_id = %(book_id)s AND o.side = %(buy)s AND s.quote = %(quote)s
                     AND NOT o.is_settled), 0),
       coalesce((SELECT {_WHOLE} - o.filled_quote FROM trading_order AS o
                 WHERE o.id = %(replaces_id)s AND o.side = %(buy)s
                   AND o.status <> ALL(%(terminal)s)), 0)
FROM brokers_broker AS broker
JOIN trading_book AS book ON book.id = %(book_id)s
LEFT JOIN trading_brokerwatch AS watch ON watch.broker_id = broker.id
LEFT JOIN trading_position AS position
       ON position.book_id = %(book_id)s AND position.symbol_id = %(symbol_id)s
      AND position.closed_at IS NULL
WHERE broker.id = %(broker_id)s
"""  # noqa: S608  no value of anybody's is in it
_IN_FLIGHT = [OrderStatus.CREATED.value, OrderStatus.SUBMITTED.value, OrderStatus.UNKNOWN.value]
_TERMINAL = [status.value for status in TERMINAL_STATUSES]


@dataclass(frozen=True, slots=True)
class Unsettled:
    """An order of the book in the symbol that is not settled yet."""

    id: int
    purpose: OrderPurpose
    replaces_id: int | None


@dataclass(frozen=True, slots=True)
class LastCandle:
    """The newest candle of the shortest timeframe that is followed of a symbol."""

    timeframe: Timeframe
    close: Decimal
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A broker and its switches, how far the monitor knows it, a book's position in a symbol and what is
    not settled there, whether a risk scope has something to say, the market's last candle, and the quote
    currency that is free to spend: the smaller of the last balance and the book's own cash, each less
    what our own orders still claim of it; None before the first balance. `earlier_order_id` answers the
    same intent already."""

    is_active: bool
    automation: str
    broker_owner_id: int
    market: tuple[str, str]
    earlier_order_id: int | None
    unsettled: tuple[Unsettled, ...]
    position_id: int | None
    position_version: int | None
    held: Decimal
    is_restricted: bool
    reconciled_at: datetime | None
    polled_at: datetime | None
    candle: LastCandle | None
    available: Decimal | None


def lock_and_read(
    *, book: Book, symbol: Symbol, dedup_key: str, replaces: Order | None
) -> Standing:
    """The standing, which stays true until the transaction ends: the broker's row is locked till then."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [book.broker_id])
        is_active, automation, owner_id, exchange, environment = cursor.fetchone()
        cursor.execute(
            _READ,
            {
                "dedup_key": dedup_key,
                "book_id": book.pk,
                "symbol_id": symbol.pk,
                "broker_id": book.broker_id,
                "replaces_id": replaces.pk if replaces else None,
                "quote": symbol.quote,
                "buy": OrderSide.BUY.value,
                "in_flight": _IN_FLIGHT,
                "terminal": _TERMINAL,
            },
        )
        (
            earlier,
            unsettled,
            position_id,
            held,
            version,
            is_restricted,
            reconciled_at,
            polled_at,
            candles,
            balance,
            cash,
            released,
        ) = cursor.fetchone()
    return Standing(
        is_active=is_active,
        automation=automation,
        broker_owner_id=owner_id,
        market=(exchange, environment),
        earlier_order_id=earlier,
        unsettled=tuple(
            Unsettled(pk, OrderPurpose(purpose), replaces_id)
            for pk, purpose, replaces_id in unsettled or ()
        ),
        position_id=position_id,
        position_version=version,
        held=held or Decimal(0),
        is_restricted=is_restricted,
        reconciled_at=reconciled_at,
        polled_at=polled_at,
        candle=_shortest(candles or ()),
        available=None
        if balance is None
        else released + min(balance, balance if cash is None else cash),
    )


def _shortest(candles: Any) -> LastCandle | None:
    newest = [
        LastCandle(Timeframe(name), Decimal(str(close)), datetime.fromtimestamp(received, UTC))
        for name, close, received in candles
    ]
    return min(newest, key=lambda candle: candle.timeframe.duration, default=None)
