"""From a wanted order to one that the market's rules allow, or a clear no before anything is sent."""

from dataclasses import replace
from decimal import Decimal

from apps.domain.markets import ZERO, Market, ceil_to, floor_to
from apps.domain.orders import OrderSide, OrderType
from apps.exchanges.errors import InvalidOrder
from apps.exchanges.ports import AttachedExit, OrderRequest


def decimal_text(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros, which count as too much precision."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def fit_to_market(
    request: OrderRequest, market: Market, *, reference_price: Decimal | None = None
) -> OrderRequest:
    """The order with every number on the market's grid, never larger than it was.

    Sizes round down, limit prices in the trader's favour, triggers to the nearest tick. What the
    rules then forbid raises InvalidOrder with the rule's name. `reference_price` stands in for the
    price of a market order where the notional counts; without it the exchange judges that.
    """
    favour = floor_to if request.side is OrderSide.BUY else ceil_to
    at_market = not request.order_type.has_limit_price
    tick = market.tick_size
    quantity = request.quantity and market.round_quantity(request.quantity, at_market=at_market)
    quote_amount = request.quote_amount and floor_to(request.quote_amount, market.quote_step)
    price = request.price and favour(request.price, tick)
    trigger_price = _nearest(request.trigger_price, tick)
    exits = [
        each and (_nearest(each.trigger_price, tick), _nearest(each.price, tick))
        for each in (request.stop_loss, request.take_profit)
    ]
    attached = [number for each in exits if each for number in each]
    for number in (price, trigger_price, *attached):
        if number is not None and number <= 0:
            raise _refused("PRICE_FILTER", market, f"a price is below the tick {tick}")
    _check_size(request, market, quantity)
    _check_notional(market, quantity, quote_amount, price or trigger_price or reference_price)
    stop_loss, take_profit = (
        each and AttachedExit(trigger_price=each[0] or ZERO, price=each[1]) for each in exits
    )
    return replace(
        request,
        quantity=quantity,
        quote_amount=quote_amount,
        price=price,
        trigger_price=trigger_price,
        stop_loss=stop_loss,
        take_profit=take_profit,
    )


def _nearest(price: Decimal | None, tick: Decimal) -> Decimal | None:
    return price if price is None or not tick else (price / tick).to_integral_value() * tick


def _check_size(request: OrderRequest, market: Market, quantity: Decimal | None) -> None:
    if quantity is not None:
        is_market = request.order_type is OrderType.MARKET
        lows = [market.min_quantity, market.market_min_quantity if is_market else ZERO]
        highs = [market.max_quantity, market.market_max_quantity if is_market else ZERO]
        _check_range("LOT_SIZE", market, quantity, market.base, lows, highs)


def _check_notional(
    market: Market, quantity: Decimal | None, amount: Decimal | None, price: Decimal | None
) -> None:
    if amount is None and quantity is not None and price is not None:
        amount = quantity * price
    if amount is not None:
        lows, highs = [market.min_notional], [market.max_notional]
        _check_range("NOTIONAL", market, amount, market.quote, lows, highs)


def _check_range(
    rule: str, market: Market, value: Decimal, unit: str, lows: list[Decimal], highs: list[Decimal]
) -> None:
    smallest, largest = max(lows), min(filter(None, highs), default=None)
    if value <= 0 or value < smallest:
        raise _refused(
            rule, market, f"{decimal_text(value)} {unit} is less than {decimal_text(smallest)}"
        )
    if largest is not None and value > largest:
        raise _refused(
            rule, market, f"{decimal_text(value)} {unit} is more than {decimal_text(largest)}"
        )


def _refused(rule: str, market: Market, why: str) -> InvalidOrder:
    error = InvalidOrder(f"{market.symbol} does not take this order: {why}. {InvalidOrder.advice}")
    error.filter_name = rule
    return error
