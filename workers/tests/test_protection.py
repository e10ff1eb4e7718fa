"""Protection at work: our gate, path, monitor and guardian against a paper exchange whose price a test sets,
the same for every dialect."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.brokers.services import connect, open_paper_broker
from apps.core.tasks import TaskName
from apps.domain.environments import Environment, Exchange
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderStatus, OrderType
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import OrderReport
from apps.markets.models import Symbol
from apps.trading import monitor, path, protection
from apps.trading.gate import Signal, place
from apps.trading.models import Book, Order, Position
from apps.trading.prices import Prices
from apps.webhooks.processing import process_webhook
from workers.paper_exchange.clock import Clock
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import MINUTE_MS, Candle, Series
from workers.paper_exchange.markets.feed import Feed, Tick
from workers.paper_exchange.tests.builders import BTC, engine_of
from workers.paper_exchange.tests.serving import serve, wait_for
from workers.streams.follower import Follower

pytestmark = pytest.mark.django_db(transaction=True)


class HandFeed(Feed):
    """A market whose price somebody sets."""

    next_tick_ms = ended_ms = None

    def __init__(self, price: float) -> None:
        super().__init__()
        self.markets[BTC.symbol] = BTC
        self.series[BTC.symbol] = Series(MINUTE_MS)
        self._prices: deque[float] = deque()
        self.set_price(price)
        list(self.advance(int(time.time() * 1000)))

    def set_price(self, price: float) -> None:
        """What it is from the next question on."""
        self._prices.append(price)

    def advance(self, now_ms: int) -> Iterator[Tick]:
        while self._prices:
            price = self._prices.popleft()
            last = self.series[BTC.symbol].last
            low, high = (last.low, last.high) if last else (price, price)
            opened_ms = now_ms // MINUTE_MS * MINUTE_MS
            candle = Candle(opened_ms, price, max(high, price), min(low, price), price, 1000.0)
            self.series[BTC.symbol].put(candle)
            yield Tick(BTC.symbol, now_ms, candle, is_closed=False)

    def resumes_ms(self, now_ms: int) -> int | None:
        return None

    def is_open(self, symbol: str) -> bool:
        return True


@dataclass
class Desk:
    """One broker at that exchange, and the messages that our processes would have sent each other."""

    feed: HandFeed
    broker: Broker
    book: Book
    symbol: Symbol
    messages: deque[tuple[TaskName, dict[str, Any]]] = field(default_factory=deque)
    elapsed: timedelta = timedelta()

    @property
    def now(self) -> datetime:
        return timezone.now() + self.elapsed

    @property
    def position(self) -> Position:
        return Position.objects.latest("pk")

    def deliver(self, most: int = 1000) -> None:
        """Do what the messages ask for, and what those tasks send; no more than so many."""
        while self.messages and most:
            most -= 1
            task, ids = self.messages.popleft()
            match task:
                case TaskName.SUBMIT_ORDER:
                    path.submit_order(**ids)
                case TaskName.CANCEL_ORDER:
                    path.cancel_order(now=self.now, **ids)
                case TaskName.GUARD_POSITION:
                    protection.guard_position(now=self.now, **ids)
                case TaskName.POLL_BROKER:
                    monitor.poll_broker(now=self.now, **ids)
                case TaskName.PROCESS_WEBHOOK:
                    process_webhook(clock=lambda: self.now, **ids)

    def pass_time(self) -> None:
        """Ten seconds, in which everything periodic runs once."""
        self.elapsed += timedelta(seconds=11)
        monitor.sweep_orders(now=self.now)
        monitor.poll_broker(broker_id=self.broker.pk, now=self.now)
        protection.guard_broker(broker_id=self.broker.pk, now=self.now)
        self.deliver()

    def trade(self, side: OrderSide, key: str, **values: Any) -> Order:
        """A strategy's order at the market, and all that follows from it."""
        buys = side is OrderSide.BUY
        defaults: dict[str, Any] = {
            "side": side,
            "order_type": OrderType.MARKET,
            "purpose": OrderPurpose.ENTRY if buys else OrderPurpose.EXIT,
            "source": OrderSource.STRATEGY,
            "dedup_key": key,
            "reason": "because",
            "reference_price": Decimal(64_000),
            "valid_until": self.now + timedelta(minutes=1),
            "quote_amount": Decimal(1000) if buys else None,
            "stop_loss": Decimal("0.02") if buys else None,
            "take_profit": Decimal("0.04") if buys else None,
        }
        signal = Signal(**{**defaults, **values})
        order = place(book=self.book, symbol=self.symbol, signal=signal, now=self.now)
        assert order.status == OrderStatus.CREATED, order.events.get().message
        self.deliver()
        return order

    def orders(self, purpose: OrderPurpose) -> list[Order]:
        """Ours of one purpose, oldest first."""
        return list(Order.objects.filter(purpose=purpose).order_by("pk"))

    def resting(self) -> list[OrderReport]:
        """What the exchange itself has."""
        return connect(self.broker).fetch_open_orders("BTC/USDT")


