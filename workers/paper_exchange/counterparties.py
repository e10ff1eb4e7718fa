"""Whom an order may trade with: the market around its price, and the orders of other users."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Decimal
from heapq import merge

from apps.domain.markets import Market, floor_to
from apps.domain.orders import OrderSide
from workers.paper_exchange.book import Level, Liquidity, Match
from workers.paper_exchange.markets.feed import Quote
from workers.paper_exchange.orders import ZERO, NewOrder, Order
from workers.paper_exchange.resting import OpenOrders


class Counterparties:
    """The open orders of every market and what the market itself offers; without depth only the market."""

    def __init__(self, markets: Mapping[str, Market], *, has_depth: bool) -> None:
        self.orders: defaultdict[str, OpenOrders] = defaultdict(OpenOrders)
        #: The last quote of each market that was looked at.
        self.quotes: dict[str, Quote] = {}
        self._markets = markets
        self._has_depth = has_depth
        self._liquidity: dict[str, Liquidity] = {}

    def liquidity(self, symbol: str, quote: Quote) -> Liquidity:
        """What the market offers at this quote; what was taken of it stays taken."""
        if self.quotes.get(symbol) != quote:
            self.quotes[symbol] = quote
            self._liquidity[symbol] = Liquidity(
                quote, step_size=self._markets[symbol].step_size, has_depth=self._has_depth
            )
        return self._liquidity[symbol]

    def take(self, order: Order, quantity: Decimal) -> None:
        """An order trades with the market, at its last quote."""
        self._liquidity[order.symbol].take(order.side, quantity)

    def levels(self, symbol: str, quote: Quote, side: OrderSide) -> list[Level]:
        """What a taker on `side` finds, best price first."""
        liquidity = self.liquidity(symbol, quote)
        total = {level.price: level.quantity for level in liquidity.offers(side)}
        for entry in self.orders[symbol].makers(side):
            order = entry.order
            total[order.price] = total.get(order.price, ZERO) + order.remaining
        is_buy = side is OrderSide.BUY
        return [Level(price, total[price]) for price in sorted(total, reverse=not is_buy)]

    def matches(self, wanted: NewOrder | Order, quote: Quote | None) -> list[Match]:
        """What an order would trade with at once: best price first, users before the market."""
        left = wanted.remaining if isinstance(wanted, Order) else wanted.quantity
        amount = wanted.quote_amount if not left else ZERO
        limit = wanted.price if wanted.order_type.has_limit_price else ZERO
        step = self._markets[wanted.symbol].step_size
        matches: list[Match] = []
        for price, available, maker in self._offers(wanted, quote):
            is_beyond = price > limit if wanted.side is OrderSide.BUY else price < limit
            if limit and is_beyond:
                break
            quantity = floor_to(amount / price, step) if amount else left
            quantity = min(quantity, available)
            if quantity <= 0:
                break
            matches.append(Match(price, quantity, maker))
            if amount:
                amount -= quantity * price
            else:
                left -= quantity
        return matches

    def _offers(self, wanted: NewOrder | Order, quote: Quote | None) -> Iterator[Match]:
        """Best price first; at one price users come before the market, in the order of their time."""
        # Without depth everything trades with the candles alone.
        makers = self.orders[wanted.symbol].makers(wanted.side) if self._has_depth else ()
        users = (
            Match(each.order.price, each.order.remaining, (each.account, each.order))
            for each in makers
        )
        levels = [] if quote is None else self.liquidity(wanted.symbol, quote).offers(wanted.side)
        market = (Match(level.price, level.quantity, None) for level in levels)
        is_descending = wanted.side is OrderSide.SELL
        return merge(users, market, key=lambda match: match.price, reverse=is_descending)
