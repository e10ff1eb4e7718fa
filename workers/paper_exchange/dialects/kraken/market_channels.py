"""Candles, prices, trades and books, as they are told to whoever listens."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.domain.markets import Market
from workers.paper_exchange.book import Level
from workers.paper_exchange.dialects.kraken import errors, stream_rows
from workers.paper_exchange.dialects.kraken.account_rows import Row
from workers.paper_exchange.dialects.kraken.errors import KrakenError
from workers.paper_exchange.dialects.kraken.gateway import Gateway
from workers.paper_exchange.dialects.kraken.public import INTERVALS, book, windows
from workers.paper_exchange.markets.candles import MINUTE_MS
from workers.paper_exchange.markets.feed import Tick

#: What changes all the time is told at most this often, by the wall clock.
UPDATE_EVERY_WALL_MS = 200
CHANNELS = ("ohlc", "ticker", "trade", "book")
DEPTHS = (10, 25, 100, 500, 1000)
_SNAPSHOT_CANDLES, _SNAPSHOT_TRADES = 10, 50
Sides = tuple[Sequence[Level], Sequence[Level]]


@dataclass(slots=True)
class Channel:
    """One channel of one market (of one length or depth), and what was last told of it."""

    name: str
    symbol: str
    size: int = 0
    listeners: set[stream_rows.Listener] = field(default_factory=set)
    told_wall_ms: int = 0
    opened_ms: int = 0
    trade_id: int = 0
    sides: Sides = ((), ())


Key = tuple[str, str, int]


class MarketChannels:
    """Turns ticks into frames for the channels that somebody listens to."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._channels: dict[Key, Channel] = {}
        gateway.exchange.listeners.append(self._on_tick)

    def key(self, name: str, symbol: str, size: int | None) -> Key:
        """Which channel is meant; raises KrakenError for one that there is not."""
        if symbol not in self._gateway.exchange.feed.markets:
            raise KrakenError(f"Currency pair not supported {symbol}")
        if name == "ohlc":
            size = 1 if size is None else size
            series = self._gateway.exchange.feed.series[symbol]
            if size not in INTERVALS or not series.serves(size * MINUTE_MS):
                raise KrakenError("Ohlc interval not supported")
        elif name == "book":
            size = 10 if size is None else size
            if size not in DEPTHS:
                raise KrakenError("Depth not supported")
        elif size is not None:
            raise errors.invalid_arguments()
        return name, symbol, size or 0

    def subscribe(self, key: Key, listener: stream_rows.Listener, *, has_snapshot: bool) -> None:
        """Let a connection listen, and tell it how things stand."""
        channel = self._channels.setdefault(key, Channel(*key))
        if not channel.listeners and channel.name == "book":
            channel.sides = self._book(channel)
        channel.listeners.add(listener)
        if has_snapshot and (rows := self._snapshot(channel)):
            listener.send(_frame(channel, "snapshot", rows))

    def unsubscribe(self, key: Key, listener: stream_rows.Listener) -> bool:
        """Let a connection listen no longer; whether it did."""
        channel = self._channels.get(key)
        if channel is None or listener not in channel.listeners:
            return False
        channel.listeners.discard(listener)
        if not channel.listeners:
            del self._channels[key]
        return True

    def _snapshot(self, channel: Channel) -> list[Row]:
        feed = self._gateway.exchange.feed
        if channel.name == "ohlc":
            timeframe_ms = channel.size * MINUTE_MS
            series = feed.series[channel.symbol]
            candles = series.newest(timeframe_ms, until_ms=None, limit=_SNAPSHOT_CANDLES)
            channel.opened_ms = candles[-1].opened_ms if candles else 0
            return [stream_rows.ohlc_row(channel.symbol, channel.size, c) for c in candles]
        if channel.name == "trade":
            trades = self._gateway.tape.trades(channel.symbol)[-_SNAPSHOT_TRADES:]
            channel.trade_id = trades[-1].trade_id if trades else 0
            return [stream_rows.public_trade_row(channel.symbol, trade) for trade in trades]
        if channel.name == "book":
            market, sides = self._market(channel), channel.sides
            return [stream_rows.book_row(market, sides, sides, self._gateway.now_ms)]
        return self._ticker(channel)

    def _on_tick(self, tick: Tick) -> None:
        wall_ms = self._gateway.wall_ms
        for channel in list(self._channels.values()):
            if channel.symbol != tick.symbol:
                continue
            is_due = wall_ms - channel.told_wall_ms >= UPDATE_EVERY_WALL_MS
            if channel.name == "ohlc":
                self._tell_candle(channel, tick, is_due=is_due)
            elif is_due and not tick.is_closed and (rows := self._changes(channel)):
                self._tell(channel, rows)

    def _tell_candle(self, channel: Channel, tick: Tick, *, is_due: bool) -> None:
        """A candle's last state and a new one's first are always told: only they say that it ended."""
        timeframe_ms = channel.size * MINUTE_MS
        series = self._gateway.exchange.feed.series[channel.symbol]
        opened_ms = tick.candle.opened_ms // timeframe_ms * timeframe_ms
        end_ms = tick.candle.opened_ms + series.timeframe_ms
        is_last = tick.is_closed and end_ms % timeframe_ms == 0
        is_first = not tick.is_closed and opened_ms > channel.opened_ms
        if not (is_first or is_last or (is_due and not tick.is_closed)):
            return
        if is_first:
            if channel.opened_ms and self._gateway.probe:
                facts = {"symbol": channel.symbol, "open_time": channel.opened_ms}
                self._gateway.probe("kline_closed", facts)
            channel.opened_ms = opened_ms
        candle = series.bucket(timeframe_ms, opened_ms)
        self._tell(channel, [stream_rows.ohlc_row(channel.symbol, channel.size, candle)])

    def _changes(self, channel: Channel) -> list[Row]:
        if channel.name == "ticker":
            return self._ticker(channel)
        if channel.name == "trade":
            known = self._gateway.tape.trades(channel.symbol)
            trades = [trade for trade in known if trade.trade_id > channel.trade_id]
            channel.trade_id = trades[-1].trade_id if trades else channel.trade_id
            return [stream_rows.public_trade_row(channel.symbol, trade) for trade in trades]
        before, now = channel.sides, self._book(channel)
        told = (_changed(before[0], now[0]), _changed(before[1], now[1]))
        channel.sides = now
        if not told[0] and not told[1]:
            return []
        return [stream_rows.book_row(self._market(channel), told, now, self._gateway.now_ms)]

    def _ticker(self, channel: Channel) -> list[Row]:
        market = self._market(channel)
        quote = self._gateway.quote(market.symbol)
        bids, asks = book(self._gateway, market, 1)
        day = windows(self._gateway, market, quote)[1]
        best = (bids[0], asks[0])
        return [stream_rows.ticker_row(market, quote, best, day, self._gateway.now_ms)]

    def _book(self, channel: Channel) -> Sides:
        return book(self._gateway, self._market(channel), channel.size)

    def _market(self, channel: Channel) -> Market:
        return self._gateway.exchange.feed.markets[channel.symbol]

    def _tell(self, channel: Channel, rows: list[Row]) -> None:
        channel.told_wall_ms = self._gateway.wall_ms
        text = _frame(channel, "update", rows)
        for listener in list(channel.listeners):
            listener.send(text)


def _frame(channel: Channel, kind: str, rows: list[Row]) -> str:
    return stream_rows.encode({"channel": channel.name, "type": kind, "data": rows})


def _changed(before: Sequence[Level], now: Sequence[Level]) -> list[Level]:
    """Levels that are new or other than they were, and with nothing those that are gone."""
    known, wanted = dict(before), dict(now)
    told = [level for level in now if known.get(level.price) != level.quantity]
    gone = [Level(price, level * 0) for price, level in known.items() if price not in wanted]
    return [*told, *gone]
