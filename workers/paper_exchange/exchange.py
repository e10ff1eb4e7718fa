"""The exchange behind every dialect: clock, prices and matching moved forward together."""

import logging
from collections.abc import Callable

from workers.paper_exchange.clock import Clock
from workers.paper_exchange.markets.feed import Feed, Quote, Tick
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
    ) -> None:
        self.clock = clock
        self.feed = feed
        self.engine = engine
        self.listeners: list[Callable[[Tick], None]] = []
        self._record_clock = record_clock

    def advance(self) -> int:
        """Handle everything that is due; returns the market's time in milliseconds."""
        now_ms = self.clock.now_ms()
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
        elif self.engine.has_open(tick.symbol):
            quote = self.feed.quote(tick.symbol)
            if quote is not None:
                self.engine.on_price(tick.symbol, quote, tick.at_ms)
        for listener in self.listeners:
            listener(tick)
