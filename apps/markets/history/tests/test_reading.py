from datetime import timedelta

import numpy as np

from apps.domain.candles import Timeframe
from apps.exchanges.parsing import milliseconds
from apps.markets.history.reading import list_missing, load_history
from apps.markets.history.spans import Span
from apps.markets.history.storing import record_asked, store_history
from apps.markets.history.tests.builders import START, columns, minute
from apps.markets.models import Series, Symbol


def minutes_of(symbol: Symbol, timeframe: Timeframe) -> list[int]:
    """The minutes at which the candles of the first hour open."""
    read = load_history(symbol=symbol, timeframe=timeframe, start=START, end=minute(60))
    assert read.timeframe is timeframe
    return ((read.opened_at_ms - milliseconds(START)) // 60_000).astype(int).tolist()


def test_a_symbol_without_series_has_no_history(symbol: Symbol) -> None:
    assert minutes_of(symbol, Timeframe.M5) == []


def test_a_built_candle_that_lacks_a_part_is_left_out(series: Series) -> None:
    store_history(series=series, candles=columns([*range(7), *range(8, 20)]))

    assert minutes_of(series.symbol, Timeframe.M5) == [0, 10, 15]


def test_a_part_that_the_exchange_does_not_have_is_not_lacking(series: Series) -> None:
    store_history(series=series, candles=columns([*range(7), *range(8, 20)]))
    record_asked(series=series, span=Span.between(minute(6), minute(9)))

    assert minutes_of(series.symbol, Timeframe.M5) == [0, 5, 10, 15]


def test_the_series_that_covers_most_is_read(series: Series) -> None:
    hours = Series.objects.create(symbol=series.symbol, timeframe="5m", is_followed=False)
    store_history(series=hours, candles=columns([2, 3], Timeframe.M5))

    assert minutes_of(series.symbol, Timeframe.M5) == [10, 15]
    assert minutes_of(series.symbol, Timeframe.M10) == [10]

    store_history(series=series, candles=columns(range(15)))
    assert minutes_of(series.symbol, Timeframe.M5) == [0, 5, 10]


def test_a_longer_series_never_serves_a_shorter_timeframe(series: Series) -> None:
    store_history(series=series, candles=columns([]))
    Series.objects.update(timeframe="1h")
    store_history(series=series, candles=columns([0], Timeframe.H1))

    assert minutes_of(series.symbol, Timeframe.M15) == []


def test_times_between_two_candles_go_back_to_the_one_before(series: Series) -> None:
    store_history(series=series, candles=columns(range(10)))
    half = timedelta(seconds=30)

    read = load_history(
        symbol=series.symbol, timeframe=Timeframe.M1, start=minute(2) + half, end=minute(5) + half
    )

    assert read.open.tolist() == [2, 3, 4]


def test_missing_is_what_was_never_asked_for(series: Series) -> None:
    store_history(series=series, candles=columns([0, 1, 4, 8]))
    record_asked(series=series, span=Span.between(minute(2), minute(4)))

    missing = list_missing(series=series, start=minute(0), end=minute(10))

    assert missing == [
        Span.between(minute(5), minute(8)),
        Span.between(minute(9), minute(10)),
    ]
    half = timedelta(seconds=30)
    assert list_missing(series=series, start=minute(0) + half, end=minute(5) + half) == []


def test_columns_are_plain_arrays(series: Series) -> None:
    store_history(series=series, candles=columns(range(3)))

    read = load_history(symbol=series.symbol, timeframe=Timeframe.M1, start=START, end=minute(9))

    assert (read.opened_at_ms.dtype, read.close.dtype) == (np.int64, np.float64)
    assert read.close.flags.c_contiguous
