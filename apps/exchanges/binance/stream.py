"""Live candles over Binance's combined market streams; reconnecting is the caller's."""

import time
from collections.abc import Callable, Iterable
from itertools import count

import msgspec
import websocket

from apps.domain.candles import Timeframe
from apps.exchanges.binance.client import wire_symbol
from apps.exchanges.binance.constants import (
    EXCHANGE,
    MAX_STREAMS,
    REST_URL,
    SECONDS_BETWEEN_MESSAGES,
    STREAM_URLS,
    STREAMS_PER_MESSAGE,
    TESTNET_URL,
)
from apps.exchanges.binance.parse import moment
from apps.exchanges.errors import StreamClosed
from apps.exchanges.ports import Candle, KlineUpdate

CONNECT_SECONDS = 10.0
#: The server pings every 20 s, so a longer silence is a dead connection.
SILENCE_SECONDS = 30.0

Subscription = tuple[str, Timeframe]


class _KlineWire(msgspec.Struct, gc=False):
    t: int
    o: float
    h: float
    l: float  # noqa: E741  the exchange's own name for the low
    c: float
    v: float
    x: bool


class _EventWire(msgspec.Struct):
    e: str = ""
    k: _KlineWire | None = None


class _FrameWire(msgspec.Struct):
    stream: str = ""
    data: _EventWire | None = None
    error: dict[str, object] | None = None


_frames = msgspec.json.Decoder(_FrameWire, strict=False)


def stream_url(base_url: str) -> str:
    """Where the streams of a REST host are; a host of one's own serves both on one port."""
    known = STREAM_URLS.get(base_url.rstrip("/"))
    return known or base_url.rstrip("/").replace("http", "ws", 1)


def open_kline_stream(
    subscriptions: Iterable[Subscription], *, base_url: str | None = None, testnet: bool = False
) -> "KlineStream":
    """A stream, not connected yet, beside the REST host of the same arguments."""
    return KlineStream(
        stream_url(base_url or (TESTNET_URL if testnet else REST_URL)), subscriptions
    )


class KlineStream:
    """One connection that carries the candles of many markets; used by one thread."""

    def __init__(
        self,
        url: str,
        subscriptions: Iterable[Subscription],
        *,
        silence_seconds: float = SILENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = url
        self._subscriptions = _by_stream_name(subscriptions)
        self._silence_seconds = silence_seconds
        self._sleep = sleep
        self._socket: websocket.WebSocket | None = None
        self._message_ids = count(1)
        self._sent_at = 0.0

    def connect(self) -> None:
        """Open the connection with the current subscriptions."""
        self.close()
        names = list(self._subscriptions)
        first, rest = names[:STREAMS_PER_MESSAGE], names[STREAMS_PER_MESSAGE:]
        path = f"/stream?streams={'/'.join(first)}" if first else "/stream"
        try:
            # Without the check of UTF-8 in Python, which the JSON decoder makes anyway.
            self._socket = websocket.create_connection(
                self._url + path, timeout=CONNECT_SECONDS, skip_utf8_validation=True
            )
        except (websocket.WebSocketException, OSError) as e:
            raise self._closed(f"could not be opened ({e})") from e
        self._socket.settimeout(self._silence_seconds)
        self._send("SUBSCRIBE", rest)

    def recv(self) -> KlineUpdate | None:
        """The next frame, waited for; None for one that carries no candle we follow."""
        try:
            # Pings are answered inside; they are returned too, so that a caller gets to run.
            opcode, data = self._connected().recv_data(control_frame=True)
        except websocket.WebSocketTimeoutException as e:
            raise self._closed(f"was silent for {self._silence_seconds:g} s") from e
        except (websocket.WebSocketException, OSError) as e:
            raise self._closed(f"broke ({e})") from e
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise self._closed("was closed by the exchange")
        return self._read_frame(data) if opcode == websocket.ABNF.OPCODE_TEXT else None

    def set_subscriptions(self, subscriptions: Iterable[Subscription]) -> None:
        """Follow exactly these from now on, on the live connection."""
        wanted = _by_stream_name(subscriptions)
        self._send("UNSUBSCRIBE", [name for name in self._subscriptions if name not in wanted])
        self._send("SUBSCRIBE", [name for name in wanted if name not in self._subscriptions])
        self._subscriptions = wanted

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        if self._socket is not None:
            self._socket.shutdown()  # type: ignore[no-untyped-call]
            self._socket = None

    def _read_frame(self, data: bytes) -> KlineUpdate | None:
        try:
            frame = _frames.decode(data)
        except msgspec.DecodeError as e:
            raise self._closed(f"sent a frame that can't be read ({e})") from e
        if frame.error is not None:
            raise self._closed(f"refused a subscription ({frame.error.get('msg')})")
        event = frame.data
        if event is None:
            return None
        if event.e == "serverShutdown":
            raise self._closed("is about to be shut down by the exchange")
        subscription = self._subscriptions.get(frame.stream)
        if event.k is None or subscription is None:
            return None
        symbol, timeframe = subscription
        return KlineUpdate(symbol=symbol, timeframe=timeframe, candle=_candle(event.k))

    def _send(self, method: str, names: list[str]) -> None:
        for start in range(0, len(names), STREAMS_PER_MESSAGE):
            message = {
                "method": method,
                "params": names[start : start + STREAMS_PER_MESSAGE],
                "id": next(self._message_ids),
            }
            pause = self._sent_at + SECONDS_BETWEEN_MESSAGES - time.monotonic()
            if pause > 0:
                self._sleep(pause)
            try:
                self._connected().send(msgspec.json.encode(message).decode())
            except (websocket.WebSocketException, OSError) as e:
                raise self._closed(f"broke ({e})") from e
            self._sent_at = time.monotonic()

    def _connected(self) -> websocket.WebSocket:
        if self._socket is None:
            raise self._closed("is not open")
        return self._socket

    def _closed(self, what: str) -> StreamClosed:
        self.close()
        message = f"The market stream at {self._url} {what}. Connect again."
        return StreamClosed(message, exchange=EXCHANGE)


def _by_stream_name(subscriptions: Iterable[Subscription]) -> dict[str, Subscription]:
    names = {
        f"{wire_symbol(symbol).lower()}@kline_{timeframe.value}": (symbol, timeframe)
        for symbol, timeframe in subscriptions
    }
    if len(names) > MAX_STREAMS:
        raise ValueError(
            f"{len(names)} candle series are more than the {MAX_STREAMS} of one connection:"
            " open a second stream."
        )
    return names


def _candle(wire: _KlineWire) -> Candle:
    return Candle(
        opened_at=moment(wire.t),
        open=wire.o,
        high=wire.h,
        low=wire.l,
        close=wire.c,
        volume=wire.v,
        is_closed=wire.x,
    )
