import numpy as np
import pytest

from apps.backtests.engine.settings import Fees
from apps.backtests.engine.tests.builders import (
    CALM,
    HOUR_MS,
    MARKET,
    START_MS,
    history,
    run,
    signals,
)


def test_daily_equity_is_that_of_midnight_with_open_positions() -> None:
    prices = [100.0] * 23 + [150.0] * 26
    candles = history(*[(price,) * 4 for price in prices])

    result = run(signals(49, [0]), candles)

    assert result.daily_equity == [
        (START_MS, 1000),
        (START_MS + 24 * HOUR_MS, 1050),
        (START_MS + 48 * HOUR_MS, 1050),
        (START_MS + 49 * HOUR_MS, 1050),
    ]


def test_the_last_candle_of_a_day_counts_for_its_midnight() -> None:
    prices = [100.0] * 23 + [150.0]

    result = run(signals(24, [0]), history(*[(price,) * 4 for price in prices]))

    assert result.daily_equity == [(START_MS, 1000), (START_MS + 24 * HOUR_MS, 1050)]


def test_a_day_without_candles_keeps_the_equity_of_the_day_before() -> None:
    candles = history(*[(price,) * 4 for price in (100.0, 100.0, 120.0, 120.0)])
    hours = START_MS + np.array([0, 23, 72, 73]) * HOUR_MS
    object.__setattr__(candles, "opened_at_ms", hours)

    values = [value for _, value in run(signals(4, [0]), candles).daily_equity]

    assert values == [1000, 1000, 1000, 1000, 1020]


def test_figures_of_a_run_are_those_of_its_trades() -> None:
    candles = history(CALM, CALM, (110, 110, 110, 110), CALM, (90, 90, 90, 90), (90, 90, 90, 90))
    fees = Fees(maker=0.0, taker=0.01)

    metrics = run(signals(6, [0, 2], [1, 3]), candles, fees=fees, slippage_bps=100).metrics

    assert (metrics["trades"], metrics["won"], metrics["lost"]) == (2, 1, 1)
    assert metrics["average_holding_seconds"] == metrics["longest_holding_seconds"] == 3600
    assert metrics["exposure"] == 2 / 6
    first, second = 100 / 101 * 110 * 0.99, 100 / 101 * 90 * 0.99
    assert metrics["turnover"] == pytest.approx(200 + first + second)
    assert metrics["fees"] == pytest.approx(2 + (first + second) / 100)
    assert metrics["slippage"] == pytest.approx(2 * 100 / 101 + (first + second) / 99)


def test_buy_and_hold_pays_for_its_purchase() -> None:
    candles = history(CALM, CALM, (150, 150, 150, 150))

    metrics = run(
        signals(3, []), candles, fees=Fees(maker=0.0, taker=0.25), slippage_bps=2000
    ).metrics

    assert metrics["buy_and_hold"] == 0.0


def test_expectancy_per_unit_risked_counts_from_the_stop() -> None:
    candles = history(CALM, CALM, (120, 120, 120, 120), CALM)

    metrics = run(signals(4, [0], [1], stop_loss=0.1), candles).metrics

    assert metrics["expectancy_per_risk"] == pytest.approx(2)


def test_a_candle_sold_at_its_open_was_not_held_through() -> None:
    signal = run(signals(4, [0], [1]), history(*[CALM] * 4))
    stopped = run(signals(4, [0], stop_loss=0.1), history(CALM, CALM, (100, 100, 80, 90), CALM))

    assert (signal.metrics["exposure"], stopped.metrics["exposure"]) == (1 / 4, 2 / 4)


def test_how_far_a_trade_went_is_told_both_ways() -> None:
    candles = history(CALM, (100, 104, 97, 100), (100, 130, 60, 100), CALM)

    held = run(signals(4, [0], [1]), candles).trades[0]
    stopped = run(signals(4, [0], stop_loss=0.1), candles).trades[0]

    assert (held.worst, held.best) == (pytest.approx(-0.03), pytest.approx(0.04))
    assert (stopped.worst, stopped.best) == (pytest.approx(-0.1), pytest.approx(0.04))


def test_no_trades_have_no_averages() -> None:
    metrics = run(signals(3, []), history(*[CALM] * 3), market=MARKET).metrics

    assert metrics["average_holding_seconds"] is None
    assert metrics["win_rate"] is None
    assert (metrics["fees"], metrics["turnover"], metrics["exposure"]) == (0, 0, 0)
