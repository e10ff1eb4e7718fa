"""Changes of one account's orders: the private channels of ordinary and of conditional orders."""

import time
from collections import deque
from collections.abc import Callable

import msgspec

from apps.exchanges.bitget.auth import login, passphrase_of
from apps.exchanges.bitget.client import BitgetClient
from apps.exchanges.bitget.constants import PRIVATE_STREAM_PATH, SILENCE_SECONDS
from apps.exchanges.bitget.errors import read_stream_error
from apps.exchanges.bitget.orders import parse_plan, parse_pushed_order
from apps.exchanges.bitget.stream import FrameWire, open_connection, recv_frame
from apps.exchanges.errors import ExchangeError
from apps.exchanges.limits import PROCESS_LIMITS, LimitStore
from apps.exchanges.parsing import UNREADABLE
from apps.exchanges.ports import Credentials, OrderReport

#: How long the exchange may take to agree to a login or a subscription.
AGREE_SECONDS = 20.0
_PARSERS: dict[str, Callable[[dict[str, object]], OrderReport]] = {
    "orders": parse_pushed_order,
    "orders-algo": parse_plan,
}
_GOOD_CODES = frozenset({"0", "00000"})

_rows = msgspec.json.Decoder(list[dict[str, object]])


class OrdersChannel:
    """One connection that tells the changes of one account's orders; used by one thread.

    A conditional order that fires is told as UNKNOWN: what it placed is to be looked up.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str | None = None,
        testnet: bool = False,
        limits: LimitStore = PROCESS_LIMITS,
        silence_seconds: float = SILENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        client: BitgetClient | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = credentials
        self._client = client or BitgetClient(
            credentials, base_url=base_url, testnet=testnet, limits=limits
        )
        self._connection = open_connection(
            base_url, testnet=testnet, silence_seconds=silence_seconds, sleep=sleep
        )
        self._monotonic = monotonic
        self._pending: deque[OrderReport] = deque()

    def connect(self) -> None:
        """Open the connection, log in and subscribe; returns once the exchange has agreed.

        Raises InvalidCredentials or PermissionDenied where a new try would not help.
        """
        self._pending.clear()
        passphrase_of(self._credentials)
        # The exchange's clock, asked for on every connection: there are few of them.
        now = int(self._client.get_server_time().timestamp())
        self._connection.open(PRIVATE_STREAM_PATH)
        self._connection.send({"op": "login", "args": [login(self._credentials, now)]})
        self._wait_for("login", {""})
        args = [
            {"instType": "SPOT", "channel": channel, "instId": "default"} for channel in _PARSERS
        ]
        self._connection.send({"op": "subscribe", "args": args})
        self._wait_for("subscribe", set(_PARSERS))

    def recv(self) -> OrderReport | None:
        """The next change with its fill, waited for; None for a frame that tells of no order."""
        if not self._pending:
            frame = recv_frame(self._connection)
            if frame is not None:
                self._read_frame(frame)
        return self._pending.popleft() if self._pending else None

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        self._connection.close()

    def _wait_for(self, event: str, channels: set[str]) -> None:
        """Until the event has come for each of the channels (of a login: for none)."""
        give_up_at = self._monotonic() + AGREE_SECONDS
        while channels:
            if self._monotonic() > give_up_at:
                raise self._connection.closed(f"did not agree to the {event}")
            frame = recv_frame(self._connection)
            if frame is not None and frame.event == event:
                if event == "login" and str(frame.code) not in _GOOD_CODES:
                    raise self._refused(frame)
                channels.discard(frame.arg.channel)
            elif frame is not None:
                self._read_frame(frame)

    def _read_frame(self, frame: FrameWire) -> None:
        if frame.event == "error":
            raise self._refused(frame)
        parse = _PARSERS.get(frame.arg.channel)
        if not frame.data or parse is None:
            return
        try:
            reports = [parse(row) for row in _rows.decode(frame.data)]
        except UNREADABLE as e:
            raise self._connection.closed(f"sent orders that can't be read ({e})") from e
        self._pending += [self._client.with_canonical_symbol(report) for report in reports]

    def _refused(self, frame: FrameWire) -> ExchangeError:
        words = frame.msg or "no reason given"
        closed = self._connection.closed(f"refused: {words} ({frame.code})")
        return read_stream_error(str(frame.code), words) or closed
