"""Saving versions."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from apps.accounts.models import User
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.sandbox import StrategyInfo
from apps.strategies.services import save_version
from apps.strategies.validation import Problem, Report

INFO = StrategyInfo(class_name="A", parameters={"fast": {"default": 10}}, lookback=200)
VALID = Report(problems=(), info=INFO)
INVALID = Report(problems=(Problem(3, "No."),))


@pytest.fixture
def strategy(alice: User) -> Strategy:
    return Strategy.objects.create(owner=alice, name="Mine")


def save(strategy: Strategy, now: datetime, report: Report, code: str = "one") -> StrategyVersion:
    return save_version(strategy=strategy, code=code, report=report, now=now)


def test_a_valid_version_may_run_and_knows_what_it_declares(
    strategy: Strategy, now: datetime
) -> None:
    version = save(strategy, now, VALID)

    assert (version.number, version.validated_at, version.class_name) == (1, now, "A")
    assert (version.parameters, version.lookback) == (INFO.parameters, 200)


def test_parameters_keep_the_order_of_the_code(strategy: Strategy, now: datetime) -> None:
    declared = {name: {"default": 1} for name in ("slow", "fast", "a")}

    save(strategy, now, Report(problems=(), info=replace(INFO, parameters=declared)))

    assert list(StrategyVersion.objects.get().parameters) == ["slow", "fast", "a"]


def test_an_invalid_version_is_kept_with_its_problems(strategy: Strategy, now: datetime) -> None:
    version = save(strategy, now, INVALID)

    assert version.validated_at is None
    assert version.problems == [{"line": 3, "message": "No.", "severity": "error"}]


def test_unchanged_code_makes_no_version(strategy: Strategy, now: datetime) -> None:
    first = save(strategy, now, VALID)

    again = save(strategy, now + timedelta(hours=1), INVALID)

    assert (again.pk, again.validated_at) == (first.pk, now)


def test_unchanged_code_that_is_valid_now_may_run(strategy: Strategy, now: datetime) -> None:
    save(strategy, now, INVALID)

    version = save(strategy, now, VALID)

    assert (version.number, version.validated_at, version.problems) == (1, now, [])


def test_changed_code_is_the_next_version(strategy: Strategy, now: datetime) -> None:
    save(strategy, now, VALID)

    assert save(strategy, now, VALID, code="two").number == 2
