"""Market streams: who listens to what."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from workers.paper_exchange.dialects.binance.market_streams import MarketStream, find_stream
from workers.paper_exchange.dialects.binance.sockets import TextSocket
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.feed import Tick
from workers.paper_exchange.probe import Probe

_METHODS = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
)


@dataclass(slots=True)
class _Told:
    """A stream and the connections that listen to it."""

    stream: MarketStream
    sockets: "set[StreamSocket]" = field(default_factory=set)


class StreamHub:
    """Turns ticks into frames for the streams that somebody listens to."""

    def __init__(self, exchange: PaperExchange, probe: Probe | None) -> None:
        self._exchange = exchange
        self._probe = probe
        self._streams: dict[str, _Told] = {}
        exchange.listeners.append(self.on_tick)

    @property
    def has_markets(self) -> bool:
        """Whether there is anything to listen to."""
        return bool(self._exchange.feed.markets)

    def subscribe(self, name: str, socket: "StreamSocket") -> None:
        """Let a socket listen; a name that no market has stays silent, as at the real exchange."""
        if name not in self._streams:
            stream = find_stream(self._exchange, name, self._probe)
            if stream is None:
                return
            self._streams[name] = _Told(stream)
        self._streams[name].sockets.add(socket)

    def unsubscribe(self, name: str, socket: "StreamSocket") -> None:
        """Let a socket listen no longer."""
        told = self._streams.get(name)
        if told is not None:
            told.sockets.discard(socket)
            if not told.sockets:
                del self._streams[name]

    def on_tick(self, tick: Tick) -> None:
        """Tell the streams of the tick's market."""
        for name, told in self._streams.items():
            if told.stream.follows(tick.symbol):
                for frame in told.stream.frames(tick):
                    self._send(name, told, frame)

    @staticmethod
    def _send(name: str, told: _Told, frame: object) -> None:
        raw = json.dumps(frame, separators=(",", ":"))
        combined = f'{{"stream":"{name}","data":{raw}}}'
        for socket in list(told.sockets):
            socket.send(combined if socket.is_combined else raw)


class StreamSocket(TextSocket):
    """One client's connection to /ws or /stream."""

    def initialize(self, hub: StreamHub, *, is_combined: bool) -> None:
        """Called by Tornado for each connection."""
        self.is_combined = is_combined
        self._hub = hub
        self._names: dict[str, None] = {}

    @property
    def has_markets(self) -> bool:
        """Whether there is anything to listen to."""
        return self._hub.has_markets

    def open(self, path: str = "") -> None:
        """Subscribe to what the address names."""
        listed = self.get_query_argument("streams", "") if self.is_combined else path
        self._subscribe(name for name in listed.split("/") if name)

    def on_message(self, message: str | bytes) -> None:
        """Handle requests for other streams, and for another form of frames."""
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

    def _reply(self, request: object) -> dict[str, object]:
        if not isinstance(request, dict) or "method" not in request:
            return {"code": 2, "msg": "Invalid request: missing field `method`"}
        request_id = request.get("id")
        try:
            result = self._result(str(request["method"]), request.get("params", []))
        except ValueError as error:
            return {"code": 2, "msg": f"Invalid request: {error}", "id": request_id}
        return {"result": result, "id": request_id}

    def _result(self, method: str, params: object) -> object:
        """What a method gives; raises ValueError for a request that makes no sense."""
        match method, params:
            case "LIST_SUBSCRIPTIONS", _:
                return list(self._names)
            case "GET_PROPERTY", ["combined"]:
                return self.is_combined
            case "SET_PROPERTY", ["combined", bool(value)]:
                self.is_combined = value
            case "SUBSCRIBE", [*names] if all(isinstance(name, str) for name in names):
                self._subscribe(map(str, names))
            case "UNSUBSCRIBE", [*names] if all(isinstance(name, str) for name in names):
                self._unsubscribe(map(str, names))
            case "SET_PROPERTY" | "GET_PROPERTY", _:
                raise ValueError("unknown property")
            case "SUBSCRIBE" | "UNSUBSCRIBE", _:
                raise ValueError("property name must be a string")
            case _:
                expected = ", ".join(f"`{name}`" for name in _METHODS)
                raise ValueError(f"unknown variant `{method}`, expected one of {expected}")
        return None

    def _subscribe(self, names: Iterable[str]) -> None:
        for name in names:
            self._names[name] = None
            self._hub.subscribe(name, self)

    def _unsubscribe(self, names: Iterable[str]) -> None:
        for name in names:
            self._names.pop(name, None)
            self._hub.unsubscribe(name, self)
