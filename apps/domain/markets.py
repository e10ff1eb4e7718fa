"""One tradable pair and the rules its exchange sets for orders in it."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`; a step of zero changes nothing."""
    if not step:
        return value
    return (value / step).to_integral_value(rounding=ROUND_DOWN) * step


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Rules of one pair; quantities are in `base`, prices and notionals in `quote`, zero means no rule."""

    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    step_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    is_trading: bool = True

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Round down: an order is never larger than what was approved."""
        return floor_to(quantity, self.step_size)

    def round_price(self, price: Decimal) -> Decimal:
        """Round down to the tick."""
        return floor_to(price, self.tick_size)

    def is_sellable(self, quantity: Decimal, price: Decimal) -> bool:
        """Whether the exchange would take an order of this quantity at this price."""
        rounded = self.round_quantity(quantity)
        return rounded >= self.min_quantity and rounded > 0 and rounded * price >= self.min_notional
