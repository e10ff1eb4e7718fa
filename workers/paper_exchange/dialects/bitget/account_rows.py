"""Accounts, orders and fills as Bitget's JSON; times in milliseconds of market time, as text."""

import json
from decimal import Decimal

from apps.domain.orders import OrderSide
from workers.paper_exchange.dialects.bitget.names import (
    SELF_TRADE_WORDS,
    STATUSES,
    Kind,
    client_id,
    has_fired,
    kind_of,
    plain,
    plan_id,
    trade_id,
    wire_id,
    wire_symbol,
)
from workers.paper_exchange.orders import ZERO, Account, Fill, Order

Row = dict[str, object]


def asset_row(account: Account, coin: str) -> Row:
    """What an account holds of a coin; orders freeze, other products would lock."""
    return {
        "coin": coin,
        "available": plain(account.free.get(coin, ZERO)),
        "frozen": plain(account.locked.get(coin, ZERO)),
        "locked": "0",
        "limitAvailable": "0",
        "uTime": str(account.updated_ms),
    }


def account_row(account: Account) -> Row:
    """The account and what its key may do: read and trade."""
    return {
        "userId": user_id(account),
        "inviterId": "",
        "ips": "",
        "authorities": ["stow", "stor"],
        "parentId": int(user_id(account)),
        "traderType": "not_trader",
        "channelCode": "",
        "channel": "",
        "regisTime": str(account.opened_ms),
    }


def order_row(account: Account, order: Order) -> Row:
    """An order as look-ups and the history give it: limit and average price apart."""
    return {
        **_common(account, order),
        "price": plain(order.price),
        "priceAvg": plain(average_price(order)),
        "feeDetail": _fee_detail(_fees(account, order)),
        "cancelReason": "",
    }


def open_row(account: Account, order: Order) -> Row:
    """An order in the list of open ones: there the average price is the limit, and no price."""
    return {
        **_common(account, order),
        "priceAvg": plain(order.price),
        "basePrice": plain(average_price(order)),
    }


def plan_row(order: Order) -> Row:
    """A trigger order, without what it has placed."""
    return {
        "orderId": plan_id(order),
        "clientOid": order.client_order_id,
        "symbol": wire_symbol(order.symbol),
        "size": plain(plan_size(order)),
        "planType": order.labels["plan_type"].upper(),
        "executePrice": plain(order.price),
        "triggerPrice": plain(order.trigger_price),
        "status": plan_status(order),
        "orderType": _type_word(order),
        "side": order.side.value,
        "triggerType": order.labels["trigger_type"],
        "enterPointSource": "API",
        "cTime": str(order.created_ms),
        "uTime": str(order.triggered_ms or order.updated_ms),
    }


def pushed_plan_row(order: Order) -> Row:
    """A trigger order as the stream tells it."""
    row = plan_row(order)
    return {
        "instId": row.pop("symbol"),
        **row,
        "planType": order.labels["plan_type"],
        "price": row["triggerPrice"],
        "actualSize": plain(order.filled_quantity),
        "stpMode": SELF_TRADE_WORDS[order.self_trade],
    }


def sub_order_row(order: Order) -> Row:
    """What a trigger order did when it fired."""
    fired = has_fired(order)
    return {
        "orderId": wire_id(order) if fired else "",
        "price": plain(order.price),
        "type": _type_word(order),
        "status": "success" if fired else "fail",
    }


def fill_row(account: Account, fill: Fill) -> Row:
    """A row of fills: the fee is an object, and negative."""
    order = account.orders[fill.order_id]
    return {
        "userId": user_id(account),
        **_fill(fill, order),
        "feeDetail": {
            "deduction": "no",
            "feeCoin": fill.fee_asset,
            "totalDeductionFee": "",
            "totalFee": plain(-fill.fee),
        },
    }


def pushed_fill_row(fill: Fill, order: Order) -> Row:
    """A fill as the stream tells it: the fee is in a list, and positive."""
    fee = {
        "feeCoin": fill.fee_asset,
        "deduction": "no",
        "totalDeductionFee": "0",
        "totalFee": plain(fill.fee),
    }
    return {**_fill(fill, order), "feeDetail": [fee]}


