"""Writing history: many candles at once, and which stretches the exchange was asked for."""

from datetime import datetime

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from apps.exchanges.parsing import milliseconds
from apps.markets.history.columns import PRICES, CandleColumns
from apps.markets.history.spans import Span
from apps.markets.models import UNHEARD, AskedRange, Series
from apps.markets.selectors import find_newest_candle

_CREATE = """
CREATE TEMP TABLE incoming_candle (opened_at timestamptz, open float8, high float8, low float8,
                                   close float8, volume float8) ON COMMIT DROP
"""
_INSERT = """
INSERT INTO markets_candle (series_id, opened_at, open, high, low, close, volume, received_at)
SELECT %s, opened_at, open, high, low, close, volume, %s FROM incoming_candle ORDER BY opened_at
ON CONFLICT DO NOTHING
"""
# By hand: Django would read every row first, to look for what refers to it.
_DELETE = """
DELETE FROM markets_candle
WHERE series_id = %s AND received_at = %s AND opened_at >= %s AND opened_at < %s
"""
#: PostgreSQL's binary format: a header, rows of six fields each behind its length, an end.
_HEADER, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_FIELDS = [("opened_at", ">i8"), *((name, ">f8") for name in PRICES)]
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        *(part for name, kind in _FIELDS for part in ((f"{name}_size", ">i4"), (name, kind))),
    ]
)
#: PostgreSQL counts microseconds since 2000.
PG_EPOCH_MS = 946_684_800_000


@transaction.atomic
def store_history(*, series: Series, candles: CandleColumns) -> int:
    """Keep those that are not stored yet, and return how many that were; what is stored already stays as it
    was. No strategy is ever called on them, and none of their prices is news."""
    if not len(candles):
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_CREATE)
        with cursor.copy("COPY incoming_candle FROM STDIN (FORMAT binary)") as copy:
            copy.write(_HEADER)
            copy.write(_pack(candles).data)
            copy.write(_END)
        cursor.execute(_INSERT, [series.pk, UNHEARD])
        stored = int(cursor.rowcount)
        cursor.execute("DROP TABLE incoming_candle")
    return stored


def _pack(candles: CandleColumns) -> NDArray[np.uint8]:
    rows = np.empty(len(candles), _ROW)
    rows["fields"] = len(_FIELDS)
    for name, _kind in _FIELDS:
        rows[f"{name}_size"] = 8
    rows["opened_at"] = (candles.opened_at_ms - PG_EPOCH_MS) * 1000
    for name in PRICES:
        rows[name] = getattr(candles, name)
    return rows.view(np.uint8)


@transaction.atomic
def forget_history(*, series: Series, start: datetime, end: datetime) -> int:
    """Delete what was loaded as history from `start` to `end` (not included), and return how many candles
    that were. What the heartbeat brought stays as the strategies saw it."""
    # What was asked for over this time is asked for anew, where it is missing.
    AskedRange.objects.filter(series=series, start__lt=end, end__gt=start).delete()
    with connection.cursor() as cursor:
        cursor.execute(_DELETE, [series.pk, UNHEARD, start, end])
        return int(cursor.rowcount)


def history_end_ms(series: Series) -> int | None:
    """Where history has to end, in UTC milliseconds: before the newest candle of a series that the heartbeat
    follows, because what comes after that is news. None where nothing limits it."""
    newest = find_newest_candle(series.pk) if series.is_followed else None
    return milliseconds(newest.opened_at) if newest else None


@transaction.atomic
def record_asked(*, series: Series, span: Span) -> None:
    """Remember that the exchange was asked for all of `span`."""
    # New candles refer to the series and don't wait for this lock.
    Series.objects.select_for_update(no_key=True).get(pk=series.pk)
    touching = AskedRange.objects.filter(
        series=series, start__lte=span.ends_at, end__gte=span.starts_at
    )
    starts, ends = [span.starts_at], [span.ends_at]
    for known in touching:
        starts.append(known.start)
        ends.append(known.end)
    touching.delete()
    AskedRange.objects.create(series=series, start=min(starts), end=max(ends))
