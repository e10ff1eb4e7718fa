"""Accounts, orders and fills as Binance's JSON; times in milliseconds of market time."""

from collections.abc import Sequence
from decimal import Decimal

from apps.domain.environments import Exchange
from apps.domain.markets import Market
from apps.domain.orders import OrderListKind, OrderSide
from workers.paper_exchange.dialects.binance.filters import Row, plain
from workers.paper_exchange.dialects.binance.names import (
    expiry_word,
    self_trade_word,
    status_word,
    time_word,
    trailing_delta,
    type_word,
    wire_symbol,
)
from workers.paper_exchange.orders import ZERO, Account, Fill, Order, OrderList
from workers.paper_exchange.venues import VENUES

_ZERO = plain(ZERO)
_FEE_RATE = VENUES[Exchange.BINANCE].taker_fee


def order_row(order: Order) -> Row:
    """What every report of an order has in common."""
    return {
        "symbol": order.symbol.replace("/", ""),
        "orderId": order.order_id,
        "orderListId": order.list_id or -1,
        "clientOrderId": order.client_order_id,
        "price": plain(order.price),
        "origQty": plain(order.quantity),
        "executedQty": plain(order.filled_quantity),
        "origQuoteOrderQty": plain(order.quote_amount),
        "cummulativeQuoteQty": plain(order.filled_quote),
        "status": status_word(order),
        "timeInForce": time_word(order),
        "type": type_word(order),
        "side": order.side.upper(),
        **_conditional_fields(order),
        "selfTradePreventionMode": self_trade_word(order),
    }


def queried_order_row(order: Order) -> Row:
    """An order as look-ups and lists give it."""
    return {
        "stopPrice": _ZERO,
        **order_row(order),
        "icebergQty": _ZERO,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.working_ms > 0,
        "workingTime": order.working_ms or -1,
    }


def cancelled_order_row(order: Order, cancel_id: str) -> Row:
    """The answer to a cancel: the order's id moves aside for the cancel's own."""
    return {
        **order_row(order),
        "origClientOrderId": order.client_order_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
    }


def amended_order_row(order: Order, former_id: str, execution_id: int) -> Row:
    """The answer to an amendment."""
    row = order_row(order)
    kept = ("symbol", "orderId", "orderListId", "clientOrderId", "price", "executedQty", "status")
    rest = ("timeInForce", "type", "side", "selfTradePreventionMode")
    return {
        "transactTime": order.updated_ms,
        "executionId": execution_id,
        "amendedOrder": {
            **{name: row[name] for name in kept},
            "origClientOrderId": former_id,
            "qty": row["origQty"],
            "preventedQty": _ZERO,
            "quoteOrderQty": row["origQuoteOrderQty"],
            "cumulativeQuoteQty": row["cummulativeQuoteQty"],
            "workingTime": order.working_ms or -1,
            **{name: row[name] for name in rest},
        },
    }


def placed_order_row(order: Order, fills: Sequence[Fill], response_type: str) -> Row:
    """The answer to a new order: ACK, RESULT or FULL."""
    row = {**order_row(order), "transactTime": order.updated_ms}
    if response_type == "ACK":
        names = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")
        return {name: row[name] for name in names}
    row["workingTime"] = order.working_ms or -1
    if response_type == "FULL":
        row["fills"] = [_fill_row(fill) for fill in fills]
    return row


def list_row(account: Account, listed: OrderList) -> Row:
    """An order list; an entry with a bracket is a list of the same kind as one with a follower."""
    orders = [account.orders[order_id] for order_id in listed.order_ids]
    is_done = not any(order.is_open for order in orders)
    return {
        "orderListId": listed.list_id,
        "contingencyType": "OCO" if listed.kind is OrderListKind.OCO else "OTO",
        "listStatusType": "ALL_DONE" if is_done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if is_done else "EXECUTING",
        "listClientOrderId": listed.client_list_id,
        "transactionTime": max(order.updated_ms for order in orders),
        "symbol": listed.symbol.replace("/", ""),
        "orders": [
            {
                "symbol": order.symbol.replace("/", ""),
                "orderId": order.order_id,
                "clientOrderId": order.client_order_id,
            }
            for order in orders
        ],
    }


def trade_row(fill: Fill, order: Order) -> Row:
    """A row of myTrades."""
    return {
        "symbol": fill.symbol.replace("/", ""),
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": order.list_id or -1,
        "price": plain(fill.price),
        "qty": plain(fill.quantity),
        "quoteQty": plain(fill.price * fill.quantity),
        "commission": plain(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.filled_ms,
        "isBuyer": fill.side is OrderSide.BUY,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def account_row(account: Account, assets: Sequence[str]) -> Row:
    """The account and the balances of `assets`."""
    points = int(_FEE_RATE * 10_000)
    return {
        "makerCommission": points,
        "takerCommission": points,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": commission_rates(_FEE_RATE),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": account.updated_ms,
        "accountType": "SPOT",
        "balances": [
            {
                "asset": asset,
                "free": plain(account.free.get(asset, ZERO)),
                "locked": plain(account.locked.get(asset, ZERO)),
            }
            for asset in assets
        ],
        "permissions": ["SPOT"],
        "uid": int.from_bytes(account.key.encode()[:4], "big"),
    }


def commission_row(market: Market) -> Row:
    """What a symbol's trades cost."""
    nothing = commission_rates(ZERO)
    return {
        "symbol": wire_symbol(market),
        "standardCommission": commission_rates(_FEE_RATE),
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": _ZERO,
        },
    }


def commission_rates(rate: Decimal) -> Row:
    """A rate that makers and takers pay alike."""
    return {"maker": plain(rate), "taker": plain(rate), "buyer": _ZERO, "seller": _ZERO}


def order_rates(rates: object) -> Row:
    """What an order would pay, of the rates of its symbol."""
    known = rates if isinstance(rates, dict) else {}
    return {name: known[name] for name in ("maker", "taker")}


def _conditional_fields(order: Order) -> Row:
    """What only some orders have."""
    row: Row = {}
    if order.trigger_price:
        row["stopPrice"] = plain(order.trigger_price)
    if order.trailing_share:
        row["trailingDelta"] = trailing_delta(order)
        row["trailingTime"] = order.created_ms if order.best_price else -1
    row |= {
        name: int(order.labels[name])
        for name in ("strategyId", "strategyType")
        if name in order.labels
    }
    reason = expiry_word(order)
    return row if reason is None else {**row, "expiryReason": reason}


def _fill_row(fill: Fill) -> Row:
    return {
        "price": plain(fill.price),
        "qty": plain(fill.quantity),
        "commission": plain(fill.fee),
        "commissionAsset": fill.fee_asset,
        "tradeId": fill.trade_id,
    }
