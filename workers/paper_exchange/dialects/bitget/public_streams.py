"""Streams of market data: candles, tickers, trades and books."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.domain.markets import Market, floor_to
from workers.paper_exchange.book import LEVELS, TICKS_PER_CANDLE
from workers.paper_exchange.dialects.bitget import market_rows, periods
from workers.paper_exchange.dialects.bitget.names import plain, trade_id, wire_symbol
from workers.paper_exchange.dialects.bitget.periods import CHANNELS
from workers.paper_exchange.dialects.bitget.sockets import Arg, Hub, StreamSocket, Topic
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.feed import Quote, Tick
from workers.paper_exchange.probe import Probe

#: A running market is told at most this often, by the wall clock.
UPDATE_EVERY_WALL_MS = 200
#: Candles that a new listener gets.
FIRST_CANDLES = 100
_BOOKS = {"books": LEVELS, "books1": 1, "books5": 5, "books15": 15}
_PRICES = {"ticker", "trade"}


@dataclass(slots=True)
class _Told:
    """What was told last in a topic."""

    wall_ms: int = 0
    running_ms: int | None = None


class PublicHub(Hub):
    """Turns ticks into frames for the channels that somebody listens to."""

    def __init__(self, exchange: PaperExchange, probe: Probe | None) -> None:
        super().__init__(exchange)
        self._probe = probe
        self._told: dict[Topic, _Told] = {}
        self._last_prices: dict[str, Decimal] = {}
        self._last_trade = 0
        exchange.listeners.append(self.on_tick)

    def check(self, socket: StreamSocket, topic: Topic) -> bool:  # noqa: ARG002
        """Whether there is such a channel of such a market."""
        is_known = topic.channel in CHANNELS.keys() | _BOOKS.keys() | _PRICES
        return is_known and self._market(topic.name) is not None

    def greet(self, socket: StreamSocket, topic: Topic, arg: Arg) -> None:
        """The past of a candle channel, the present of the others; trades have neither."""
        is_candle = topic.channel in CHANNELS
        data: Sequence[object] = self._past(topic) if is_candle else self._present(topic)
        if data:
            self.tell(socket, arg, data, action="snapshot")

    def on_tick(self, tick: Tick) -> None:
        """Tell the topics of the tick's market."""
        if not self.listeners:
            return
        name = wire_symbol(tick.symbol)
        for topic in [topic for topic in self.listeners if topic.name == name]:
            told = self._told.setdefault(topic, _Told())
            if topic.channel in CHANNELS:
                self._tell_candle(topic, told, tick)
            elif topic.channel == "trade":
                self._tell_trade(topic, tick)
            elif not tick.is_closed and self._is_due(told):
                self._tell_all(topic, self._present(topic), action="snapshot")

    def _tell_candle(self, topic: Topic, told: _Told, tick: Tick) -> None:
        """A candle is told to its last change, and then the next one ends it."""
        period = CHANNELS[topic.channel]
        opened_ms = period.start(tick.candle.opened_ms)
        is_next = told.running_ms is not None and opened_ms > told.running_ms
        if not (is_next or tick.is_closed or self._is_due(told)):
            return
        if is_next and self._probe:
            self._probe("kline_closed", {"symbol": tick.symbol, "open_time": told.running_ms})
        told.running_ms = opened_ms
        candle = periods.candle_at(self.exchange.feed.series[tick.symbol], period, opened_ms)
        self._tell_all(topic, [market_rows.candle_row(candle)], action="update")

    def _tell_trade(self, topic: Topic, tick: Tick) -> None:
        """Each price is a trade of its part of the candle's volume."""
        market, quote = self._market(topic.name), self.exchange.feed.quote(tick.symbol)
        if market is None or quote is None or tick.is_closed:
            return
        before = self._last_prices.get(tick.symbol, quote.price)
        self._last_prices[tick.symbol] = quote.price
        size = floor_to(quote.volume / TICKS_PER_CANDLE, market.step_size)
        self._last_trade = max(self._last_trade + 1, tick.at_ms)
        row = {
            "ts": str(tick.at_ms),
            "price": plain(quote.price),
            "size": plain(max(size, market.step_size)),
            "side": "sell" if quote.price < before else "buy",
            "tradeId": trade_id(self._last_trade),
        }
        self._tell_all(topic, [row], action="update")

    def _past(self, topic: Topic) -> list[list[str]]:
        market, period = self._market(topic.name), CHANNELS[topic.channel]
        if market is None:
            return []
        series = self.exchange.feed.series[market.symbol]
        before_ms = self.exchange.clock.now_ms() + 1
        rows = periods.newest(series, period, from_ms=0, before_ms=before_ms, limit=FIRST_CANDLES)
        return [market_rows.candle_row(candle) for candle in rows]

    def _present(self, topic: Topic) -> list[dict[str, object]]:
        market = self._market(topic.name)
        quote = self.exchange.feed.quote(market.symbol) if market else None
        if market is None or quote is None:
            return []
        if topic.channel == "ticker":
            return [market_rows.pushed_ticker_row(self.exchange, market, quote)]
        if topic.channel in _BOOKS:
            return [self._book(market, quote, _BOOKS[topic.channel])]
        return []

    def _book(self, market: Market, quote: Quote, limit: int) -> dict[str, object]:
        exchange, step = self.exchange, market.tick_size
        row = market_rows.book_row(exchange, market, quote, limit=limit, step=step)
        return {**row, "checksum": 0, "seq": exchange.clock.now_ms()}

    def _tell_all(self, topic: Topic, data: object, *, action: str) -> None:
        for socket, arg in list(self.listeners.get(topic, {}).items()):
            self.tell(socket, arg, data, action=action)

    def _is_due(self, told: _Told) -> bool:
        wall_ms = self.exchange.clock.wall_ms()
        if wall_ms - told.wall_ms < UPDATE_EVERY_WALL_MS:
            return False
        told.wall_ms = wall_ms
        return True

    def _market(self, name: str) -> Market | None:
        markets = self.exchange.feed.markets.values()
        return next((each for each in markets if wire_symbol(each.symbol) == name), None)
