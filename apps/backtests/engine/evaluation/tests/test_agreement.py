"""Strategies written at random answer the same, however they are asked."""

import os

import pytest

from apps.backtests.engine.evaluation.plain import PlainAsker
from apps.backtests.engine.evaluation.proof import SignalsAsker, find_difference
from apps.backtests.engine.evaluation.rereading import RereadingAsker
from apps.backtests.engine.evaluation.standins import WholeHistory
from apps.backtests.engine.evaluation.tests.asking import load, make_frame
from apps.backtests.engine.evaluation.tests.writing import Writer
from apps.backtests.engine.evaluation.trace import trace

#: ARISTOBOT_WRITTEN_STRATEGIES=1000 for the long form.
COUNT = int(os.environ.get("ARISTOBOT_WRITTEN_STRATEGIES", "5"))
FRAME = make_frame(60)
FIRST = 12


@pytest.mark.parametrize("seed", range(COUNT))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_all_ways_agree_on_every_candle(seed: int) -> None:
    strategy_class = load(Writer(seed).write())
    history = WholeHistory(FRAME)
    plain = PlainAsker(strategy_class, FRAME, {})
    rows = range(FIRST, len(FRAME))

    signals = trace(strategy_class, history, {}, warmup=FIRST)

    rereading = RereadingAsker(strategy_class, history, {})
    assert find_difference(SignalsAsker(signals), plain, rows) is None
    assert find_difference(rereading, plain, rows) is None
