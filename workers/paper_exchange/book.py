"""What the market itself offers around its price, beside the orders of the exchange's own users."""

from decimal import ROUND_UP, Decimal
from typing import NamedTuple

from apps.domain.markets import floor_to
from apps.domain.orders import OrderSide
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import Owned

#: Prices on each side of the book, and how much of a minute's volume the first of them offers.
LEVELS = 20
FIRST_LEVEL_SHARE = Decimal("0.05")
#: Each level offers this much more than the one before it.
GROWTH = Decimal("0.25")
#: Between two levels, as a fraction of the price.
SPACING = Decimal("0.0001")
#: Prices in a candle, so that one of them stands for this part of its volume.
TICKS_PER_CANDLE = 12
ENDLESS = Decimal("Infinity")


class Level(NamedTuple):
    """A price and how much can be traded at it."""

    price: Decimal
    quantity: Decimal


class Match(NamedTuple):
    """One execution to come: at a price, against the market or against a resting order."""

    price: Decimal
    quantity: Decimal
    maker: Owned | None


class Liquidity:
    """The market's own offers at one moment; what is taken is gone until the next price.

    Without depth there is one price for everything, and no spread.
    """

    def __init__(self, quote: Quote, *, step_size: Decimal, has_depth: bool) -> None:
        self._quote = quote
        self._step_size = step_size
        self._has_depth = has_depth
        self._taken = {side: Decimal(0) for side in OrderSide}
        self._levels: dict[OrderSide, list[Level]] = {}

    @property
    def passing(self) -> Decimal:
        """How much of the resting orders one price that goes through them can fill."""
        if not self._has_depth:
            return ENDLESS
        return max(
            floor_to(self._quote.volume / TICKS_PER_CANDLE, self._step_size), self._step_size
        )

    def offers(self, side: OrderSide) -> list[Level]:
        """What a taker on `side` finds, best price first."""
        if not self._has_depth:
            return [Level(self._quote.price, ENDLESS)]
        taken, levels = self._taken[side], []
        if not taken:
            return list(self.shown(side))
        for level in self.shown(side):
            left = max(Decimal(0), level.quantity - taken)
            taken = max(Decimal(0), taken - level.quantity)
            if left:
                levels.append(Level(level.price, left))
        return levels

    def take(self, side: OrderSide, quantity: Decimal) -> None:
        """A taker on `side` has had this much."""
        self._taken[side] += quantity

    def shown(self, side: OrderSide) -> list[Level]:
        """The levels as a depth list shows them; no fill lies outside the candle it happens in."""
        if side not in self._levels:
            self._levels[side] = self._build(side)
        return self._levels[side]

    def _build(self, side: OrderSide) -> list[Level]:
        quote, is_buy = self._quote, side is OrderSide.BUY
        best = quote.ask if is_buy else quote.bid
        first = self._first_quantity()
        spacing = max(floor_to(quote.price * SPACING, quote.tick_size), quote.tick_size)
        levels: list[Level] = []
        for number in range(LEVELS):
            price = best + number * spacing if is_buy else best - number * spacing
            inside = min(price, quote.high) if is_buy else max(price, quote.low)
            quantity = floor_to(first * (1 + GROWTH * number), self._step_size)
            if levels and levels[-1].price == inside:
                levels[-1] = Level(inside, levels[-1].quantity + quantity)
            elif inside > 0:
                levels.append(Level(inside, quantity))
        return levels

    def _first_quantity(self) -> Decimal:
        share = self._quote.volume * FIRST_LEVEL_SHARE
        steps = max(Decimal(1), (share / self._step_size).to_integral_value(ROUND_UP))
        return steps * self._step_size
