from apps.domain.candles import Timeframe
from apps.exchanges.parsing import milliseconds
from apps.markets.history.columns import build_timeframe
from apps.markets.history.tests.builders import START, columns


def test_a_longer_candle_is_made_of_all_that_lie_in_it() -> None:
    built = build_timeframe(columns(range(20)), Timeframe.M10)

    assert built.timeframe is Timeframe.M10
    assert (built.opened_at_ms - milliseconds(START)).tolist() == [0, 600_000]
    assert [built.open.tolist(), built.close.tolist()] == [[0, 10], [10, 20]]
    assert [built.high.tolist(), built.low.tolist()] == [[11, 21], [-2, 8]]
    assert built.volume.tolist() == [10, 10]


def test_a_hole_makes_no_candle() -> None:
    built = build_timeframe(columns([3, 25]), Timeframe.M10)

    assert (built.opened_at_ms - milliseconds(START)).tolist() == [0, 1_200_000]
    assert built.volume.tolist() == [1, 1]


def test_nothing_is_made_of_nothing() -> None:
    assert len(build_timeframe(columns([]), Timeframe.H1)) == 0
