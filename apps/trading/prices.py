"""What is known of the price that a position's stop-loss and take-profit are watched against."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from apps.markets.models import Candle
from apps.markets.selectors import find_last_candle, timeframe_of
from apps.trading.models import Position

#: An entry decided on one candle's close is filled in the first seconds of the next.
ENTRY_GRACE = timedelta(seconds=5)
#: A last price that came longer ago than this says nothing of now; a minute's candle is never so old.
PRICE_AGE = timedelta(seconds=70)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The last price, and how far the market went since it was looked at before."""

    last: Decimal
    low: Decimal
    high: Decimal

    @classmethod
    def at(cls, price: Decimal) -> "Prices":
        """One price, and nothing known of what came before it."""
        return cls(last=price, low=price, high=price)


def prices_of(candle: Candle, position: Position) -> Prices | None:
    """What a closed candle says to a position: all of it, its close alone where its extremes may be older
    than the position or its wished prices, or nothing at all."""
    duration = timeframe_of(candle.series).duration
    if candle.opened_at + duration <= position.opened_at:
        return None
    close, low, high = (Decimal(str(price)) for price in (candle.close, candle.low, candle.high))
    is_older = candle.opened_at < position.opened_at - ENTRY_GRACE
    changed_at = position.exit_prices_changed_at
    if is_older or (changed_at and candle.received_at - duration < changed_at):
        return Prices.at(close)
    return Prices(last=close, low=low, high=high)


def find_prices(position: Position, *, now: datetime) -> Prices | None:
    """The close of the newest candle of the position's symbol; None where it is too old to act on, or
    older than the position."""
    newest = find_last_candle(position.symbol)
    if newest is None or newest.received_at < now - PRICE_AGE:
        return None
    prices = prices_of(newest, position)
    return prices and Prices.at(prices.last)
