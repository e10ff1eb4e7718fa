"""What strategies do to a run, and what a run tells about it."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from apps.backtests.engine.candles import BadCandles, History
from apps.backtests.engine.results import BacktestResult, State
from apps.backtests.engine.run import run_backtest, trade
from apps.backtests.engine.settings import Fees, Mode
from apps.backtests.engine.simulation import REPORTS_EVERY
from apps.backtests.engine.tests.builders import (
    CALM,
    EVALUATION,
    HOUR_MS,
    START_MS,
    SignalsAsker,
    history,
    run,
    settings,
    signals,
)
from apps.strategies.contract import Strategy

RISING = history(*[(price, price + 1, price, price + 1) for price in range(100, 120)])


class Holds(Strategy):
    """Buys at once and never sells."""

    def should_long(self) -> Any:
        return True

    def should_short(self) -> Any:
        return False

    def calculate_position_size(self) -> Any:
        return self.balance / 2

    def calculate_stop_loss(self) -> Any:
        return None

    def calculate_take_profit(self) -> Any:
        return None


def backtest(strategy: type[Strategy], candles: History = RISING, **facts: Any) -> BacktestResult:
    defaults = {"balance": 1000.0, "fees": Fees(maker=0.0, taker=0.0), "slippage_bps": 0.0}
    return run_backtest(strategy, candles, **{**defaults, **facts})


def answering(method: str, answer: Callable[[Any], Any], **attributes: Any) -> type[Strategy]:
    """Holds, but for one method."""
    return type("Made", (Holds,), {method: answer, **attributes})


def test_a_strategy_buys_holds_and_gains() -> None:
    result = backtest(Holds)

    assert result.state is State.DONE
    assert result.equity[-1] == pytest.approx(1000 + 500 / 101 * 19)
    assert result.metrics["net_profit"] == pytest.approx(500 / 101 * 19)
    assert result.metrics["buy_and_hold"] == pytest.approx(120 / 101 - 1)


def test_bad_candles_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(BadCandles, match="2024-01-01 01:00 UTC has 0 as its low price"):
        backtest(Holds, history(CALM, (100, 100, 0, 100)))


def test_bad_finer_candles_are_refused_too() -> None:
    with pytest.raises(BadCandles):
        backtest(Holds, detail=history((100, 100, 0, 100), duration_ms=HOUR_MS // 4))


@pytest.mark.parametrize("duration_ms", [HOUR_MS, 2 * HOUR_MS, HOUR_MS // 7])
def test_finer_candles_have_to_divide_the_others(duration_ms: int) -> None:
    with pytest.raises(BadCandles, match="don't divide"):
        backtest(Holds, detail=history(CALM, duration_ms=duration_ms))


def test_a_warm_up_has_to_leave_candles() -> None:
    with pytest.raises(BadCandles, match="All 20 candles are for warming up"):
        backtest(Holds, warmup=20)


def test_one_candle_is_a_run_without_trades() -> None:
    result = backtest(Holds, history(CALM))

    assert (result.state, result.orders, result.equity.tolist()) == (State.DONE, [], [1000])


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"balance": 0.0}, "The balance has to be above 0, not 0."),
        ({"balance": float("nan")}, "The balance has to be above 0, not nan."),
        ({"slippage_bps": -1.0}, "Slippage has to be 0 basis points or more, not -1."),
        ({"warmup": -1}, "The warm-up has to be of 0 candles or more, not -1."),
        ({"mode": "wishful"}, "'wishful' is not a valid Mode"),
    ],
)
def test_settings_that_cant_be_are_refused(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        backtest(Holds, **facts)


def test_fees_are_shares() -> None:
    with pytest.raises(ValueError, match=r"The taker fee has to be a share from 0 to 1"):
        Fees(maker=0.0, taker=10.0)


def test_gaps_are_a_warning() -> None:
    columns = {name: getattr(RISING, name) for name in ("open", "high", "low", "close", "volume")}
    times = np.append(RISING.opened_at_ms[:10], RISING.opened_at_ms[10:] + 5 * HOUR_MS)

    result = backtest(Holds, History(duration_ms=HOUR_MS, opened_at_ms=times, **columns))

    assert result.warnings == (
        "Candles that are missing: 5, in gaps: 1. The longest gap is of 5, after 2024-01-01 09:00 UTC.",
    )


@pytest.mark.parametrize(
    ("method", "answer", "words"),
    [
        ("should_long", 1, "should_long() returned 1; it has to return True or False."),
        ("should_long", None, "should_long() returned None; it has to"),
        ("should_short", "sell", "should_short() returned 'sell'; it has to"),
        ("calculate_position_size", float("nan"), "calculate_position_size() returned nan; it has"),
        ("calculate_position_size", 1e300, "calculate_position_size() returned 1e+300; it has"),
        ("calculate_position_size", -1, "calculate_position_size() returned -1; it has"),
        ("calculate_stop_loss", 1.0, "calculate_stop_loss() returned 1.0; it has"),
        ("calculate_stop_loss", "2 %", "calculate_stop_loss() returned '2 %'; it has"),
        ("calculate_take_profit", float("inf"), "calculate_take_profit() returned inf; it has"),
    ],
)
def test_an_answer_that_is_none_ends_the_run(method: str, answer: Any, words: str) -> None:
    strategy = answering(method, lambda self: answer if len(self.candles) > 3 else False)

    result = backtest(
        strategy if method.startswith("should") else answering(method, lambda _: answer)
    )

    assert result.state is State.ERROR
    assert words in result.reason


@pytest.mark.parametrize("number", [np.float64(0.5), np.float32(0.5)])
def test_numbers_of_numpy_are_numbers(number: Any) -> None:
    strategy = answering("calculate_stop_loss", lambda _self: number)

    assert backtest(strategy).positions["stop"][0] == 50.5
    assert backtest(answering("should_long", lambda _self: np.True_)).state is State.DONE


def test_an_exception_keeps_everything_until_its_candle() -> None:
    def should_short(self: Any) -> bool:
        return len(self.candles) < 15 or bool(1 / 0)

    result = backtest(answering("should_short", should_short))

    assert result.state is State.ERROR
    assert (
        result.reason
        == "At the candle of 2024-01-01 15:00 UTC: ZeroDivisionError: division by zero"
    )
    assert result.stopped_at_ms == START_MS + 15 * HOUR_MS
    assert isinstance(result.failure, ZeroDivisionError)
    assert (len(result.trades), len(result.equity)) == (7, 16)


def test_an_open_position_is_kept_by_an_exception_as_well() -> None:
    def should_short(self: Any) -> bool:
        if len(self.candles) == 5:
            raise RuntimeError("no")
        return False

    result = backtest(answering("should_short", should_short))

    assert result.open_trade is not None
    assert result.equity.tolist()[-1] == 1000 + result.open_trade.pnl
    assert result.open_trade.best == pytest.approx(105 / 101 - 1)


def test_too_little_history_excuses_the_first_answers() -> None:
    def should_long(self: Any) -> bool:
        return bool(self.candles["close"].iloc[-5] > 0)

    result = backtest(answering("should_long", should_long))

    assert result.open_trade is not None
    assert result.open_trade.entry_time == START_MS + 5 * HOUR_MS
    assert "failed on the first 4 candles" in result.warnings[0]
    assert "IndexError" in result.warnings[0]


def test_a_strategy_that_never_answers_is_an_error() -> None:
    def should_long(self: Any) -> bool:
        raise ValueError("never")

    result = backtest(answering("should_long", should_long, lookback=10))

    assert result.state is State.ERROR
    assert result.reason == "At the candle of 2024-01-01 09:00 UTC: ValueError: never"


def test_it_sees_no_more_than_its_lookback() -> None:
    def should_long(self: Any) -> bool:
        return len(self.candles) > 3

    result = backtest(answering("should_long", should_long, lookback=3))

    assert result.orders == []


def test_parameters_are_given_to_the_strategy() -> None:
    strategy = answering(
        "calculate_position_size",
        lambda self: self.params["amount"],
        STRATEGY_PARAMS={"amount": {"default": 1, "max": 500}},
    )

    assert backtest(strategy, params={"amount": 202}).orders[0].quantity == 2
    with pytest.raises(ValueError, match="Parameter amount has to be"):
        backtest(strategy, params={"amount": 501})


def test_the_candles_of_a_warm_up_are_seen_and_not_traded() -> None:
    result = backtest(Holds, warmup=7)

    assert result.orders[0].time == START_MS + 8 * HOUR_MS
    assert result.daily_equity[0] == (START_MS + 7 * HOUR_MS, 1000.0)
    assert result.metrics["exposure"] == 12 / 13


def test_the_position_is_seen_as_a_live_bot_sees_it() -> None:
    def should_short(self: Any) -> bool:
        seen = self.position
        raise ValueError(
            f"{seen.side} {seen.quantity:.6f} {seen.entry_price:.2f} {seen.unrealized_pnl:.4f}"
        )

    strategy = answering("should_short", should_short)
    result = backtest(strategy, fees=Fees(maker=0.0, taker=0.25))

    assert result.reason.endswith("ValueError: long 4.950495 126.25 -120.0495")


def test_progress_is_told_and_a_cancelled_run_keeps_what_it_has() -> None:
    rows = 3 * REPORTS_EVERY
    told: list[tuple[int, int, int]] = []
    asker = SignalsAsker(signals(rows, [0], [5]))

    def report(row: int, trades: int) -> None:
        told.append((row, trades))

    trade(asker, history(*[CALM] * rows), settings(), evaluation=EVALUATION, report=report)

    assert told == [(0, 0), (REPORTS_EVERY, 1), (2 * REPORTS_EVERY, 1)]


def test_a_cancelled_run_says_where() -> None:
    strategy = answering("should_long", lambda self: self.balance > 0)

    result = backtest(strategy, cancelled=lambda: True)

    assert result.state is State.CANCELLED
    assert result.reason == "It was cancelled at the candle of 2024-01-01 00:00 UTC."


def test_the_modes_bracket_each_other() -> None:
    candles = history(CALM, CALM, (100, 120, 80, 100), CALM)
    strategy = answering(
        "calculate_stop_loss", lambda _self: 0.1, calculate_take_profit=lambda _s: 0.1
    )

    careful, hopeful = (
        backtest(strategy, candles, mode=mode) for mode in (Mode.PESSIMISTIC, Mode.OPTIMISTIC)
    )

    assert careful.equity[-1] < hopeful.equity[-1]


def test_a_result_is_plain_json() -> None:
    document = json.loads(json.dumps(backtest(Holds, finalize=True).to_json(), allow_nan=False))

    assert document["state"] == "done"
    assert document["settings"]["mode"] == "pessimistic"
    assert document["trades"][0]["exit_reason"] == "end"
    assert document["metrics"]["trades"] == 1


def test_refusals_beyond_measure_are_counted_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = signals(20, range(20), amount=0.0)
    for module in ("settling", "simulation"):
        monkeypatch.setattr(f"apps.backtests.engine.{module}.MOST_REFUSED", 5)

    for decisions in (columns, SignalsAsker(columns)):
        result = run(decisions, history(*[CALM] * 20))

        assert (len(result.orders), result.metrics["refused_orders"]) == (5, 19)


def test_what_a_run_decided_makes_the_same_run_again() -> None:
    candles = history(*[(price, price + 3, price - 3, price) for price in (100, 103, 99, 104) * 5])
    numbers = {"share": 0.5, "amount": 0.0, "stop_loss": 0.02, "take_profit": 0.03}
    decisions = signals(20, [0, 3, 4, 9, 15], [5, 6, 11], **numbers)

    asked = run(SignalsAsker(decisions), candles)

    assert asked.decisions is not None
    again = run(asked.decisions, candles)
    assert len(asked.trades) > 2
    assert again.trades == asked.trades
    assert np.array_equal(again.equity, asked.equity)
