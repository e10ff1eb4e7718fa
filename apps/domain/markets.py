"""One tradable pair and the rules its exchange sets for orders in it."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal, localcontext

ZERO = Decimal(0)
#: Of a quotient; amounts and prices have half as many at most.
_DIGITS = 80


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`; a step of zero changes nothing."""
    if not step:
        return value
    return _multiple(value, step, ROUND_DOWN)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `value`; a step of zero changes nothing."""
    if not step:
        return value
    return _multiple(value, step, ROUND_UP)


def _multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    # With few digits the quotient itself would be rounded, and in either direction.
    with localcontext(prec=_DIGITS):
        return (value / step).to_integral_value(rounding=rounding) * step


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Rules of one pair; quantities are in `base`, prices and notionals in `quote`, zero means no rule.

    Where market orders have a lot of their own, `market_step_size` and its neighbours hold for them
    besides the common one. `quote_step` is the precision of an amount in quote.
    """

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    max_notional: Decimal = ZERO
    market_step_size: Decimal = ZERO
    market_min_quantity: Decimal = ZERO
    market_max_quantity: Decimal = ZERO
    quote_step: Decimal = ZERO
    is_trading: bool = True

    def round_quantity(self, quantity: Decimal, *, at_market: bool = False) -> Decimal:
        """Round down: an order is never larger than what was approved."""
        step = max(self.step_size, self.market_step_size) if at_market else self.step_size
        return floor_to(quantity, step)

    def round_price(self, price: Decimal) -> Decimal:
        """Round down to the tick."""
        return floor_to(price, self.tick_size)

    def is_sellable(self, quantity: Decimal, price: Decimal) -> bool:
        """Whether the exchange would take an order of this quantity at this price."""
        rounded = self.round_quantity(quantity)
        return rounded >= self.min_quantity and rounded > 0 and rounded * price >= self.min_notional

    def is_too_large(self, quantity: Decimal, price: Decimal, *, at_market: bool = False) -> bool:
        """Whether the exchange would refuse an order of this quantity at this price for its size."""
        most = [self.max_quantity, self.market_max_quantity if at_market else ZERO]
        return any(0 < limit < quantity for limit in most) or (
            0 < self.max_notional < quantity * price
        )
