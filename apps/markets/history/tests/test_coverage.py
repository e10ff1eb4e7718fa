from datetime import UTC, datetime

from apps.domain.candles import Timeframe
from apps.markets.history.coverage import Gap, Stretch, Summary, read_coverage, summarize
from apps.markets.history.spans import Span
from apps.markets.history.storing import record_asked, store_history
from apps.markets.history.tests.builders import columns, minute
from apps.markets.models import Series, Symbol


def summary_of(series: Series) -> Summary:
    return summarize([series.pk])[series.pk]


def test_a_series_without_candles_says_so(series: Series) -> None:
    summary = summary_of(series)

    assert (summary.describe_span(), summary.describe_gaps()) == ("no candles", "")
    assert read_coverage(series, summary).years == []


def test_a_series_without_a_hole_is_complete(series: Series) -> None:
    store_history(series=series, candles=columns(range(90)))

    summary = summary_of(series)

    assert summary.describe_span() == "2025-01-01 00:00 to 2025-01-01 01:29"
    assert (summary.count, summary.describe_gaps()) == (90, "complete")


def test_what_is_missing_and_what_the_exchange_has_not_are_told_apart(series: Series) -> None:
    store_history(series=series, candles=columns([0, 1, 4, 7]))
    record_asked(series=series, span=Span.between(minute(-9), minute(3)))
    record_asked(series=series, span=Span.between(minute(6), minute(99)))

    summary = summary_of(series)
    coverage = read_coverage(series, summary)

    assert summary.describe_gaps() == "2 missing (33.33%); the exchange has none for 2"
    assert coverage.gaps == [
        Gap(start=minute(3), end=minute(4), count=1),
        Gap(start=minute(5), end=minute(6), count=1),
    ]
    assert [gap.start for gap in coverage.outages] == [minute(2), minute(6)]


def test_the_longest_gap_comes_first(series: Series) -> None:
    store_history(series=series, candles=columns([0, 2, 9]))

    gaps = read_coverage(series, summary_of(series)).gaps

    assert [gap.count for gap in gaps] == [6, 1]


def test_days_are_full_partial_or_empty(symbol: Symbol) -> None:
    series = Series.objects.create(symbol=symbol, timeframe="4h")
    days = [*range(-12, -6), -1, *range(6)]
    store_history(series=series, candles=columns(days, Timeframe.H4))

    last, this = read_coverage(series, summary_of(series)).years[::-1]

    assert (last.number, this.number) == (2024, 2025)
    assert last.stretches == [
        Stretch(state="full", day=364, days=1),
        Stretch(state="partial", day=365, days=1),
    ]
    assert this.stretches == [Stretch(state="full", day=0, days=1)]
    assert (last.full, last.days) == (1, 2)


def test_a_day_that_the_exchange_has_only_in_part_is_full(symbol: Symbol) -> None:
    series = Series.objects.create(symbol=symbol, timeframe="4h")
    store_history(series=series, candles=columns([0, 1, 3, 4, 5, 18], Timeframe.H4))
    at = datetime(2025, 1, 1, 8, tzinfo=UTC)
    record_asked(series=series, span=Span.between(at, at.replace(hour=12)))

    (year,) = read_coverage(series, summary_of(series)).years

    assert [stretch.state for stretch in year.stretches] == ["full", "empty", "full"]
