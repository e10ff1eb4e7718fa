"""Bitget's names for our nouns, and back."""

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.dialects.bitget import errors
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import Order, SelfTrade

SIDES = {each.value: each for each in OrderSide}
ORDER_TYPES = {"limit": OrderType.LIMIT, "market": OrderType.MARKET}
FORCES = {each.value: each for each in TimeInForce}
SELF_TRADES = {
    "none": SelfTrade.ALLOW,
    "cancel_taker": SelfTrade.END_TAKER,
    "cancel_maker": SelfTrade.END_MAKER,
    "cancel_both": SelfTrade.END_BOTH,
}
SELF_TRADE_WORDS = {mode: word for word, mode in SELF_TRADES.items()}
STATUSES = {
    OrderStatus.OPEN: "live",
    OrderStatus.PARTIALLY_FILLED: "partially_filled",
    OrderStatus.FILLED: "filled",
    OrderStatus.CANCELLED: "cancelled",
    OrderStatus.EXPIRED: "cancelled",
    OrderStatus.REJECTED: "cancelled",
}

#: Ids have nineteen digits. Each order of the matching engine has two of them: an even one, and an
#: odd one for the ordinary order that a trigger order places when it fires.
_FIRST_ID = 1_200_000_000_000_000_000
_LONGEST_ID = 30


class Kind(StrEnum):
    """In which of the exchange's lists an order is kept."""

    NORMAL = "normal"
    TPSL = "tpsl"
    PLAN = "plan"


class OrderName(NamedTuple):
    """What an id on the wire stands for."""

    order_id: int
    is_placed_by_plan: bool


def kind_of(order: Order) -> Kind:
    """Exits that came with an entry are kept with the stand-alone ones."""
    if "attached_to" in order.labels:
        return Kind.TPSL
    return Kind(order.labels.get("kind", Kind.NORMAL))


def has_fired(order: Order) -> bool:
    """Whether a trigger order has placed something."""
    return bool(order.triggered_ms) and order.status is not OrderStatus.REJECTED


def is_ordinary(order: Order) -> bool:
    """Whether it is told among the orders, rather than among the trigger orders only."""
    return kind_of(order) is not Kind.PLAN or has_fired(order)


def plan_id(order: Order) -> str:
    """The id of a trigger order."""
    return str(_FIRST_ID + 2 * order.order_id)


def wire_id(order: Order) -> str:
    """The id of an order; of a trigger order that of what it placed."""
    return str(_FIRST_ID + 2 * order.order_id + (kind_of(order) is Kind.PLAN))


def client_id(order: Order) -> str:
    """A client's name for an order; what a trigger order places has one of the exchange's own."""
    return wire_id(order) if kind_of(order) is Kind.PLAN else order.client_order_id


def trade_id(number: int) -> str:
    """The id of a fill."""
    return str(_FIRST_ID + number)


def read_id(text: str) -> OrderName:
    """Which order an id names; raises BitgetError for what is no number."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID):
        raise errors.wrong("orderId")
    number = int(text) - _FIRST_ID
    return OrderName(number // 2, bool(number % 2))


def wire_symbol(symbol: str) -> str:
    """BTCUSDT for BTC/USDT."""
    return symbol.replace("/", "")


def get_market(exchange: PaperExchange, symbol: str) -> Market:
    """The market that a client names, in any case; raises BitgetError."""
    for market in exchange.feed.markets.values():
        if wire_symbol(market.symbol) == symbol.upper():
            return market
    raise errors.no_such_symbol()


def digits_of(step: Decimal) -> int:
    """How many decimals a step has."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


def plain(number: Decimal) -> str:
    """A number as the wire has it: no exponent, no superfluous zeros."""
    return f"{number.normalize():f}" if number else "0"
