"""From Binance's orders and fills to ours; pure, raises msgspec.DecodeError for what it can't read."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.binance.constants import ORDER_TYPES, STATUSES
from apps.exchanges.binance.parse import Wire
from apps.exchanges.parsing import ZERO, check_numbers, moment
from apps.exchanges.ports import Fill, OrderReport


class _OrderFillWire(Wire):
    trade_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str


class _OrderWire(Wire):
    symbol: str
    order_id: int
    client_order_id: str
    status: str
    type: str
    side: Literal["BUY", "SELL"]
    executed_qty: Decimal
    price: Decimal
    orig_qty: Decimal | None = None
    qty: Decimal | None = None
    # Binance spells it with two m's, but in an amendment.
    cummulative_quote_qty: Decimal | None = None
    cumulative_quote_qty: Decimal | None = None
    orig_client_order_id: str | None = None
    orig_quote_order_qty: Decimal = ZERO
    stop_price: Decimal = ZERO
    trailing_delta: int = 0
    time: int = 0
    transact_time: int = 0
    update_time: int = 0
    fills: tuple[_OrderFillWire, ...] = ()


def parse_order(
    raw: Mapping[str, object], symbol: str | None = None, *, is_cancel: bool = False
) -> OrderReport:
    """An order as told when placed, cancelled or asked for; a status that is not listed is UNKNOWN.

    Without `symbol` the report carries the wire symbol. In the answer to a cancel the order's own
    id is the *original* one: clientOrderId names the cancel itself there.
    """
    wire = msgspec.convert(raw, _OrderWire, strict=False)
    updated_ms = wire.transact_time or wire.update_time
    updated_at = moment(updated_ms) if updated_ms else None
    quantity = wire.orig_qty if wire.orig_qty is not None else wire.qty
    filled_quote = (
        wire.cummulative_quote_qty
        if wire.cummulative_quote_qty is not None
        else wire.cumulative_quote_qty
    )
    check_numbers(quantity, wire.executed_qty, filled_quote, wire.price, wire.stop_price)
    side = OrderSide(wire.side.lower())
    symbol = symbol or wire.symbol
    client_order_id = wire.orig_client_order_id if is_cancel else None
    return OrderReport(
        symbol=symbol,
        client_order_id=client_order_id or wire.client_order_id or None,
        exchange_order_id=str(wire.order_id),
        status=STATUSES.get(wire.status, OrderStatus.UNKNOWN),
        exchange_status=wire.status,
        side=side,
        order_type=read_order_type(wire.type, is_trailing=bool(wire.trailing_delta)),
        quantity=quantity,
        filled_quantity=wire.executed_qty,
        # Binance writes a negative amount for old orders whose total it no longer has.
        filled_quote=filled_quote if filled_quote is not None and filled_quote >= 0 else None,
        price=wire.price or None,
        quote_amount=wire.orig_quote_order_qty or None,
        trigger_price=wire.stop_price or None,
        created_at=moment(wire.time) if wire.time else None,
        updated_at=updated_at,
        fills=tuple(
            _arrival_fill(fill, wire, symbol, side, updated_at) for fill in wire.fills if updated_at
        ),
        raw=raw,
    )


def read_order_type(word: str, *, is_trailing: bool) -> OrderType | None:
    """Our type of Binance's word; None for a type that only Binance has."""
    order_type = ORDER_TYPES.get(word)
    if not is_trailing:
        return order_type
    return OrderType.TRAILING_STOP if order_type is OrderType.STOP_LOSS else None


def _arrival_fill(
    fill: _OrderFillWire, order: _OrderWire, symbol: str, side: OrderSide, at: datetime
) -> Fill:
    check_numbers(fill.price, fill.qty, fill.commission)
    return Fill(
        trade_id=str(fill.trade_id),
        exchange_order_id=str(order.order_id),
        symbol=symbol,
        side=side,
        quantity=fill.qty,
        price=fill.price,
        fee=fill.commission,
        fee_asset=fill.commission_asset,
        # Only what filled on arrival is told here, and that took liquidity.
        is_maker=False,
        executed_at=at,
    )


class _AmendedWire(Wire):
    transact_time: int
    amended_order: dict[str, object]


def parse_amended(body: bytes) -> dict[str, object]:
    """PUT /api/v3/order/amend/keepPriority: the order, with the time of the change."""
    wire = msgspec.json.decode(body, type=_AmendedWire)
    return {**wire.amended_order, "transactTime": wire.transact_time}


class _ReplacedWire(Wire):
    new_order_response: dict[str, object]


def parse_replacement(body: bytes) -> dict[str, object]:
    """POST /api/v3/order/cancelReplace, both halves done: the new order."""
    return msgspec.json.decode(body, type=_ReplacedWire).new_order_response


class OrderListWire(Wire):
    """An order list as placed."""

    order_list_id: int
    list_client_order_id: str
    order_reports: tuple[dict[str, object], ...]


def parse_order_list(body: bytes) -> OrderListWire:
    """POST /api/v3/orderList/oco and its siblings."""
    return msgspec.json.decode(body, type=OrderListWire)


class _TradeWire(Wire):
    id: int
    order_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool


_trades = msgspec.json.Decoder(list[_TradeWire])


def parse_fills(body: bytes, symbol: str) -> list[Fill]:
    """GET /api/v3/myTrades, oldest first."""
    return [_to_fill(wire, symbol) for wire in _trades.decode(body)]


def _to_fill(wire: _TradeWire, symbol: str) -> Fill:
    check_numbers(wire.price, wire.qty, wire.commission)
    return Fill(
        trade_id=str(wire.id),
        exchange_order_id=str(wire.order_id),
        symbol=symbol,
        side=OrderSide.BUY if wire.is_buyer else OrderSide.SELL,
        quantity=wire.qty,
        price=wire.price,
        fee=wire.commission,
        fee_asset=wire.commission_asset,
        is_maker=wire.is_maker,
        executed_at=moment(wire.time),
    )
