"""What every source of prices gives to the exchange."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import NamedTuple

from apps.domain.markets import Market, floor_to
from apps.domain.orders import OrderSide
from workers.paper_exchange.markets.candles import Candle, Series

#: Half of the spread between bid and ask, as a fraction of the price: one basis point.
HALF_SPREAD = Decimal("0.0001")


class Tick(NamedTuple):
    """A candle as it stands at a moment of market time, its close being the price."""

    symbol: str
    at_ms: int
    candle: Candle
    is_closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The price of a market now, and the extremes of its running candle so far."""

    price: Decimal
    low: Decimal
    high: Decimal
    tick_size: Decimal
    #: Base that a candle of this market trades.
    volume: Decimal = Decimal(0)

    @property
    def bid(self) -> Decimal:
        """The best price somebody pays."""
        return max(floor_to(self.price * (1 - HALF_SPREAD), self.tick_size), self.tick_size)

    @property
    def ask(self) -> Decimal:
        """The best price somebody sells at."""
        ticks = (self.price * (1 + HALF_SPREAD) / self.tick_size).to_integral_value(ROUND_UP)
        return ticks * self.tick_size

    def taker_price(self, side: OrderSide) -> Decimal:
        """What an order pays that takes: no fill lies outside the candle it happens in."""
        return min(self.ask, self.high) if side is OrderSide.BUY else max(self.bid, self.low)


class Bar(NamedTuple):
    """A whole candle's prices on the market's grid."""

    open: Decimal
    high: Decimal
    low: Decimal
    tick_size: Decimal


class Feed(ABC):
    """Prices of some markets, told tick by tick in market time."""

    def __init__(self) -> None:
        self.markets: dict[str, Market] = {}
        self.series: dict[str, Series] = {}

    @property
    @abstractmethod
    def next_tick_ms(self) -> int | None:
        """When the next tick is due in market time, or None when that can't be known."""

    @property
    @abstractmethod
    def ended_ms(self) -> int | None:
        """When the market came to its end, or None while it goes on."""

    @abstractmethod
    def advance(self, now_ms: int) -> Iterator[Tick]:
        """The ticks up to `now_ms` that were not told yet, in order; the series follow them."""

    @abstractmethod
    def resumes_ms(self, now_ms: int) -> int | None:
        """In a hole of the data, the moment when it ends; else None."""

    @abstractmethod
    def is_open(self, symbol: str) -> bool:
        """Whether the market trades now."""

    def quote(self, symbol: str) -> Quote | None:
        """The current price of a market, or None before its first."""
        candle, tick_size = self.series[symbol].last, self.markets[symbol].tick_size
        if candle is None:
            return None
        return Quote(
            price=exact(candle.close, tick_size),
            low=exact(candle.low, tick_size),
            high=exact(candle.high, tick_size),
            tick_size=tick_size,
            volume=Decimal(repr(self.series[symbol].usual_volume)),
        )


def exact(price: float, tick_size: Decimal) -> Decimal:
    """The price on the market's grid that a candle's number stands for."""
    return Decimal(repr(price)).quantize(tick_size)


def market_for(*, base: str, quote: str, price: float, tick_size: Decimal) -> Market:
    """A market whose rules are those that real exchanges set at such a price."""
    # About one quote unit of the dollar kind is the smallest step: 0.00001 BTC, 0.001 SOL, 1 DOGE.
    digits = min(8, max(0, math.ceil(math.log10(price))))
    step_size = Decimal(1).scaleb(-digits)
    return Market(
        symbol=f"{base}/{quote}",
        base=base,
        quote=quote,
        tick_size=tick_size,
        step_size=step_size,
        min_quantity=step_size,
        max_quantity=step_size * 900_000_000,
        min_notional=_MIN_NOTIONALS.get(quote, Decimal(5)),
    )


_MIN_NOTIONALS = {"BTC": Decimal("0.0001"), "ETH": Decimal("0.001")}
