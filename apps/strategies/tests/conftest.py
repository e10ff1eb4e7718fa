"""What the tests of strategies share."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.strategies.models import Strategy, StrategyVersion
from apps.strategies.sandbox import StrategyInfo
from apps.strategies.services import save_version
from apps.strategies.validation import Problem, Report

PARAMETERS = {
    "fast": {"default": 10, "min": 2, "max": 50, "step": 1, "type": "int", "label": "Fast EMA"}
}
VALID = Report(problems=(), info=StrategyInfo(class_name="A", parameters=PARAMETERS, lookback=200))
INVALID = Report(problems=(Problem(3, "There is no name lenght."),))

SaveVersion = Callable[..., StrategyVersion]


@pytest.fixture
def strategy(alice: User) -> Strategy:
    """Alice's, without a version yet."""
    return Strategy.objects.create(owner=alice, name="Mine")


@pytest.fixture
def save(strategy: Strategy, now: datetime) -> SaveVersion:
    """Make a version of it: save("code") or save("code", INVALID)."""

    def save(code: str, report: Report = VALID) -> StrategyVersion:
        return save_version(strategy=strategy, code=code, report=report, now=now)

    return save


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What validation finds from now on, without a sandbox: its last entry, an error to be raised too."""
    reports: list[Any] = [VALID]

    def answer(*_code: object) -> Report:
        if isinstance(reports[-1], Exception):
            raise reports[-1]
        report: Report = reports[-1]
        return report

    monkeypatch.setattr("apps.strategies.forms.validate_code", answer)
    return reports


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    """A browser of alice's."""
    client.force_login(alice)
    return client
