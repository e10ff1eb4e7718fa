"""Small markets and exchanges to test with."""

from collections.abc import Iterable
from decimal import Decimal

from apps.domain.environments import Exchange
from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderType, TimeInForce
from workers.paper_exchange.clock import Clock
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.candles import MINUTE_MS, Candle, Series
from workers.paper_exchange.markets.feed import Quote, market_for
from workers.paper_exchange.markets.paths import PathFeed, Tape
from workers.paper_exchange.matching import MatchingEngine
from workers.paper_exchange.orders import Account, Fill, NewOrder, Order, OrderList
from workers.paper_exchange.venues import VENUES

START_MS = 1_700_000_040_000
BTC = market_for(base="BTC", quote="USDT", price=64_000.0, tick_size=Decimal("0.01"))
KEY = "k" * 16


class Wall:
    """A wall clock that a test sets; seconds since 1970."""

    def __init__(self) -> None:
        self.now = START_MS / 1000

    def __call__(self) -> float:
        return self.now


def rising_candles(count: int, first: int = 0) -> list[Candle]:
    """Minutes that each rise from 100 + n to 101 + n, with half a unit of wick."""
    return [
        Candle(START_MS + n * MINUTE_MS, 100.0 + n, 101.5 + n, 99.5 + n, 101.0 + n, 12.0)
        for n in range(first, first + count)
    ]


def feed_of(candles: Iterable[Candle], market: Market = BTC) -> PathFeed:
    """A market that will show these candles."""
    feed = PathFeed()
    series = Series(MINUTE_MS)
    feed.markets[market.symbol] = market
    feed.series[market.symbol] = series
    feed.tapes.append(
        Tape(symbol=market.symbol, series=series, source=iter(list(candles)), digits=2)
    )
    return feed


def exchange_of(
    feed: PathFeed,
    wall: Wall,
    *,
    speed: float = 1.0,
    changes: "list[Change] | None" = None,
    spoken: Exchange = Exchange.BINANCE,
) -> PaperExchange:
    """An exchange over a feed; a new account owns 10,000 USDT and 1 BTC."""
    return PaperExchange(
        clock=Clock(wall=wall, start_ms=START_MS, speed=speed),
        feed=feed,
        engine=engine_of(changes, exchange=spoken),
        record_clock=lambda _at_ms: None,
    )


Change = tuple[Account, Order | OrderList | None, Fill | None]


def engine_of(
    changes: list[Change] | None = None,
    accounts: dict[str, Account] | None = None,
    *,
    exchange: Exchange = Exchange.BINANCE,
    has_depth: bool = True,
    market: Market = BTC,
) -> MatchingEngine:
    """A matching engine for one market whose changes end up in a list."""
    kept: list[Change] = [] if changes is None else changes

    def record(account: Account, changed: Order | OrderList | None, fill: Fill | None) -> None:
        kept.append((account, changed, fill))

    return MatchingEngine(
        venue=VENUES[exchange],
        markets={market.symbol: market},
        accounts={} if accounts is None else accounts,
        starting_balances={"USDT": Decimal(10_000), "BTC": Decimal(1)},
        record=record,
        has_depth=has_depth,
    )


def quote_at(
    price: str, *, low: str | None = None, high: str | None = None, volume: str = "1000"
) -> Quote:
    """A quote whose candle leaves room for the spread unless it is told otherwise."""
    return Quote(
        price=Decimal(price),
        low=Decimal(low or "1"),
        high=Decimal(high or "1000000"),
        tick_size=BTC.tick_size,
        volume=Decimal(volume),
    )


def limit_order(side: OrderSide, price: str, quantity: str = "0.1", **changes: object) -> NewOrder:
    """A limit order, good till cancelled."""
    return _order(OrderType.LIMIT, side, quantity, Decimal(price), changes)


def market_order(side: OrderSide, quantity: str = "0.1") -> NewOrder:
    """A market order."""
    return _order(OrderType.MARKET, side, quantity, Decimal(0), {})


def _order(
    order_type: OrderType,
    side: OrderSide,
    quantity: str,
    price: Decimal,
    changes: dict[str, object],
) -> NewOrder:
    return NewOrder(
        client_order_id=str(changes.get("client_order_id", "one")),
        symbol=BTC.symbol,
        side=side,
        order_type=order_type,
        time_in_force=TimeInForce(str(changes.get("time_in_force", "gtc"))),
        quantity=Decimal(quantity),
        price=price,
    )
