"""Changes of one account's orders: the user data stream, subscribed to with a signature over the
WebSocket API (listen keys are gone)."""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import msgspec

from apps.domain.orders import OrderSide, OrderStatus
from apps.exchanges.binance.auth import sign_message
from apps.exchanges.binance.client import BinanceClient
from apps.exchanges.binance.constants import (
    EXCHANGE,
    REST_URL,
    SECONDS_BETWEEN_MESSAGES,
    SILENCE_SECONDS,
    STATUSES,
    TESTNET_URL,
    WS_API_PATH,
    WS_API_URLS,
)
from apps.exchanges.binance.orders import read_order_type
from apps.exchanges.connection import AGREE_SECONDS, Connection, stream_url
from apps.exchanges.limits import PROCESS_LIMITS, LimitStore
from apps.exchanges.parsing import UNREADABLE, check_numbers, moment
from apps.exchanges.ports import Credentials, Fill, OrderReport

#: Execution types that carry a fill.
_TRADE = "TRADE"


class _ReportWire(msgspec.Struct, rename={"price": "p", "order_type": "o"}):
    """An executionReport, in the exchange's one-letter names."""

    s: str
    c: str
    S: Literal["BUY", "SELL"]
    order_type: str
    q: Decimal
    price: Decimal
    P: Decimal
    x: str
    X: str
    i: int
    l: Decimal  # noqa: E741  the exchange's own name for the last quantity
    z: Decimal
    L: Decimal
    n: Decimal
    T: int
    O: int  # noqa: E741  the exchange's own name for the time of creation
    Z: Decimal
    N: str | None = None
    t: int = -1
    m: bool = False
    C: str = ""
    Q: Decimal = Decimal(0)
    d: int = 0


class _HeadWire(msgspec.Struct):
    e: str = ""


class _FrameWire(msgspec.Struct):
    id: object = None
    status: int | None = None
    error: dict[str, object] | None = None
    event: msgspec.Raw = msgspec.Raw()


_frames = msgspec.json.Decoder(_FrameWire)
_heads = msgspec.json.Decoder(_HeadWire)
_reports = msgspec.json.Decoder(_ReportWire)


def parse_execution(event: bytes, symbol: str | None = None) -> OrderReport:
    """An executionReport with its fill; without `symbol` the report carries the wire symbol."""
    wire = _reports.decode(event)
    check_numbers(wire.q, wire.price, wire.P, wire.l, wire.z, wire.L, wire.n, wire.Z)
    symbol, side, at = symbol or wire.s, OrderSide(wire.S.lower()), moment(wire.T)
    fills: tuple[Fill, ...] = ()
    if wire.x == _TRADE and wire.l and wire.t >= 0 and wire.L:
        fills = (
            Fill(
                trade_id=str(wire.t),
                exchange_order_id=str(wire.i),
                symbol=symbol,
                side=side,
                quantity=wire.l,
                price=wire.L,
                fee=wire.n,
                fee_asset=wire.N or "",
                is_maker=wire.m,
                executed_at=at,
            ),
        )
    return OrderReport(
        symbol=symbol,
        # When an order is cancelled, c names the cancel and C the order.
        client_order_id=wire.C or wire.c or None,
        exchange_order_id=str(wire.i),
        status=STATUSES.get(wire.X, OrderStatus.UNKNOWN),
        exchange_status=wire.X,
        side=side,
        order_type=read_order_type(wire.order_type, is_trailing=bool(wire.d)),
        quantity=wire.q,
        filled_quantity=wire.z,
        filled_quote=wire.Z,
        price=wire.price or None,
        quote_amount=wire.Q or None,
        trigger_price=wire.P or None,
        created_at=moment(wire.O),
        updated_at=at,
        fills=fills,
        raw=msgspec.json.decode(event, type=dict[str, object]),
    )


class UserDataStream:
    """One connection that tells the changes of one account's orders; used by one thread."""

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str | None = None,
        testnet: bool = False,
        limits: LimitStore = PROCESS_LIMITS,
        silence_seconds: float = SILENCE_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        client: BinanceClient | None = None,
    ) -> None:
        host = base_url or (TESTNET_URL if testnet else REST_URL)
        self._credentials = credentials
        self._client = client or BinanceClient(
            credentials, base_url=base_url, testnet=testnet, limits=limits
        )
        self._connection = Connection(
            stream_url(host, WS_API_URLS),
            exchange=EXCHANGE,
            silence_seconds=silence_seconds,
            seconds_between_messages=SECONDS_BETWEEN_MESSAGES,
            sleep=sleep,
        )

    def connect(self) -> None:
        """Open the connection and subscribe; returns once the exchange has agreed."""
        self._connection.open(WS_API_PATH)
        params: dict[str, str | int] = {
            "apiKey": self._credentials.api_key,
            # The exchange's clock, asked for on every connection: there are few of them.
            "timestamp": int(self._client.get_server_time().timestamp() * 1000),
        }
        self._connection.send(
            {
                "id": 1,
                "method": "userDataStream.subscribe.signature",
                "params": sign_message(params, self._credentials.api_secret),
            }
        )
        give_up_at = time.monotonic() + AGREE_SECONDS
        while time.monotonic() < give_up_at:
            data = self._connection.recv()
            frame = None if data is None else self._decode(data)
            if frame is not None and frame.status is not None:
                if frame.error is not None:
                    words = f"{frame.error.get('msg')} ({frame.error.get('code')})"
                    raise self._connection.closed(f"refused the subscription: {words}")
                return
        raise self._connection.closed(f"did not agree to the subscription in {AGREE_SECONDS:g} s")

    def recv(self) -> OrderReport | None:
        """The next change with its fill, waited for; None for a frame that tells of no order."""
        data = self._connection.recv()
        event = b"" if data is None else bytes(self._decode(data).event)
        if not event:
            return None
        try:
            kind = _heads.decode(event).e
            if kind in {"eventStreamTerminated", "serverShutdown"}:
                raise self._connection.closed(f"was ended by the exchange ({kind})")
            if kind != "executionReport":
                return None
            report = parse_execution(event)
        except UNREADABLE as e:
            raise self._connection.closed(f"sent an event that can't be read ({e})") from e
        return self._client.with_canonical_symbol(report)

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        self._connection.close()

    def _decode(self, data: bytes) -> _FrameWire:
        try:
            return _frames.decode(data)
        except UNREADABLE as e:
            raise self._connection.closed(f"sent a frame that can't be read ({e})") from e
