"""Backtest runs: asking for one, owning it while it is worked on, ending it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from apps.accounts.models import User
from apps.backtests.models import BacktestRun
from apps.core.enqueue import enqueue_on_commit
from apps.core.locks import lock_until_commit
from apps.core.tasks import TASKS, TaskName
from apps.domain.candles import Timeframe
from apps.markets.models import Symbol
from apps.strategies.contract.parameters import merge
from apps.strategies.models import StrategyVersion

State = BacktestRun.State
#: A worker that has not been heard of for so long has died.
LEASE = timedelta(seconds=30)
MAX_ATTEMPTS = 3
_GIVEN_UP = (
    f"Its worker ended {MAX_ATTEMPTS} times before it was done: perhaps the machine lacks memory. Try fewer"
    " candles."
)
#: Five years of minutes.
MAX_CANDLES = 2_700_000


class Refused(Exception):
    """What was asked can't be done; its words say why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a simulated fill costs: fees as fractions, slippage in hundredths of a percent."""

    maker_fee: Decimal
    taker_fee: Decimal
    fee_in: str = BacktestRun.FeeIn.QUOTE
    slippage_bps: Decimal = Decimal(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is simulated: candles from `starts_at` until before `ends_at`; with `detail`, what a candle
    leaves open is looked up in these finer ones."""

    symbol: Symbol
    timeframe: Timeframe
    starts_at: datetime
    ends_at: datetime
    costs: Costs
    balance: Decimal = Decimal(10_000)
    detail: Timeframe | None = None
    mode: str = BacktestRun.Mode.PESSIMISTIC
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def check(self, now: datetime) -> None:
        """Raise Refused for what can't be simulated."""
        if self.ends_at <= self.starts_at:
            raise Refused("Its end has to come after its start.")
        if self.starts_at >= now:
            raise Refused("A backtest needs candles of the past: let it start earlier.")
        finest = self.detail or self.timeframe
        if finest.duration > self.timeframe.duration:
            raise Refused("The detail timeframe has to be finer than the timeframe.")
        candles = (min(self.ends_at, now) - self.starts_at) // finest.duration
        if candles > MAX_CANDLES:
            raise Refused(
                f"These are {candles:,} candles, and {MAX_CANDLES:,} are the most a run may have. Choose"
                " fewer days or a longer timeframe."
            )


@transaction.atomic
def start_run(*, version: StrategyVersion, setup: Setup, now: datetime) -> BacktestRun:
    """Have a worker run `version` for its owner. Raises Refused, also while as many of his runs go on as he
    may have, and ValueError for parameters that the version does not declare."""
    if version.validated_at is None:
        raise Refused(f"{version} may not run: {version.state}.")
    setup.check(now)
    merge(version.parameters, setup.parameters)
    take_place(version.owner)
    costs = setup.costs
    run = BacktestRun.objects.create(
        owner=version.owner,
        version=version,
        parameters=dict(setup.parameters),
        symbol=setup.symbol,
        timeframe=setup.timeframe,
        detail=setup.detail or "",
        starts_at=setup.timeframe.floor(setup.starts_at),
        ends_at=min(setup.ends_at, setup.timeframe.floor(now)),
        balance=setup.balance,
        maker_fee=costs.maker_fee,
        taker_fee=costs.taker_fee,
        fee_in=costs.fee_in,
        slippage_bps=costs.slippage_bps,
        mode=setup.mode,
        lease_until=now + TASKS[TaskName.RUN_BACKTEST].expires,
    )
    enqueue_on_commit(TaskName.RUN_BACKTEST, run_id=run.pk)
    return run


def take_place(owner: User) -> None:
    """Raise Refused while as many of a user's runs go on as may; no other gets in before the transaction
    ends."""
    lock_until_commit(f"start_run:{owner.pk}")
    going_on = BacktestRun.objects.for_user(owner).filter(state__in=[State.WAITING, State.RUNNING])
    if (count := going_on.count()) >= settings.MAX_BACKTESTS_PER_USER:
        raise Refused(
            f"You have {count} backtest{'s' if count > 1 else ''} going on, and"
            f" {settings.MAX_BACKTESTS_PER_USER} may at once. Wait until it ends, or cancel it."
        )


def cancel_run(*, run: BacktestRun, now: datetime) -> None:
    """End a run that waits at once, and have the worker of a running one end it within a second."""
    mine = BacktestRun.objects.filter(pk=run.pk)
    if not mine.filter(state=State.WAITING).update(state=State.CANCELLED, finished_at=now):
        mine.filter(state=State.RUNNING).update(cancel_requested_at=now)


def claim_run(*, run_id: int, worker: str, now: datetime) -> BacktestRun | None:
    """Own a run that waits; None where there is nothing to do."""
    claimed = BacktestRun.objects.filter(pk=run_id, state=State.WAITING).update(
        state=State.RUNNING,
        attempts=F("attempts") + 1,
        worker=worker,
        lease_until=now + LEASE,
        started_at=now,
        percent=0,
    )
    if not claimed:
        return None
    return BacktestRun.objects.select_related("version", "owner", "symbol").get(pk=run_id)


def keep_run(*, run: BacktestRun, phase: str, percent: float, now: datetime) -> bool:
    """Tell how far a claimed run is and stay its owner; False when it shall not go on: it was cancelled, or
    another worker has it."""
    return bool(
        _owned(run)
        .filter(cancel_requested_at=None)
        .update(phase=phase, percent=percent, lease_until=now + LEASE)
    )


def end_run(*, run: BacktestRun, state: State, now: datetime, **found: Any) -> bool:
    """Write down how a claimed run ended; False where it is no longer ours."""
    return bool(_owned(run).update(state=state, finished_at=now, lease_until=None, **found))


def give_back(*, run: BacktestRun, error: str, now: datetime) -> None:
    """Have a claimed run tried again after a while, by whoever takes it; the third time it fails."""
    if run.attempts >= MAX_ATTEMPTS:
        end_run(run=run, state=State.FAILED, now=now, error=error)
    else:
        _owned(run).update(state=State.WAITING, lease_until=now + LEASE)


def _owned(run: BacktestRun) -> Any:
    """The row, while this attempt of this worker owns it."""
    return BacktestRun.objects.filter(
        pk=run.pk, state=State.RUNNING, worker=run.worker, attempts=run.attempts
    )


@transaction.atomic
def sweep_runs(*, now: datetime) -> None:
    """Send runs again whose message or worker got lost; give up what has lost its worker three times."""
    late = BacktestRun.objects.filter(lease_until__lte=now)
    lost = late.filter(state=State.RUNNING)
    ended: dict[str, Any] = {"finished_at": now, "lease_until": None}
    lost.filter(cancel_requested_at__isnull=False).update(state=State.CANCELLED, **ended)
    lost.filter(attempts__gte=MAX_ATTEMPTS).update(state=State.FAILED, error=_GIVEN_UP, **ended)
    lost.update(state=State.WAITING)
    waiting = list(
        late.filter(state=State.WAITING).select_for_update().values_list("pk", flat=True)
    )
    for run_id in waiting:
        enqueue_on_commit(TaskName.RUN_BACKTEST, run_id=run_id)
    # Until this message has expired nobody sends another.
    expires = TASKS[TaskName.RUN_BACKTEST].expires
    BacktestRun.objects.filter(pk__in=waiting).update(lease_until=now + expires)
