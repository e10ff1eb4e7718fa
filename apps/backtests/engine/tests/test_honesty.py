import json
from typing import Any

import numpy as np
import pytest

from apps.backtests.engine.doubts import Badge, Doubt, Finding
from apps.backtests.engine.evaluation.tests.asking import load
from apps.backtests.engine.honesty import Honesty, judge
from apps.backtests.engine.settings import Fees, Mode
from apps.backtests.engine.tests.builders import history, run, settings, signals
from apps.backtests.engine.variants import return_of, try_variants

GOOD, CAUTION, DISTRUST = Badge
ROWS = 400
WAVE = [100 + 10 * np.sin(row / 3) + row / 50 for row in range(ROWS)]
CANDLES = history(*[(price, price + 1, price - 1, price) for price in WAVE])
#: Every low is bought and every high sold, with stop-loss and take-profit.
DECISIONS = signals(
    ROWS,
    [row for row in range(1, ROWS - 1) if WAVE[row - 1] > WAVE[row] < WAVE[row + 1]],
    [row for row in range(1, ROWS - 1) if WAVE[row - 1] < WAVE[row] > WAVE[row + 1]],
    stop_loss=0.05,
)
COSTS: dict[str, Any] = {"fees": Fees(maker=0.001, taker=0.002), "slippage_bps": 10.0}
STRATEGY = """
class Written(Strategy):
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        self.x = candles["close"].shift({shift})

    def should_long(self): return False
    def should_short(self): return False
    def calculate_position_size(self): return 1
    def calculate_stop_loss(self): return None
    def calculate_take_profit(self): return None
"""


def find(badge: Badge) -> Finding:
    return Finding(doubt=Doubt.FEES, badge=badge, words="...")


def test_the_worst_finding_gives_the_badge() -> None:
    report = Honesty(findings=(find(GOOD), find(CAUTION), find(DISTRUST), find(GOOD)))

    assert report.badge is DISTRUST


def test_nothing_found_is_good() -> None:
    report = Honesty(findings=(find(GOOD),))

    assert report.badge is GOOD


def test_every_doubt_is_looked_into() -> None:
    report = judge(load(STRATEGY.format(shift=1)), CANDLES, DECISIONS, settings(**COSTS))

    assert [finding.doubt for finding in report.findings] == list(Doubt)
    assert report.lookahead.badge is GOOD


def test_a_look_at_the_next_candle_is_worth_the_worst_badge() -> None:
    report = judge(load(STRATEGY.format(shift=-1)), CANDLES, DECISIONS, settings(**COSTS))

    assert report.badge is DISTRUST
    assert report.lookahead.words.startswith("x (line 5) knows the candle after it")


def test_it_goes_to_json() -> None:
    assert json.loads(json.dumps(Honesty(findings=(find(CAUTION),)).to_json())) == {
        "badge": "caution",
        "findings": [{"doubt": "Fees", "badge": "caution", "words": "..."}],
    }


@pytest.mark.parametrize("mode", Mode)
def test_variants_are_pessimistic_whatever_the_run_was(mode: Mode) -> None:
    variants = try_variants(DECISIONS, CANDLES, settings(**COSTS, mode=mode))

    assert np.array_equal(variants.base.equity, run(DECISIONS, CANDLES, **COSTS).equity)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("optimistic", {"mode": Mode.OPTIMISTIC}),
        ("no_fees", {"fees": Fees(maker=0.0, taker=0.0)}),
        ("double_fees", {"fees": Fees(maker=0.002, taker=0.004)}),
        ("no_slippage", {"slippage_bps": 0.0}),
        ("double_slippage", {"slippage_bps": 20.0}),
    ],
)
def test_a_variant_is_a_run_with_one_other_assumption(name: str, changes: dict[str, Any]) -> None:
    variants = try_variants(DECISIONS, CANDLES, settings(**COSTS))

    alike = run(DECISIONS, CANDLES, **{**COSTS, **changes})
    assert getattr(variants, name) == alike.metrics["net_return"] != return_of(variants.base)
