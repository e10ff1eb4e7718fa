"""A backtest and an exchange in lock-step, given the same decisions on the same candles, fill alike."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pytest

from apps.backtests.engine.candles import History
from apps.backtests.engine.evaluation.signals import Signals
from apps.backtests.engine.results import BacktestResult, Evaluation, OrderKind
from apps.backtests.engine.run import trade
from apps.backtests.engine.settings import FeeIn, Fees, Settings
from apps.domain.environments import Exchange
from apps.domain.markets import ceil_to, floor_to
from apps.domain.orders import OrderSide, OrderType
from workers.paper_exchange.markets.candles import MINUTE_MS
from workers.paper_exchange.orders import ExitTemplate, Fill
from workers.paper_exchange.tests.builders import BTC, START_MS
from workers.paper_exchange.tests.replaying import Replay
from workers.paper_exchange.venues import VENUES, FeeAsset

BUY, SELL = OrderSide.BUY, OrderSide.SELL
#: All prices are multiples of its tick, so that they often touch a stop-loss or take-profit and no more.
MARKET = replace(BTC, tick_size=Decimal("0.5"))
ROWS = 300
AMOUNT = 1000


class Filled(NamedTuple):
    """The candle, how, at what and how much; the fee in quote."""

    at_ms: int
    side: str
    is_maker: bool
    price: float
    quantity: float
    fee: float


def make_history(chance: np.random.Generator) -> History:
    """Minutes with jumps between them."""
    moves = chance.integers(-3, 4, size=2 * ROWS).cumsum() / 2
    opened, close = moves.reshape(-1, 2).T + 60 - min(0, moves.min())
    return History(
        duration_ms=MINUTE_MS,
        opened_at_ms=START_MS + MINUTE_MS * np.arange(ROWS),
        open=opened,
        high=np.maximum(opened, close) + chance.integers(0, 5, ROWS) / 2,
        low=np.minimum(opened, close) - chance.integers(0, 5, ROWS) / 2,
        close=close,
        volume=np.ones(ROWS),
    )


def decide(chance: np.random.Generator) -> Signals:
    """Buy and sell by chance, mostly with a stop-loss and a take-profit."""
    return Signals(
        long=chance.random(ROWS) < 0.3,
        exit=chance.random(ROWS) < 0.1,
        amount=float(AMOUNT),
        share=0.0,
        stop_loss=np.where(chance.random(ROWS) < 0.8, 0.02, 0.0),
        take_profit=np.where(chance.random(ROWS) < 0.8, 0.03, 0.0),
    )


def settings_of(exchange: Exchange) -> Settings:
    """An exchange's fees; without a book there is no slippage."""
    venue = VENUES[exchange]
    fees = Fees(
        maker=float(venue.maker_fee),
        taker=float(venue.taker_fee),
        fee_in=FeeIn.BASE if venue.fee_asset is FeeAsset.RECEIVED else FeeIn.QUOTE,
    )
    return Settings(balance=10_000.0, fees=fees, slippage_bps=0.0, market=MARKET)


def fills_of(result: BacktestResult) -> list[Filled]:
    return [
        Filled(
            order.time,
            order.side,
            order.kind is OrderKind.LIMIT,
            order.price,
            order.quantity,
            order.fee,
        )
        for order in result.orders
    ]


class Bot:
    """Trades decisions on an exchange: what was decided after a candle is done at the open of the next."""

    def __init__(self, candles: History, decisions: Signals, exchange: Exchange) -> None:
        columns = (candles.open, candles.high, candles.low, candles.close)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        self.replay = Replay(*rows, spoken=exchange, market=MARKET)
        self.decisions = decisions

    def run(self) -> list[Filled]:
        """Until the candles end."""
        row = 0
        while self.replay.step():
            if not self.bought:
                if self.decisions.long[row]:
                    self.enter(row)
            elif self.decisions.exit[row]:
                self.leave()
            row += 1
        return [tell(fill) for fill in self.replay.account.fills]

    @property
    def bought(self) -> Fill | None:
        """What was not sold since."""
        fills = self.replay.account.fills
        return fills[-1] if fills and fills[-1].side is BUY else None

    def enter(self, row: int) -> None:
        """Buy; the exchange protects what has come in."""
        quote = self.replay.exchange.quote(MARKET.symbol)
        assert quote is not None
        quantity = floor_to(AMOUNT / quote.price, MARKET.step_size)
        exits = tuple(self.list_exits(quote.price, row))
        self.replay.place(BUY, OrderType.MARKET, quantity=quantity, exits=exits)

    def list_exits(self, price: Decimal, row: int) -> Iterator[ExitTemplate]:
        """Take-profit and stop-loss of an entry at this price, on the market's grid."""
        stop_loss, take_profit = (
            Decimal(str(numbers[row]))  # type: ignore[index]  # both are columns here
            for numbers in (self.decisions.stop_loss, self.decisions.take_profit)
        )
        if take_profit:
            target = ceil_to(price * (1 + take_profit), MARKET.tick_size)
            yield ExitTemplate(order_type=OrderType.LIMIT, trigger_price=Decimal(0), price=target)
        if stop_loss:
            stop = floor_to(price * (1 - stop_loss), MARKET.tick_size)
            yield ExitTemplate(order_type=OrderType.STOP_LOSS, trigger_price=stop)

    def leave(self) -> None:
        """Take the protection back, and sell."""
        replay, bought = self.replay, self.bought
        assert bought is not None
        for order in list(replay.account.resting.values()):
            if order.is_open:
                replay.exchange.engine.cancel(replay.account, order, replay.exchange.clock.now_ms())
        fee = bought.fee if bought.fee_asset == MARKET.base else Decimal(0)
        quantity = floor_to(bought.quantity - fee, MARKET.step_size)
        replay.place(SELL, OrderType.MARKET, quantity=quantity)


def tell(fill: Fill) -> Filled:
    fee = fill.fee * fill.price if fill.fee_asset == MARKET.base else fill.fee
    candle_ms = fill.filled_ms - (fill.filled_ms - START_MS) % MINUTE_MS
    return Filled(
        candle_ms, fill.side, fill.is_maker, float(fill.price), float(fill.quantity), float(fee)
    )


@pytest.mark.parametrize("exchange", Exchange)
@pytest.mark.parametrize("seed", range(4))
def test_a_backtest_and_the_paper_exchange_fill_alike(exchange: Exchange, seed: int) -> None:
    chance = np.random.default_rng(seed)
    candles, decisions = make_history(chance), decide(chance)

    result = trade(
        decisions, candles, settings_of(exchange), evaluation=Evaluation(way="trace", reason="")
    )
    bot = Bot(candles, decisions, exchange)
    fills = bot.run()

    assert {trade.exit_reason for trade in result.trades} == {"signal", "stop_loss", "take_profit"}
    assert len(fills) > 50
    for ours, theirs in zip(fills_of(result), fills, strict=True):
        assert ours[:3] == theirs[:3]
        # The exchange cuts a fee after eight digits.
        assert ours[3:] == pytest.approx(theirs[3:], rel=1e-12, abs=1e-6)
    cash = float(
        bot.replay.account.free["USDT"] + bot.replay.account.locked.get("USDT", Decimal(0))
    )
    held = result.positions["cash"][-1] if result.open_trade else result.positions["cash_after"][-1]
    assert held == pytest.approx(cash, abs=1e-4)
