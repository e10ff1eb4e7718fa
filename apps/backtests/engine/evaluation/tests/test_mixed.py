import numpy as np
import pytest

from apps.backtests.engine.evaluation.mixed import MixedAsker
from apps.backtests.engine.evaluation.tests.asking import BALANCE, POSITION, ask, load, make_frame
from apps.backtests.engine.evaluation.ways import list_ways

FRAME = make_frame(900)
#: The size depends on the balance alone, or the exit on the position alone.
CODE = """
class Mixed(Strategy):
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        candles["average"] = candles["close"].rolling(9).mean()

    def should_long(self):
        self.distance = abs(self.candles["close"].iloc[-1] / self.candles["average"].iloc[-1] - 1)
        return self.distance > 0.004

    def should_short(self): return {exit}
    def calculate_position_size(self): return {size}
    def calculate_stop_loss(self): return 2 * self.distance
    def calculate_take_profit(self): return None
"""
FALLS = "self.candles['close'].iloc[-1] < self.candles['average'].iloc[-1]"


@pytest.mark.parametrize(
    ("size", "exits"),
    [
        ("min(self.balance * 0.1, 50)", FALLS),
        ("self.balance * 0.1", f"self.position.unrealized_pnl > 5 or {FALLS}"),
        ("min(self.balance * 0.1, 50)", "self.position.quantity > 2"),
    ],
)
def test_what_depends_on_trades_is_asked_and_the_rest_is_known(size: str, exits: str) -> None:
    strategy_class = load(CODE.format(size=size, exit=exits))

    way = next(list_ways(strategy_class, FRAME, {}, first=20))

    assert isinstance(way.decisions, MixedAsker)
    for row in range(20, 900, 17):
        wanted = ask(strategy_class, FRAME, row)
        assert way.decisions.should_long(row, BALANCE) == wanted[0]
        if wanted[0]:
            assert way.decisions.position_size(row, BALANCE) == wanted[2]
            assert way.decisions.stop_loss(row, BALANCE) == wanted[3]
        assert way.decisions.should_short(row, BALANCE, POSITION) == wanted[1]


def test_what_is_known_is_not_asked() -> None:
    flags = np.array([False, True])
    asker = MixedAsker(object(), flags, ~flags)  # type: ignore[arg-type]

    assert [asker.should_long(row, BALANCE) for row in (0, 1)] == [False, True]
    assert [asker.should_short(row, BALANCE, POSITION) for row in (0, 1)] == [True, False]
