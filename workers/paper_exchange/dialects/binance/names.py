"""Binance's names for our nouns, and back."""

from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import DAY_MS, MINUTE_MS, TIMEFRAMES
from workers.paper_exchange.orders import EndReason, NewOrder, Order, Phase, SelfTrade

SIDES = {"BUY": OrderSide.BUY, "SELL": OrderSide.SELL}
LIMIT_MAKER = "LIMIT_MAKER"
#: Intervals of candles with their lengths in milliseconds.
INTERVALS = TIMEFRAMES | {
    "30m": 30 * MINUTE_MS,
    "6h": DAY_MS // 4,
    "8h": DAY_MS // 3,
    "12h": DAY_MS // 2,
    "3d": 3 * DAY_MS,
}
ORDER_TYPES = {
    "LIMIT": OrderType.LIMIT,
    LIMIT_MAKER: OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP_LOSS,
    "STOP_LOSS_LIMIT": OrderType.STOP_LOSS_LIMIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
}
TIMES_IN_FORCE = {each.upper(): each for each in TimeInForce if each is not TimeInForce.POST_ONLY}
SELF_TRADE_MODES = {
    "NONE": SelfTrade.ALLOW,
    "EXPIRE_TAKER": SelfTrade.END_TAKER,
    "EXPIRE_MAKER": SelfTrade.END_MAKER,
    "EXPIRE_BOTH": SelfTrade.END_BOTH,
}
#: A trailing distance is told in hundredths of a percent.
BASIS_POINTS = 10_000
_MODE_WORDS = {mode: word for word, mode in SELF_TRADE_MODES.items()}
_STATUSES = {
    OrderStatus.OPEN: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELLED: "CANCELED",
    OrderStatus.REJECTED: "REJECTED",
    OrderStatus.EXPIRED: "EXPIRED",
}
_EXPIRY_REASONS = {
    EndReason.NO_LIQUIDITY: "INSUFFICIENT_LIQUIDITY",
    EndReason.IMMEDIATE_ONLY: "UNFILLED_IOC_QUANTITY_EXPIRED",
    EndReason.WHOLE_ONLY: "UNFILLED_FOK_ORDER_EXPIRED",
    EndReason.OTHER_LEG: "OCO_TRIGGER",
    EndReason.ENTRY_ENDED: "OTO_PHASE_ONE_EXPIRED",
    EndReason.EXCHANGE: "EXCHANGE_CANCELED",
}


def wire_symbol(market: Market) -> str:
    """BTCUSDT for BTC/USDT."""
    return market.base + market.quote


def get_market(exchange: PaperExchange, symbol: str) -> Market:
    """The market that a client names; raises BinanceError."""
    for market in exchange.feed.markets.values():
        if wire_symbol(market) == symbol:
            return market
    raise errors.invalid_symbol()


def type_word(order: NewOrder | Order) -> str:
    """The order's type; one that may only rest has a type of its own."""
    is_maker = order.time_in_force is TimeInForce.POST_ONLY
    return LIMIT_MAKER if is_maker else order.order_type.upper()


def time_word(order: Order) -> str:
    """The order's time in force."""
    is_maker = order.time_in_force is TimeInForce.POST_ONLY
    return "GTC" if is_maker else order.time_in_force.upper()


def status_word(order: Order) -> str:
    """The order's status."""
    if order.phase is Phase.PENDING:
        return "PENDING_NEW"
    if order.end_reason is EndReason.SELF_TRADE:
        return "EXPIRED_IN_MATCH"
    return _STATUSES[order.status]


def self_trade_word(order: Order) -> str:
    """What becomes of the order when it meets another one of its account."""
    return _MODE_WORDS[order.self_trade]


def expiry_word(order: Order) -> str | None:
    """Why an order has expired; None for one that has not."""
    return _EXPIRY_REASONS.get(order.end_reason) if order.end_reason else None


def trailing_delta(order: NewOrder | Order) -> int:
    """The trailing distance in hundredths of a percent; 0 of an order that trails nothing."""
    return int(order.trailing_share * BASIS_POINTS)
