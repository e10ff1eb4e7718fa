"""Carrying out runs, with a sandbox that is none."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count

import numpy as np
import pytest
from django.conf import LazySettings

from apps.backtests.engine.results import BacktestResult
from apps.backtests.engine.results import State as EngineState
from apps.backtests.models import BacktestRun, StoredResult
from apps.backtests.running import carry_out
from apps.backtests.sandbox import Job, Outcome
from apps.backtests.services import cancel_run
from apps.backtests.storage import load
from apps.backtests.tests.fakes import make_honesty, make_result
from apps.markets.models import Candle
from apps.strategies.children import SandboxUnavailable
from apps.strategies.contract.answers import StrategyFailed
from apps.strategies.selectors import list_verdicts

State = BacktestRun.State
Confined = Callable[[Job, Callable[[float], None]], BacktestResult]


@pytest.fixture(autouse=True)
def _nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.backtests.running.fetch_history", lambda *_arguments: None)


@pytest.fixture
def clock(now: datetime) -> Callable[[], datetime]:
    """A second later at each look."""
    seconds: Iterator[int] = count()
    return lambda: now + timedelta(seconds=next(seconds))


@pytest.fixture
def carried_out(
    monkeypatch: pytest.MonkeyPatch,
    run: BacktestRun,
    add_candle: Callable[..., Candle],
    clock: Callable[[], datetime],
) -> Callable[[Confined], BacktestRun]:
    """The run after it was carried out on three candles, with this in place of the sandbox."""
    for minute in range(3):
        add_candle(close=100.0 + minute, minute=minute)

    def carry(confined: Confined) -> BacktestRun:
        def run_confined(job: Job, *, tell: Callable[[float], None], **_options: object) -> Outcome:
            result = confined(job, tell)
            honesty = make_honesty() if result.state is EngineState.DONE else None
            return Outcome(result=result, honesty=honesty, output="printed", traceback="")

        monkeypatch.setattr("apps.backtests.running.run_confined", run_confined)
        carry_out(run_id=run.pk, worker="w", clock=clock)
        run.refresh_from_db()
        return run

    return carry


Carried = Callable[[Confined], BacktestRun]


def fail_with(error: Exception) -> Confined:
    def fail(_job: Job, _tell: Callable[[float], None]) -> BacktestResult:
        raise error

    return fail


def test_a_result_is_kept_as_it_came(carried_out: Carried) -> None:
    results = []

    def confined(job: Job, _tell: Callable[[float], None]) -> BacktestResult:
        results.append(make_result(job.candles))
        return results[0]

    run = carried_out(confined)

    kept = load(run)
    assert (run.state, run.output, run.evaluation["way"]) == (State.DONE, "printed", "trace")
    assert run.metrics == results[0].metrics
    assert run.honesty == make_honesty().to_json()
    assert kept.orders == results[0].orders
    assert kept.daily_equity == results[0].daily_equity
    assert np.array_equal(kept.equity, results[0].equity)
    assert np.array_equal(kept.opened_at_ms, results[0].opened_at_ms)


def test_what_it_says_of_look_ahead_is_kept_with_the_code(carried_out: Carried) -> None:
    run = carried_out(lambda job, _tell: make_result(job.candles))

    (verdict,) = list_verdicts(run.version)
    assert (str(verdict), verdict.looks_ahead) == ("BTC/USDT 1m", False)
    assert verdict.words == "Nothing to worry about."


def test_the_sandbox_is_given_the_run_s_candles_and_settings(carried_out: Carried) -> None:
    jobs = []

    def confined(job: Job, _tell: Callable[[float], None]) -> BacktestResult:
        jobs.append(job)
        return make_result(job.candles)

    carried_out(confined)

    (job,) = jobs
    assert job.candles.close.tolist() == [100, 101, 102]
    assert (job.settings.balance, job.settings.fees.taker, job.settings.params) == (
        10_000.0, 0.001, {"fast": 5},
    )  # fmt: skip
    assert job.settings.market is not None
    assert job.trusted is False


def test_a_run_without_candles_says_what_to_do(
    run: BacktestRun, clock: Callable[[], datetime]
) -> None:
    carry_out(run_id=run.pk, worker="w", clock=clock)

    run.refresh_from_db()
    assert run.state == State.FAILED
    assert run.error == (
        "There is no 1m candle of BTC/USDT from 2026-01-01 10:00 to 2026-01-01 12:00: Binance has none of"
        " that time."
    )


def test_a_strategy_that_can_t_be_run_fails_the_run(carried_out: Carried) -> None:
    run = carried_out(fail_with(StrategyFailed("Line 3: no", "Traceback", "hello", 3)))

    assert (run.state, run.error, run.traceback, run.output) == (
        State.FAILED, "Line 3: no", "Traceback", "hello",
    )  # fmt: skip
    assert not StoredResult.objects.exists()


def test_while_the_sandbox_is_away_the_run_waits(carried_out: Carried) -> None:
    run = carried_out(fail_with(SandboxUnavailable("It does not answer.")))

    assert (run.state, run.error) == (State.WAITING, "")


def test_a_cancelled_run_ends_at_the_next_word(carried_out: Carried, now: datetime) -> None:
    def confined(job: Job, tell: Callable[[float], None]) -> BacktestResult:
        cancel_run(run=BacktestRun.objects.get(), now=now)
        tell(0.5)
        return make_result(job.candles)

    assert carried_out(confined).state == State.CANCELLED
    assert not StoredResult.objects.exists()


def test_a_run_that_takes_too_long_ends(carried_out: Carried, settings: LazySettings) -> None:
    settings.BACKTEST_MINUTES = 0.5

    def confined(_job: Job, tell: Callable[[float], None]) -> BacktestResult:
        while True:
            tell(0.5)

    run = carried_out(confined)

    assert run.state == State.FAILED
    assert run.error.startswith("It took more than 0.5 minutes.")


def test_a_result_of_a_run_that_another_worker_has_is_dropped(
    carried_out: Carried,
) -> None:
    def confined(job: Job, _tell: Callable[[float], None]) -> BacktestResult:
        BacktestRun.objects.update(worker="another")
        return make_result(job.candles)

    assert carried_out(confined).state == State.RUNNING
    assert not StoredResult.objects.exists()
