"""What every adapter's parsers share: times, and the refusal of numbers that are none."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

import msgspec

from apps.domain.candles import EPOCH, Timeframe
from apps.exchanges.ports import Balance, Candles

ZERO = Decimal(0)
#: What a reader of an exchange's bytes may raise: not JSON or not as expected, not UTF-8, nested without
#: end, numbers beyond all reckoning.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError)
#: No price, quantity or total of an exchange comes near it.
HUGE = Decimal(10) ** 24
MAX_DIGITS = 30
#: The end of the calendar, in milliseconds since 1970.
LATEST_MS = 253_402_300_799_000


def moment(milliseconds: float) -> datetime:
    """A UTC time from milliseconds since 1970; raises msgspec.ValidationError beyond the calendar."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError) as e:
        raise msgspec.ValidationError(f"{milliseconds} is no time") from e


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970, rounded down."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def check_numbers(*values: Decimal | None) -> None:
    """Raise msgspec.ValidationError for NaN, infinity and what is too huge to be meant."""
    for value in values:
        if value is None:
            continue
        try:
            is_sane = -HUGE < value < HUGE
        except InvalidOperation:
            is_sane = False
        if not is_sane:
            raise msgspec.ValidationError(f"{str(value)[:40]} is no amount or price")


def step_of(digits: int) -> Decimal:
    """The step of a number of decimals; raises msgspec.ValidationError where it can't be meant."""
    if not 0 <= digits <= MAX_DIGITS:
        raise msgspec.ValidationError(f"{digits} is no number of decimals")
    return Decimal(1).scaleb(-digits)


def check_balances(balances: Iterable[Balance]) -> None:
    """check_numbers for many, without a call for each."""
    for balance in balances:
        try:
            if -HUGE < balance.free < HUGE and -HUGE < balance.locked < HUGE:
                continue
        except InvalidOperation:
            pass
        check_numbers(balance.free, balance.locked)


def make_candles(
    opened_at_ms: Sequence[int],
    open_: Sequence[float],
    high: Sequence[float],
    low: Sequence[float],
    close: Sequence[float],
    volume: Sequence[float],
) -> Candles:
    """Columns of an answer, oldest first; all but the last row are taken for closed.

    Raises msgspec.ValidationError for numbers that are none, and for rows out of order.
    """
    if not math.isfinite(sum(map(sum, (open_, high, low, close, volume)))):
        raise msgspec.ValidationError("a candle has a price or volume that is no number")
    is_ordered = all(map(int.__lt__, opened_at_ms, opened_at_ms[1:]))
    if not is_ordered or (
        opened_at_ms and not 0 <= opened_at_ms[0] <= opened_at_ms[-1] <= LATEST_MS
    ):
        raise msgspec.ValidationError("candles are not in the order of their times")
    return Candles(
        opened_at_ms=opened_at_ms,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        closed=max(0, len(opened_at_ms) - 1),
    )


def read_candles(
    read_rows: Callable[[], Candles],
    get_server_time: Callable[[], datetime],
    timeframe: Timeframe,
    now: float,
    as_of: datetime | None = None,
) -> Candles:
    """Candles of which it is certain whether the last one is closed.

    Mostly it still runs, or had ended by `as_of`, and one question is enough. Where it may have
    ended, the exchange's clock is asked and then the rows once more: what had ended before they were
    read is final. Our own clock would not do, the market's can be another one (recorded, sped up).
    """
    candles = read_rows()
    if candles and as_of is not None and _end_ms(candles, timeframe) <= milliseconds(as_of):
        return replace(candles, closed=len(candles))
    if not candles or _end_ms(candles, timeframe) > now * 1000:
        return candles
    server_ms = milliseconds(get_server_time())
    candles = read_rows()
    if candles and _end_ms(candles, timeframe) <= server_ms:
        return replace(candles, closed=len(candles))
    return candles


def _end_ms(candles: Candles, timeframe: Timeframe) -> int:
    return candles.opened_at_ms[-1] + timeframe.milliseconds
