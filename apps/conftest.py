"""Rows that many tests start from."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from apps.accounts.models import User
from apps.brokers.models import Balance, Broker
from apps.domain.candles import Timeframe
from apps.markets.models import Candle, Series, Symbol
from apps.markets.services import follow
from apps.trading.models import Book, BrokerWatch

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    """The one moment at which a test takes place."""
    return NOW


@pytest.fixture
def alice(db: None) -> User:
    """A trader."""
    return User.objects.create_user("alice", is_staff=True)


@pytest.fixture
def bob(db: None) -> User:
    """Another trader, who must see nothing of alice's."""
    return User.objects.create_user("bob", is_staff=True)


@pytest.fixture
def symbol(db: None) -> Symbol:
    """BTC/USDT on the simulated market."""
    return Symbol.objects.create(
        exchange="binance",
        environment="simulated",
        name="BTC/USDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.00001"),
        min_quantity=Decimal("0.00001"),
        max_quantity=Decimal(9000),
        min_notional=Decimal(5),
    )


@pytest.fixture
def series(symbol: Symbol) -> Series:
    """Its one-minute candles."""
    return follow(symbol, Timeframe.M1)


@pytest.fixture
def broker(alice: User) -> Broker:
    """Alice's paper account with 1,000 USDT."""
    broker = Broker.objects.create(
        owner=alice,
        name="Paper",
        exchange="binance",
        environment="simulated",
        api_key="k" * 64,
        api_secret="s" * 64,
        balances_as_of=NOW,
    )
    Balance.objects.create(broker=broker, asset="USDT", free=Decimal(1000), locked=0)
    BrokerWatch.objects.create(broker=broker, polled_at=NOW, reconciled_at=NOW)
    return broker


@pytest.fixture
def book(broker: Broker) -> Book:
    """The money of one of alice's strategies."""
    return Book.objects.create(
        owner=broker.owner, broker=broker, kind="activation", label="EMA cross"
    )


@pytest.fixture
def add_candle(series: Series) -> Callable[..., Candle]:
    """Stores a candle that closed just now: `add_candle(close=101.0, minute=3)`."""

    def add(*, close: float = 100.0, minute: int = 0, **values: object) -> Candle:
        row = {"open": close, "high": close, "low": close, "volume": 1.0, "received_at": NOW}
        opened_at = NOW.replace(hour=10, minute=minute)
        return Candle.objects.create(
            series=series, opened_at=opened_at, close=close, **{**row, **values}
        )

    return add
