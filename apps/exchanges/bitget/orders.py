"""From Bitget's orders and fills to ours; pure, raises msgspec.DecodeError for what it can't read."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.bitget.constants import (
    MAX_ROWS,
    NEVER_FIRED,
    ORDER_TYPES,
    PLAN_STATUSES,
    STATUSES,
    TPSL,
)
from apps.exchanges.bitget.order_form import wire_symbol
from apps.exchanges.bitget.parse import Answer, Wire
from apps.exchanges.parsing import ZERO, check_numbers, moment
from apps.exchanges.ports import Fill, OrderReport

#: Where an answer is read without the question.
_NOTHING: Mapping[str, object] = {}

Row = TypeVar("Row")
Kind = TypeVar("Kind")


class Page(NamedTuple, Generic[Row]):
    """Part of an answer, new to old; `next_id` is what to ask for the rest with, None at the end."""

    rows: list[Row]
    next_id: str | None


class _OrderWire(Wire):
    symbol: str
    order_id: str
    status: str
    order_type: str
    side: Literal["buy", "sell"]
    size: Decimal
    c_time: int
    u_time: int | None = None
    client_oid: str | None = None
    price: Decimal | None = None
    price_avg: Decimal | None = None
    base_volume: Decimal | None = None
    quote_volume: Decimal | None = None
    trigger_price: Decimal | None = None
    tpsl_type: str | None = None


def parse_order(raw: Mapping[str, object], symbol: str | None = None) -> OrderReport:
    """An ordinary order, of whatever list; a status that is not listed is UNKNOWN.

    Without `symbol` the report carries the wire symbol, with it msgspec.ValidationError is raised for
    an order of another market. The type of an exit that Bitget ties to an
    entry is not told: stop loss and take profit look alike.
    """
    wire = _convert(raw, _OrderWire)
    _check_market(symbol, wire.symbol)
    check_numbers(wire.size, wire.price, wire.price_avg, wire.trigger_price)
    check_numbers(wire.base_volume, wire.quote_volume)
    order_type = ORDER_TYPES.get(wire.order_type)
    price = wire.price
    if price is None and order_type is OrderType.LIMIT:
        # The list of open orders has no price: there the average is the limit.
        price = wire.price_avg
    is_sized_in_quote = order_type is OrderType.MARKET and wire.side == "buy"
    return OrderReport(
        symbol=symbol or wire.symbol.upper(),
        client_order_id=wire.client_oid,
        exchange_order_id=wire.order_id,
        status=STATUSES.get(wire.status, OrderStatus.UNKNOWN),
        exchange_status=wire.status,
        side=OrderSide(wire.side),
        order_type=None if wire.tpsl_type == TPSL else order_type,
        quantity=None if is_sized_in_quote else wire.size,
        filled_quantity=wire.base_volume,
        filled_quote=wire.quote_volume,
        price=price or None,
        quote_amount=wire.size if is_sized_in_quote else None,
        trigger_price=wire.trigger_price or None,
        created_at=moment(wire.c_time),
        updated_at=_moment(wire.u_time),
        raw=raw,
    )


class _PlanWire(Wire):
    order_id: str
    status: str
    order_type: str
    side: Literal["buy", "sell"]
    size: Decimal
    trigger_price: Decimal
    c_time: int
    # Over REST the market is the symbol, in the stream the instId.
    symbol: str | None = None
    inst_id: str | None = None
    plan_type: str = "amount"
    execute_price: Decimal | None = None
    u_time: int | None = None
    client_oid: str | None = None


def parse_plan(raw: Mapping[str, object], symbol: str | None = None) -> OrderReport:
    """A conditional order, over REST or from the stream, without what it placed when it fired.

    Its type is not told: a stop loss and a take profit are the same order with another trigger.
    """
    wire = _convert(raw, _PlanWire)
    market = _market(wire.symbol or wire.inst_id)
    _check_market(symbol, market)
    check_numbers(wire.size, wire.trigger_price, wire.execute_price)
    is_sized_in_quote = wire.plan_type.lower() == "total"
    is_limit = ORDER_TYPES.get(wire.order_type) is OrderType.LIMIT
    filled = ZERO if wire.status in NEVER_FIRED else None
    return OrderReport(
        symbol=symbol or market,
        client_order_id=wire.client_oid,
        exchange_order_id=wire.order_id,
        status=PLAN_STATUSES.get(wire.status, OrderStatus.UNKNOWN),
        exchange_status=wire.status,
        side=OrderSide(wire.side),
        order_type=None,
        quantity=None if is_sized_in_quote else wire.size,
        filled_quantity=filled,
        filled_quote=filled,
        price=(wire.execute_price or None) if is_limit else None,
        quote_amount=wire.size if is_sized_in_quote else None,
        trigger_price=wire.trigger_price,
        created_at=moment(wire.c_time),
        updated_at=_moment(wire.u_time),
        raw=raw,
    )


def merge_fired(plan: OrderReport, order: OrderReport) -> OrderReport:
    """A conditional order that fired: as it was wanted, with the state of the order it placed.

    It carries the id of that order, because its fills are told under it.
    """
    return replace(
        order,
        client_order_id=plan.client_order_id,
        order_type=plan.order_type,
        quantity=plan.quantity,
        quote_amount=plan.quote_amount,
        price=plan.price,
        trigger_price=plan.trigger_price,
        created_at=plan.created_at,
        raw={"plan": plan.raw, "order": order.raw},
    )


class SubOrder(Wire):
    """What a conditional order did when it fired."""

    order_id: str
    status: str


_sub_orders = msgspec.json.Decoder(Answer[list[SubOrder] | None], strict=False)


def parse_sub_orders(body: bytes) -> list[SubOrder]:
    """GET /api/v2/spot/trade/plan-sub-order."""
    return _sub_orders.decode(body).data or []


class _PushedWire(Wire):
    inst_id: str
    order_id: str
    status: str
    order_type: str
    side: Literal["buy", "sell"]
    c_time: int
    u_time: int | None = None
    client_oid: str | None = None
    size: Decimal | None = None
    new_size: Decimal | None = None
    notional: Decimal | None = None
    price: Decimal | None = None
    price_avg: Decimal | None = None
    acc_base_volume: Decimal | None = None
    trade_id: str | None = None
    fill_price: Decimal | None = None
    base_volume: Decimal | None = None
    fill_time: int | None = None
    fill_fee: Decimal | None = None
    fill_fee_coin: str | None = None
    trade_scope: Literal["T", "M"] | None = None


def parse_pushed_order(raw: Mapping[str, object]) -> OrderReport:
    """An item of the orders channel, with the fill it tells of; it carries the wire symbol."""
    wire = _convert(raw, _PushedWire)
    check_numbers(wire.size, wire.new_size, wire.notional, wire.price, wire.price_avg)
    check_numbers(wire.acc_base_volume, wire.fill_price, wire.base_volume, wire.fill_fee)
    order_type = ORDER_TYPES.get(wire.order_type)
    is_sized_in_quote = order_type is OrderType.MARKET and wire.side == "buy"
    filled, average = wire.acc_base_volume, wire.price_avg
    # The size of every buy is in quote here, even that of a limit order: newSize is what was wanted.
    quantity = wire.new_size if wire.new_size is not None or wire.side == "buy" else wire.size
    return OrderReport(
        symbol=wire.inst_id.upper(),
        client_order_id=wire.client_oid,
        exchange_order_id=wire.order_id,
        status=STATUSES.get(wire.status, OrderStatus.UNKNOWN),
        exchange_status=wire.status,
        side=OrderSide(wire.side),
        order_type=order_type,
        quantity=None if is_sized_in_quote else quantity,
        filled_quantity=filled,
        filled_quote=None if filled is None or average is None else filled * average,
        price=wire.price or None,
        quote_amount=(wire.notional or wire.size) if is_sized_in_quote else None,
        created_at=moment(wire.c_time),
        updated_at=_moment(wire.u_time),
        fills=_pushed_fills(wire),
        raw=raw,
    )


def _pushed_fills(wire: _PushedWire) -> tuple[Fill, ...]:
    if not (wire.trade_id and wire.base_volume and wire.fill_price and wire.fill_time):
        return ()
    if wire.fill_fee is None or wire.fill_fee_coin is None or wire.trade_scope is None:
        # Told in part only: the list of fills has it whole.
        return ()
    if wire.fill_fee > 0:
        # What was paid is negative here and positive in the channel of fills, so that this may be a
        # rebate or not: the list of fills says which.
        return ()
    return (
        Fill(
            trade_id=wire.trade_id,
            exchange_order_id=wire.order_id,
            symbol=wire.inst_id.upper(),
            side=OrderSide(wire.side),
            quantity=wire.base_volume,
            price=wire.fill_price,
            fee=-wire.fill_fee,
            fee_asset=wire.fill_fee_coin.upper(),
            is_maker=wire.trade_scope == "M",
            executed_at=moment(wire.fill_time),
        ),
    )


_rows = msgspec.json.Decoder(Answer[list[dict[str, object]] | None], strict=False)


def parse_found_order(body: bytes, symbol: str, asked: Mapping[str, str]) -> OrderReport | None:
    """GET /api/v2/spot/trade/orderInfo, None where there is no such order."""
    page = parse_orders(body, symbol)
    for report in page.rows:
        told = {"clientOid": report.client_order_id, "orderId": report.exchange_order_id}
        _check_names(asked, told)
    return next(iter(page.rows), None)


def parse_orders(body: bytes, symbol: str | None = None) -> Page[OrderReport]:
    """GET /api/v2/spot/trade/unfilled-orders and history-orders."""
    reports = [parse_order(row, symbol) for row in _rows.decode(body).data or []]
    return Page(reports, _next_id([report.exchange_order_id for report in reports]))


class _PlanPageWire(Wire):
    order_list: list[dict[str, object]] | None
    next_flag: bool = False
    id_less_than: str | None = None


_plan_pages = msgspec.json.Decoder(Answer[_PlanPageWire | None], strict=False)


def parse_plans(body: bytes, symbol: str | None = None) -> Page[OrderReport]:
    """GET /api/v2/spot/trade/current-plan-order and history-plan-order."""
    wire = _plan_pages.decode(body).data or _PlanPageWire(order_list=None)
    reports = [parse_plan(row, symbol) for row in wire.order_list or []]
    return Page(reports, wire.id_less_than if wire.next_flag else None)


class _FeeWire(Wire):
    fee_coin: str
    total_fee: Decimal


class _FillWire(Wire):
    symbol: str
    order_id: str
    trade_id: str
    side: Literal["buy", "sell"]
    price_avg: Decimal
    size: Decimal
    fee_detail: _FeeWire
    trade_scope: Literal["taker", "maker"]
    c_time: int


_fills = msgspec.json.Decoder(Answer[list[_FillWire] | None], strict=False)


def parse_fills(body: bytes, symbol: str) -> Page[Fill]:
    """GET /api/v2/spot/trade/fills."""
    fills = [_to_fill(wire, symbol) for wire in _fills.decode(body).data or []]
    return Page(fills, _next_id([fill.trade_id for fill in fills]))


def _to_fill(wire: _FillWire, symbol: str) -> Fill:
    check_numbers(wire.price_avg, wire.size, wire.fee_detail.total_fee)
    return Fill(
        trade_id=wire.trade_id,
        exchange_order_id=wire.order_id,
        symbol=symbol,
        side=OrderSide(wire.side),
        quantity=wire.size,
        price=wire.price_avg,
        # What was paid is told as a negative number, so a rebate is a positive one.
        fee=-wire.fee_detail.total_fee,
        fee_asset=wire.fee_detail.fee_coin.upper(),
        is_maker=wire.trade_scope == "maker",
        executed_at=moment(wire.c_time),
    )


class _PlacedWire(Wire):
    order_id: str
    client_oid: str | None = None


_placed = msgspec.json.Decoder(Answer[_PlacedWire], strict=False)
_whole = msgspec.json.Decoder(dict[str, object])


class Placed(NamedTuple):
    """How an order was taken: the exchange's id for it (not always told), and when.

    `refusal` is why the new half of a cancel-and-replace was not taken, None where it was.
    """

    exchange_order_id: str
    at: datetime | None
    raw: dict[str, object]
    refusal: str | None = None


def parse_placed(body: bytes, asked: Mapping[str, object] = _NOTHING) -> Placed:
    """POST /api/v2/spot/trade/place-order, place-plan-order and modify-plan-order."""
    answer = _placed.decode(body)
    wire = answer.data
    if not wire.order_id:
        raise msgspec.ValidationError("it names no order")
    _check_names(asked, _told(clientOid=wire.client_oid, orderId=wire.order_id))
    return Placed(wire.order_id, _moment(answer.request_time), _whole.decode(body))


class _ReplacedWire(Wire):
    success: Literal["success", "failure"]
    order_id: str | None = None
    client_oid: str | None = None
    msg: str | None = None


_replaced = msgspec.json.Decoder(Answer[_ReplacedWire], strict=False)


def parse_replaced(body: bytes, asked: Mapping[str, object] = _NOTHING) -> Placed:
    """POST /api/v2/spot/trade/cancel-replace-order; it names the old order or the new one."""
    answer = _replaced.decode(body)
    wire = answer.data
    if wire.client_oid != asked.get("newClientOid"):
        _check_names(asked, _told(clientOid=wire.client_oid))
    refusal = None if wire.success == "success" else wire.msg or "no reason given"
    at = _moment(answer.request_time)
    return Placed(wire.order_id or "", at, _whole.decode(body), refusal)


class _CancelledWire(Wire):
    # An acknowledgement has ids, a market or this.
    result: str = "success"
    order_id: str | None = None
    client_oid: str | None = None
    symbol: str | None = None
    failure_list: list[dict[str, object]] = []


_cancelled = msgspec.json.Decoder(Answer[_CancelledWire], strict=False)


def parse_cancelled(body: bytes, asked: Mapping[str, object] = _NOTHING) -> None:
    """An acknowledged cancel, of one order or of many; raises msgspec.ValidationError for a half one."""
    wire = _cancelled.decode(body).data
    if wire.result != "success":
        raise msgspec.ValidationError(f"the cancel ended with {wire.result!r}")
    told = _told(clientOid=wire.client_oid, orderId=wire.order_id)
    _check_names(asked, told | _told(symbol=wire.symbol and wire.symbol.upper()))
    if wire.failure_list:
        raise msgspec.ValidationError(f"{len(wire.failure_list)} orders were not cancelled")


def _convert(raw: Mapping[str, object], kind: type[Kind]) -> Kind:
    # Bitget writes an empty string for what it does not tell.
    told = {name: value for name, value in raw.items() if value != ""}
    return msgspec.convert(told, kind, strict=False)


def _check_names(asked: Mapping[str, object], told: Mapping[str, str | None]) -> None:
    for name in asked.keys() & told.keys():
        if asked[name] != told[name]:
            raise msgspec.ValidationError(f"it tells of {name} {told[name]}, not of {asked[name]}")


def _told(**names: str | None) -> dict[str, str | None]:
    # An acknowledgement need not name what it is about.
    return {name: value for name, value in names.items() if value}


def _check_market(symbol: str | None, told: str) -> None:
    if symbol is not None and wire_symbol(symbol) != told.upper():
        raise msgspec.ValidationError(f"it tells of {told}, not of {symbol}")


def _market(told: str | None) -> str:
    if told is None:
        raise msgspec.ValidationError("a conditional order does not tell its market")
    return told.upper()


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else moment(milliseconds)


def _next_id(ids: Sequence[str]) -> str | None:
    """The smallest of a full page: older rows have smaller ids. Digits compare by length first."""
    return min(ids, key=lambda told: (len(told), told)) if len(ids) >= MAX_ROWS else None
