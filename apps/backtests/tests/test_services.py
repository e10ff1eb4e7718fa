"""Asking for runs, owning them, ending them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.accounts.models import User
from apps.backtests.models import BacktestRun
from apps.backtests.services import (
    LEASE,
    Refused,
    Setup,
    cancel_run,
    claim_run,
    end_run,
    give_back,
    keep_run,
    start_run,
    sweep_runs,
)
from apps.domain.candles import Timeframe
from apps.strategies.models import StrategyVersion

State = BacktestRun.State
MINUTE = timedelta(minutes=1)


def claim(run: BacktestRun, now: datetime, worker: str = "w") -> BacktestRun:
    claimed = claim_run(run_id=run.pk, worker=worker, now=now)
    assert claimed
    return claimed


def test_a_run_waits_for_a_worker_that_is_told_of_it(run: BacktestRun, sent: list[int]) -> None:
    assert (run.state, run.owner, run.parameters) == (State.WAITING, run.version.owner, {"fast": 5})
    assert sent == [run.pk]


def test_it_ends_with_the_last_candle_that_has_closed(
    sent: list[int], version: StrategyVersion, setup: Setup, now: datetime
) -> None:
    later = replace(setup, ends_at=now + timedelta(days=1))

    run = start_run(version=version, setup=later, now=now + timedelta(seconds=30))

    assert run.ends_at == now


def test_one_at_a_time(run: BacktestRun, setup: Setup, now: datetime) -> None:
    with pytest.raises(Refused, match="You have 1 backtest going on, and 1 may at once"):
        start_run(version=run.version, setup=setup, now=now)


def test_another_user_has_a_place_of_his_own(
    run: BacktestRun,
    bob: User,
    make_version: Callable[[User], StrategyVersion],
    setup: Setup,
    now: datetime,
) -> None:
    assert start_run(version=make_version(bob), setup=setup, now=now).owner == bob


def test_a_run_that_has_ended_makes_room(run: BacktestRun, setup: Setup, now: datetime) -> None:
    cancel_run(run=run, now=now)

    assert start_run(version=run.version, setup=setup, now=now).pk != run.pk


def test_a_version_that_may_not_run_is_refused(
    sent: list[int], version: StrategyVersion, setup: Setup, now: datetime
) -> None:
    version.validated_at = None

    with pytest.raises(Refused, match="EMA cross v1 may not run: not checked"):
        start_run(version=version, setup=setup, now=now)
    assert sent == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ends_at": timedelta(hours=-3)}, "Its end has to come after its start"),
        ({"starts_at": timedelta(0), "ends_at": timedelta(hours=1)}, "candles of the past"),
        ({"starts_at": timedelta(days=-2000)}, r"2,880,000 candles, and 2,700,000 are the most"),
    ],
)
def test_times_that_make_no_run_are_refused(
    setup: Setup, now: datetime, change: dict[str, timedelta], words: str
) -> None:
    moved = replace(setup, **{name: now + delta for name, delta in change.items()})

    with pytest.raises(Refused, match=words):
        moved.check(now)


def test_detail_that_is_not_finer_is_refused(setup: Setup, now: datetime) -> None:
    with pytest.raises(Refused, match="has to be finer than"):
        replace(setup, detail=Timeframe.M5).check(now)


def test_a_run_is_claimed_once(run: BacktestRun, now: datetime) -> None:
    assert claim(run, now).state == State.RUNNING
    assert claim_run(run_id=run.pk, worker="other", now=now) is None


def test_who_owns_it_says_how_far_it_is(run: BacktestRun, now: datetime) -> None:
    mine = claim(run, now)

    assert keep_run(run=mine, phase="simulating", percent=40, now=now + MINUTE) is True

    run.refresh_from_db()
    assert (run.progress, run.lease_until) == ("Simulating, 40 %", now + MINUTE + LEASE)


def test_a_cancelled_run_shall_not_go_on(run: BacktestRun, now: datetime) -> None:
    mine = claim(run, now)

    cancel_run(run=run, now=now)

    assert keep_run(run=mine, phase="simulating", percent=40, now=now) is False
    assert end_run(run=mine, state=State.CANCELLED, now=now) is True


def test_one_that_waits_is_cancelled_at_once(run: BacktestRun, now: datetime) -> None:
    cancel_run(run=run, now=now)

    run.refresh_from_db()
    assert (run.state, run.finished_at) == (State.CANCELLED, now)
    assert claim_run(run_id=run.pk, worker="w", now=now) is None


def test_a_run_whose_worker_has_died_is_sent_again(
    run: BacktestRun, sent: list[int], now: datetime
) -> None:
    mine = claim(run, now)

    sweep_runs(now=now + LEASE)

    assert sent == [run.pk, run.pk]
    assert keep_run(run=mine, phase="simulating", percent=40, now=now + LEASE) is False
    assert end_run(run=mine, state=State.DONE, now=now + LEASE) is False
    assert claim(run, now + LEASE, "another").attempts == 2


def test_a_run_that_is_worked_on_is_left_alone(
    run: BacktestRun, sent: list[int], now: datetime
) -> None:
    claim(run, now)

    sweep_runs(now=now + LEASE - timedelta(seconds=1))

    assert sent == [run.pk]


def test_a_message_that_got_lost_is_sent_again_but_not_twice_at_once(
    run: BacktestRun, sent: list[int], now: datetime
) -> None:
    for seconds in (59, 60, 70):
        sweep_runs(now=now + timedelta(seconds=seconds))

    assert sent == [run.pk, run.pk]


def test_what_has_lost_its_worker_three_times_fails(
    run: BacktestRun, sent: list[int], now: datetime
) -> None:
    for attempt in range(3):
        claim(run, now + attempt * LEASE)
        sweep_runs(now=now + (attempt + 1) * LEASE)

    run.refresh_from_db()
    assert (run.state, len(sent)) == (State.FAILED, 3)
    assert run.error.startswith("Its worker ended 3 times before it was done")


def test_a_dead_worker_s_run_that_was_cancelled_is_over(
    run: BacktestRun, sent: list[int], now: datetime
) -> None:
    claim(run, now)
    cancel_run(run=run, now=now)

    sweep_runs(now=now + LEASE)

    run.refresh_from_db()
    assert (run.state, sent) == (State.CANCELLED, [run.pk])


def test_a_run_is_given_back_twice_and_then_fails(
    run: BacktestRun, sent: list[int], now: datetime
) -> None:
    states = []
    for _ in range(3):
        give_back(run=claim(run, now), error="The sandbox does not answer.", now=now)
        run.refresh_from_db()
        states.append(run.state)

    assert states == [State.WAITING, State.WAITING, State.FAILED]
    assert run.error == "The sandbox does not answer."


def test_money_keeps_its_digits(run: BacktestRun) -> None:
    run.refresh_from_db()

    assert (run.balance, run.taker_fee) == (Decimal(10_000), Decimal("0.001"))
