"""A backtest and an exchange without depth fill the same orders at the same prices."""

from decimal import Decimal

import numpy as np
import pytest

from apps.backtests.engine.evaluation.signals import Signals
from apps.backtests.engine.results import OrderKind
from apps.backtests.engine.tests.builders import history, run
from apps.domain.markets import ceil_to, floor_to
from apps.domain.orders import OrderSide, OrderType
from workers.paper_exchange.markets.candles import MINUTE_MS
from workers.paper_exchange.orders import Order
from workers.paper_exchange.tests.builders import BTC, START_MS
from workers.paper_exchange.tests.test_candle_rules import Prices, Replay

STOP, TARGET = 0.02, 0.03
Row = tuple[int, str, float, bool]


def draw_market(seed: int, rows: int = 60) -> tuple[list[Prices], np.ndarray, np.ndarray]:
    """Candles that jump by up to some percent, and decisions after their closes."""
    chance = np.random.default_rng(seed)
    closes = np.round(100 * np.exp(chance.normal(0, 0.015, rows).cumsum()), 2)
    opens = np.round(np.append(100, closes[:-1]) * chance.choice([1, 1, 0.96, 1.04], rows), 2)
    highs = np.round(np.maximum(opens, closes) * (1 + chance.exponential(0.008, rows)), 2)
    lows = np.round(np.minimum(opens, closes) * (1 - chance.exponential(0.008, rows)), 2)
    candles = [tuple(row) for row in np.array([opens, highs, lows, closes]).T.tolist()]
    return candles, chance.random(rows) < 0.4, chance.random(rows) < 0.1  # type: ignore[return-value]


def trade_there(candles: list[Prices], long: np.ndarray, exits: np.ndarray) -> list[Row]:
    """What a bot does that acts at the open of each candle: it sells at a signal, buys, and protects."""
    replay = Replay(*candles, candles[-1])
    legs: tuple[Order, ...] = ()
    rows: list[Row] = []
    for row in range(len(candles)):
        holds = any(leg.is_open for leg in legs)
        if row and holds and exits[row - 1]:
            replay.exchange.engine.cancel(replay.account, legs[0], replay.exchange.clock.now_ms())
            replay.place(OrderSide.SELL, OrderType.MARKET)
        elif row and not holds and long[row - 1]:
            replay.place(OrderSide.BUY, OrderType.MARKET)
            price = replay.account.fills[-1].price
            stop = floor_to(price * (1 - Decimal(str(STOP))), BTC.tick_size)
            legs = replay.oco(
                str(stop), str(ceil_to(price * (1 + Decimal(str(TARGET))), BTC.tick_size))
            )
        replay.step()
        new = replay.account.fills[len(rows) :]
        rows += [(row, fill.side, float(fill.price), fill.is_maker) for fill in new]
    return rows


def trade_here(candles: list[Prices], long: np.ndarray, exits: np.ndarray) -> list[Row]:
    decisions = Signals(
        long=long, exit=exits, amount=1000.0, share=0.0, stop_loss=STOP, take_profit=TARGET
    )
    past = history(*candles, duration_ms=MINUTE_MS, start_ms=START_MS)
    return [
        (
            (order.time - START_MS) // MINUTE_MS,
            order.side,
            order.price,
            order.kind is OrderKind.LIMIT,
        )
        for order in run(decisions, past, market=BTC, balance=1e6).orders
    ]


@pytest.mark.parametrize("seed", range(30))
def test_a_backtest_fills_what_the_exchange_fills(seed: int) -> None:
    market = draw_market(seed)

    assert trade_here(*market) == trade_there(*market)


def test_every_kind_of_exit_is_among_them() -> None:
    kinds = [row[3] for seed in range(30) for row in trade_here(*draw_market(seed))]

    assert 0 < sum(kinds) < len(kinds) / 2
