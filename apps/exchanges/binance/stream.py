"""Live candles over Binance's combined market streams; reconnecting is the caller's."""

import math
import time
from collections.abc import Callable, Iterable
from itertools import count

import msgspec

from apps.domain.candles import Timeframe
from apps.exchanges.binance.constants import (
    CAPABILITIES,
    EXCHANGE,
    MAX_STREAMS,
    REST_URL,
    SECONDS_BETWEEN_MESSAGES,
    SILENCE_SECONDS,
    STREAM_URLS,
    STREAMS_PER_MESSAGE,
    TESTNET_URL,
)
from apps.exchanges.binance.order_form import wire_symbol
from apps.exchanges.connection import Connection, stream_url
from apps.exchanges.parsing import UNREADABLE, moment
from apps.exchanges.ports import Candle, KlineUpdate

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


class KlineStream:
    """One connection that carries the candles of many markets; used by one thread."""

    def __init__(
        self,
        subscriptions: Iterable[Subscription],
        *,
        base_url: str | None = None,
        testnet: bool = False,
        silence_seconds: float = SILENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = Connection(
            stream_url(base_url or (TESTNET_URL if testnet else REST_URL), STREAM_URLS),
            exchange=EXCHANGE,
            silence_seconds=silence_seconds,
            seconds_between_messages=SECONDS_BETWEEN_MESSAGES,
            sleep=sleep,
        )
        self._subscriptions = _by_stream_name(subscriptions)
        self._message_ids = count(1)

    def connect(self) -> None:
        """Open the connection with the current subscriptions."""
        names = list(self._subscriptions)
        first, rest = names[:STREAMS_PER_MESSAGE], names[STREAMS_PER_MESSAGE:]
        self._connection.open(f"/stream?streams={'/'.join(first)}" if first else "/stream")
        self._send("SUBSCRIBE", rest)

    def recv(self) -> KlineUpdate | None:
        """The next frame, waited for; None for one that carries no candle we follow."""
        data = self._connection.recv()
        return None if data is None else self._read_frame(data)

    def set_subscriptions(self, subscriptions: Iterable[Subscription]) -> None:
        """Follow exactly these from now on, on the live connection."""
        wanted = _by_stream_name(subscriptions)
        self._send("UNSUBSCRIBE", [name for name in self._subscriptions if name not in wanted])
        self._send("SUBSCRIBE", [name for name in wanted if name not in self._subscriptions])
        self._subscriptions = wanted

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        self._connection.close()

    def _read_frame(self, data: bytes) -> KlineUpdate | None:
        closed = self._connection.closed
        try:
            frame = _frames.decode(data)
            candle = None if frame.data is None or frame.data.k is None else _candle(frame.data.k)
        except UNREADABLE as e:
            raise closed(f"sent a frame that can't be read ({e})") from e
        if frame.error is not None:
            raise closed(f"refused a subscription ({frame.error.get('msg')})")
        event = frame.data
        if event is None:
            return None
        if event.e == "serverShutdown":
            raise closed("is about to be shut down by the exchange")
        subscription = self._subscriptions.get(frame.stream)
        if candle is None or subscription is None:
            return None
        symbol, timeframe = subscription
        return KlineUpdate(symbol=symbol, timeframe=timeframe, candle=candle)

    def _send(self, method: str, names: list[str]) -> None:
        for start in range(0, len(names), STREAMS_PER_MESSAGE):
            params = names[start : start + STREAMS_PER_MESSAGE]
            self._connection.send(
                {"method": method, "params": params, "id": next(self._message_ids)}
            )


def _by_stream_name(subscriptions: Iterable[Subscription]) -> dict[str, Subscription]:
    wanted = list(subscriptions)
    for _symbol, timeframe in wanted:
        CAPABILITIES.check_timeframe(timeframe, live=True)
    names = {
        f"{wire_symbol(symbol).lower()}@kline_{timeframe.value}": (symbol, timeframe)
        for symbol, timeframe in wanted
    }
    if len(names) > MAX_STREAMS:
        raise ValueError(
            f"{len(names)} candle series are more than the {MAX_STREAMS} of one connection:"
            " open a second stream."
        )
    return names


def _candle(wire: _KlineWire) -> Candle:
    if not math.isfinite(wire.o + wire.h + wire.l + wire.c + wire.v):
        raise msgspec.ValidationError("a candle has a price or volume that is no number")
    return Candle(
        opened_at=moment(wire.t),
        open=wire.o,
        high=wire.h,
        low=wire.l,
        close=wire.c,
        volume=wire.v,
        is_closed=wire.x,
    )
