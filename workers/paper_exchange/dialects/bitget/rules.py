"""The rules of a symbol: the same data is shown to clients and applied to their orders."""

from decimal import Decimal

from apps.domain.markets import Market
from apps.domain.orders import OrderSide
from workers.paper_exchange.dialects.bitget import errors
from workers.paper_exchange.dialects.bitget.names import digits_of

#: How far above the market a purchase may be offered, and a sale below it.
PRICE_RATIO = Decimal("0.05")
LARGEST_ORDER_COUNT = 400
#: Decimals of an amount in quote.
QUOTE_DIGITS = 6


def check_price(market: Market, name: str, price: Decimal) -> None:
    """A price has the decimals of its symbol."""
    _check_scale(name, price, digits_of(market.tick_size))


def check_quantity(market: Market, quantity: Decimal) -> None:
    """A quantity in base has the decimals of its symbol and lies within bounds."""
    _check_scale("size", quantity, digits_of(market.step_size))
    if quantity < market.min_quantity:
        raise errors.quantity_too_small()
    if market.max_quantity and quantity > market.max_quantity:
        raise errors.quantity_too_large()


def check_amount(amount: Decimal) -> None:
    """An amount in quote has the decimals for it."""
    _check_scale("size", amount, QUOTE_DIGITS)


def check_value(market: Market, value: Decimal) -> None:
    """An order is worth enough."""
    if value < market.min_notional:
        raise errors.too_small(market.min_notional, market.quote)


def check_ratio(market: Market, side: OrderSide, price: Decimal, market_price: Decimal) -> None:
    """A purchase is not offered far above the market, nor a sale far below."""
    if side is OrderSide.BUY:
        highest = market.round_price(market_price * (1 + PRICE_RATIO))
        if price > highest:
            raise errors.price_too_high(highest)
    else:
        lowest = market.round_price(market_price * (1 - PRICE_RATIO))
        if price < lowest:
            raise errors.price_too_low(lowest)


def _check_scale(name: str, value: Decimal, digits: int) -> None:
    if digits_of(value) > digits:
        raise errors.too_precise(name, value, digits)