@pytest.fixture(params=list(Exchange), ids=str)
def desk(
    request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """An account with 10,000 USDT and one BTC, at 64,000; the strategy has just bought for 1,000."""
    spoken: Exchange = request.param
    feed = HandFeed(64_000.0)
    clock = Clock(wall=time.time, start_ms=int(time.time() * 1000), speed=1.0)
    exchange = PaperExchange(
        clock=clock, feed=feed, engine=engine_of(exchange=spoken), record_clock=lambda _at: None
    )
    messages: deque[tuple[TaskName, dict[str, Any]]] = deque()
    for module in ("core.enqueue", "trading.monitor"):
        monkeypatch.setattr(f"apps.{module}.send", lambda task, **ids: messages.append((task, ids)))
    # No test waits for a budget, on either side.
    limits = MemoryLimitStore(now=lambda: time.time() * 10_000)
    monkeypatch.setattr("apps.core.venues.limit_store", lambda *_pace: limits)
    dialects = "workers.paper_exchange.dialects"
    monkeypatch.setattr(f"{dialects}.kraken.limits.COUNTER_CAPACITY", 1000)
    monkeypatch.setattr(f"{dialects}.bitget.limits.RateLimits.admit", lambda *_, **_asked: True)
    with serve(exchange) as url:
        settings.PAPER_EXCHANGE_URLS = {spoken: url}
        owner = User.objects.create_user("alice", is_staff=True)
        broker = open_paper_broker(
            owner=owner, name="Paper", exchange=spoken, environment=Environment.SIMULATED
        )
        symbol = Symbol.objects.create(
            exchange=spoken,
            environment=Environment.SIMULATED,
            name=BTC.symbol,
            base=BTC.base,
            quote=BTC.quote,
            tick_size=BTC.tick_size,
            step_size=BTC.step_size,
            min_quantity=BTC.min_quantity,
            max_quantity=BTC.max_quantity,
            min_notional=BTC.min_notional,
        )
        book = Book.objects.create(owner=owner, broker=broker, kind="activation", label="EMA cross")
        made = Desk(feed=feed, broker=broker, book=book, symbol=symbol, messages=messages)
        messages.clear()
        monitor.poll_broker(broker_id=broker.pk, now=made.now)
        made.trade(OrderSide.BUY, "entry")
        yield made


def test_a_stop_that_fills_at_the_exchange_ends_the_position(desk: Desk) -> None:
    (stop,) = desk.orders(OrderPurpose.STOP_LOSS)
    (resting,) = desk.resting()
    assert resting.client_order_id == stop.client_order_id
    assert resting.trigger_price == desk.position.stop_loss_price
    assert stop.quantity == desk.symbol.to_market().round_quantity(desk.position.quantity)

    desk.feed.set_price(62_000.0)
    desk.pass_time()

    stop.refresh_from_db()
    assert (stop.status, stop.is_settled) == ("filled", True)
    assert (desk.position.is_open, desk.resting()) == (False, [])
    desk.trade(OrderSide.BUY, "entry again")
    assert desk.position.is_open


@pytest.fixture
def follower(desk: Desk) -> Iterator[Follower]:
    """What follows the desk's private stream; it ends with the test."""
    follower = Follower(desk.broker)
    yield follower
    follower.stop()
    if follower.ident:
        follower.join(20)


def test_what_the_stream_tells_is_booked_without_a_poll(desk: Desk, follower: Follower) -> None:
    desk.trade(OrderSide.SELL, "exit")
    follower.start()
    wait_for(lambda: follower.whole_since is not None)
    size = {"price": Decimal(63_900), "quantity": Decimal("0.01"), "quote_amount": None}
    entry = desk.trade(OrderSide.BUY, "dip", order_type=OrderType.LIMIT, **size)

    desk.feed.set_price(63_800.0)
    # The market moves when somebody asks it for something.
    assert desk.resting() == []
    wait_for(lambda: Order.objects.filter(pk=entry.pk, is_settled=True).exists())

    entry.refresh_from_db()
    assert (entry.status, desk.position.is_open) == ("filled", True)
    follower.stop()
    desk.trade(OrderSide.SELL, "exit again")
    follower.join(5)
    assert not follower.is_alive()


def test_the_target_cancels_the_stop_and_sells(desk: Desk) -> None:
    desk.feed.set_price(67_000.0)
    protection.guard_position(
        position_id=desk.position.pk, now=desk.now, prices=Prices.at(Decimal(67_000))
    )
    desk.deliver()

    (stop,) = desk.orders(OrderPurpose.STOP_LOSS)
    (sold,) = desk.orders(OrderPurpose.EXIT)
    assert (stop.status, sold.status, sold.quantity) == ("cancelled", "filled", stop.quantity)
    assert (desk.position.is_open, desk.resting()) == (False, [])
    assert desk.position.realized_pnl > 0


def test_a_strategy_sells_what_its_stop_had_locked(desk: Desk) -> None:
    desk.trade(OrderSide.SELL, "exit")

    assert (desk.position.is_open, desk.resting()) == (False, [])


def test_the_stop_follows_when_it_is_moved(desk: Desk) -> None:
    protection.set_exit_prices(position=desk.position, stop_loss=Decimal(63_500), now=desk.now)
    desk.deliver()

    (resting,) = desk.resting()
    assert resting.trigger_price == 63_500
    assert [order.status for order in desk.orders(OrderPurpose.STOP_LOSS)] == ["cancelled", "open"]


@pytest.mark.parametrize("delivered", range(3))
def test_wherever_the_messages_get_lost_the_exit_is_finished(desk: Desk, delivered: int) -> None:
    protection.guard_position(
        position_id=desk.position.pk, now=desk.now, prices=Prices.at(Decimal(67_000))
    )
    desk.deliver(delivered)
    desk.messages.clear()

    for _ in range(4):
        desk.pass_time()

    (sold,) = desk.orders(OrderPurpose.EXIT)
    assert sold.status == "filled"
    assert (desk.position.is_open, desk.resting()) == (False, [])


def test_a_stop_cancelled_by_somebody_else_is_placed_again(desk: Desk) -> None:
    (resting,) = desk.resting()
    connect(desk.broker).cancel_order(resting.ref)

    desk.pass_time()
    desk.pass_time()

    assert len(desk.orders(OrderPurpose.STOP_LOSS)) == 2
    assert len(desk.resting()) == 1
