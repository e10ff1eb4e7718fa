"""From Binance's orders and fills to ours; pure, raises msgspec.DecodeError for what it can't read."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from apps.domain.orders import OrderSide, OrderStatus
from apps.exchanges.binance.constants import ORDER_TYPES, STATUSES
from apps.exchanges.binance.parse import Wire, moment
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
    orig_qty: Decimal
    executed_qty: Decimal
    cummulative_quote_qty: Decimal
    price: Decimal
    orig_client_order_id: str | None = None
    transact_time: int = 0
    update_time: int = 0
    fills: tuple[_OrderFillWire, ...] = ()


def parse_order(raw: Mapping[str, object], symbol: str | None = None) -> OrderReport:
    """An order as told when placed, cancelled or asked for; a status that is not listed is UNKNOWN.

    Without `symbol` the report carries the wire symbol.
    """
    wire = msgspec.convert(raw, _OrderWire, strict=False)
    updated_at = moment(wire.transact_time or wire.update_time)
    side = OrderSide(wire.side.lower())
    symbol = symbol or wire.symbol
    return OrderReport(
        symbol=symbol,
        # In the answer to a cancel, clientOrderId names the cancel itself.
        client_order_id=wire.orig_client_order_id or wire.client_order_id,
        exchange_order_id=str(wire.order_id),
        status=STATUSES.get(wire.status, OrderStatus.UNKNOWN),
        exchange_status=wire.status,
        side=side,
        order_type=ORDER_TYPES.get(wire.type),
        quantity=wire.orig_qty,
        filled_quantity=wire.executed_qty,
        # Binance writes a negative amount for old orders whose total it no longer has.
        filled_quote=wire.cummulative_quote_qty if wire.cummulative_quote_qty >= 0 else None,
        price=wire.price or None,
        updated_at=updated_at,
        fills=tuple(
            Fill(
                trade_id=str(fill.trade_id),
                exchange_order_id=str(wire.order_id),
                symbol=symbol,
                side=side,
                quantity=fill.qty,
                price=fill.price,
                fee=fill.commission,
                fee_asset=fill.commission_asset,
                # Only what filled on arrival is told here, and that took liquidity.
                is_maker=False,
                executed_at=updated_at,
            )
            for fill in wire.fills
        ),
        raw=raw,
    )


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


def parse_fills(body: bytes, symbol: str) -> list[Fill]:
    """GET /api/v3/myTrades, oldest first."""
    return [
        Fill(
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
        for wire in msgspec.json.decode(body, type=list[_TradeWire])
    ]
