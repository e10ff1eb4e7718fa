"""Changes of one account's orders: the executions channel of Kraken's private WebSocket."""

import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

import msgspec

from apps.domain.orders import OrderSide, OrderStatus
from apps.exchanges.connection import stream_url
from apps.exchanges.http import Transport
from apps.exchanges.kraken.constants import (
    AGREE_SECONDS,
    ORDER_TYPES,
    PRIVATE_STREAM_URLS,
    REST_URL,
    SILENCE_SECONDS,
    STREAM_PATH,
    STREAM_STATUSES,
    STREAM_TOKEN,
)
from apps.exchanges.kraken.parse import parse_stream_token
from apps.exchanges.kraken.session import Session
from apps.exchanges.kraken.stream import FrameWire, Moment, connect_to, frames
from apps.exchanges.limits import PROCESS_LIMITS, LimitStore
from apps.exchanges.parsing import UNREADABLE, ZERO, check_numbers
from apps.exchanges.ports import Credentials, Fill, OrderReport
from apps.exchanges.transport import PooledTransport

_CHANNEL = "executions"
_TRADE = "trade"
#: Events that an order begins with, and those it ends with.
_BEGINNINGS = frozenset({"pending_new", "new"})
_ENDINGS = frozenset({"filled", "canceled", "expired"})


class _FeeWire(msgspec.Struct):
    asset: str
    qty: Decimal


class _TriggersWire(msgspec.Struct):
    price: Decimal | None = None
    price_type: str = "static"


class ExecutionWire(msgspec.Struct):
    """One event of an order; of the order itself only what changed is told."""

    order_id: str
    exec_type: str
    timestamp: Moment | None = None

    order_status: str | None = None
    symbol: str | None = None
    side: Literal["buy", "sell"] | None = None
    order_type: str | None = None
    cl_ord_id: str | None = None
    order_qty: Decimal | None = None
    cash_order_qty: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    triggers: _TriggersWire | None = None
    cum_qty: Decimal | None = None
    cum_cost: Decimal | None = None

    exec_id: str | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    fees: tuple[_FeeWire, ...] | None = None
    liquidity_ind: str | None = None


#: What stays as it was until an event tells otherwise.
_KEPT = (
    *("order_status", "symbol", "side", "order_type", "cl_ord_id", "order_qty", "cash_order_qty"),
    *("limit_price", "stop_price", "triggers", "cum_qty", "cum_cost"),
)
_items = msgspec.json.Decoder(list[msgspec.Raw])
_execution = msgspec.json.Decoder(ExecutionWire)


