"""Binance's names for our nouns, and back."""

from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderStatus, OrderType, TimeInForce
from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.exchange import PaperExchange

SIDES = {"BUY": OrderSide.BUY, "SELL": OrderSide.SELL}
ORDER_TYPES = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}
TIMES_IN_FORCE = {each.upper(): each for each in TimeInForce if each is not TimeInForce.POST_ONLY}
STATUSES = {
    OrderStatus.OPEN: "NEW",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELLED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
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
