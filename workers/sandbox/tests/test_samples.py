"""The strategies that ship with Aristobot, asked in the sandbox."""

import math
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest

from apps.strategies.catalogue import get_sample, list_samples
from apps.strategies.sandbox import Candles, Sandbox
from apps.strategies.source.application import apply_parameters
from apps.strategies.source.extraction import find_literals
from workers.paper_exchange.markets.replay import load_recording
from workers.sandbox.tests.running import POSITION, ask

NAMES = [sample.name for sample in list_samples()]
QUIET = [100 + math.sin(row) for row in range(499)]
FALLING = [200 - (row / 40) ** 2 for row in range(499)]
RISING = [45 + (row / 40) ** 2 for row in range(499)]
STEADY = [100 + row / 10 for row in range(998)]
DIP = [STEADY[-1] - step / 2 for step in range(1, 6)]


@dataclass(frozen=True)
class Market:
    """Closing prices, and how much was traded in the last candle; one in each before."""

    close: list[float]
    volume: float = 1.0
    candles: Candles = field(init=False)

    def __post_init__(self) -> None:
        opened = [*self.close[:1], *self.close[:-1]]
        candles = Candles.from_columns(
            opened_at_ms=[1_767_225_600_000 + 900_000 * row for row in range(len(self.close))],
            open=opened,
            high=[max(pair) * 1.001 for pair in zip(opened, self.close, strict=True)],
            low=[min(pair) * 0.999 for pair in zip(opened, self.close, strict=True)],
            close=self.close,
            volume=[*[1.0] * (len(self.close) - 1), self.volume],
        )
        object.__setattr__(self, "candles", candles)


#: Where each buys, and where each sells.
MARKETS = {
    "atr_channel": (Market([*QUIET, 120]), Market([*QUIET, 80])),
    "bollinger": (Market([*QUIET, 80, 95]), Market([*QUIET, 120])),
    "donchian_breakout": (Market([*QUIET, 120]), Market([*QUIET, 80])),
    "ema_cross": (Market([*FALLING, 120]), Market([*RISING, 120])),
    "macd": (Market([*FALLING, 120]), Market([*RISING, 120])),
    "multi_timeframe": (Market([*STEADY, *DIP, DIP[-1] + 1]), Market(FALLING)),
    "rsi_reversion": (Market([*FALLING, 50]), Market(RISING)),
    "supertrend": (Market([*FALLING, 120]), Market([*RISING, 120])),
    "volume_breakout": (Market([*QUIET, 120], volume=5), Market([*QUIET, 80])),
    "vwap_reversion": (Market([*QUIET, 90, 95]), Market([*QUIET, 120])),
}


def test_there_are_ten() -> None:
    assert sorted(MARKETS) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_buys_where_it_must_and_keeps_that(sandbox: Sandbox, name: str) -> None:
    code, (market, _) = get_sample(name).code, MARKETS[name]

    answer = ask(sandbox, code, candles=market.candles)

    assert answer.should_long is True
    assert answer.amount == 100
    assert answer.stop_loss
    assert answer.take_profit
    assert ask(sandbox, code, candles=market.candles, position=POSITION).should_short is False


@pytest.mark.parametrize("name", NAMES)
def test_it_sells_where_it_must_and_does_not_buy_there(sandbox: Sandbox, name: str) -> None:
    code, (_, market) = get_sample(name).code, MARKETS[name]

    assert ask(sandbox, code, candles=market.candles, position=POSITION).should_short is True
    assert ask(sandbox, code, candles=market.candles).should_long is False


@pytest.mark.parametrize("rows", [1, 20, 500])
@pytest.mark.parametrize("name", NAMES)
def test_it_does_not_buy_in_a_market_that_stands_still(
    sandbox: Sandbox, name: str, rows: int
) -> None:
    market = Market([100.0] * rows)

    assert ask(sandbox, get_sample(name).code, candles=market.candles).should_long is False


@pytest.mark.parametrize("name", NAMES)
def test_it_decides_the_same_with_every_number_a_parameter(sandbox: Sandbox, name: str) -> None:
    code, (market, _) = get_sample(name).code, MARKETS[name]
    tunable = apply_parameters(code, find_literals(code))

    before, after = (ask(sandbox, each, candles=market.candles) for each in (code, tunable))

    assert (after.values, after.amount, after.stop_loss) == (
        before.values, before.amount, before.stop_loss
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_it_trades_over_real_candles(sandbox: Sandbox, shared: Path, name: str) -> None:
    recording = load_recording(shared / "data/KRAKEN_BTCUSD_15m.parquet")
    code = get_sample(name).code
    lookback = sandbox.describe(code).lookback
    rows = iter(range(lookback, len(recording.opened)))
    names = ("open", "high", "low", "close", "volume")

    def window(end: int) -> Candles:
        part = slice(end - lookback, end)
        columns = dict(zip(names, (column[part] for column in recording.columns), strict=True))
        return Candles.from_columns(opened_at_ms=recording.opened[part], **columns)

    bought = any(ask(sandbox, code, candles=window(row)).should_long for row in islice(rows, 1500))
    sold = any(
        ask(sandbox, code, candles=window(row), position=POSITION).should_short
        for row in islice(rows, 1500)
    )

    assert (bought, sold) == (True, True)
