"""The rules of a symbol: the same data is shown to clients and applied to their orders."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from apps.domain.markets import Market
from apps.domain.orders import OrderType
from workers.paper_exchange.dialects.binance.names import trailing_delta
from workers.paper_exchange.orders import NewOrder

Row = dict[str, object]
LARGEST_PRICE = Decimal(1_000_000)
LARGEST_NOTIONAL = Decimal(9_000_000)
LARGEST_ORDER_COUNT = 200
LARGEST_ALGO_COUNT = 5
LARGEST_LIST_COUNT = 20
LARGEST_AMEND_COUNT = 10
#: Trailing distances, in hundredths of a percent.
SMALLEST_DELTA, LARGEST_DELTA = 10, 2000
_MULTIPLIER_UP, _MULTIPLIER_DOWN = Decimal(5), Decimal("0.2")
_AVERAGE_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Situation:
    """What a filter has to know besides the order: the market's price, and who rests in it."""

    price: Decimal
    open_order_count: int = 0
    algo_order_count: int = 0


@dataclass(frozen=True, slots=True)
class PriceFilter:
    """Limit and trigger prices lie on the tick, within bounds."""

    tick_size: Decimal
    name = "PRICE_FILTER"

    def render(self) -> Row:
        """The filter as exchangeInfo shows it."""
        return {
            "minPrice": plain(self.tick_size),
            "maxPrice": plain(LARGEST_PRICE),
            "tickSize": plain(self.tick_size),
        }

    def admits(self, order: NewOrder, _situation: Situation) -> bool:
        """Whether the order keeps to the rule."""
        prices = [order.price] if order.order_type.has_limit_price else []
        prices += [order.trigger_price] if order.trigger_price else []
        return all(
            self.tick_size <= price <= LARGEST_PRICE and not price % self.tick_size
            for price in prices
        )


@dataclass(frozen=True, slots=True)
class LotSize:
    """A quantity lies on the step, within bounds; for market orders there may be own bounds."""

    name: str
    smallest: Decimal
    largest: Decimal
    step_size: Decimal

    def render(self) -> Row:
        """The filter as exchangeInfo shows it."""
        return {
            "minQty": plain(self.smallest),
            "maxQty": plain(self.largest),
            "stepSize": plain(self.step_size),
        }

    def admits(self, order: NewOrder, _situation: Situation) -> bool:
        """Whether the order keeps to the rule."""
        if self.name == "MARKET_LOT_SIZE" and order.order_type is not OrderType.MARKET:
            return True
        return self.takes(order.quantity)

    def takes(self, quantity: Decimal) -> bool:
        """Whether a quantity keeps to the rule."""
        on_step = not self.step_size or not quantity % self.step_size
        return self.smallest <= quantity <= self.largest and on_step


@dataclass(frozen=True, slots=True)
class PercentPrice:
    """A limit price is not absurdly far from the market's."""

    name = "PERCENT_PRICE_BY_SIDE"

    def render(self) -> Row:
        """The filter as exchangeInfo shows it."""
        up, down = str(_MULTIPLIER_UP), str(_MULTIPLIER_DOWN)
        return {
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": _AVERAGE_MINUTES,
        }

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        """Whether the order keeps to the rule."""
        if not order.order_type.has_limit_price:
            return True
        price = situation.price
        return price * _MULTIPLIER_DOWN <= order.price <= price * _MULTIPLIER_UP


@dataclass(frozen=True, slots=True)
class Notional:
    """An order is worth enough; one without a limit price is valued at the market's."""

    smallest: Decimal
    name = "NOTIONAL"

    def render(self) -> Row:
        """The filter as exchangeInfo shows it."""
        return {
            "minNotional": plain(self.smallest),
            "applyMinToMarket": True,
            "maxNotional": plain(LARGEST_NOTIONAL),
            "applyMaxToMarket": False,
            "avgPriceMins": _AVERAGE_MINUTES,
        }

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        """Whether the order keeps to the rule."""
        if not order.order_type.has_limit_price:
            return order.quantity * situation.price >= self.smallest
        return self.smallest <= order.quantity * order.price <= LARGEST_NOTIONAL


