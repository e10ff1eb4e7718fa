"""The order book as clients see it."""

from typing import NamedTuple

from apps.domain.markets import Market
from apps.domain.orders import OrderSide
from workers.paper_exchange.book import Level
from workers.paper_exchange.dialects.binance.filters import plain
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.feed import Quote


class Best(NamedTuple):
    """The first level of each side."""

    bid: Level
    ask: Level


class Book(NamedTuple):
    """Levels of both sides, best first."""

    bids: list[Level]
    asks: list[Level]

    @property
    def best(self) -> Best:
        """The first level of each side."""
        return Best(self.bids[0], self.asks[0])

    def rows(self, limit: int) -> dict[str, list[list[str]]]:
        """At most `limit` levels of each side, as the wire has them."""
        return {
            "bids": [[plain(price), plain(quantity)] for price, quantity in self.bids[:limit]],
            "asks": [[plain(price), plain(quantity)] for price, quantity in self.asks[:limit]],
        }


def book_of(exchange: PaperExchange, market: Market, quote: Quote) -> Book:
    """What can be traded with now; a side that is used up shows the smallest quantity.

    Fills stay inside the running candle, so at its extremes both sides may stand at one price; a
    book never shows that, and they are told half a spread apart then.
    """
    bids = exchange.engine.book(market.symbol, quote, OrderSide.SELL)
    asks = exchange.engine.book(market.symbol, quote, OrderSide.BUY)
    bids = bids or [Level(quote.bid, market.min_quantity)]
    asks = asks or [Level(quote.ask, market.min_quantity)]
    if bids[0].price >= asks[0].price:
        bids = [Level(min(level.price, quote.bid), level.quantity) for level in bids]
        asks = [Level(max(level.price, quote.ask), level.quantity) for level in asks]
    return Book(_merged(bids, market), _merged(asks, market))


def _merged(levels: list[Level], market: Market) -> list[Level]:
    total: dict[object, Level] = {}
    for price, quantity in levels:
        before = total[price].quantity if price in total else 0
        # Without depth there is no end to what is offered; the wire has no word for that.
        total[price] = Level(price, min(before + quantity, market.max_quantity))
    return list(total.values())