class ExecutionsChannel:
    """One connection that tells the changes of one account's orders; used by one thread.

    It begins with all open orders. A trade that is not told whole (its time, its fee in one
    currency) comes without its fill, which is then to be asked for.
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
        transport: Transport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        host = base_url or REST_URL
        self._connection = connect_to(
            stream_url(host, PRIVATE_STREAM_URLS),
            testnet=testnet,
            silence_seconds=silence_seconds,
            sleep=sleep,
        )
        self._session = Session(credentials, transport or PooledTransport(host), limits, host=host)
        self._monotonic = monotonic
        self._orders: dict[str, ExecutionWire] = {}
        self._pending: deque[OrderReport] = deque()
        self._sequence: int | None = None

    def connect(self) -> None:
        """Fetch a token, open the connection and subscribe; returns once the exchange has agreed."""
        self._orders.clear()
        self._pending.clear()
        self._sequence = None
        token = self._session.private_read(STREAM_TOKEN, parse_stream_token)
        self._connection.open(STREAM_PATH)
        params = {
            "channel": _CHANNEL,
            "token": token,
            "snap_orders": True,
            "snap_trades": False,
            "order_status": True,
        }
        self._connection.send({"method": "subscribe", "params": params, "req_id": 1})
        give_up_at = self._monotonic() + AGREE_SECONDS
        is_agreed = False
        while not is_agreed:
            if self._monotonic() > give_up_at:
                what = f"did not agree to the subscription within {AGREE_SECONDS:g} s"
                raise self._connection.closed(what)
            data = self._connection.recv()
            is_agreed = data is not None and self._read_frame(data).method == "subscribe"

    def recv(self) -> OrderReport | None:
        """The next change with its fill, waited for; None for a frame that tells of no order."""
        if not self._pending and (data := self._connection.recv()) is not None:
            self._read_frame(data)
        return self._pending.popleft() if self._pending else None

    def close(self) -> None:
        """Close the connection; harmless when there is none."""
        self._connection.close()

    def _read_frame(self, data: bytes) -> FrameWire:
        try:
            frame = frames.decode(data)
            if not frame.success:
                raise self._connection.closed(f"refused to {frame.method}: {frame.error}")
            if frame.channel == _CHANNEL and frame.data:
                self._follow_sequence(frame.sequence)
                if frame.type == "snapshot":
                    self._orders.clear()
                for raw in _items.decode(frame.data):
                    self._pending.append(self._take(raw))
        except UNREADABLE as e:
            raise self._connection.closed(f"sent a frame that can't be read ({e})") from e
        return frame

    def _follow_sequence(self, sequence: int | None) -> None:
        before = self._sequence
        if sequence is None or (before is not None and sequence != before + 1):
            raise self._connection.closed(f"has a gap: {sequence} came after {before}")
        self._sequence = sequence

    def _take(self, raw: msgspec.Raw) -> OrderReport:
        event = _execution.decode(raw)
        known = self._orders.get(event.order_id)
        _add_up(event, known)
        if known is not None:
            for name in _KEPT:
                if getattr(event, name) is None:
                    setattr(event, name, getattr(known, name))
        if event.symbol is None or event.side is None or event.order_status is None:
            raise self._connection.closed(f"changed order {event.order_id}, of which it never told")
        if event.exec_type in _ENDINGS:
            self._orders.pop(event.order_id, None)
        else:
            self._orders[event.order_id] = event
        kept = msgspec.json.decode(raw, type=dict[str, object])
        return OrderReport(
            symbol=event.symbol,
            client_order_id=event.cl_ord_id or None,
            exchange_order_id=event.order_id,
            status=STREAM_STATUSES.get(event.order_status, OrderStatus.UNKNOWN),
            exchange_status=event.order_status,
            side=OrderSide(event.side),
            order_type=ORDER_TYPES.get(event.order_type or ""),
            quantity=event.order_qty,
            filled_quantity=event.cum_qty,
            filled_quote=event.cum_cost,
            price=event.limit_price or None,
            quote_amount=event.cash_order_qty or None,
            trigger_price=_trigger_price(event),
            created_at=event.timestamp if event.exec_type in _BEGINNINGS else None,
            updated_at=event.timestamp,
            fills=_fills(event, event.symbol, OrderSide(event.side)),
            raw=kept,
        )


def _add_up(event: ExecutionWire, known: ExecutionWire | None) -> None:
    """What is filled so far, where the event leaves it to be worked out."""
    check_numbers(event.order_qty, event.cash_order_qty, event.limit_price, event.stop_price)
    check_numbers(event.cum_qty, event.cum_cost, event.last_qty, event.last_price)
    if event.triggers is not None:
        check_numbers(event.triggers.price)
    if event.cum_qty is not None:
        return
    if known is None and event.exec_type in _BEGINNINGS:
        event.cum_qty = event.cum_cost = ZERO
    elif (
        event.exec_type == _TRADE
        and known is not None
        and event.last_qty is not None
        and event.last_price is not None
    ):
        if known.cum_qty is not None:
            event.cum_qty = known.cum_qty + event.last_qty
        if known.cum_cost is not None:
            event.cum_cost = known.cum_cost + event.last_qty * event.last_price


def _trigger_price(event: ExecutionWire) -> Decimal | None:
    if event.stop_price:
        return event.stop_price
    if event.triggers is None or event.triggers.price_type != "static":
        return None
    return event.triggers.price or None


def _fills(event: ExecutionWire, symbol: str, side: OrderSide) -> tuple[Fill, ...]:
    if (
        event.exec_type != _TRADE
        or event.exec_id is None
        or event.last_qty is None
        or event.last_price is None
        or event.liquidity_ind is None
        or event.timestamp is None
        or event.fees is None
    ):
        return ()
    check_numbers(*(fee.qty for fee in event.fees))
    assets = {fee.asset for fee in event.fees} or {symbol.partition("/")[2]}
    if len(assets) > 1:
        return ()
    return (
        Fill(
            # The same id as in the account's trade history.
            trade_id=event.exec_id,
            exchange_order_id=event.order_id,
            symbol=symbol,
            side=side,
            quantity=event.last_qty,
            price=event.last_price,
            fee=sum((fee.qty for fee in event.fees), ZERO),
            fee_asset=assets.pop(),
            is_maker=event.liquidity_ind == "m",
            executed_at=event.timestamp,
        ),
    )
