"""A market that waits at each candle until its clients have done what they want to do there."""

import asyncio
import time
from collections.abc import Callable

from workers.paper_exchange.exchange import PaperExchange

#: So many candles are shown before others are heard again.
CANDLES_IN_A_ROW = 64


class Lockstep:
    """Clients join with their first step; the next candle is shown once each of them has stepped."""

    def __init__(
        self, exchange: PaperExchange, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._exchange = exchange
        self._monotonic = monotonic
        #: For how many candles each client need not be waited for.
        self._ahead: dict[str, int] = {}
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._is_going = self.has_ended = False
        self._shown_at = monotonic()

    @property
    def clients(self) -> list[str]:
        """Who has joined."""
        return list(self._ahead)

    @property
    def waits_for(self) -> list[str]:
        """Clients without which the next candle is not shown."""
        return [client for client, ahead in self._ahead.items() if ahead == 0]

    async def step(self, client: str, candles: int) -> None:
        """Let so many candles be shown, and return when they were; with none, only join. A client that
        was waiting already goes on with its new number."""
        self._ahead[client] = candles
        if not candles:
            return
        known = self._waiting.get(client)
        if known is None or known.done():
            known = self._waiting[client] = asyncio.get_running_loop().create_future()
        await self._go()
        await known

    async def leave(self, client: str) -> None:
        """Wait for a client no longer."""
        self._ahead.pop(client, None)
        self._release(client)
        await self._go()

    async def _go(self) -> None:
        if self._is_going:
            return
        self._is_going = True
        shown = 0
        try:
            while self._ahead and not self.waits_for and not self.has_ended:
                await self._keep_pace()
                self._show()
                shown += 1
                if shown % CANDLES_IN_A_ROW == 0:
                    await asyncio.sleep(0)
        finally:
            self._is_going = False
        if self.has_ended:
            for client in self._ahead:
                self._release(client)

    def _show(self) -> None:
        self._shown_at = self._monotonic()
        self.has_ended = not self._exchange.step()
        for client in self._ahead:
            self._ahead[client] -= 1
            if not self._ahead[client]:
                self._release(client)

    def _release(self, client: str) -> None:
        waiting = self._waiting.pop(client, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _keep_pace(self) -> None:
        """A candle takes at least as long as the speed says."""
        series = self._exchange.feed.series.values()
        length_ms = min(each.timeframe_ms for each in series)
        due_at = self._shown_at + length_ms / 1000 / self._exchange.clock.speed
        seconds = due_at - self._monotonic()
        if seconds > 0:
            await asyncio.sleep(seconds)
