"""A market that never was: seeded, the same for a seed at every speed."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from math import exp, log, sqrt
from random import Random

from workers.paper_exchange.markets.candles import MINUTE_MS, Candle, Series
from workers.paper_exchange.markets.feed import market_for
from workers.paper_exchange.markets.paths import PathFeed, Tape

#: Prices have two decimals.
DIGITS = 2
#: Minutes drawn from one generator: the process can be taken up again at the start of any block.
BLOCK_MINUTES = 1440
#: Blocks that exist before the first tick, so that charts and indicators have a past.
HISTORY_BLOCKS = 30

# GARCH(1,1): how much of the variance follows the last move, and how much stays.
_NEWS, _MEMORY = 0.08, 0.90
# A trend is a drift of a fraction of the usual move; it turns every so many minutes on average.
_TREND, _TREND_MINUTES = 0.18, 60
# The pull back to the starting price, per minute, keeps months of simulation plausible.
_PULL = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a simulated market looks like: start price, usual move and volume of a minute."""

    base: str
    price: float
    volatility: float
    volume: float


PROFILES = (
    Profile(base="BTC", price=64_000.0, volatility=0.0006, volume=18.0),
    Profile(base="ETH", price=3_200.0, volatility=0.0008, volume=240.0),
    Profile(base="SOL", price=150.0, volatility=0.0011, volume=2_600.0),
    Profile(base="BNB", price=580.0, volatility=0.0007, volume=130.0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where one market's process stood when a block began; enough to take it up from there."""

    symbol: str
    block: int
    price: float
    variance: float
    trend: int


class Simulation:
    """The process of one market, minute by minute from its origin."""

    def __init__(self, *, profile: Profile, seed: int, origin_ms: int) -> None:
        self.profile = profile
        self.symbol = f"{profile.base}/USDT"
        self._seed = seed
        self._origin_ms = origin_ms
        self._usual_variance = profile.volatility**2

    def beginning(self) -> Checkpoint:
        """The state before the first minute."""
        return Checkpoint(
            symbol=self.symbol,
            block=0,
            price=self.profile.price,
            variance=self._usual_variance,
            trend=1,
        )

    def candles(
        self, checkpoint: Checkpoint, on_block: Callable[[Checkpoint], None]
    ) -> Iterator[Candle]:
        """Candles without end from a block's start on; each block that begins is told first."""
        while True:
            on_block(checkpoint)
            checkpoint = yield from self._block(checkpoint)

    def _block(self, checkpoint: Checkpoint) -> Generator[Candle, None, Checkpoint]:
        random = Random(f"{self._seed}:{self.symbol}:{checkpoint.block}")  # noqa: S311
        price, variance, trend = checkpoint.price, checkpoint.variance, checkpoint.trend
        opened_ms = self._origin_ms + checkpoint.block * BLOCK_MINUTES * MINUTE_MS
        for minute in range(BLOCK_MINUTES):
            if random.random() * _TREND_MINUTES < 1:
                trend = -trend
            sigma = sqrt(variance)
            shock = random.gauss(0.0, sigma)
            drift = trend * _TREND * self.profile.volatility
            pull = _PULL * log(self.profile.price / price)
            close = round(price * exp(drift + pull + shock), DIGITS)
            yield self._candle(opened_ms + minute * MINUTE_MS, price, close, sigma, random)
            price = close
            variance = (
                (1 - _NEWS - _MEMORY) * self._usual_variance + _NEWS * shock**2 + _MEMORY * variance
            )
        return Checkpoint(
            symbol=self.symbol,
            block=checkpoint.block + 1,
            price=price,
            variance=variance,
            trend=trend,
        )

    def _candle(
        self, opened_ms: int, start: float, close: float, sigma: float, random: Random
    ) -> Candle:
        wick = start * sigma / 2
        move = abs(close - start) / start
        mood = exp(random.gauss(0.0, 0.5))
        return Candle(
            opened_ms,
            start,
            round(max(start, close) + wick * abs(random.gauss(0.0, 1.0)), DIGITS),
            round(min(start, close) - wick * abs(random.gauss(0.0, 1.0)), DIGITS),
            close,
            round(self.profile.volume * mood * (0.5 + move / self.profile.volatility), 5),
        )


def simulated_feed(
    *,
    seed: int,
    origin_ms: int,
    start_ms: int,
    checkpoints: Mapping[str, Mapping[int, Checkpoint]],
    on_block: Callable[[Checkpoint], None],
    has_path: bool = True,
) -> PathFeed:
    """The simulated markets at `start_ms`, with the past that charts need already there.

    The process began at `origin_ms`; from `checkpoints` it is taken up again without drawing every
    minute since.
    """
    feed = PathFeed()
    first_block = first_needed_block(origin_ms, start_ms)
    for profile in PROFILES:
        simulation = Simulation(profile=profile, seed=seed, origin_ms=origin_ms)
        market = market_for(
            base=profile.base,
            quote="USDT",
            price=profile.price,
            tick_size=Decimal(1).scaleb(-DIGITS),
        )
        known = checkpoints.get(market.symbol, {})
        checkpoint = known.get(first_block, simulation.beginning())
        source = simulation.candles(checkpoint, on_block)
        series = Series(MINUTE_MS)
        source = _with_past(series, source, start_ms)
        feed.markets[market.symbol] = market
        feed.series[market.symbol] = series
        feed.tapes.append(
            Tape(
                symbol=market.symbol,
                series=series,
                source=source,
                digits=DIGITS,
                has_path=has_path,
            )
        )
    return feed


def first_needed_block(origin_ms: int, at_ms: int) -> int:
    """The oldest block that belongs to the past at a moment."""
    return max(0, (at_ms - origin_ms) // (BLOCK_MINUTES * MINUTE_MS) - HISTORY_BLOCKS)


def _with_past(series: Series, source: Iterator[Candle], start_ms: int) -> Iterator[Candle]:
    """Move the candles that closed by `start_ms` into the series; the rest is still to come."""
    for candle in source:
        if candle.opened_ms + series.timeframe_ms > start_ms:
            return chain((candle,), source)
        series.put(candle)
    return iter(())
