"""From Kraken's orders and trades to ours; pure, raises msgspec.DecodeError for what it can't read."""

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

import msgspec

from apps.domain.candles import EPOCH
from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.kraken.constants import FEE_IN_BASE, ORDER_TYPES, SIZED_IN_QUOTE, STATUSES
from apps.exchanges.kraken.parse import Answer
from apps.exchanges.parsing import ZERO, check_numbers, moment
from apps.exchanges.ports import Fill, OrderReport, OrderRequest

Row = TypeVar("Row")
#: A fee in base above this share of the quantity can't be one.
_HIGHEST_FEE = Decimal("0.05")
#: Kraken rounds an average price to the digits of its pair, of which cheap coins have two.
_ROUNDING = Decimal("0.05")
_QUANTITY_STEP = Decimal("1e-10")


class Page(NamedTuple, Generic[Row]):
    """Rows by their id, and how many there are on all pages where that is told."""

    rows: dict[str, Row]
    total: int | None


class _DescriptionWire(msgspec.Struct):
    pair: str
    type: Literal["buy", "sell"]
    ordertype: str
    price: str = "0"
    price2: str = "0"


class OrderWire(msgspec.Struct):
    """An order; `price` is the average, `oflags` tell the fees' currency, `trades` names the fills."""

    status: str
    opentm: float
    descr: _DescriptionWire
    vol: Decimal
    vol_exec: Decimal
    cost: Decimal
    price: Decimal = ZERO
    cl_ord_id: str | None = None
    stopprice: Decimal = ZERO
    closetm: float | None = None
    oflags: str | None = None
    trades: tuple[str, ...] | None = None


class _OpenWire(msgspec.Struct):
    open: dict[str, msgspec.Raw]


class _ClosedWire(msgspec.Struct):
    closed: dict[str, msgspec.Raw]
    count: int | None = None


# Not strict: times and counts are told as text in places.
_order = msgspec.json.Decoder(OrderWire, strict=False)
_raw_orders = msgspec.json.Decoder(Answer[dict[str, msgspec.Raw]])
_orders = msgspec.json.Decoder(Answer[dict[str, OrderWire]], strict=False)
_open = msgspec.json.Decoder(Answer[_OpenWire])
_closed = msgspec.json.Decoder(Answer[_ClosedWire], strict=False)


def parse_open_orders(body: bytes) -> list[OrderReport]:
    """OpenOrders; the reports carry Kraken's name of the pair."""
    return [parse_order(txid, raw) for txid, raw in _open.decode(body).result.open.items()]


def parse_closed_orders(body: bytes) -> Page[OrderReport]:
    """One page of ClosedOrders; the reports carry Kraken's name of the pair."""
    wire = _closed.decode(body).result
    return Page({txid: parse_order(txid, raw) for txid, raw in wire.closed.items()}, wire.count)


def parse_queried_orders(body: bytes) -> list[OrderReport]:
    """QueryOrders; the reports carry Kraken's name of the pair."""
    return [parse_order(txid, raw) for txid, raw in _raw_orders.decode(body).result.items()]


def parse_queried_order(body: bytes, txid: str, client_order_id: str | None) -> OrderReport | None:
    """QueryOrders for one order, None for no order; raises msgspec.ValidationError for another one."""
    reports = {report.exchange_order_id: report for report in parse_queried_orders(body)}
    if not reports:
        return None
    if txid not in reports:
        raise _another_order(", ".join(reports), txid)
    report = reports[txid]
    if client_order_id and report.client_order_id not in {None, client_order_id}:
        raise _another_order(report.client_order_id, client_order_id)
    return report


def _another_order(told: str | None, asked: str) -> msgspec.ValidationError:
    return msgspec.ValidationError(f"it is about order {told}, not {asked}")


def parse_order_wires(body: bytes) -> dict[str, OrderWire]:
    """QueryOrders, for the flags and the trades of orders."""
    return _orders.decode(body).result


def parse_order(txid: str, raw: msgspec.Raw) -> OrderReport:
    """One order; a status that is not listed is UNKNOWN, a relative price is not told."""
    wire = _order.decode(raw)
    check_numbers(wire.vol, wire.vol_exec, wire.cost, wire.price, wire.stopprice)
    order_type = ORDER_TYPES.get(wire.descr.ordertype)
    first, second = _price(wire.descr.price), _price(wire.descr.price2)
    is_conditional = order_type is not None and order_type.is_conditional
    is_sized_in_quote = SIZED_IN_QUOTE in (wire.oflags or "").split(",")
    status = STATUSES.get(wire.status, OrderStatus.UNKNOWN)
    if status is OrderStatus.OPEN and wire.vol_exec:
        status = OrderStatus.PARTIALLY_FILLED
    return OrderReport(
        symbol=wire.descr.pair,
        client_order_id=wire.cl_ord_id or None,
        exchange_order_id=txid,
        status=status,
        exchange_status=wire.status,
        side=OrderSide(wire.descr.type),
        order_type=order_type,
        quantity=None if is_sized_in_quote else wire.vol,
        filled_quantity=_filled_base(wire) if is_sized_in_quote else wire.vol_exec,
        filled_quote=wire.cost,
        price=_limit_price(order_type, first, second),
        quote_amount=wire.vol if is_sized_in_quote else None,
        # Where a trailing stop stands now, only `stopprice` tells.
        trigger_price=(first or wire.stopprice or None) if is_conditional else None,
        created_at=moment(wire.opentm * 1000),
        updated_at=None if wire.closetm is None else moment(wire.closetm * 1000),
        raw={"txid": txid, **msgspec.json.decode(raw, type=dict[str, object])},
    )