def pushed_order_row(account: Account, order: Order, fill: Fill | None) -> Row:
    """An order as the stream tells it, with the fill that it tells of."""
    is_buy, is_market = order.side is OrderSide.BUY, _is_market(order)
    quoted = _size(order) if is_buy and is_market else order.quantity * order.price
    fees = _fees(account, order)
    row: Row = {
        "instId": wire_symbol(order.symbol),
        "orderId": wire_id(order),
        "clientOid": client_id(order),
        "size": plain(quoted if is_buy else order.quantity),
        "newSize": plain(_size(order)),
        "notional": plain(quoted),
        "orderType": _type_word(order),
        "force": order.time_in_force.value,
        "side": order.side.value,
        "price": plain(order.price),
        "accBaseVolume": plain(order.filled_quantity),
        "priceAvg": plain(average_price(order)),
        "status": STATUSES[order.status],
        "cTime": str(_created_ms(order)),
        "uTime": str(order.updated_ms),
        "stpMode": SELF_TRADE_WORDS[order.self_trade],
        "feeDetail": [{"feeCoin": coin, "fee": plain(-fee)} for coin, fee in fees.items()],
        "enterPointSource": "API",
    }
    if fill is not None:
        row |= {
            "fillPrice": plain(fill.price),
            "tradeId": trade_id(fill.trade_id),
            "baseVolume": plain(fill.quantity),
            "fillTime": str(fill.filled_ms),
            "fillFee": plain(-fill.fee),
            "fillFeeCoin": fill.fee_asset,
            "tradeScope": "M" if fill.is_maker else "T",
        }
    return row


def user_id(account: Account) -> str:
    """A number that stands for the account's key."""
    return str(int.from_bytes(account.key.encode()[:4], "big"))


def plan_status(order: Order) -> str:
    """How far a trigger order has come."""
    if has_fired(order):
        return "executed"
    if order.is_open:
        return "live"
    return "fail_trigger" if order.triggered_ms else "cancelled"


def plan_size(order: Order) -> Decimal:
    """The size as it was asked for, in base or quote."""
    if order.quote_amount:
        return order.quote_amount
    return order.quantity * order.price if _is_total(order) else order.quantity


def average_price(order: Order) -> Decimal:
    """What a unit has cost so far, zero before the first fill."""
    if not order.filled_quantity:
        return ZERO
    return (order.filled_quote / order.filled_quantity).quantize(Decimal("1e-16"))


def _common(account: Account, order: Order) -> Row:
    base, _, quote = order.symbol.partition("/")
    is_tpsl = kind_of(order) is Kind.TPSL
    return {
        "userId": user_id(account),
        "symbol": wire_symbol(order.symbol),
        "orderId": wire_id(order),
        "clientOid": client_id(order),
        "size": plain(_size(order)),
        "orderType": _type_word(order),
        "side": order.side.value,
        "status": STATUSES[order.status],
        "baseVolume": plain(order.filled_quantity),
        "quoteVolume": plain(order.filled_quote),
        "enterPointSource": "API",
        "orderSource": "market" if _is_market(order) else "normal",
        "tpslType": "tpsl" if is_tpsl else "normal",
        "triggerPrice": plain(order.trigger_price) if is_tpsl else None,
        "quoteCoin": quote,
        "baseCoin": base,
        "cTime": str(_created_ms(order)),
        "uTime": str(order.updated_ms),
    }


def _fill(fill: Fill, order: Order) -> Row:
    return {
        "symbol": wire_symbol(fill.symbol),
        "orderId": wire_id(order),
        "tradeId": trade_id(fill.trade_id),
        "orderType": _type_word(order),
        "side": fill.side.value,
        "priceAvg": plain(fill.price),
        "size": plain(fill.quantity),
        "amount": plain(fill.price * fill.quantity),
        "tradeScope": "maker" if fill.is_maker else "taker",
        "cTime": str(fill.filled_ms),
        "uTime": str(fill.filled_ms),
    }


def _created_ms(order: Order) -> int:
    return order.triggered_ms if kind_of(order) is Kind.PLAN else order.created_ms


def _is_market(order: Order) -> bool:
    return not order.order_type.has_limit_price


def _type_word(order: Order) -> str:
    return "limit" if order.order_type.has_limit_price else "market"


def _is_total(order: Order) -> bool:
    return order.labels.get("plan_type") == "total"


def _size(order: Order) -> Decimal:
    """In base; of a purchase at market in quote, even of one that was wanted in base."""
    if _is_market(order) and order.side is OrderSide.BUY:
        return order.quote_amount or order.filled_quote
    return order.quantity


def _fees(account: Account, order: Order) -> dict[str, Decimal]:
    fees: dict[str, Decimal] = {}
    for fill in account.fills_of(order) if order.filled_quantity else ():
        fees[fill.fee_asset] = fees.get(fill.fee_asset, ZERO) + fill.fee
    return fees


def _fee_detail(fees: dict[str, Decimal]) -> str:
    """Fees as text with JSON in it; empty before the first fill."""
    if not fees:
        return ""
    total = -float(sum(fees.values()))
    told: Row = {
        "newFees": {
            "c": 0,
            "d": 0,
            "deduction": False,
            "r": total,
            "t": total,
            "totalDeductionFee": 0,
        }
    }
    for coin, fee in fees.items():
        told[coin] = {
            "deduction": False,
            "feeCoinCode": coin,
            "totalDeductionFee": 0,
            "totalFee": -float(fee),
        }
    return json.dumps(told, separators=(",", ":"))
