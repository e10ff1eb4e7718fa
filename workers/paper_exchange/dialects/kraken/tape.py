"""Public trades, made from the market's ticks."""

from collections import deque
from decimal import Decimal
from typing import NamedTuple

from workers.paper_exchange.book import TICKS_PER_CANDLE
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.feed import Quote, Tick

KEPT = 1000


class PublicTrade(NamedTuple):
    """Somebody's trade; the taker bought or sold."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    at_ms: int
    is_buy: bool
    bid: Decimal
    ask: Decimal


class Tape:
    """The last trades of every market; each price that the market shows is one."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange
        self._trades: dict[str, deque[PublicTrade]] = {}
        exchange.listeners.append(self._on_tick)

    def trades(self, symbol: str) -> list[PublicTrade]:
        """Oldest first; from the first question on there is at least one."""
        known = self._trades.setdefault(symbol, deque(maxlen=KEPT))
        quote = self._exchange.feed.quote(symbol)
        if not known and quote is not None:
            known.append(self._trade(symbol, quote, self._exchange.clock.now_ms(), known))
        return list(known)

    def _on_tick(self, tick: Tick) -> None:
        quote = None if tick.is_closed else self._exchange.feed.quote(tick.symbol)
        if quote is not None:
            known = self._trades.setdefault(tick.symbol, deque(maxlen=KEPT))
            known.append(self._trade(tick.symbol, quote, tick.at_ms, known))

    def _trade(
        self, symbol: str, quote: Quote, at_ms: int, known: deque[PublicTrade]
    ) -> PublicTrade:
        step = self._exchange.feed.markets[symbol].step_size
        quantity = max(step, (quote.volume / TICKS_PER_CANDLE).quantize(step))
        before = known[-1] if known else None
        return PublicTrade(
            # Rises over restarts too, as long as the market's time does.
            trade_id=max(at_ms, before.trade_id + 1 if before else 0),
            price=quote.price,
            quantity=quantity,
            at_ms=at_ms,
            is_buy=before is None or quote.price >= before.price,
            bid=quote.bid,
            ask=quote.ask,
        )
