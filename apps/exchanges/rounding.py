"""From a wanted order to one that the market's rules allow, or a clear no before anything is sent."""

from dataclasses import replace
from decimal import Decimal

from apps.domain.markets import ZERO, Market, ceil_to, floor_to
from apps.domain.orders import OrderSide, OrderType
from apps.exchanges.errors import InvalidOrder
from apps.exchanges.ports import AttachedExit, OrderRequest


def decimal_text(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros, which count as too much precision."""
    return format(value.normalize(), "f")


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
    fitted = replace(
        request,
        quantity=request.quantity and market.round_quantity(request.quantity, at_market=at_market),
        quote_amount=request.quote_amount and floor_to(request.quote_amount, market.quote_step),
        price=request.price and favour(request.price, market.tick_size),
        trigger_price=_nearest(request.trigger_price, market.tick_size),
        stop_loss=_fit_exit(request.stop_loss, market),
        take_profit=_fit_exit(request.take_profit, market),
    )
    _check(fitted, market, reference_price)
    return fitted


def _fit_exit(attached: AttachedExit | None, market: Market) -> AttachedExit | None:
    return attached and AttachedExit(
        trigger_price=_nearest(attached.trigger_price, market.tick_size) or Decimal(0),
        price=_nearest(attached.price, market.tick_size),
    )


def _nearest(price: Decimal | None, tick: Decimal) -> Decimal | None:
    return price if price is None or not tick else (price / tick).to_integral_value() * tick


def _check(request: OrderRequest, market: Market, reference_price: Decimal | None) -> None:
    for price in (request.price, request.trigger_price):
        if price is not None and price <= 0:
            raise _refused("PRICE_FILTER", market, f"a price is below the tick {market.tick_size}")
    if request.quantity is not None:
        is_market = request.order_type is OrderType.MARKET
        lows = [market.min_quantity, market.market_min_quantity if is_market else ZERO]
        highs = [market.max_quantity, market.market_max_quantity if is_market else ZERO]
        _check_range("LOT_SIZE", market, request.quantity, market.base, lows, highs)
    notional = _notional(request, reference_price)
    if notional is not None:
        lows, highs = [market.min_notional], [market.max_notional]
        _check_range("NOTIONAL", market, notional, market.quote, lows, highs)


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


def _notional(request: OrderRequest, reference_price: Decimal | None) -> Decimal | None:
    if request.quote_amount is not None:
        return request.quote_amount
    price = request.price or request.trigger_price or reference_price
    return None if price is None or request.quantity is None else request.quantity * price


def _refused(rule: str, market: Market, why: str) -> InvalidOrder:
    error = InvalidOrder(f"{market.symbol} does not take this order: {why}. {InvalidOrder.advice}")
    error.filter_name = rule
    return error
