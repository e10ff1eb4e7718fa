import pytest

from apps.exchanges.parsing import milliseconds
from apps.markets.history.reading import list_asked, load_candles
from apps.markets.history.spans import Span
from apps.markets.history.storing import (
    forget_history,
    history_end_ms,
    record_asked,
    store_history,
)
from apps.markets.history.tests.builders import columns, minute
from apps.markets.models import AskedRange, Candle, Series
from apps.markets.selectors import find_last_price
from apps.markets.services import sweep_candles


def span(start: int, end: int) -> Span:
    return Span.between(minute(start), minute(end))


def test_what_is_stored_reads_back_the_same(series: Series) -> None:
    written = columns([0, 1, 5])

    assert store_history(series=series, candles=written) == 3

    read = load_candles(series=series, start=minute(0), end=minute(6))
    for name in ("opened_at_ms", "open", "high", "low", "close", "volume"):
        assert getattr(read, name).tolist() == getattr(written, name).tolist()


def test_a_candle_that_is_stored_stays_as_it_was(series: Series) -> None:
    Candle.objects.create(
        series=series,
        opened_at=minute(1),
        received_at=minute(2),
        **dict.fromkeys(("open", "high", "low", "close", "volume"), 99.0),
    )

    assert store_history(series=series, candles=columns([0, 1, 2])) == 2

    kept = Candle.objects.get(opened_at=minute(1))
    assert (kept.close, kept.received_at) == (99.0, minute(2))


def test_history_is_never_news(series: Series) -> None:
    store_history(series=series, candles=columns([0]))

    assert sweep_candles(now=minute(1)) == 0
    assert find_last_price(series.symbol) is None
    assert not Candle.objects.get().is_heard


@pytest.mark.parametrize(
    ("is_followed", "heard", "end"),
    [(True, [3, 4], milliseconds(minute(4))), (True, [], None), (False, [3], None)],
)
def test_history_ends_where_the_heartbeat_began(
    series: Series, is_followed: bool, heard: list[int], end: int | None
) -> None:
    Series.objects.update(is_followed=is_followed)
    store_history(series=series, candles=columns(heard))

    assert history_end_ms(Series.objects.get()) == end


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ([(0, 5), (8, 9)], [(0, 5), (8, 9)]),
        ([(0, 5), (5, 9)], [(0, 9)]),
        ([(0, 5), (8, 9), (3, 8)], [(0, 9)]),
        ([(0, 9), (3, 4)], [(0, 9)]),
    ],
)
def test_ranges_that_were_asked_for_grow_together(
    series: Series, asked: list[tuple[int, int]], known: list[tuple[int, int]]
) -> None:
    for start, end in asked:
        record_asked(series=series, span=span(start, end))

    assert list_asked(series) == [span(*each) for each in known]
    assert AskedRange.objects.count() == len(known)


def test_history_is_forgotten_and_what_was_heard_is_not(series: Series) -> None:
    Candle.objects.create(
        series=series,
        opened_at=minute(1),
        received_at=minute(2),
        **dict.fromkeys(("open", "high", "low", "close", "volume"), 99.0),
    )
    store_history(series=series, candles=columns(range(6)))
    record_asked(series=series, span=span(0, 9))

    assert forget_history(series=series, start=minute(0), end=minute(4)) == 3

    left = load_candles(series=series, start=minute(0), end=minute(9))
    assert left.close.tolist() == [99.0, 5.0, 6.0]
    assert list_asked(series) == []