@dataclass(frozen=True, slots=True)
class MaxNumOrders:
    """So many orders may rest in one symbol."""

    name = "MAX_NUM_ORDERS"

    def render(self) -> Row:
        """The filter as exchangeInfo shows it."""
        return {"maxNumOrders": LARGEST_ORDER_COUNT}

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        """Whether the order keeps to the rule."""
        is_market = order.order_type is OrderType.MARKET
        return is_market or situation.open_order_count < LARGEST_ORDER_COUNT


@dataclass(frozen=True, slots=True)
class TrailingDelta:
    """A trailing distance lies within bounds."""

    name = "TRAILING_DELTA"

    def render(self) -> Row:
        """The filter as exchangeInfo shows it."""
        return {
            "minTrailingAboveDelta": SMALLEST_DELTA,
            "maxTrailingAboveDelta": LARGEST_DELTA,
            "minTrailingBelowDelta": SMALLEST_DELTA,
            "maxTrailingBelowDelta": LARGEST_DELTA,
        }

    def admits(self, order: NewOrder, _situation: Situation) -> bool:
        """Whether the order keeps to the rule."""
        delta = trailing_delta(order)
        return not order.trailing_share or SMALLEST_DELTA <= delta <= LARGEST_DELTA


@dataclass(frozen=True, slots=True)
class MaxNumAlgoOrders:
    """So many orders of one symbol may wait for their triggers."""

    name = "MAX_NUM_ALGO_ORDERS"

    def render(self) -> Row:
        """The filter as exchangeInfo shows it."""
        return {"maxNumAlgoOrders": LARGEST_ALGO_COUNT}

    def admits(self, order: NewOrder, situation: Situation) -> bool:
        """Whether the order keeps to the rule."""
        is_algo = order.order_type.is_conditional
        return not is_algo or situation.algo_order_count < LARGEST_ALGO_COUNT


@dataclass(frozen=True, slots=True)
class Count:
    """A number that is kept elsewhere: of order lists, and of amendments of one order."""

    name: str
    field: str
    largest: int

    def render(self) -> Row:
        """The filter as exchangeInfo shows it."""
        return {self.field: self.largest}

    def admits(self, _order: NewOrder, _situation: Situation) -> bool:
        """No single order breaks it."""
        return True


Filter = (
    PriceFilter
    | LotSize
    | PercentPrice
    | Notional
    | MaxNumOrders
    | TrailingDelta
    | MaxNumAlgoOrders
    | Count
)


def filters_of(market: Market) -> Iterator[Filter]:
    """The filters of a symbol, in the order in which they are applied."""
    yield PriceFilter(market.tick_size)
    yield LotSize("LOT_SIZE", market.min_quantity, market.max_quantity, market.step_size)
    yield LotSize("MARKET_LOT_SIZE", Decimal(0), market.max_quantity, Decimal(0))
    yield TrailingDelta()
    yield PercentPrice()
    yield Notional(market.min_notional)
    yield MaxNumOrders()
    yield Count("MAX_NUM_ORDER_LISTS", "maxNumOrderLists", LARGEST_LIST_COUNT)
    yield MaxNumAlgoOrders()
    yield Count("MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends", LARGEST_AMEND_COUNT)


def failed_filter(market: Market, order: NewOrder, situation: Situation) -> str | None:
    """The name of the first filter that refuses the order."""
    return next(
        (each.name for each in filters_of(market) if not each.admits(order, situation)), None
    )


def render_filters(market: Market) -> list[Row]:
    """The filters as exchangeInfo shows them."""
    return [{"filterType": each.name, **each.render()} for each in filters_of(market)]


def plain(number: Decimal) -> str:
    """A number as the wire has it: eight decimals."""
    return f"{number:.8f}"
