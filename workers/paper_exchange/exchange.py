"""The exchange behind every dialect: clock, prices and matching moved forward together."""

import logging
from collections.abc import Callable

from workers.paper_exchange.candle_rules import on_candle
from workers.paper_exchange.clock import Clock
from workers.paper_exchange.markets.candles import Candle
from workers.paper_exchange.markets.feed import Bar, Feed, Quote, Tick, exact
from workers.paper_exchange.markets.paths import PathFeed
from workers.paper_exchange.matching import MatchingEngine

logger = logging.getLogger(__name__)


class PaperExchange:
    """Brings the market to the clock's time: prices first, then fills, then whoever listens."""

    def __init__(
        self,
        *,
        clock: Clock,
        feed: Feed,
        engine: MatchingEngine,
        record_clock: Callable[[int], None],
        waits_for_clients: bool = False,
        has_depth: bool = True,
    ) -> None:
        """In lock-step the clock stands at the open of a candle until `step` is called."""
        self.clock = clock
        self.feed = feed
        self.engine = engine
        self.listeners: list[Callable[[Tick], None]] = []
        self.waits_for_clients = waits_for_clients
        self._has_depth = has_depth
        self._record_clock = record_clock
        if waits_for_clients:
            clock.stop()

    def advance(self) -> int:
        """Handle everything that is due; returns the market's time in milliseconds."""
        now_ms = self.clock.now_ms()
        if self.waits_for_clients:
            return now_ms
        for tick in self.feed.advance(now_ms):
            self._handle(tick)
        resumes_ms = self.feed.resumes_ms(now_ms)
        if resumes_ms is not None:
            logger.info("no candles: the clock jumps by %d s", (resumes_ms - now_ms) // 1000)
            self.clock.jump_to(resumes_ms)
            return self.advance()
        if self.feed.ended_ms is not None and now_ms > self.feed.ended_ms:
            logger.warning("the recorded candles have ended: the market stands still")
            self.clock.stop_at(self.feed.ended_ms)
        return self.clock.now_ms()

    def step(self) -> bool:
        """In lock-step: let the running candles happen, close them, and open the next ones; False when
        the recorded candles have ended."""
        feed = self.feed
        if not isinstance(feed, PathFeed):
            raise TypeError("only candles that are known in advance can wait for clients")
        if not self._has_depth:
            for symbol, candle in feed.running_candles():
                self._play(symbol, candle)
        next_open_ms = feed.next_open_ms
        while (due_ms := feed.next_tick_ms) is not None:
            if next_open_ms is not None and due_ms > next_open_ms:
                break
            for tick in feed.advance(due_ms):
                self._handle(tick)
        self.clock.stop_at(next_open_ms or feed.ended_ms or self.clock.now_ms())
        return next_open_ms is not None

    def quote(self, symbol: str) -> Quote | None:
        """The price that an order meets now, or None while the market is closed."""
        return self.feed.quote(symbol) if self.feed.is_open(symbol) else None

    def seconds_to_next_tick(self) -> float | None:
        """Wall seconds until there is something to do, or None when that can't be known."""
        due_ms = self.feed.next_tick_ms
        return None if due_ms is None else self.clock.seconds_until(due_ms)

    def close(self) -> None:
        """Remember how far the market has come."""
        self._record_clock(self.clock.now_ms())

    def _handle(self, tick: Tick) -> None:
        if tick.is_closed:
            self._record_clock(tick.at_ms)
        elif not self._is_candlewise and self.engine.is_reached(tick.symbol, tick.candle.close):
            quote = self.feed.quote(tick.symbol)
            if quote is not None:
                self.engine.on_price(tick.symbol, quote, tick.at_ms)
        for listener in self.listeners:
            listener(tick)

    @property
    def _is_candlewise(self) -> bool:
        """Whether orders meet whole candles instead of the prices inside them."""
        return self.waits_for_clients and not self._has_depth

    def _play(self, symbol: str, candle: Candle) -> None:
        tick_size = self.feed.markets[symbol].tick_size
        bar = Bar(
            exact(candle.open, tick_size),
            exact(candle.high, tick_size),
            exact(candle.low, tick_size),
            tick_size,
        )
        closed_ms = candle.opened_ms + self.feed.series[symbol].timeframe_ms - 1
        on_candle(self.engine, symbol, bar, opened_ms=candle.opened_ms, closed_ms=closed_ms)
