"""The feed against a market in memory: what is stored, and on what the strategies are called."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.domain.markets import Market
from apps.exchanges import errors, ports
from apps.markets.models import UNHEARD, Candle, HeartbeatStatus, Series
from workers.heartbeat import feed as feed_module
from workers.heartbeat.feed import Feed

START = datetime(2026, 1, 1, tzinfo=UTC)
BITCOIN = Market(
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    step_size=Decimal("0.00001"),
    min_quantity=Decimal("0.00001"),
    max_quantity=Decimal(9000),
    min_notional=Decimal(5),
)


def candle(minute: int, *, is_closed: bool = True) -> ports.Candle:
    return ports.Candle(
        opened_at=START + timedelta(minutes=minute),
        open=1.0,
        high=1.0,
        low=1.0,
        close=float(minute),
        volume=1.0,
        is_closed=is_closed,
    )


@dataclass
class FakeMarket:
    """History by REST, frames by stream; the stream breaks when its frames are used up."""

    history: list[int] = field(default_factory=list)
    frames: list[ports.Candle] = field(default_factory=list)
    appears_later: list[int] = field(default_factory=list)
    feed: Feed | None = None
    starts: list[datetime | None] = field(default_factory=list)

    def get_markets(self) -> list[Market]:
        return [BITCOIN]

    def get_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 500,
    ) -> list[ports.Candle]:
        self.starts.append(start)
        rows = [candle(minute) for minute in self.history]
        return [
            row
            for row in rows
            if (not start or row.opened_at >= start) and (not end or row.opened_at <= end)
        ]

    def connect(self) -> None: ...

    def close(self) -> None: ...

    def set_subscriptions(self, subscriptions: Iterable[object]) -> None: ...

    def recv(self) -> ports.KlineUpdate | None:
        self.history = self.history or self.appears_later
        if not self.frames:
            assert self.feed
            self.feed.stop()
            raise errors.StreamClosed("no more frames")
        return ports.KlineUpdate(
            symbol="BTC/USDT", timeframe=Timeframe.M1, candle=self.frames.pop(0)
        )


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The closes of the candles that strategies were called on."""
    closes: list[float] = []

    def send(_task: object, *, candle_id: int) -> bool:
        closes.append(Candle.objects.get(pk=candle_id).close)
        return True

    monkeypatch.setattr("apps.markets.services.send", send)
    return closes


@pytest.fixture
def market(db: None, monkeypatch: pytest.MonkeyPatch, called: list[float]) -> FakeMarket:
    """What the feed connects to; `run(market)` listens until its frames are used up."""
    fake = FakeMarket()
    monkeypatch.setattr(feed_module, "create_client", lambda *_args, **_kwargs: fake)
    monkeypatch.setattr(feed_module, "create_candle_stream", lambda *_args, **_kwargs: fake)
    monkeypatch.setattr(feed_module, "close_old_connections", lambda: None)
    monkeypatch.setattr("apps.markets.symbols.create_client", lambda *_args, **_kwargs: fake)
    return fake


def run(market: FakeMarket, *frames: ports.Candle) -> None:
    market.frames = list(frames)
    market.feed = Feed(Exchange.BINANCE, Environment.SIMULATED)
    market.feed.run()


def closes() -> list[float]:
    return list(Candle.objects.order_by("opened_at").values_list("close", flat=True))


def test_a_closed_candle_is_stored_and_calls_the_strategies(
    market: FakeMarket, called: list[float]
) -> None:
    run(market, candle(1, is_closed=False), candle(1))

    assert (closes(), called) == ([1.0], [1.0])
    assert Candle.objects.get().dispatched_at


def test_the_history_of_a_new_series_is_stored_and_not_traded_on(
    market: FakeMarket, called: list[float]
) -> None:
    market.history = [0, 1, 2]

    run(market)

    assert (closes(), called) == ([0.0, 1.0, 2.0], [])


def test_a_series_that_was_only_history_begins_like_a_new_one(
    market: FakeMarket, called: list[float]
) -> None:
    run(market)
    Candle.objects.create(
        series=Series.objects.get(),
        opened_at=candle(0).opened_at - timedelta(days=400),
        received_at=UNHEARD,
        **dict.fromkeys(("open", "high", "low", "close", "volume"), -1.0),
    )
    market.history = [0, 1, 2]

    run(market, candle(3))

    assert (closes(), called) == ([-1.0, 0.0, 1.0, 2.0, 3.0], [3.0])
    assert set(market.starts) == {None}


def test_after_a_reconnect_only_the_newest_missed_candle_is_traded_on(
    market: FakeMarket, called: list[float]
) -> None:
    run(market, candle(0))
    market.history = [0, 1, 2, 3]

    run(market, candle(4))

    assert closes() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert called == [0.0, 3.0, 4.0]


def test_a_hole_in_the_stream_is_filled_before_the_strategies_are_called(
    market: FakeMarket, called: list[float]
) -> None:
    run(market, candle(0))
    market.appears_later = [1, 2]

    run(market, candle(3))

    assert (closes(), called) == ([0.0, 1.0, 2.0, 3.0], [0.0, 3.0])


def test_the_same_closed_frame_twice_calls_once(market: FakeMarket, called: list[float]) -> None:
    run(market, candle(1), candle(1))

    assert called == [1.0]


def test_a_frame_from_the_past_is_stored_and_not_traded_on(
    market: FakeMarket, called: list[float]
) -> None:
    run(market, candle(2), candle(1))

    assert (closes(), called) == ([1.0, 2.0], [2.0])


def test_the_status_tells_why_it_is_not_connected(market: FakeMarket) -> None:
    run(market, candle(1))

    status = HeartbeatStatus.objects.get()
    assert (status.is_connected, status.last_error) == (False, "no more frames")
    assert (status.symbols, status.stopped_at is None) == (["BTC/USDT 1m"], False)
