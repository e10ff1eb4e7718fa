"""An exchange in lock-step, without a book."""

import math
from decimal import Decimal

from apps.domain.environments import Exchange
from apps.domain.markets import Market
from apps.domain.orders import OrderListKind, OrderSide, OrderType
from workers.paper_exchange.clock import Clock
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import MINUTE_MS, Candle, Series
from workers.paper_exchange.markets.paths import PathFeed, Tape
from workers.paper_exchange.orders import Account, NewOrder, Order
from workers.paper_exchange.tests.builders import BTC, KEY, START_MS, Wall, engine_of

Prices = tuple[float, float, float, float]


class Replay:
    """An exchange in lock-step over candles of open, high, low and close; it stands at the first."""

    def __init__(
        self,
        *candles: Prices,
        speed: float = math.inf,
        spoken: Exchange = Exchange.BINANCE,
        market: Market = BTC,
    ) -> None:
        series, feed = Series(MINUTE_MS), PathFeed()
        rows = [Candle(START_MS + n * MINUTE_MS, *row, 1.0) for n, row in enumerate(candles)]
        feed.markets[market.symbol], feed.series[market.symbol] = market, series
        feed.tapes.append(
            Tape(symbol=market.symbol, series=series, source=iter(rows), digits=2, has_path=False)
        )
        list(feed.advance(START_MS))
        self.exchange = PaperExchange(
            clock=Clock(wall=Wall(), start_ms=START_MS, speed=speed),
            feed=feed,
            engine=engine_of(exchange=spoken, has_depth=False, market=market),
            record_clock=lambda _at_ms: None,
            waits_for_clients=True,
            has_depth=False,
        )
        self.account: Account = self.exchange.engine.account(KEY, START_MS)

    def place(self, side: OrderSide, order_type: OrderType, **words: object) -> Order:
        return self.exchange.engine.place(
            self.account,
            wanted(side, order_type, **words),
            self.exchange.quote(BTC.symbol),
            self.exchange.clock.now_ms(),
        )

    def oco(self, stop: str, limit: str) -> tuple[Order, Order]:
        """Stop-loss and take-profit of the account's coins."""
        legs = [
            wanted(OrderSide.SELL, OrderType.LIMIT, price=Decimal(limit)),
            wanted(OrderSide.SELL, OrderType.STOP_LOSS, trigger_price=Decimal(stop)),
        ]
        listed = self.exchange.engine.place_list(
            self.account,
            OrderListKind.OCO,
            "",
            legs,
            self.exchange.quote(BTC.symbol),
            self.exchange.clock.now_ms(),
        )
        profit, loss = (self.account.orders[number] for number in listed.order_ids)
        return loss, profit

    def fills(self) -> list[tuple[str, str, bool]]:
        return [(fill.side, f"{fill.price:f}", fill.is_maker) for fill in self.account.fills]

    def step(self) -> bool:
        return self.exchange.step()


def wanted(side: OrderSide, order_type: OrderType, **words: object) -> NewOrder:
    facts: dict[str, object] = {"client_order_id": "", "quantity": Decimal(1), **words}
    return NewOrder(symbol=BTC.symbol, side=side, order_type=order_type, **facts)  # type: ignore[arg-type]
