"""Live candles over Example's WebSocket; reconnecting is the caller's."""

from collections.abc import Iterable

import msgspec

from apps.domain.candles import Timeframe
from apps.exchanges.connection import Connection, stream_url
from apps.exchanges.parsing import moment
from apps.exchanges.ports import Candle, KlineUpdate
from docs.exchange_template import constants
from docs.exchange_template.errors import unsupported
from docs.exchange_template.parse import CandleRow, wire_symbol

Subscription = tuple[str, Timeframe]


class _FrameWire(msgspec.Struct):
    candle: str = ""
    row: CandleRow | None = None
    closed: bool = False
    error: str = ""


_frames = msgspec.json.Decoder(_FrameWire)


def connect_to(base_url: str | None, *, testnet: bool) -> Connection:
    """A connection to the WebSockets of a REST host; raises Unsupported for a testnet."""
    if testnet:
        raise unsupported("testnet")
    return Connection(
        stream_url(base_url or constants.REST_URL, constants.STREAM_URLS),
        exchange=constants.EXCHANGE,
        silence_seconds=constants.SILENCE_SECONDS,
        seconds_between_messages=constants.SECONDS_BETWEEN_MESSAGES,
    )


class CandleSocket:
    """One connection that carries the candles of many markets; used by one thread."""

    def __init__(
        self,
        subscriptions: Iterable[Subscription],
        *,
        base_url: str | None = None,
        testnet: bool = False,
    ) -> None:
        self._connection = connect_to(base_url, testnet=testnet)
        self._subscriptions = _by_name(subscriptions)

    def connect(self) -> None:
        """Open the connection with the current subscriptions."""
        self._connection.open("/candles")
        self._send("subscribe", list(self._subscriptions))

    def recv(self) -> KlineUpdate | None:
        """The next frame, waited for; None for one that carries no candle we follow."""
        data = self._connection.recv()
        try:
            frame = _FrameWire() if data is None else _frames.decode(data)
            if frame.error:
                raise self._connection.closed(f"refused a message ({frame.error})")
            subscription = self._subscriptions.get(frame.candle)
            if frame.row is None or subscription is None:
                return None
            # Decide: without a closed flag, tell a candle closed when a later one begins (see Kraken).
            candle = _candle(frame.row, is_closed=frame.closed)
        except msgspec.DecodeError as e:
            raise self._connection.closed(f"sent a frame that can't be read ({e})") from e
        symbol, timeframe = subscription
        return KlineUpdate(symbol=symbol, timeframe=timeframe, candle=candle)

    def set_subscriptions(self, subscriptions: Iterable[Subscription]) -> None:
        """Follow exactly these from now on, on the live connection."""
        wanted = _by_name(subscriptions)
        self._send("unsubscribe", [name for name in self._subscriptions if name not in wanted])
        self._send("subscribe", [name for name in wanted if name not in self._subscriptions])
        self._subscriptions = wanted

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        self._connection.close()

    def _send(self, method: str, names: list[str]) -> None:
        if names:
            self._connection.send({method: names})


def _by_name(subscriptions: Iterable[Subscription]) -> dict[str, Subscription]:
    names: dict[str, Subscription] = {}
    for symbol, timeframe in subscriptions:
        constants.CAPABILITIES.check_timeframe(timeframe, live=True)
        names[f"{wire_symbol(symbol)}:{timeframe.value}"] = (symbol, timeframe)
    return names


def _candle(row: CandleRow, *, is_closed: bool) -> Candle:
    at, open_, high, low, close, volume = row
    return Candle(
        opened_at=moment(at),
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        is_closed=is_closed,
    )
