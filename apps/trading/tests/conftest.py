from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderType
from apps.markets.models import Symbol
from apps.trading.gate import Signal
from apps.trading.models import Book, Lot, Order, Position, new_client_order_id
from apps.trading.tests.fakes import FakeExchange


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> FakeExchange:
    """What every broker connects to."""
    fake = FakeExchange()
    for module in ("path", "monitor", "protection", "sync"):
        monkeypatch.setattr(f"apps.trading.{module}.connect", lambda _broker, **_how: fake)
    return fake


@pytest.fixture
def make_signal(now: datetime) -> Callable[..., Signal]:
    """A wish to buy for 100 USDT at 100, or to sell everything."""

    def make(
        *, side: OrderSide = OrderSide.BUY, amount: str = "100", key: str = "k", **values: object
    ) -> Signal:
        buys = side is OrderSide.BUY
        defaults = {
            "side": side,
            "order_type": OrderType.MARKET,
            "purpose": OrderPurpose.ENTRY if buys else OrderPurpose.EXIT,
            "quote_amount": Decimal(amount) if buys else None,
            "source": OrderSource.STRATEGY,
            "dedup_key": key,
            "reason": "because",
            "reference_price": Decimal(100),
            "valid_until": now + timedelta(minutes=1),
        }
        return Signal(**{**defaults, **values})

    return make


@pytest.fixture
def make_order(book: Book, symbol: Symbol) -> Callable[..., Order]:
    """An order as the gate makes it, good for an hour by the real clock."""

    def make(**values: object) -> Order:
        defaults = {
            "owner": book.owner,
            "book": book,
            "broker": book.broker,
            "symbol": symbol,
            "dedup_key": new_client_order_id(),
            "source": "strategy",
            "purpose": "entry",
            "side": "buy",
            "order_type": "market",
            "quote_amount": Decimal(100),
            "reference_price": Decimal(100),
            "status": "created",
            "valid_until": datetime(2100, 1, 1, tzinfo=book.created_at.tzinfo),
        }
        return Order.objects.create(**{**defaults, **values})

    return make


@pytest.fixture
def position(book: Book, symbol: Symbol, now: datetime) -> Position:
    """One bitcoin, bought at 100."""
    position = Position.objects.create(
        owner=book.owner, book=book, symbol=symbol, quantity=1, cost=100, opened_at=now
    )
    Lot.objects.create(
        owner=book.owner,
        book=book,
        asset="BTC",
        position=position,
        origin="bought",
        acquired_at=now,
        quantity=1,
        remaining=1,
        cost=100,
        cost_asset="USDT",
    )
    return position
