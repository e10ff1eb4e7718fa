from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.accounts.models import User
from apps.backtests.models import BacktestRun
from apps.backtests.services import Costs, Setup, start_run
from apps.core.tasks import TaskName
from apps.domain.candles import Timeframe
from apps.markets.models import Symbol
from apps.strategies.models import Strategy, StrategyVersion


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The runs that workers were told of."""
    told: list[int] = []

    def note(task: TaskName, *, run_id: int) -> None:
        assert task is TaskName.RUN_BACKTEST
        told.append(run_id)

    monkeypatch.setattr("apps.backtests.services.enqueue_on_commit", note)
    return told


@pytest.fixture
def make_version(now: datetime) -> Callable[[User], StrategyVersion]:
    """A strategy of a user that may run."""

    def make(owner: User) -> StrategyVersion:
        strategy = Strategy.objects.create(owner=owner, name="EMA cross", timeframe="1m")
        return StrategyVersion.objects.create(
            owner=owner,
            strategy=strategy,
            number=1,
            code="...",
            code_hash="",
            class_name="E",
            validated_at=now,
            parameters={"fast": {"default": 10, "type": "int", "label": "Fast"} | _NO_BOUNDS},
        )

    return make


@pytest.fixture
def version(alice: User, make_version: Callable[[User], StrategyVersion]) -> StrategyVersion:
    """Alice's."""
    return make_version(alice)


@pytest.fixture
def setup(symbol: Symbol, now: datetime) -> Setup:
    """Two hours of minutes until now."""
    return Setup(
        symbol=symbol,
        timeframe=Timeframe.M1,
        starts_at=now - timedelta(hours=2),
        ends_at=now,
        costs=Costs(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001")),
        parameters={"fast": 5},
    )


@pytest.fixture
def run(sent: list[int], version: StrategyVersion, setup: Setup, now: datetime) -> BacktestRun:
    """Alice's, which waits for a worker."""
    return start_run(version=version, setup=setup, now=now)


_NO_BOUNDS = {"min": None, "max": None, "step": None}
