"""The rules of a symbol: the same data is shown to clients and applied to their orders."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from apps.domain.markets import Market
from apps.domain.orders import OrderType
from workers.paper_exchange.orders import NewOrder

Row = dict[str, object]
LARGEST_PRICE = Decimal(1_000_000)
LARGEST_NOTIONAL = Decimal(9_000_000)
LARGEST_ORDER_COUNT = 200
_MULTIPLIER_UP, _MULTIPLIER_DOWN = Decimal(5), Decimal("0.2")
_AVERAGE_MINUTES = 5


@dataclass(frozen=True, slots=True)
class Situation:
    """What a filter has to know besides the order: the market's price, and who rests in it."""

    price: Decimal
    open_order_count: int


@dataclass(frozen=True, slots=True)
class PriceFilter:
    """A limit price lies on the tick, within bounds."""

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
        if order.order_type is OrderType.MARKET:
            return True
        return self.tick_size <= order.price <= LARGEST_PRICE and not order.price % self.tick_size


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
        on_step = not self.step_size or not order.quantity % self.step_size
        return self.smallest <= order.quantity <= self.largest and on_step


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
        if order.order_type is OrderType.MARKET:
            return True
        price = situation.price
        return price * _MULTIPLIER_DOWN <= order.price <= price * _MULTIPLIER_UP


@dataclass(frozen=True, slots=True)
class Notional:
    """An order is worth enough; a market order is valued at the market's price."""

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
        if order.order_type is OrderType.MARKET:
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


Filter = PriceFilter | LotSize | PercentPrice | Notional | MaxNumOrders


def filters_of(market: Market) -> Iterator[Filter]:
    """The filters of a symbol, in the order in which they are applied."""
    yield PriceFilter(market.tick_size)
    yield LotSize("LOT_SIZE", market.min_quantity, market.max_quantity, market.step_size)
    yield LotSize("MARKET_LOT_SIZE", Decimal(0), market.max_quantity, Decimal(0))
    yield PercentPrice()
    yield Notional(market.min_notional)
    yield MaxNumOrders()


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
