import pytest

from apps.backtests.engine.evaluation.tests.asking import make_frame
from apps.backtests.engine.tests.test_lookahead import write
from apps.backtests.engine.warmup import check_warmup

FRAME = make_frame(9000)


def test_a_short_average_is_the_same_live() -> None:
    verdict = check_warmup(write("x = ta.ema(close, length=20)"), FRAME, {})

    assert verdict.passed
    assert verdict.words == (
        "On 500 candles, as a live bot is given, all 1 columns have the values of the whole history."
    )


def test_a_long_average_is_told_how_many_candles_would_do() -> None:
    verdict = check_warmup(write("x = ta.ema(close, length=200)"), FRAME, {})

    (drift,) = verdict.drifts
    assert 1e-6 < drift.off < 1e-2
    assert (drift.column, drift.line, drift.enough) == ("x", 6, 2000)
    assert drift.words.endswith("; lookback = 2000 would do.")


def test_an_indicator_with_no_value_live_is_told() -> None:
    verdict = check_warmup(write("x = close.rolling(800).mean()"), FRAME, {})

    assert [(drift.off, drift.enough) for drift in verdict.drifts] == [(float("inf"), 1000)]
    assert "x (line 6) has no value; lookback = 1000 would do." in verdict.words


@pytest.mark.parametrize("line", ["x = ta.obv(close, volume)", "x = close.cumsum()"])
def test_a_sum_from_the_beginning_is_never_the_same(line: str) -> None:
    verdict = check_warmup(write(line), FRAME, {})

    assert [drift.enough for drift in verdict.drifts] == [None]
    assert "whatever the lookback" in verdict.words
