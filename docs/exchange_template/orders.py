"""Example's orders and fills, there and back; pure, raises msgspec.DecodeError for what it can't read."""

from decimal import Decimal

import msgspec

from apps.domain.orders import OrderSide, OrderStatus
from apps.exchanges.parsing import ZERO, check_numbers, moment
from apps.exchanges.ports import Fill, OrderRef, OrderReport, OrderRequest
from apps.exchanges.rounding import decimal_text
from docs.exchange_template.constants import ORDER_TYPES, STATUSES
from docs.exchange_template.parse import canonical_symbol, wire_symbol


def order_params(request: OrderRequest) -> dict[str, str]:
    """POST /order; types and sides have the same words as ours."""
    params = {
        "symbol": wire_symbol(request.symbol),
        "side": request.side.value,
        "type": request.order_type.value,
        "quantity": decimal_text(request.quantity or ZERO),
        # Decide: every order needs our id (32 hex digits), or a lost answer can't be looked up.
        "name": request.client_order_id,
    }
    return params if request.price is None else params | {"price": decimal_text(request.price)}


def ref_params(ref: OrderRef) -> dict[str, str]:
    """Which order is meant."""
    params = {"symbol": wire_symbol(ref.symbol)}
    if ref.client_order_id:
        return params | {"name": ref.client_order_id}
    return params | {"id": ref.exchange_order_id or ""}


class _FillWire(msgspec.Struct):
    id: str
    order: str
    symbol: str
    side: OrderSide
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    at: int


class _OrderWire(msgspec.Struct):
    id: str
    name: str | None
    symbol: str
    side: OrderSide
    type: str
    quantity: Decimal
    price: Decimal | None
    filled: Decimal
    filled_quote: Decimal
    status: str
    created_at: int
    updated_at: int
    fill: _FillWire | None = None


def parse_order(body: bytes) -> OrderReport:
    """POST, GET and DELETE /order."""
    return to_report(msgspec.json.decode(body, type=dict[str, object]))


def parse_orders(body: bytes) -> list[OrderReport]:
    """GET and DELETE /orders."""
    return list(map(to_report, msgspec.json.decode(body, type=list[dict[str, object]])))


def to_report(raw: dict[str, object]) -> OrderReport:
    """An order as told everywhere; a status that is not listed is UNKNOWN."""
    wire = msgspec.convert(raw, _OrderWire)
    check_numbers(wire.quantity, wire.price, wire.filled, wire.filled_quote)
    return OrderReport(
        symbol=canonical_symbol(wire.symbol),
        client_order_id=wire.name,
        exchange_order_id=wire.id,
        status=STATUSES.get(wire.status, OrderStatus.UNKNOWN),
        exchange_status=wire.status,
        side=wire.side,
        order_type=ORDER_TYPES.get(wire.type),
        quantity=wire.quantity,
        filled_quantity=wire.filled,
        filled_quote=wire.filled_quote,
        price=wire.price,
        created_at=moment(wire.created_at),
        updated_at=moment(wire.updated_at),
        fills=() if wire.fill is None else (_fill(wire.fill),),
        raw=raw,
    )


def parse_fills(body: bytes) -> list[Fill]:
    """GET /fills."""
    return [_fill(wire) for wire in msgspec.json.decode(body, type=list[_FillWire])]


def _fill(wire: _FillWire) -> Fill:
    check_numbers(wire.quantity, wire.price, wire.fee)
    return Fill(
        trade_id=wire.id,
        exchange_order_id=wire.order,
        symbol=canonical_symbol(wire.symbol),
        side=wire.side,
        quantity=wire.quantity,
        price=wire.price,
        fee=wire.fee,
        fee_asset=wire.fee_asset,
        is_maker=wire.is_maker,
        executed_at=moment(wire.at),
    )
