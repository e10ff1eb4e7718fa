"""A real exchange's prices, as they come."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from apps.domain.markets import Market
from workers.paper_exchange.markets.candles import DAY_MS, MINUTE_MS, Candle, Series
from workers.paper_exchange.markets.feed import Feed, Tick

logger = logging.getLogger(__name__)
#: What is followed of a real exchange's many markets.
FOLLOWED = (("BTC", "USDT"), ("ETH", "USDT"), ("SOL", "USDT"), ("BNB", "USDT"))
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0


class UpstreamFailed(Exception):
    """The real exchange can't be reached, or says something that we don't understand."""


class Upstream(Protocol):
    """A real exchange's public side; every method raises UpstreamFailed."""

    name: str

    async def markets(self) -> list[Market]:
        """The followed markets that it lists."""
        ...

    async def now_ms(self) -> int:
        """Its time."""
        ...

    async def candles(self, market: Market, start_ms: int) -> list[Candle]:
        """All minute candles from `start_ms` on, the running one last."""
        ...

    def klines(self, market: Market, wanted: Mapping[str, object]) -> Awaitable[object]:
        """Its own answer to a client's request for candles."""
        ...

    def connection(
        self, markets: Mapping[str, Market]
    ) -> AbstractAsyncContextManager[AsyncIterator[Tick]]:
        """A connection that gives minute candles as they change, until it ends."""
        ...


class LiveFeed(Feed):
    """Follows an upstream; while the connection is down, the market is closed."""

    def __init__(
        self,
        upstream: Upstream,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__()
        self.upstream = upstream
        self._sleep = sleep
        self._ticks: deque[Tick] = deque()
        self._closed_ms: dict[str, int] = {}
        self._is_connected = False

    @property
    def next_tick_ms(self) -> int | None:
        """Nobody knows."""
        return None

    @property
    def ended_ms(self) -> int | None:
        """A live market doesn't end."""
        return None

    def advance(self, now_ms: int) -> Iterator[Tick]:  # noqa: ARG002
        """What has come since the last time."""
        while self._ticks:
            yield self._ticks.popleft()

    def resumes_ms(self, now_ms: int) -> int | None:  # noqa: ARG002
        """Real time has no holes."""
        return None

    def is_open(self, symbol: str) -> bool:
        """A market trades while its prices are fresh."""
        return self._is_connected and symbol in self.markets

    async def run(self) -> None:
        """Follow the upstream for ever; connect again after each failure, ever more patiently."""
        wait_seconds = FIRST_WAIT_SECONDS
        while True:
            try:
                async for tick in self._follow():
                    wait_seconds = FIRST_WAIT_SECONDS
                    self._take(tick)
                reason = "the connection was closed"
            except UpstreamFailed as error:
                reason = str(error)
            self._is_connected = False
            logger.warning(
                "live market: %s can't be followed (%s); orders wait, next try in %.0f s",
                self.upstream.name,
                reason,
                wait_seconds,
            )
            await self._sleep(wait_seconds)
            wait_seconds = min(LONGEST_WAIT_SECONDS, wait_seconds * 2)

    async def _follow(self) -> AsyncIterator[Tick]:
        markets = {market.symbol: market for market in await self.upstream.markets()}
        if not markets:
            raise UpstreamFailed("it lists none of the markets that are followed")
        # Connected before catching up: what changes in between waits in the connection.
        async with self.upstream.connection(markets) as ticks:
            for market in markets.values():
                await self._catch_up(market)
            self.markets.update(markets)
            self._is_connected = True
            logger.info("live market: following %s at %s", ", ".join(markets), self.upstream.name)
            async for tick in ticks:
                yield tick

    async def _catch_up(self, market: Market) -> None:
        """Fetch the last day, or what was missed since the last candle that we know."""
        known = self.series.get(market.symbol)
        if known is not None and known.last is not None:
            missed = await self.upstream.candles(market, known.last.opened_ms)
            now_ms = await self.upstream.now_ms()
            for candle in missed:
                is_closed = candle.opened_ms + MINUTE_MS <= now_ms
                self._take(Tick(market.symbol, now_ms, candle, is_closed))
            return
        series = Series(MINUTE_MS)
        for candle in await self.upstream.candles(market, await self.upstream.now_ms() - DAY_MS):
            series.put(candle)
        self.series[market.symbol] = series

    def _take(self, tick: Tick) -> None:
        """Queue a change of a candle; an extreme it reached unseen is told as a price first."""
        series, candle = self.series[tick.symbol], tick.candle
        known = series.last or candle
        # After a new connection some candles are seen again.
        if candle.opened_ms < known.opened_ms or candle.opened_ms == self._closed_ms.get(
            tick.symbol
        ):
            return
        if candle.opened_ms > known.opened_ms:
            known = candle._replace(high=candle.open, low=candle.open)
        series.put(candle)
        prices = [candle.close]
        prices += [candle.low] if candle.low < known.low else []
        prices += [candle.high] if candle.high > known.high else []
        for price in reversed(prices):
            seen = candle._replace(close=price)
            self._ticks.append(Tick(tick.symbol, tick.at_ms, seen, is_closed=False))
        if tick.is_closed:
            self._closed_ms[tick.symbol] = candle.opened_ms
            self._ticks.append(tick)
