import pytest

from workers.paper_exchange.markets.candles import KEPT_CANDLES, MINUTE_MS, Candle, Series

FIVE = 5 * MINUTE_MS


def minute(number: int, price: float = 10.0) -> Candle:
    return Candle(number * MINUTE_MS, price, price + 1, price - 1, price + 0.5, 2.0)


@pytest.fixture
def series() -> Series:
    series = Series(MINUTE_MS)
    for number in range(12):
        series.put(minute(number, 10.0 + number))
    return series


def test_coarser_candles_are_built_from_the_finer(series: Series) -> None:
    first, _second, running = series.newest(FIVE, until_ms=None, limit=10)

    assert first == Candle(0, 10.0, 15.0, 9.0, 14.5, 10.0)
    assert running == Candle(2 * FIVE, 20.0, 22.0, 19.0, 21.5, 4.0)


def test_a_candle_that_opened_at_the_same_time_is_replaced(series: Series) -> None:
    series.put(minute(11, 99.0))

    assert series.last == minute(11, 99.0)
    assert len(series.newest(MINUTE_MS, until_ms=None, limit=100)) == 12


def test_until_counts_the_candle_that_opened_then(series: Series) -> None:
    opened = [c.opened_ms for c in series.newest(FIVE, until_ms=FIVE, limit=10)]

    assert opened == [0, FIVE]


def test_from_starts_at_the_next_whole_candle(series: Series) -> None:
    opened = [c.opened_ms for c in series.oldest(FIVE, from_ms=1, until_ms=None, limit=1)]

    assert opened == [FIVE]


def test_a_hole_leaves_out_the_candles_that_lie_in_it() -> None:
    series = Series(MINUTE_MS)
    for number in (0, 1, 12):
        series.put(minute(number))

    opened = [c.opened_ms for c in series.newest(FIVE, until_ms=None, limit=10)]

    assert opened == [0, 2 * FIVE]


def test_a_candle_that_lost_its_beginning_is_not_given() -> None:
    series = Series(MINUTE_MS)
    for number in range(3, 11):
        series.put(minute(number))

    opened = [c.opened_ms for c in series.oldest(FIVE, from_ms=0, until_ms=None, limit=10)]

    assert opened == [FIVE, 2 * FIVE]


def test_old_candles_are_dropped_in_the_end() -> None:
    series = Series(MINUTE_MS)
    for number in range(KEPT_CANDLES * 3 // 2 + 1):
        series.put(minute(number))

    rows = series.newest(MINUTE_MS, until_ms=None, limit=KEPT_CANDLES * 2)

    assert len(rows) == KEPT_CANDLES
