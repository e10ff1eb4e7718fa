from decimal import Decimal

from apps.domain.orders import OrderSide, OrderStatus
from workers.paper_exchange.markets.candles import MINUTE_MS, Candle
from workers.paper_exchange.markets.paths import POINTS, price_path
from workers.paper_exchange.tests.builders import (
    BTC,
    KEY,
    START_MS,
    Wall,
    exchange_of,
    feed_of,
    limit_order,
    market_order,
    rising_candles,
)


def test_a_path_takes_the_nearer_extreme_first() -> None:
    path = price_path(Candle(0, 10.0, 14.0, 9.0, 12.0, 1.0), digits=2)

    assert len(path) == POINTS
    assert (path[0], path[4], path[8], path[-1]) == (10.0, 9.0, 14.0, 12.0)


def test_a_running_candle_grows_into_the_final_one() -> None:
    [candle] = rising_candles(1)
    feed = feed_of([candle])

    *running, last = [tick.candle for tick in feed.advance(START_MS + MINUTE_MS)]

    assert last == candle
    assert running[0] == Candle(START_MS, 100.0, 100.0, 100.0, 100.0, 1.0)
    assert running[-1] == candle
    assert len(running) == POINTS


def test_the_clock_jumps_over_a_hole() -> None:
    wall = Wall()
    exchange = exchange_of(feed_of(rising_candles(1) + rising_candles(1, first=60)), wall)

    wall.now += 61
    now_ms = exchange.advance()

    assert now_ms == START_MS + 60 * MINUTE_MS
    assert exchange.feed.is_open(BTC.symbol) is True


def test_after_the_last_candle_the_market_stands_still() -> None:
    wall = Wall()
    exchange = exchange_of(feed_of(rising_candles(2)), wall)

    wall.now += 500
    exchange.advance()
    wall.now += 500

    assert exchange.advance() == START_MS + 2 * MINUTE_MS
    assert exchange.feed.is_open(BTC.symbol) is False
    assert exchange.quote(BTC.symbol) is None


def test_every_fill_lies_inside_the_candle_of_its_time() -> None:
    wall = Wall()
    candles = rising_candles(5)
    exchange = exchange_of(feed_of(candles), wall)
    account = exchange.engine.account(KEY, START_MS)

    for _ in range(29):
        wall.now += 10
        now_ms = exchange.advance()
        for side in (OrderSide.BUY, OrderSide.SELL):
            exchange.engine.place(account, market_order(side), exchange.quote(BTC.symbol), now_ms)

    assert len(account.fills) == 58
    for fill in account.fills:
        candle = candles[(fill.filled_ms - START_MS) // MINUTE_MS]
        assert candle.low <= float(fill.price) <= candle.high


def test_a_resting_order_fills_on_the_way() -> None:
    wall = Wall()
    exchange = exchange_of(feed_of(rising_candles(3)), wall)
    account = exchange.engine.account(KEY, exchange.advance())
    wanted = limit_order(OrderSide.SELL, "102.00")
    order = exchange.engine.place(account, wanted, exchange.quote(BTC.symbol), START_MS)

    wall.now += 179
    exchange.advance()

    assert order.status is OrderStatus.FILLED
    assert account.fills[0].price == Decimal("102.00")
    assert START_MS + MINUTE_MS < account.fills[0].filled_ms < START_MS + 2 * MINUTE_MS
