"""How orders meet a whole candle, where there is no book: the rules of a careful backtest."""

from collections.abc import Sequence
from decimal import Decimal

from apps.domain.orders import OrderSide
from workers.paper_exchange.markets.feed import Bar, Quote
from workers.paper_exchange.matching import MatchingEngine
from workers.paper_exchange.orders import Owned, Phase
from workers.paper_exchange.triggers import (
    follow,
    is_beyond,
    is_trailing,
    is_triggered,
    protects,
    stop_level,
)


def on_candle(
    engine: MatchingEngine, symbol: str, bar: Bar, *, opened_ms: int, closed_ms: int
) -> None:
    """Fill what a whole candle fills.

    First what the open has gone beyond; then stops; then limits that rested before, where the
    candle trades through them, and take profits; last the stops of what was filled meanwhile.
    """
    if not any(engine.is_reached(symbol, float(price)) for price in (bar.low, bar.high)):
        return
    known = engine.open_orders(symbol)
    resting = [each for each in known if each[1].phase is Phase.BOOK]
    profits = [each for each in known if each[1].phase is Phase.WAITING and not protects(each[1])]
    _open_candle(engine, known, bar, opened_ms)
    _fire_stops(engine, symbol, bar, closed_ms)
    for account, order in resting:
        is_buy = order.side is OrderSide.BUY
        if order.is_open and (bar.low < order.price if is_buy else bar.high > order.price):
            engine.fill(account, order, closed_ms)
    for account, order in profits:
        extreme = bar.low if order.side is OrderSide.BUY else bar.high
        if order.phase is Phase.WAITING and is_beyond(order, order.trigger_price, extreme):
            engine.fire(account, order, _quote_at(order.trigger_price, bar), closed_ms)
    _fire_stops(engine, symbol, bar, closed_ms)


def _open_candle(engine: MatchingEngine, known: Sequence[Owned], bar: Bar, now_ms: int) -> None:
    """Fill what lies beyond the open: nobody gets a better price than his own, or the worse one."""
    for account, order in known:
        is_buy = order.side is OrderSide.BUY
        if order.phase is Phase.WAITING:
            follow(order, bar.open)
            if is_triggered(order, bar.open):
                worse = max if is_buy else min
                is_fixed = not is_trailing(order)
                price = worse(bar.open, order.trigger_price) if is_fixed else bar.open
                engine.fire(account, order, _quote_at(price, bar), now_ms)
        elif order.phase is Phase.BOOK and (
            bar.open < order.price if is_buy else bar.open > order.price
        ):
            engine.fill(account, order, now_ms)


def _fire_stops(engine: MatchingEngine, symbol: str, bar: Bar, now_ms: int) -> None:
    """Fire the stops inside a candle at their own prices, those that others set up as well."""
    has_fired = True
    while has_fired:
        has_fired = False
        for account, order in engine.open_orders(symbol):
            if order.phase is not Phase.WAITING or not protects(order):
                continue
            is_buy = order.side is OrderSide.BUY
            follow(order, bar.low if is_buy else bar.high)
            level = stop_level(order, bar.tick_size)
            if level and (bar.high >= level if is_buy else bar.low <= level):
                engine.fire(account, order, _quote_at(level, bar), now_ms)
                has_fired = True


def _quote_at(price: Decimal, bar: Bar) -> Quote:
    return Quote(price=price, low=price, high=price, tick_size=bar.tick_size)
