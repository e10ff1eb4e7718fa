from dataclasses import replace

import numpy as np
import pytest

from apps.backtests.engine.candles import BadCandles, History
from apps.backtests.engine.tests.builders import CALM, HOUR_MS, START_MS, history


def with_(column: str, row: int, value: float) -> History:
    candles = history(*[CALM] * 5)
    changed = getattr(candles, column).copy()
    changed[row] = value
    return replace(candles, **{column: changed})


def test_good_candles_pass() -> None:
    history(*[CALM] * 5).check()


def test_no_candles() -> None:
    with pytest.raises(BadCandles, match=r"^There are no candles\. Download"):
        history().check()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("close", float("nan"), "has no number as its close price."),
        ("high", float("inf"), "has no number as its high price."),
        ("low", 0.0, "has 0 as its low price."),
        ("open", -5.0, "has -5 as its open price."),
        ("volume", float("nan"), "has nan as its volume."),
        ("high", 99.0, "opens or closes above its high."),
        ("low", 101.0, "opens or closes below its low."),
        ("opened_at_ms", START_MS + 2 * HOUR_MS, "is there twice."),
        ("opened_at_ms", START_MS + HOUR_MS, "comes after a later one."),
    ],
)
def test_a_bad_candle_is_named(column: str, value: float, words: str) -> None:
    with pytest.raises(BadCandles) as raised:
        with_(column, 3, value).check()

    assert words in str(raised.value)
    assert raised.value.at_ms is not None
    if column != "opened_at_ms":
        assert str(raised.value).startswith("The candle of 2024-01-01 03:00 UTC ")
        assert raised.value.at_ms == START_MS + 3 * HOUR_MS


def test_columns_of_different_lengths_are_refused() -> None:
    candles = history(*[CALM] * 5)

    with pytest.raises(BadCandles, match="different lengths"):
        replace(candles, low=candles.low[:4]).check()


def test_gaps_are_counted_and_the_longest_is_told() -> None:
    candles = history(*[CALM] * 5)
    times = START_MS + np.array([0, 1, 3, 7, 8]) * HOUR_MS

    gaps = replace(candles, opened_at_ms=times).gaps

    assert gaps is not None
    assert (gaps.holes, gaps.missing, gaps.longest_missing) == (2, 4, 3)
    assert gaps.longest_after_ms == START_MS + 3 * HOUR_MS
    assert candles.gaps is None


def test_strategies_see_times_in_utc_and_columns_they_cant_spoil() -> None:
    candles = history(CALM, (1, 2, 0.5, 1.5))

    frame = candles.frame.iloc[:1].copy(deep=False)
    frame["ema"] = 3.0
    frame.loc[frame.index[0], "close"] = 7.0

    assert str(candles.frame.index[1]) == "2024-01-01 01:00:00+00:00"
    assert list(candles.frame.columns) == ["open", "high", "low", "close", "volume"]
    assert candles.close[0] == 100
    assert candles.frame["close"].iloc[0] == 100
