from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from apps.bots.models import Activation
from apps.bots.services import activate
from apps.brokers.models import Broker
from apps.domain.candles import Timeframe
from apps.markets.models import Series
from apps.strategies.models import Strategy, StrategyVersion
from apps.trading.models import Position


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gate", "path"):
        monkeypatch.setattr(f"apps.trading.{module}.enqueue_on_commit", lambda *_a, **_k: None)


@pytest.fixture
def make_version(broker: Broker, now: datetime) -> Callable[..., StrategyVersion]:
    """The next version of alice's one strategy: `make_version(parameters=...)`."""

    def make(**values: object) -> StrategyVersion:
        strategy, _created = Strategy.objects.get_or_create(owner=broker.owner, name="EMA cross")
        row = {"code": "...", "code_hash": "", "class_name": "E", "validated_at": now}
        return StrategyVersion.objects.create(
            owner=broker.owner,
            strategy=strategy,
            number=strategy.versions.count() + 1,
            **{**row, **values},
        )

    return make


@pytest.fixture
def make_activation(
    make_version: Callable[..., StrategyVersion], broker: Broker, series: Series, now: datetime
) -> Callable[..., Activation]:
    """A strategy at work for an hour, on one-minute candles."""

    def make(**values: object) -> Activation:
        row = {
            "version": None,
            "broker": broker,
            "symbol": series.symbol,
            "timeframe": Timeframe.M1,
            "parameters": {},
            "now": now - timedelta(hours=1),
        }
        given = {**row, **values}
        return activate(**{**given, "version": given["version"] or make_version()})

    return make


@pytest.fixture
def activation(
    make_activation: Callable[..., Activation], make_version: Callable[..., StrategyVersion]
) -> Activation:
    """Alice's, with a parameter of its own."""
    version = make_version(parameters={"fast": {"default": 10, "type": "int"} | _NO_BOUNDS})
    return make_activation(version=version, parameters={"fast": 5})


_NO_BOUNDS = {"min": None, "max": None, "step": None, "label": "Fast"}


@pytest.fixture
def holding(activation: Activation, series: Series, now: datetime) -> Position:
    """One bitcoin bought at 100, to be sold at 98 or 104."""
    return Position.objects.create(
        owner=activation.owner,
        book=activation.book,
        symbol=series.symbol,
        quantity=1,
        cost=100,
        stop_loss_price=98,
        take_profit_price=104,
        opened_at=now,
    )