def _filled_base(wire: OrderWire) -> Decimal | None:
    """What is filled of an order sized in quote, where `vol_exec` is in quote too, or in base.

    The cost tells which: it equals one of them, and the other at the average price. None where
    something is filled but its average price or its cost is not told.
    """
    if not wire.vol_exec and not wire.cost:
        return ZERO
    if not wire.price or not wire.cost:
        return None
    off_as_base = abs(wire.vol_exec * wire.price - wire.cost)
    if off_as_base <= min(abs(wire.vol_exec - wire.cost), wire.cost * _ROUNDING):
        return wire.vol_exec
    return (wire.cost / wire.price).quantize(_QUANTITY_STEP, ROUND_HALF_EVEN)


def _limit_price(
    order_type: OrderType | None, first: Decimal | None, second: Decimal | None
) -> Decimal | None:
    if order_type is None or not order_type.has_limit_price:
        return None
    return second if order_type.is_conditional else first


def _price(text: str) -> Decimal | None:
    """An absolute price; None for zero, and for one relative to another (`+2%`, `#5`)."""
    if text[:1] in {"+", "-", "#"} or text.endswith("%"):
        return None
    try:
        price = Decimal(text)
    except InvalidOperation as e:
        raise msgspec.ValidationError(f"{text[:40]} is no price") from e
    check_numbers(price)
    return price or None


class _AddedWire(msgspec.Struct):
    txid: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    cl_ord_id: str | None = None


_added = msgspec.json.Decoder(Answer[_AddedWire])


def parse_added(body: bytes, request: OrderRequest) -> OrderReport:
    """AddOrder: no more than that the order was taken; refused where it names another one."""
    wire = _added.decode(body).result
    if wire.cl_ord_id not in {None, request.client_order_id}:
        raise _another_order(wire.cl_ord_id, request.client_order_id)
    return OrderReport.acknowledged(
        request,
        exchange_order_id=wire.txid[0],
        at=None,
        raw=msgspec.json.decode(body, type=dict[str, object]),
    )


class _AmendedWire(msgspec.Struct):
    amend_id: str


_amended = msgspec.json.Decoder(Answer[_AmendedWire])


def parse_amended(body: bytes) -> str:
    """AmendOrder: the id of the change."""
    return _amended.decode(body).result.amend_id


class _CountWire(msgspec.Struct):
    count: Annotated[int, msgspec.Meta(ge=0)]
    pending: bool = False


_count = msgspec.json.Decoder(Answer[_CountWire], strict=False)


def parse_cancelled(body: bytes) -> int | None:
    """CancelOrder and CancelOrderBatch: how many were cancelled, None while they are being."""
    wire = _count.decode(body).result
    return None if wire.pending else wire.count


class TradeWire(msgspec.Struct, gc=False):
    """One execution. Its fee is a figure without a currency; very old ones don't tell who made it."""

    ordertxid: str
    pair: str
    time: float
    type: Literal["buy", "sell"]
    price: Decimal
    fee: Decimal
    vol: Decimal
    maker: bool = False


class _TradesWire(msgspec.Struct):
    trades: dict[str, TradeWire]
    count: int | None = None


_trades = msgspec.json.Decoder(Answer[dict[str, TradeWire]], strict=False)
_trades_page = msgspec.json.Decoder(Answer[_TradesWire], strict=False)


def parse_trades(body: bytes) -> dict[str, TradeWire]:
    """QueryTrades, by trade id."""
    return _checked(_trades.decode(body).result)


def parse_trades_page(body: bytes) -> Page[TradeWire]:
    """One page of TradesHistory, by trade id."""
    wire = _trades_page.decode(body).result
    return Page(_checked(wire.trades), wire.count)


def _checked(trades: dict[str, TradeWire]) -> dict[str, TradeWire]:
    for wire in trades.values():
        check_numbers(wire.price, wire.fee, wire.vol)
        moment(wire.time * 1000)
    return trades


def to_fill(trade_id: str, wire: TradeWire, symbol: str, oflags: str | None) -> Fill:
    """A fill; `oflags` are those of its order, None where they are not known."""
    base, _, quote = symbol.partition("/")
    is_fee_in_base = (
        FEE_IN_BASE in (oflags or "").split(",")
        # Kraken writes trades with their fee in quote, and does so in its own example of an order
        # that asked for base; a figure that is too large for a fee in base is left in quote.
        and wire.fee <= wire.vol * _HIGHEST_FEE
    )
    return Fill(
        trade_id=trade_id,
        exchange_order_id=wire.ordertxid,
        symbol=symbol,
        side=OrderSide(wire.type),
        quantity=wire.vol,
        price=wire.price,
        fee=wire.fee,
        fee_asset=base if is_fee_in_base else quote,
        is_maker=wire.maker,
        executed_at=moment(wire.time * 1000),
    )


def newest_named(reports: Iterable[OrderReport], client_order_id: str) -> OrderReport | None:
    """The last of these with a client order id, which an ended order may share with a later one."""
    named = [report for report in reports if report.client_order_id == client_order_id]
    return max(named, key=lambda report: report.created_at or EPOCH, default=None)
