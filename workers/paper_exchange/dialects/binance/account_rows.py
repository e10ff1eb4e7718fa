"""Accounts, orders and fills as Binance's JSON; times in milliseconds of market time."""

from collections.abc import Sequence
from decimal import Decimal

from apps.domain.environments import Exchange
from apps.domain.markets import Market
from apps.domain.orders import OrderSide
from workers.paper_exchange.dialects.binance.filters import Row, plain
from workers.paper_exchange.dialects.binance.names import STATUSES, wire_symbol
from workers.paper_exchange.orders import ZERO, Account, Fill, Order
from workers.paper_exchange.venues import VENUES

_ZERO = plain(ZERO)
_FEE_RATE = VENUES[Exchange.BINANCE].taker_fee


def order_row(order: Order) -> Row:
    """What every report of an order has in common."""
    return {
        "symbol": order.symbol.replace("/", ""),
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "price": plain(order.price),
        "origQty": plain(order.quantity),
        "executedQty": plain(order.filled_quantity),
        "origQuoteOrderQty": plain(order.quote_amount),
        "cummulativeQuoteQty": plain(order.filled_quote),
        "status": STATUSES[order.status],
        "timeInForce": order.time_in_force.upper(),
        "type": order.order_type.upper(),
        "side": order.side.upper(),
        "selfTradePreventionMode": "NONE",
    }


def queried_order_row(order: Order) -> Row:
    """An order as look-ups and lists give it."""
    return {
        **order_row(order),
        "stopPrice": _ZERO,
        "icebergQty": _ZERO,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
    }


def cancelled_order_row(order: Order, cancel_id: str) -> Row:
    """The answer to a cancel: the order's id moves aside for the cancel's own."""
    return {
        **order_row(order),
        "origClientOrderId": order.client_order_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
    }


def placed_order_row(order: Order, fills: Sequence[Fill], response_type: str) -> Row:
    """The answer to a new order: ACK, RESULT or FULL."""
    row = {**order_row(order), "transactTime": order.updated_ms}
    if response_type == "ACK":
        names = ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")
        return {name: row[name] for name in names}
    row["workingTime"] = order.created_ms
    if response_type == "FULL":
        row["fills"] = [_fill_row(fill) for fill in fills]
    return row


def trade_row(fill: Fill) -> Row:
    """A row of myTrades."""
    return {
        "symbol": fill.symbol.replace("/", ""),
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
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


def _fill_row(fill: Fill) -> Row:
    return {
        "price": plain(fill.price),
        "qty": plain(fill.quantity),
        "commission": plain(fill.fee),
        "commissionAsset": fill.fee_asset,
        "tradeId": fill.trade_id,
    }
