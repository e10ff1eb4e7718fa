"""Reading stored candles: as columns, in any timeframe that can be built, and what is missing."""

from datetime import datetime

import numpy as np
from django.db import connection
from django.db.models import Count
from numpy.typing import NDArray

from apps.domain.candles import Timeframe
from apps.markets.history.columns import PRICES, CandleColumns, build_timeframe
from apps.markets.history.spans import Span, find_holes, subtract
from apps.markets.history.storing import PG_EPOCH_MS
from apps.markets.models import AskedRange, Candle, Series, Symbol

# Packed in the database: half a million rows as Python objects would take many times as long.
_PACKED = "timestamptz_send(opened_at) || " + " || ".join(f"float8send({name})" for name in PRICES)
_FROM = """
FROM (SELECT * FROM markets_candle WHERE series_id = %s AND opened_at >= %s AND opened_at < %s
      ORDER BY opened_at) AS chosen
"""
_CANDLES = f"SELECT string_agg({_PACKED}, '') {_FROM}"
_TIMES = f"SELECT string_agg(timestamptz_send(opened_at), '') {_FROM}"
_ROW = np.dtype([("opened_at", ">i8"), *((name, ">f8") for name in PRICES)])


def load_history(
    *, symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime
) -> CandleColumns:
    """What is stored of a symbol, from the candle that contains `start` to the last one before that which
    contains `end`; its exchange is not asked.

    Of its series in this timeframe and in those that it can be built from, the one that covers most of
    the time is read. A built candle is whole: one that may lack a part is left out.
    """
    start, end = timeframe.floor(start), timeframe.floor(end)
    series = find_source(symbol=symbol, timeframe=timeframe, start=start, end=end)
    if series is None:
        return _unpack(b"", timeframe)
    candles = load_candles(series=series, start=start, end=end)
    if candles.timeframe is timeframe:
        return candles
    missing = _without_asked(series, candles.opened_at_ms, Span.between(start, end))
    return _leave_out(build_timeframe(candles, timeframe), missing)


def find_source(
    *, symbol: Symbol, timeframe: Timeframe, start: datetime, end: datetime
) -> Series | None:
    """The series to read for this timeframe: of those that divide it the one that covers most of the time,
    and of equal ones that with the longest candles. None without any."""
    sources = [row for row in symbol.series.all() if Timeframe(row.timeframe).divides(timeframe)]
    if len(sources) < 2:
        return sources[0] if sources else None
    counted = Candle.objects.filter(series__in=sources, opened_at__gte=start, opened_at__lt=end)
    counts = dict(counted.values_list("series").annotate(Count("pk")).order_by())

    def rank(series: Series) -> tuple[int, int]:
        step = Timeframe(series.timeframe).milliseconds
        return counts.get(series.pk, 0) * step, step

    return max(sources, key=rank)


def load_candles(*, series: Series, start: datetime, end: datetime) -> CandleColumns:
    """The candles of one series from `start` to `end` (not included)."""
    return _unpack(_read_packed(_CANDLES, series, start, end), Timeframe(series.timeframe))


def list_missing(*, series: Series, start: datetime, end: datetime) -> list[Span]:
    """Where candles are missing from the one that contains `start` to the last one before that which
    contains `end`; what the exchange was asked for and does not have is not missing."""
    timeframe = Timeframe(series.timeframe)
    start, end = timeframe.floor(start), timeframe.floor(end)
    times = load_times(series=series, start=start, end=end)
    return _without_asked(series, times, Span.between(start, end))


def load_times(*, series: Series, start: datetime, end: datetime) -> NDArray[np.int64]:
    """The open times of the candles of one series, in UTC milliseconds."""
    return _to_ms(np.frombuffer(_read_packed(_TIMES, series, start, end), ">i8"))


def list_asked(series: Series) -> list[Span]:
    """What its exchange was asked for in whole."""
    ranges = AskedRange.objects.filter(series=series).order_by("start")
    return [Span.between(known.start, known.end) for known in ranges]


def _without_asked(series: Series, times: NDArray[np.int64], within: Span) -> list[Span]:
    step = Timeframe(series.timeframe).milliseconds
    return subtract(find_holes(times, within, step), list_asked(series))


def _leave_out(built: CandleColumns, missing: list[Span]) -> CandleColumns:
    """Without those that a missing stretch touches."""
    is_whole = np.ones(len(built), np.bool_)
    step = built.timeframe.milliseconds
    for span in missing:
        first, end = np.searchsorted(built.opened_at_ms, [span.start - step + 1, span.end])
        is_whole[first:end] = False
    return built.where(is_whole)


def _read_packed(sql: str, series: Series, start: datetime, end: datetime) -> bytes:
    with connection.cursor() as cursor:
        # The driver's own cursor: as text, bytes would come twice as long.
        cursor.cursor.execute(sql, [series.pk, start, end], binary=True)
        return cursor.fetchone()[0] or b""


def _unpack(packed: bytes, timeframe: Timeframe) -> CandleColumns:
    rows = np.frombuffer(packed, _ROW)
    return CandleColumns(
        timeframe=timeframe,
        opened_at_ms=_to_ms(rows["opened_at"]),
        **{name: rows[name].astype(np.float64) for name in PRICES},
    )


def _to_ms(microseconds: NDArray[np.int64]) -> NDArray[np.int64]:
    return microseconds.astype(np.int64) // 1000 + PG_EPOCH_MS
