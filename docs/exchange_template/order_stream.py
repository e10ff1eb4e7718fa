"""Changes of one account's orders over Example's WebSocket."""

import time

import msgspec

from apps.exchanges.limits import PROCESS_LIMITS, LimitStore
from apps.exchanges.ports import Credentials, OrderReport
from docs.exchange_template.auth import sign
from docs.exchange_template.orders import to_report
from docs.exchange_template.stream import connect_to

_PATH = "/orders"


class _FrameWire(msgspec.Struct):
    subscribed: bool = False
    order: dict[str, object] | None = None
    error: str = ""


_frames = msgspec.json.Decoder(_FrameWire)


class OrderSocket:
    """One connection that tells the changes of one account's orders; used by one thread."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str | None = None,
        testnet: bool = False,
        limits: LimitStore = PROCESS_LIMITS,
    ) -> None:
        del limits  # Decide: needed where a token has to be asked for over REST first (see Kraken).
        self._credentials = credentials
        self._connection = connect_to(base_url, testnet=testnet)

    def connect(self) -> None:
        """Open the connection and subscribe; returns once the exchange has agreed."""
        keys, at_ms = self._credentials, int(time.time() * 1000)
        signature = sign(keys.api_secret, at_ms, "GET", _PATH)
        self._connection.open(_PATH)
        self._connection.send({"key": keys.api_key, "time": at_ms, "signature": signature})
        while not self._next_frame().subscribed:
            pass

    def recv(self) -> OrderReport | None:
        """The next change with its fill, waited for; None for a frame that tells of no order."""
        frame = self._next_frame()
        try:
            return None if frame.order is None else to_report(frame.order)
        except msgspec.DecodeError as e:
            raise self._connection.closed(f"sent an order that can't be read ({e})") from e

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        self._connection.close()

    def _next_frame(self) -> _FrameWire:
        data = self._connection.recv()
        try:
            frame = _FrameWire() if data is None else _frames.decode(data)
        except msgspec.DecodeError as e:
            raise self._connection.closed(f"sent a frame that can't be read ({e})") from e
        if frame.error:
            raise self._connection.closed(f"refused the subscription ({frame.error})")
        return frame
