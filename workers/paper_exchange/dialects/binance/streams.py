"""Kline streams: who listens to what, and what they are told."""

import json
import re
from asyncio import Future
from collections.abc import Iterable
from dataclasses import dataclass, field

from tornado.websocket import WebSocketClosedError, WebSocketHandler

from workers.paper_exchange.dialects.binance.market_rows import quote_volume, trade_count
from workers.paper_exchange.dialects.binance.names import wire_symbol
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import TIMEFRAMES, Candle
from workers.paper_exchange.markets.feed import Tick
from workers.paper_exchange.probe import Probe

#: A running candle is told at most this often, by the market's clock and by the wall's.
UPDATE_EVERY_MS = 2000
UPDATE_EVERY_WALL_MS = 200
_STREAM = re.compile(r"([a-z0-9]+)@kline_([0-9]+[smhdwM])")
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS")


@dataclass(slots=True)
class KlineStream:
    """One candle series as it is told, and the sockets that listen to it."""

    name: str
    symbol: str
    timeframe: str
    sockets: "set[StreamSocket]" = field(default_factory=set)
    running_ms: int | None = None
    told_ms: int = 0
    told_wall_ms: int = 0


class StreamHub:
    """Turns ticks into frames for the streams that somebody listens to."""

    def __init__(self, exchange: PaperExchange, probe: Probe | None) -> None:
        self._exchange = exchange
        self._probe = probe
        self._streams: dict[str, KlineStream] = {}
        exchange.listeners.append(self.on_tick)

    @property
    def has_markets(self) -> bool:
        """Whether there is anything to listen to."""
        return bool(self._exchange.feed.markets)

    def subscribe(self, name: str, socket: "StreamSocket") -> None:
        """Let a socket listen; a name that no market has stays silent, as at the real exchange."""
        stream = self._streams.get(name) or self._make_stream(name)
        if stream is not None:
            self._streams[name] = stream
            stream.sockets.add(socket)

    def unsubscribe(self, name: str, socket: "StreamSocket") -> None:
        """Let a socket listen no longer."""
        stream = self._streams.get(name)
        if stream is not None:
            stream.sockets.discard(socket)
            if not stream.sockets:
                del self._streams[name]

    def on_tick(self, tick: Tick) -> None:
        """Tell the streams of the tick's market."""
        for stream in self._streams.values():
            if stream.symbol == tick.symbol:
                self._tell(stream, tick)

    def _make_stream(self, name: str) -> KlineStream | None:
        match = _STREAM.fullmatch(name)
        if match is None or match[2] not in TIMEFRAMES:
            return None
        for market in self._exchange.feed.markets.values():
            serves = self._exchange.feed.series[market.symbol].serves(TIMEFRAMES[match[2]])
            if serves and wire_symbol(market).lower() == match[1]:
                return KlineStream(name, market.symbol, match[2])
        return None

    def _tell(self, stream: KlineStream, tick: Tick) -> None:
        timeframe_ms = TIMEFRAMES[stream.timeframe]
        series = self._exchange.feed.series[stream.symbol]
        if tick.is_closed:
            end_ms = tick.candle.opened_ms + series.timeframe_ms
            if end_ms % timeframe_ms == 0:
                self._close(stream, end_ms - timeframe_ms, tick.at_ms)
            return
        opened_ms = tick.candle.opened_ms // timeframe_ms * timeframe_ms
        if stream.running_ms is not None and stream.running_ms < opened_ms:
            # The candle's end fell into a hole of the data.
            self._close(stream, stream.running_ms, tick.at_ms)
        stream.running_ms = opened_ms
        wall_ms = self._exchange.clock.wall_ms()
        is_due = tick.at_ms - stream.told_ms >= UPDATE_EVERY_MS
        if is_due and wall_ms - stream.told_wall_ms >= UPDATE_EVERY_WALL_MS:
            stream.told_ms, stream.told_wall_ms = tick.at_ms, wall_ms
            candle = series.bucket(timeframe_ms, opened_ms)
            self._send(stream, candle, tick.at_ms, is_closed=False)

    def _close(self, stream: KlineStream, opened_ms: int, at_ms: int) -> None:
        stream.running_ms = None
        series = self._exchange.feed.series[stream.symbol]
        candle = series.bucket(TIMEFRAMES[stream.timeframe], opened_ms)
        if self._probe:
            facts: dict[str, object] = {"symbol": stream.symbol, "open_time": opened_ms}
            self._probe("kline_closed", facts)
        self._send(stream, candle, at_ms, is_closed=True)

    def _send(self, stream: KlineStream, candle: Candle, at_ms: int, *, is_closed: bool) -> None:
        frame = _frame(stream, candle, at_ms, is_closed=is_closed)
        raw = json.dumps(frame, separators=(",", ":"))
        combined = f'{{"stream":"{stream.name}","data":{raw}}}'
        for socket in list(stream.sockets):
            socket.send(combined if socket.is_combined else raw)


