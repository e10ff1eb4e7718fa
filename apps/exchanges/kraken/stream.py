"""Live candles over Kraken's public WebSocket; reconnecting is the caller's."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Annotated

import msgspec

from apps.domain.candles import Timeframe
from apps.exchanges.connection import Connection, stream_url
from apps.exchanges.kraken.constants import (
    CAPABILITIES,
    EXCHANGE,
    INTERVALS,
    PING,
    PING_SECONDS,
    REST_URL,
    SECONDS_BETWEEN_MESSAGES,
    SILENCE_SECONDS,
    STREAM_PATH,
    STREAM_URLS,
    SYMBOLS_PER_MESSAGE,
)
from apps.exchanges.kraken.order_form import unsupported
from apps.exchanges.parsing import UNREADABLE
from apps.exchanges.ports import Candle, KlineUpdate

Subscription = tuple[str, Timeframe]
#: A symbol and the minutes of its candles.
Series = tuple[str, int]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class FrameWire(msgspec.Struct):
    """The outside of every frame: the answer to a message, or the data of a channel."""

    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw()
    sequence: int | None = None
    method: str = ""
    success: bool = True
    error: str | None = None


class _OhlcWire(msgspec.Struct, gc=False):
    symbol: str
    interval: int
    interval_begin: Moment
    open: float
    high: float
    low: float
    close: float
    volume: float


frames = msgspec.json.Decoder(FrameWire)
_rows = msgspec.json.Decoder(list[_OhlcWire])


class OhlcChannel:
    """One connection that carries the candles of many markets; used by one thread.

    Kraken has no closed flag: a candle is told closed, once, when a later one begins. A market
    without trades sends nothing, so its candle closes with the next trade.
    """

    def __init__(
        self,
        subscriptions: Iterable[Subscription],
        *,
        base_url: str | None = None,
        testnet: bool = False,
        silence_seconds: float = SILENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connect_to(
            stream_url(base_url or REST_URL, STREAM_URLS),
            testnet=testnet,
            silence_seconds=silence_seconds,
            sleep=sleep,
        )
        self._subscriptions = _by_series(subscriptions)
        self._running: dict[Series, Candle] = {}
        self._pending: deque[KlineUpdate] = deque()
        self._message_ids = count(1)

    def connect(self) -> None:
        """Open the connection with the current subscriptions."""
        self._running.clear()
        self._pending.clear()
        self._connection.open(STREAM_PATH)
        self._send("subscribe", self._subscriptions)

    def recv(self) -> KlineUpdate | None:
        """The next update, waited for; None for a frame that carries no candle we follow."""
        if not self._pending and (data := self._connection.recv()) is not None:
            self._read_frame(data)
        return self._pending.popleft() if self._pending else None

    def set_subscriptions(self, subscriptions: Iterable[Subscription]) -> None:
        """Follow exactly these from now on, on the live connection."""
        wanted = _by_series(subscriptions)
        dropped = [series for series in self._subscriptions if series not in wanted]
        self._send("unsubscribe", dropped)
        self._send("subscribe", [series for series in wanted if series not in self._subscriptions])
        self._subscriptions = wanted
        for series in dropped:
            self._running.pop(series, None)

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        self._connection.close()

    def _read_frame(self, data: bytes) -> None:
        try:
            frame = frames.decode(data)
            if not frame.success:
                raise self._connection.closed(f"refused to {frame.method}: {frame.error}")
            if frame.channel != "ohlc" or not frame.data:
                return
            rows = _rows.decode(frame.data)
            if frame.type == "snapshot":
                # It tells some history too, of which only the running candle is news.
                rows = list({(row.symbol, row.interval): row for row in rows}.values())
            for row in rows:
                self._take((row.symbol, row.interval), _candle(row))
        except UNREADABLE as e:
            raise self._connection.closed(f"sent a frame that can't be read ({e})") from e

    def _take(self, series: Series, candle: Candle) -> None:
        if series not in self._subscriptions:
            return
        running = self._running.get(series)
        if running is not None and candle.opened_at < running.opened_at:
            return  # that one was told closed
        if running is not None and candle.opened_at > running.opened_at:
            self._tell(series, replace(running, is_closed=True))
        self._running[series] = candle
        self._tell(series, candle)

    def _tell(self, series: Series, candle: Candle) -> None:
        symbol, timeframe = self._subscriptions[series]
        self._pending.append(KlineUpdate(symbol=symbol, timeframe=timeframe, candle=candle))

    def _send(self, method: str, wanted: Iterable[Series]) -> None:
        symbols_of: dict[int, list[str]] = {}
        for symbol, minutes in wanted:
            symbols_of.setdefault(minutes, []).append(symbol)
        for minutes, symbols in symbols_of.items():
            for first in range(0, len(symbols), SYMBOLS_PER_MESSAGE):
                params = {
                    "channel": "ohlc",
                    "symbol": symbols[first : first + SYMBOLS_PER_MESSAGE],
                    "interval": minutes,
                }
                if method == "subscribe":
                    params["snapshot"] = True
                self._connection.send(
                    {"method": method, "params": params, "req_id": next(self._message_ids)}
                )


def connect_to(
    url: str, *, testnet: bool, silence_seconds: float, sleep: Callable[[float], None]
) -> Connection:
    """A connection that sends Kraken its pings; raises Unsupported for a testnet."""
    if testnet:
        raise unsupported("spot testnet")
    return Connection(
        url,
        exchange=EXCHANGE,
        silence_seconds=silence_seconds,
        seconds_between_messages=SECONDS_BETWEEN_MESSAGES,
        keep_alive=PING,
        keep_alive_seconds=min(PING_SECONDS, silence_seconds),
        sleep=sleep,
    )


def _by_series(subscriptions: Iterable[Subscription]) -> dict[Series, Subscription]:
    wanted: dict[Series, Subscription] = {}
    for symbol, timeframe in subscriptions:
        CAPABILITIES.check_timeframe(timeframe, live=True)
        wanted[symbol, INTERVALS[timeframe]] = (symbol, timeframe)
    return wanted


def _candle(wire: _OhlcWire) -> Candle:
    return Candle(
        opened_at=wire.interval_begin,
        open=wire.open,
        high=wire.high,
        low=wire.low,
        close=wire.close,
        volume=wire.volume,
        is_closed=False,
    )
