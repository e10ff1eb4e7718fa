"""An exchange in memory that keeps minutes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.exchanges.capabilities import Capabilities
from apps.exchanges.clients import capabilities_of
from apps.exchanges.errors import ExchangeError
from apps.exchanges.parsing import make_candles, milliseconds
from apps.exchanges.ports import Candles
from apps.markets.history.tests.builders import START, minute


@dataclass
class FakeExchange:
    """Has the candles of these minutes, tells `size` a page, and is at minute `clock`; `failures` come
    first, and `meanwhile` runs while it is asked."""

    minutes: list[float] = field(default_factory=lambda: list(range(100)))
    size: int = 1000
    clock: int = 200
    failures: list[ExchangeError] = field(default_factory=list)
    meanwhile: Callable[[], object] = bool
    capabilities: Capabilities = field(default_factory=lambda: capabilities_of(Exchange.BINANCE))
    asked: list[tuple[int, int]] = field(default_factory=list)

    def get_server_time(self) -> datetime:
        return minute(self.clock)

    def get_candles(
        self,
        symbol: str,
        timeframe: Timeframe,
        *,
        start: datetime,
        end: datetime,
        limit: int,
        as_of: datetime,
    ) -> Candles:
        self.meanwhile()
        if self.failures:
            raise self.failures.pop(0)
        first, last = ((at - START) // timeframe.duration for at in (start, end))
        self.asked.append((first, last))
        told = [number for number in self.minutes if first <= number <= last][:limit][: self.size]
        times = [milliseconds(START) + int(60_000 * number) for number in told]
        prices = [float(number) for number in told]
        page = make_candles(times, prices, prices, prices, prices, prices)
        return Candles(
            **{name: getattr(page, name) for name in page.__slots__ if name != "closed"},
            closed=len(page),
        )
