"""What each kind of market stream tells of a tick."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

from apps.domain.markets import Market
from workers.paper_exchange.book import Level
from workers.paper_exchange.dialects.binance.books import Book, book_of
from workers.paper_exchange.dialects.binance.filters import Row, plain
from workers.paper_exchange.dialects.binance.market_rows import quote_volume, trade_count
from workers.paper_exchange.dialects.binance.names import INTERVALS, wire_symbol
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import DAY_MS, MINUTE_MS, Candle
from workers.paper_exchange.markets.feed import Tick
from workers.paper_exchange.probe import Probe

#: Running candles and statistics are told at most this often by the market's clock, and by the
#: wall's, which matters where the market runs fast.
CANDLE_EVERY_MS, STATISTICS_EVERY_MS = 2000, 1000
EVERY_WALL_MS = 200
_NAME = re.compile(r"([a-z0-9]+)@([a-zA-Z]+)(?:_([0-9]+[smhdwM]))?([0-9]+)?(?:@([0-9]+)ms)?")
_PARTIAL_DEPTHS = {5, 10, 20}
_DEPTH_PERIODS_MS = {100, 1000}
_ALL_STATISTICS = "!miniTicker@arr"


class Pace:
    """Says when it is time again."""

    def __init__(self, exchange: PaperExchange, every_ms: int) -> None:
        self._exchange = exchange
        self._every_ms = every_ms
        self._told_ms = self._told_wall_ms = 0

    def is_due(self, at_ms: int) -> bool:
        """Whether the last time was long enough ago; if so, this is the last time from now on."""
        wall_ms = self._exchange.clock.wall_ms()
        is_due = at_ms - self._told_ms >= self._every_ms
        if is_due and wall_ms - self._told_wall_ms >= min(self._every_ms, EVERY_WALL_MS):
            self._told_ms, self._told_wall_ms = at_ms, wall_ms
            return True
        return False


class MarketStream(ABC):
    """A series of frames, by the name that clients subscribe to."""

    def __init__(self, exchange: PaperExchange) -> None:
        self.exchange = exchange

    @abstractmethod
    def follows(self, symbol: str) -> bool:
        """Whether ticks of this market concern it."""

    @abstractmethod
    def frames(self, tick: Tick) -> Iterator[object]:
        """What there is to tell of a tick."""


class SymbolStream(MarketStream):
    """A stream of one market."""

    def __init__(self, exchange: PaperExchange, market: Market) -> None:
        super().__init__(exchange)
        self.market = market

    def follows(self, symbol: str) -> bool:
        """Whether this is its market."""
        return symbol == self.market.symbol

    def book(self) -> Book | None:
        """The order book now."""
        quote = self.exchange.feed.quote(self.market.symbol)
        return None if quote is None else book_of(self.exchange, self.market, quote)


class KlineStream(SymbolStream):
    """A candle as it changes, and once when it closes."""

    def __init__(
        self, exchange: PaperExchange, market: Market, timeframe: str, probe: Probe | None
    ) -> None:
        super().__init__(exchange, market)
        self._timeframe = timeframe
        self._probe = probe
        self._pace = Pace(exchange, CANDLE_EVERY_MS)
        self._running_ms: int | None = None

    def frames(self, tick: Tick) -> Iterator[object]:
        """The running candle now and then, every closed one."""
        timeframe_ms = INTERVALS[self._timeframe]
        series = self.exchange.feed.series[self.market.symbol]
        if tick.is_closed:
            end_ms = tick.candle.opened_ms + series.timeframe_ms
            if end_ms % timeframe_ms == 0:
                yield self._closed(end_ms - timeframe_ms, tick.at_ms)
            return
        opened_ms = tick.candle.opened_ms // timeframe_ms * timeframe_ms
        if self._running_ms is not None and self._running_ms < opened_ms:
            # The candle's end fell into a hole of the data.
            yield self._closed(self._running_ms, tick.at_ms)
        self._running_ms = opened_ms
        if self._pace.is_due(tick.at_ms):
            yield self._frame(series.bucket(timeframe_ms, opened_ms), tick.at_ms, is_closed=False)

    def _closed(self, opened_ms: int, at_ms: int) -> Row:
        self._running_ms = None
        series = self.exchange.feed.series[self.market.symbol]
        candle = series.bucket(INTERVALS[self._timeframe], opened_ms)
        if self._probe:
            facts: dict[str, object] = {"symbol": self.market.symbol, "open_time": opened_ms}
            self._probe("kline_closed", facts)
        return self._frame(candle, at_ms, is_closed=True)

    def _frame(self, candle: Candle, at_ms: int, *, is_closed: bool) -> Row:
        symbol = wire_symbol(self.market)
        quoted, trades = quote_volume(candle), trade_count(candle)
        return {
            "e": "kline",
            "E": at_ms,
            "s": symbol,
            "k": {
                "t": candle.opened_ms,
                "T": candle.opened_ms + INTERVALS[self._timeframe] - 1,
                "s": symbol,
                "i": self._timeframe,
                "f": 0,
                "L": trades,
                "o": f"{candle.open:.8f}",
                "c": f"{candle.close:.8f}",
                "h": f"{candle.high:.8f}",
                "l": f"{candle.low:.8f}",
                "v": f"{candle.volume:.8f}",
                "n": trades,
                "x": is_closed,
                "q": f"{quoted:.8f}",
                "V": f"{candle.volume / 2:.8f}",
                "Q": f"{quoted / 2:.8f}",
                "B": "0",
            },
        }


class StatisticsStream(SymbolStream):
    """The last 24 hours, in short or in full."""

    def __init__(self, exchange: PaperExchange, market: Market, *, is_full: bool) -> None:
        super().__init__(exchange, market)
        self._is_full = is_full
        self._pace = Pace(exchange, STATISTICS_EVERY_MS)

    def frames(self, tick: Tick) -> Iterator[object]:
        """Once a second."""
        book = self.book()
        if book is not None and self._pace.is_due(tick.at_ms):
            row = _mini_ticker(self.exchange, self.market, tick.at_ms)
            yield _full_ticker(self.exchange, self.market, row, book) if self._is_full else row


class AverageStream(SymbolStream):
    """The average price of the last five minutes."""

    def __init__(self, exchange: PaperExchange, market: Market) -> None:
        super().__init__(exchange, market)
        self._pace = Pace(exchange, STATISTICS_EVERY_MS)

    def frames(self, tick: Tick) -> Iterator[object]:
        """Once a second."""
        recent = self.exchange.feed.series[self.market.symbol].since(tick.at_ms - 5 * MINUTE_MS)
        if recent is None or not self._pace.is_due(tick.at_ms):
            return
        average = quote_volume(recent) / recent.volume if recent.volume else recent.close
        yield {
            "e": "avgPrice",
            "E": tick.at_ms,
            "s": wire_symbol(self.market),
            "i": "5m",
            "w": f"{average:.8f}",
            "T": tick.at_ms,
        }


class AllStatisticsStream(MarketStream):
    """The last 24 hours of every market that has changed."""

    def __init__(self, exchange: PaperExchange) -> None:
        super().__init__(exchange)
        self._changed: dict[str, None] = {}
        self._pace = Pace(exchange, STATISTICS_EVERY_MS)

    def follows(self, symbol: str) -> bool:  # noqa: ARG002
        """Every market concerns it."""
        return True

    def frames(self, tick: Tick) -> Iterator[object]:
        """Once a second."""
        self._changed[tick.symbol] = None
        if self._pace.is_due(tick.at_ms):
            changed, self._changed = self._changed, {}
            markets = [self.exchange.feed.markets[symbol] for symbol in changed]
            yield [_mini_ticker(self.exchange, market, tick.at_ms) for market in markets]


class BestStream(SymbolStream):
    """The best bid and ask whenever they change."""

    def __init__(self, exchange: PaperExchange, market: Market) -> None:
        super().__init__(exchange, market)
        self._told: object = None

    def frames(self, tick: Tick) -> Iterator[object]:
        """At most one for each tick."""
        book = self.book()
        if book is None or book.best == self._told:
            return
        best = self._told = book.best
        yield {
            "u": tick.at_ms,
            "s": wire_symbol(self.market),
            "b": plain(best.bid.price),
            "B": plain(best.bid.quantity),
            "a": plain(best.ask.price),
            "A": plain(best.ask.quantity),
        }


class TradeStream(SymbolStream):
    """One trade for each price, of what the candle has gained since the one before."""

    def __init__(self, exchange: PaperExchange, market: Market, *, is_aggregate: bool) -> None:
        super().__init__(exchange, market)
        self._is_aggregate = is_aggregate
        self._last: Candle | None = None

    def frames(self, tick: Tick) -> Iterator[object]:
        """One, unless the tick only closes its candle."""
        candle, last, self._last = tick.candle, self._last, tick.candle
        if tick.is_closed:
            return
        is_same = last is not None and last.opened_ms == candle.opened_ms
        gained = candle.volume - last.volume if last and is_same else candle.volume
        has_fallen = last is not None and candle.close < last.close
        row: Row = {
            "e": "aggTrade" if self._is_aggregate else "trade",
            "E": tick.at_ms,
            "s": wire_symbol(self.market),
            "p": f"{candle.close:.8f}",
            "q": f"{max(gained, float(self.market.min_quantity)):.8f}",
            "T": tick.at_ms,
            "m": has_fallen,
            "M": True,
        }
        ids = ("a", "f", "l") if self._is_aggregate else ("t",)
        yield row | dict.fromkeys(ids, tick.at_ms)


@dataclass(frozen=True, slots=True)
class DepthForm:
    """How a book is told: `levels` whole each time, or where that is 0 only what has changed."""

    levels: int
    period_ms: int


class DepthStream(SymbolStream):
    """The order book, whole or as changes."""

    def __init__(self, exchange: PaperExchange, market: Market, form: DepthForm) -> None:
        super().__init__(exchange, market)
        self._levels = form.levels
        self._pace = Pace(exchange, form.period_ms)
        self._told = Book([], [])
        self._told_ms = 0

    def frames(self, tick: Tick) -> Iterator[object]:
        """One for each period in which there was a tick."""
        book = self.book()
        if book is None or not self._pace.is_due(tick.at_ms):
            return
        if self._levels:
            yield {"lastUpdateId": tick.at_ms, **book.rows(self._levels)}
            return
        before, self._told = self._told, book
        first = self._told_ms + 1 if self._told_ms else tick.at_ms
        self._told_ms = tick.at_ms
        changes = Book(_changes(before.bids, book.bids), _changes(before.asks, book.asks))
        rows = changes.rows(len(changes.bids) + len(changes.asks))
        yield {
            "e": "depthUpdate",
            "E": tick.at_ms,
            "s": wire_symbol(self.market),
            "U": first,
            "u": tick.at_ms,
            "b": rows["bids"],
            "a": rows["asks"],
        }


def find_stream(exchange: PaperExchange, name: str, probe: Probe | None) -> MarketStream | None:
    """The stream of a name; None for one that no market has."""
    if name == _ALL_STATISTICS:
        return AllStatisticsStream(exchange)
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    symbol, kind, timeframe, levels, period = match.groups()
    for market in exchange.feed.markets.values():
        if wire_symbol(market).lower() == symbol:
            if timeframe is not None:
                is_plain = kind == "kline" and levels is None and period is None
                return _kline_stream(exchange, market, timeframe, probe) if is_plain else None
            if kind == "depth":
                return _depth_stream(exchange, market, int(levels or 0), int(period or 1000))
            return _plain_stream(exchange, market, kind) if levels is period is None else None
    return None


def _kline_stream(
    exchange: PaperExchange, market: Market, timeframe: str, probe: Probe | None
) -> MarketStream | None:
    series = exchange.feed.series[market.symbol]
    if timeframe not in INTERVALS or not series.serves(INTERVALS[timeframe]):
        return None
    return KlineStream(exchange, market, timeframe, probe)


def _depth_stream(
    exchange: PaperExchange, market: Market, levels: int, period_ms: int
) -> MarketStream | None:
    if levels not in {0, *_PARTIAL_DEPTHS} or period_ms not in _DEPTH_PERIODS_MS:
        return None
    return DepthStream(exchange, market, DepthForm(levels, period_ms))


def _plain_stream(exchange: PaperExchange, market: Market, kind: str) -> MarketStream | None:
    match kind:
        case "miniTicker" | "ticker":
            return StatisticsStream(exchange, market, is_full=kind == "ticker")
        case "avgPrice":
            return AverageStream(exchange, market)
        case "bookTicker":
            return BestStream(exchange, market)
        case "trade" | "aggTrade":
            return TradeStream(exchange, market, is_aggregate=kind == "aggTrade")
    return None


def _changes(before: list[Level], after: list[Level]) -> list[Level]:
    """The levels that are new or have another quantity; one that is gone has none."""
    known = {level.price: level.quantity for level in before}
    now = {level.price: level.quantity for level in after}
    changed = [level for level in after if known.get(level.price) != level.quantity]
    return changed + [
        level._replace(quantity=level.quantity * 0) for level in before if level.price not in now
    ]


def _day(exchange: PaperExchange, market: Market, at_ms: int) -> Candle:
    series = exchange.feed.series[market.symbol]
    day = series.since(at_ms - DAY_MS) or series.last
    if day is None:
        raise LookupError(f"{market.symbol} has ticked and has no candle")
    return day


def _mini_ticker(exchange: PaperExchange, market: Market, at_ms: int) -> Row:
    day = _day(exchange, market, at_ms)
    return {
        "e": "24hrMiniTicker",
        "E": at_ms,
        "s": wire_symbol(market),
        "c": f"{day.close:.8f}",
        "o": f"{day.open:.8f}",
        "h": f"{day.high:.8f}",
        "l": f"{day.low:.8f}",
        "v": f"{day.volume:.8f}",
        "q": f"{quote_volume(day):.8f}",
    }


def _full_ticker(exchange: PaperExchange, market: Market, mini: Row, book: Book) -> Row:
    at_ms = int(str(mini["E"]))
    day, best = _day(exchange, market, at_ms), book.best
    change = day.close - day.open
    average = quote_volume(day) / day.volume if day.volume else day.close
    return {
        **mini,
        "e": "24hrTicker",
        "p": f"{change:.8f}",
        "P": f"{change / day.open * 100:.3f}",
        "w": f"{average:.8f}",
        "x": f"{day.open:.8f}",
        "Q": plain(market.min_quantity),
        "b": plain(best.bid.price),
        "B": plain(best.bid.quantity),
        "a": plain(best.ask.price),
        "A": plain(best.ask.quantity),
        "O": day.opened_ms,
        "C": at_ms,
        "F": 0,
        "L": trade_count(day),
        "n": trade_count(day),
    }
