import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from apps.domain.markets import Market
from workers.paper_exchange.markets.candles import MINUTE_MS, Candle
from workers.paper_exchange.markets.feed import Tick
from workers.paper_exchange.markets.live import LiveFeed, UpstreamFailed
from workers.paper_exchange.tests.builders import BTC, START_MS


class Enough(Exception):
    """The test has seen what it wanted to."""


class Upstream:
    """An exchange whose connections give what they are told to, one list after the other."""

    name = "upstream"

    def __init__(self, *connections: list[Tick]) -> None:
        self.past: list[list[Candle]] = [[minute(0)]]
        self._connections = list(connections)

    async def markets(self) -> list[Market]:
        if not self._connections:
            raise UpstreamFailed("nobody answers")
        return [BTC]

    async def now_ms(self) -> int:
        return START_MS + 3 * MINUTE_MS

    async def candles(self, market: Market, start_ms: int) -> list[Candle]:
        return self.past.pop(0)

    async def klines(self, market: Market, wanted: Mapping[str, object]) -> object:
        return []

    @asynccontextmanager
    async def connection(self, markets: Mapping[str, Market]) -> AsyncIterator[AsyncIterator[Tick]]:
        yield self._ticks(self._connections.pop(0))

    async def _ticks(self, ticks: list[Tick]) -> AsyncIterator[Tick]:
        for tick in ticks:
            yield tick


def minute(number: int, *, low: float = 100.0, high: float = 100.0) -> Candle:
    return Candle(START_MS + number * MINUTE_MS, 100.0, high, low, 100.0, 1.0)


def tick(candle: Candle, *, is_closed: bool = False) -> Tick:
    return Tick(BTC.symbol, candle.opened_ms, candle, is_closed)


def follow(feed: LiveFeed) -> list[Tick]:
    """Run a feed until it has run out of patience; what it has told."""
    with pytest.raises(Enough):
        asyncio.run(feed.run())
    return list(feed.advance(0))


def waits_of(count: int) -> tuple[list[float], Callable[[float], Awaitable[None]]]:
    """A list of waits to come, and the sleep that fills it and gives up after `count`."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == count:
            raise Enough

    return waits, sleep


def test_an_extreme_between_two_updates_is_told_as_a_price() -> None:
    _, sleep = waits_of(1)
    updates = [tick(minute(0, low=95.0, high=101.0)), tick(minute(0, low=95.0, high=104.0))]

    told = follow(LiveFeed(Upstream(updates), sleep))

    assert [t.candle.close for t in told] == [101.0, 95.0, 100.0, 104.0, 100.0]


def test_a_closed_candle_is_told_after_its_last_price() -> None:
    _, sleep = waits_of(1)

    told = follow(LiveFeed(Upstream([tick(minute(0), is_closed=True)]), sleep))

    assert [t.is_closed for t in told] == [False, True]


def test_what_was_missed_while_disconnected_is_told_in_order() -> None:
    _, sleep = waits_of(2)
    upstream = Upstream([tick(minute(0))], [tick(minute(3), is_closed=True)])
    upstream.past.append([minute(0), minute(1), minute(2), minute(3)])

    told = follow(LiveFeed(upstream, sleep))

    closed = [(t.candle.opened_ms - START_MS) // MINUTE_MS for t in told if t.is_closed]
    assert closed == [0, 1, 2, 3]


def test_a_candle_closes_once_although_the_connection_was_lost() -> None:
    _, sleep = waits_of(2)
    upstream = Upstream([tick(minute(0), is_closed=True)], [tick(minute(1))])
    upstream.past.append([minute(0), minute(1)])

    told = follow(LiveFeed(upstream, sleep))

    assert [t.candle.opened_ms - START_MS for t in told if t.is_closed] == [0, MINUTE_MS]


def test_an_upstream_that_stays_away_is_asked_ever_more_seldom(
    caplog: pytest.LogCaptureFixture,
) -> None:
    waits, sleep = waits_of(7)
    feed = LiveFeed(Upstream(), sleep)

    follow(feed)

    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert "upstream can't be followed (nobody answers)" in caplog.text
    assert feed.is_open(BTC.symbol) is False
