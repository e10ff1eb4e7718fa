"""Carrying out a run: its candles, the sandbox, its result."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction

from apps.backtests.engine.candles import BadCandles, History
from apps.backtests.engine.doubts import Badge, Finding
from apps.backtests.engine.results import State as EngineState
from apps.backtests.inputs import NoCandles, fetch_history, load_history, settings_of
from apps.backtests.models import BacktestRun
from apps.backtests.sandbox import Job, Outcome, run_confined
from apps.backtests.services import claim_run, end_run, give_back, keep_run
from apps.backtests.storage import store
from apps.domain.candles import Timeframe
from apps.strategies.children import SandboxTooWeak, SandboxUnavailable
from apps.strategies.contract.answers import StrategyFailed
from apps.strategies.services import note_verdict

State, Phase = BacktestRun.State, BacktestRun.Phase
#: Between two looks at the row, which say how far it is and see whether it was cancelled.
_PAUSE = timedelta(seconds=0.4)


class _Stopped(Exception):
    """The run shall not go on: it was cancelled, or another worker has it."""


class _TookTooLong(Exception):
    """The run has used up its time."""


class _Watch:
    """Keeps the row of a run while it is worked on."""

    def __init__(self, run: BacktestRun, clock: Callable[[], datetime]) -> None:
        self._run = run
        self._clock = clock
        self._began = clock()
        self._told = ("", self._began)

    def tell(self, phase: str, share: float) -> None:
        """Write down how far it is, not more often than a person looks. Raises _Stopped and _TookTooLong."""
        now = self._clock()
        if now - self._began > timedelta(minutes=settings.BACKTEST_MINUTES):
            raise _TookTooLong
        told, at = self._told
        if told == phase and now - at < _PAUSE:
            return
        if not keep_run(run=self._run, phase=phase, percent=100 * min(max(share, 0), 1), now=now):
            raise _Stopped
        self._told = (phase, now)


def carry_out(*, run_id: int, worker: str, clock: Callable[[], datetime]) -> None:
    """Do one run from its candles to its result; nothing where it is not waiting. How it ended is in its
    row, whatever that was."""
    run = claim_run(run_id=run_id, worker=worker, now=clock())
    if run is None:
        return
    try:
        candles, outcome = _simulate(run, _Watch(run, clock).tell)
    except _Stopped:
        end_run(run=run, state=State.CANCELLED, now=clock())
    except _TookTooLong:
        minutes = settings.BACKTEST_MINUTES
        error = (
            f"It took more than {minutes:g} minutes. Choose fewer candles or a longer timeframe."
        )
        end_run(run=run, state=State.FAILED, now=clock(), error=error)
    except StrategyFailed as error:
        found = {"error": error.message, "traceback": error.traceback, "output": error.output}
        end_run(run=run, state=State.FAILED, now=clock(), **found)
    except (BadCandles, NoCandles, SandboxTooWeak) as error:
        end_run(run=run, state=State.FAILED, now=clock(), error=str(error))
    except SandboxUnavailable as error:
        give_back(run=run, error=str(error), now=clock())
    else:
        _end(run, candles, outcome, clock())


def _simulate(run: BacktestRun, tell: Callable[[str, float], None]) -> tuple[History, Outcome]:
    timeframes = [Timeframe(each) for each in (run.timeframe, run.detail) if each]
    for timeframe in timeframes:
        fetch_history(run, timeframe, partial(tell, Phase.FETCHING))
    tell(Phase.LOADING, 0)
    candles, *detail = [load_history(run, timeframe) for timeframe in timeframes]
    job = Job(
        code=run.version.code,
        settings=settings_of(run),
        candles=candles,
        detail=detail[0] if detail else None,
        trusted=run.owner.is_superuser,
        seconds=60 * settings.BACKTEST_MINUTES,
    )
    tell(Phase.SIMULATING, 0)
    outcome = run_confined(
        job,
        socket_path=settings.BACKTEST_SOCKET,
        tell=partial(tell, Phase.SIMULATING),
        accept_weak=settings.ACCEPT_WEAK_SANDBOX,
    )
    tell(Phase.STORING, 0)
    return candles, outcome


@transaction.atomic
def _end(run: BacktestRun, candles: History, outcome: Outcome, now: datetime) -> None:
    result = outcome.result
    is_ours = end_run(
        run=run,
        state=State.DONE if result.state is EngineState.DONE else State.FAILED,
        now=now,
        phase=Phase.NONE,
        percent=100,
        error=result.reason,
        traceback=outcome.traceback,
        output=outcome.output,
        evaluation=asdict(result.evaluation),
        warnings=list(result.warnings),
        metrics=dict(result.metrics),
        honesty=outcome.honesty.to_json() if outcome.honesty else {},
    )
    if is_ours:
        store(run, result, candles)
        if outcome.honesty:
            _note_lookahead(run, outcome.honesty.lookahead, now)


def _note_lookahead(run: BacktestRun, finding: Finding, now: datetime) -> None:
    note_verdict(
        version=run.version,
        symbol=run.symbol,
        timeframe=Timeframe(run.timeframe),
        looks_ahead=finding.badge is not Badge.GOOD,
        words=finding.words,
        now=now,
    )
