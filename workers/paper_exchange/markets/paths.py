"""Candles known in advance, told as a path of prices inside each of them."""

from collections.abc import Iterator

from workers.paper_exchange.markets.candles import Candle, Series
from workers.paper_exchange.markets.feed import Feed, Tick

#: How many prices a candle has on its way; its extremes are at the fifth and the ninth.
POINTS = 12
_TURNS = (0, 4, 8, POINTS - 1)


def price_path(candle: Candle, digits: int) -> list[float]:
    """Prices from open to close through the nearer extreme, then the other, in equal steps."""
    extremes = [candle.high, candle.low]
    if candle.open - candle.low < candle.high - candle.open:
        extremes.reverse()
    corners = [candle.open, *extremes, candle.close]
    path = [candle.open]
    for leg in range(3):
        steps = _TURNS[leg + 1] - _TURNS[leg]
        start, end = corners[leg], corners[leg + 1]
        path += [round(start + (end - start) * step / steps, digits) for step in range(1, steps)]
        path.append(end)
    return path


class Tape:
    """One market's future candles, played one price at a time into its series."""

    def __init__(
        self,
        *,
        symbol: str,
        series: Series,
        source: Iterator[Candle],
        digits: int,
        has_path: bool = True,
    ) -> None:
        """Without a path a candle is told by its open, and then whole."""
        self.symbol = symbol
        self.series = series
        self._source = source
        self._digits = digits
        self._points = POINTS if has_path else 1
        self._next_candle = next(source, None)
        self._load()

    @property
    def is_running(self) -> bool:
        """Whether a candle has opened and not closed yet."""
        return self._step > 0

    @property
    def running_candle(self) -> Candle | None:
        """The whole candle that has opened and not closed yet, as nobody may know it before its end."""
        return self._candle if self._step else None

    @property
    def next_open_ms(self) -> int | None:
        """When the next candle opens that has not opened yet, or None after the last one."""
        candle = self._next_candle if self._step else self._candle
        return None if candle is None else candle.opened_ms

    @property
    def next_tick_ms(self) -> int | None:
        """When the next price is due, or None after the last candle."""
        if self._candle is None:
            return None
        return self._candle.opened_ms + self.series.timeframe_ms * self._step // self._points

    def play(self, at_ms: int) -> Tick:
        """Put the price that is due at `at_ms` into the series, or close the candle."""
        candle = self._candle
        if candle is None:
            raise StopIteration(self.symbol)
        if self._step == self._points:
            self.series.put(candle)
            self._load()
            return Tick(self.symbol, at_ms, candle, is_closed=True)
        self._step += 1
        if self._points == 1:
            seen, volume = [candle.open], 0.0
        else:
            seen = self._path[: self._step]
            volume = candle.volume * self._step / self._points
        running = Candle(candle.opened_ms, candle.open, max(seen), min(seen), seen[-1], volume)
        self.series.put(running)
        return Tick(self.symbol, at_ms, running, is_closed=False)

    def _load(self) -> None:
        self._step = 0
        self._candle, self._next_candle = self._next_candle, next(self._source, None)
        self._path: list[float] = []
        if self._candle and self._points > 1:
            self._path = price_path(self._candle, self._digits)


class PathFeed(Feed):
    """Markets whose candles are known in advance: simulated or recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.tapes: list[Tape] = []

    @property
    def next_tick_ms(self) -> int | None:
        """When the next price of any market is due."""
        return min((due for tape in self.tapes if (due := tape.next_tick_ms)), default=None)

    @property
    def next_open_ms(self) -> int | None:
        """When the next candle of any market opens, or None after the last one."""
        return min((due for tape in self.tapes if (due := tape.next_open_ms)), default=None)

    def running_candles(self) -> list[tuple[str, Candle]]:
        """The whole candles that run now, with their markets."""
        return [(tape.symbol, c) for tape in self.tapes if (c := tape.running_candle) is not None]

    @property
    def ended_ms(self) -> int | None:
        """The close of the very last candle, once it was told."""
        if self.next_tick_ms is not None:
            return None
        return max(s.last.opened_ms + s.timeframe_ms for s in self.series.values() if s.last)

    def advance(self, now_ms: int) -> Iterator[Tick]:
        """Play all tapes up to `now_ms`, in the order of market time."""
        while (due_ms := self.next_tick_ms) is not None and due_ms <= now_ms:
            tape = next(tape for tape in self.tapes if tape.next_tick_ms == due_ms)
            yield tape.play(due_ms)

    def resumes_ms(self, now_ms: int) -> int | None:
        """The next candle's open when no market has a running one."""
        due_ms = self.next_tick_ms
        if due_ms is None or due_ms <= now_ms or any(tape.is_running for tape in self.tapes):
            return None
        return due_ms

    def is_open(self, symbol: str) -> bool:
        """A market trades while one of its candles runs."""
        return any(tape.is_running for tape in self.tapes if tape.symbol == symbol)