class StreamSocket(WebSocketHandler):
    """One client's connection to /ws or /stream."""

    def initialize(self, hub: StreamHub, *, is_combined: bool) -> None:
        """Called by Tornado for each connection."""
        self.is_combined = is_combined
        self._hub = hub
        self._names: dict[str, None] = {}

    def prepare(self) -> None:
        """Refuse while there is no market: a client that connects again gets what it asks for."""
        if not self._hub.has_markets:
            self.set_status(503)
            self.finish()

    def check_origin(self, origin: str) -> bool:  # noqa: ARG002
        """Market data is public."""
        return True

    def open(self, path: str = "") -> None:
        """Subscribe to what the address names."""
        listed = self.get_query_argument("streams", "") if self.is_combined else path
        self._subscribe(name for name in listed.split("/") if name)

    def on_message(self, message: str | bytes) -> None:
        """Handle SUBSCRIBE, UNSUBSCRIBE and LIST_SUBSCRIPTIONS."""
        try:
            request = json.loads(message)
        except ValueError:
            self.send(
                json.dumps({"code": 3, "msg": "Invalid JSON: expected value at line 1 column 1"})
            )
            return
        self.send(json.dumps(self._reply(request)))

    def on_close(self) -> None:
        """Forget the client."""
        for name in self._names:
            self._hub.unsubscribe(name, self)

    def send(self, text: str) -> None:
        """Write a text frame; a client that is gone is not an error."""
        try:
            written = self.write_message(text)
        except WebSocketClosedError:
            return
        written.add_done_callback(_forget)

    def _reply(self, request: object) -> dict[str, object]:
        if not isinstance(request, dict) or "method" not in request:
            return {"code": 2, "msg": "Invalid request: missing field `method`"}
        method, names = request["method"], request.get("params", [])
        if method not in _METHODS:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            text = f"Invalid request: unknown variant `{method}`, expected one of {expected}"
            return {"code": 2, "msg": text, "id": request.get("id")}
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            text = "Invalid request: property name must be a string"
            return {"code": 2, "msg": text, "id": request.get("id")}
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(self._names), "id": request.get("id")}
        if method == "SUBSCRIBE":
            self._subscribe(names)
        else:
            self._unsubscribe(names)
        return {"result": None, "id": request.get("id")}

    def _subscribe(self, names: Iterable[str]) -> None:
        for name in names:
            self._names[name] = None
            self._hub.subscribe(name, self)

    def _unsubscribe(self, names: Iterable[str]) -> None:
        for name in names:
            self._names.pop(name, None)
            self._hub.unsubscribe(name, self)


def _forget(written: "Future[None]") -> None:
    """Look at how a write ended, so that a client's leaving is not reported as a fault."""
    if not written.cancelled():
        written.exception()


def _frame(
    stream: KlineStream, candle: Candle, at_ms: int, *, is_closed: bool
) -> dict[str, object]:
    symbol = stream.symbol.replace("/", "")
    quoted, trades = quote_volume(candle), trade_count(candle)
    return {
        "e": "kline",
        "E": at_ms,
        "s": symbol,
        "k": {
            "t": candle.opened_ms,
            "T": candle.opened_ms + TIMEFRAMES[stream.timeframe] - 1,
            "s": symbol,
            "i": stream.timeframe,
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
