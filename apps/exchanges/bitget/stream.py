"""Live candles over Bitget's candle channels; reconnecting is the caller's."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from apps.domain.candles import Timeframe
from apps.exchanges.bitget.constants import (
    CAPABILITIES,
    CHANNELS,
    CHANNELS_PER_MESSAGE,
    DEMO_STREAM_URL,
    EXCHANGE,
    KEEP_ALIVE,
    KEEP_ALIVE_SECONDS,
    MAX_CHANNELS,
    PUBLIC_STREAM_PATH,
    REST_URL,
    SECONDS_BETWEEN_MESSAGES,
    SILENCE_SECONDS,
    STREAM_URL,
)
from apps.exchanges.bitget.order_form import wire_symbol
from apps.exchanges.bitget.parse import KlineRow, Wire
from apps.exchanges.connection import Connection, stream_url
from apps.exchanges.parsing import UNREADABLE, moment
from apps.exchanges.ports import Candle, KlineUpdate

Subscription = tuple[str, Timeframe]

_PONG = b"pong"


class _ArgWire(msgspec.Struct, rename="camel", frozen=True):
    """What a channel is called; the order channels have no market but `default`."""

    channel: str = ""
    inst_id: str = ""


class FrameWire(Wire):
    """Every frame of a stream: an event about the connection, or the data of a channel."""

    event: str = ""
    code: str | int | None = None
    msg: str | None = None
    arg: _ArgWire = _ArgWire()
    data: msgspec.Raw = msgspec.Raw()


_frames = msgspec.json.Decoder(FrameWire)
_klines = msgspec.json.Decoder(list[KlineRow], strict=False)


def open_connection(
    base_url: str | None,
    *,
    testnet: bool,
    silence_seconds: float,
    sleep: Callable[[float], None],
) -> Connection:
    """A connection, not opened yet, to the streams beside a REST host."""
    known = {REST_URL: DEMO_STREAM_URL if testnet else STREAM_URL}
    return Connection(
        stream_url(base_url or REST_URL, known),
        exchange=EXCHANGE,
        silence_seconds=silence_seconds,
        seconds_between_messages=SECONDS_BETWEEN_MESSAGES,
        keep_alive=KEEP_ALIVE,
        keep_alive_seconds=KEEP_ALIVE_SECONDS,
        sleep=sleep,
    )


def recv_frame(connection: Connection) -> FrameWire | None:
    """The next frame, waited for; None for the answer to a sign of life, and now and then."""
    data = connection.recv()
    if data is None or data == _PONG:
        return None
    try:
        return _frames.decode(data)
    except UNREADABLE as e:
        raise connection.closed(f"sent a frame that can't be read ({e})") from e


class CandleChannel:
    """One connection that carries the candles of many markets; used by one thread.

    Nothing marks a candle as closed: it is told so once, when a later one begins.
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
        self._connection = open_connection(
            base_url, testnet=testnet, silence_seconds=silence_seconds, sleep=sleep
        )
        self._subscriptions = _by_channel(subscriptions)
        #: The running candle of each; kept over a reconnect, so that its end is told after it.
        self._running: dict[Subscription, KlineRow] = {}
        self._pending: deque[KlineUpdate] = deque()

    def connect(self) -> None:
        """Open the connection with the current subscriptions."""
        self._pending.clear()
        self._connection.open(PUBLIC_STREAM_PATH)
        self._send("subscribe", self._subscriptions)

    def recv(self) -> KlineUpdate | None:
        """The next update, waited for; None for a frame that carries no candle we follow."""
        if not self._pending:
            frame = recv_frame(self._connection)
            if frame is not None:
                self._read_frame(frame)
        return self._pending.popleft() if self._pending else None

    def set_subscriptions(self, subscriptions: Iterable[Subscription]) -> None:
        """Follow exactly these from now on, on the live connection."""
        wanted, current = _by_channel(subscriptions), self._subscriptions
        self._send("unsubscribe", [channel for channel in current if channel not in wanted])
        self._send("subscribe", [channel for channel in wanted if channel not in current])
        self._subscriptions = wanted
        kept = set(wanted.values())
        self._running = {who: row for who, row in self._running.items() if who in kept}

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        self._connection.close()

    def _read_frame(self, frame: FrameWire) -> None:
        if frame.event == "error":
            raise self._connection.closed(f"refused a subscription: {frame.msg} ({frame.code})")
        subscription = self._subscriptions.get((frame.arg.channel, frame.arg.inst_id))
        if not frame.data or subscription is None:
            return
        try:
            rows = sorted(_klines.decode(frame.data), key=lambda row: row.opened_at_ms)
        except UNREADABLE as e:
            raise self._connection.closed(f"sent candles that can't be read ({e})") from e
        self._take(subscription, rows)

    def _take(self, subscription: Subscription, rows: list[KlineRow]) -> None:
        running = self._running.get(subscription)
        if running is None:
            # The first snapshot is history, which is to be asked for over REST.
            rows = rows[-1:]
        else:
            rows = [row for row in rows if row.opened_at_ms >= running.opened_at_ms]
        if not rows:
            return
        for row in rows:
            if running is not None and row.opened_at_ms > running.opened_at_ms:
                self._pending.append(_update(subscription, running, is_closed=True))
            running = row
        self._running[subscription] = rows[-1]
        self._pending.append(_update(subscription, rows[-1], is_closed=False))

    def _send(self, operation: str, channels: Iterable[tuple[str, str]]) -> None:
        left = iter(channels)
        while part := list(islice(left, CHANNELS_PER_MESSAGE)):
            args = [
                {"instType": "SPOT", "channel": channel, "instId": market}
                for channel, market in part
            ]
            self._connection.send({"op": operation, "args": args})


def _by_channel(subscriptions: Iterable[Subscription]) -> dict[tuple[str, str], Subscription]:
    """Subscriptions by channel and market."""
    wanted = list(subscriptions)
    for _symbol, timeframe in wanted:
        CAPABILITIES.check_timeframe(timeframe, live=True)
    channels = {
        (CHANNELS[timeframe], wire_symbol(symbol)): (symbol, timeframe)
        for symbol, timeframe in wanted
    }
    if len(channels) > MAX_CHANNELS:
        raise ValueError(
            f"{len(channels)} candle series are more than the {MAX_CHANNELS} of one connection:"
            " open a second stream."
        )
    return channels


def _update(subscription: Subscription, row: KlineRow, *, is_closed: bool) -> KlineUpdate:
    symbol, timeframe = subscription
    candle = Candle(
        opened_at=moment(row.opened_at_ms),
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
        is_closed=is_closed,
    )
    return KlineUpdate(symbol=symbol, timeframe=timeframe, candle=candle)
