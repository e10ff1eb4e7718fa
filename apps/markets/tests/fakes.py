"""An exchange in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from apps.domain.markets import Market
from apps.exchanges.errors import ExchangeError
from apps.exchanges.limits import CallRecord, MemoryLimitStore

VENUE = "binance@http://here"


def market(name: str, **rules: object) -> Market:
    """One with a rule of a cent for everything."""
    base, quote = name.split("/")
    one = Decimal("0.01")
    defaults = {
        "symbol": name,
        "base": base,
        "quote": quote,
        "tick_size": one,
        "step_size": one,
        "min_quantity": one,
        "max_quantity": one,
        "min_notional": one,
    }
    return Market(**{**defaults, **rules})  # type: ignore[arg-type]


@dataclass
class FakeMarket:
    """Lists what it is told to, counts its own calls, or fails; `meanwhile` runs while it is asked."""

    markets: list[Market] = field(default_factory=list)
    error: ExchangeError | None = None
    seconds: float = 0.1
    meanwhile: Callable[[], object] = bool
    limits: MemoryLimitStore = field(default_factory=MemoryLimitStore)
    venue: str = VENUE

    def get_markets(self) -> list[Market]:
        self._call()
        return self.markets

    def get_server_time(self) -> datetime:
        self._call()
        return datetime(2026, 1, 1, tzinfo=UTC)

    def record(self, *, is_ok: bool = True) -> None:
        self.limits.record(CallRecord(venue=VENUE, seconds=self.seconds, is_ok=is_ok))

    def _call(self) -> None:
        self.meanwhile()
        self.record(is_ok=self.error is None)
        if self.error:
            raise self.error
