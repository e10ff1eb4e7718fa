import numpy as np
import pytest

from apps.backtests.engine.evaluation.rereading import RereadingAsker
from apps.backtests.engine.evaluation.signals import StepsAside
from apps.backtests.engine.evaluation.standins import WholeHistory
from apps.backtests.engine.evaluation.tests.asking import (
    BALANCE,
    POSITION,
    ask,
    load,
    make_frame,
    write,
)
from apps.backtests.engine.evaluation.views import ViewAsker
from apps.strategies.contract import PositionView

FRAME = make_frame(1500)
CROSS = """
class Cross(Strategy):
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        self.df = candles.copy()
        self.df["fast"] = ta.ema(self.df["close"], length=5)
        self.slow = ta.ema(candles["close"], length=12)
        self.seen = []

    def should_long(self):
        self.fast = self.df["fast"]
        return self.fast.iloc[-1] > self.slow.iloc[-1] and self.fast.iloc[-2] <= self.slow.iloc[-2]

    def should_short(self):
        self.seen.append(1)
        return self.position.unrealized_pnl > 5 or self.fast_falls() and len(self.seen) == 1

    def fast_falls(self): return self.df["fast"].iloc[-1] < self.df.fast.iloc[-3:].mean()
    def calculate_position_size(self): return min(self.balance * 0.1, 500) if self.fast.iloc[-1] else 0
    def calculate_stop_loss(self): return 0.02
    def calculate_take_profit(self): return None
"""
INDEXING = {
    "the newest": "return self.candles['close'].iloc[-1] > self.candles['close'].iloc[-2]",
    "far back": "return self.candles['close'].iloc[-300] > self.candles['close'].iloc[-1]",
    "the oldest": "return self.candles['close'].iloc[-1] > self.candles['close'].iloc[0]",
    "a row": "return self.candles.iloc[-1]['close'] > self.candles.iloc[-1].open",
    "a slice": "return self.candles['high'].iloc[-10:-1].max() < self.candles['close'].iloc[-1]",
    "the last": "return self.candles['low'].tail(5).min() == self.candles.low.iloc[-1]",
    "values": "return self.candles['close'].values[-1] > self.candles['close'].to_numpy()[-5:].mean()",
    "how many": "return len(self.candles) % 7 == 0 and len(self.candles['close']) > 1",
    "int": "return int(self.candles['close'].iloc[-1]) % 2 == 0",
    "text": "return f\"{self.candles['close'].iloc[-1]:.0f}\".endswith('0')",
    "a division by zero": "x = self.candles['close'].iloc[-1]\nreturn x / (x - x) > 0",
    "the hour": "return self.candles.index[-1].hour == 3",
    "balance": "return self.balance > 100 and self.candles['close'].iloc[-1] > 100",
}


@pytest.mark.parametrize("body", INDEXING.values(), ids=INDEXING)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_view_answers_as_a_new_instance(body: str) -> None:
    strategy_class = write(body)
    asker = ViewAsker(strategy_class, WholeHistory(FRAME), {})

    rows = [*range(300, 330), *range(1000, 1100), 1400]
    found = [bool(asker.should_long(row, BALANCE)) for row in rows]

    assert found == [ask(strategy_class, FRAME, row)[0] for row in rows]


@pytest.mark.parametrize("make", [ViewAsker, RereadingAsker])
def test_it_answers_all_questions_of_a_run_on_the_whole_history(make: type) -> None:
    strategy_class = load(CROSS)
    asker = make(strategy_class, WholeHistory(FRAME), {})

    for row in range(20, 700, 11):
        answer = ask(strategy_class, FRAME, row)
        assert bool(asker.should_long(row, BALANCE)) == answer[0]
        if answer[0]:
            assert asker.position_size(row, BALANCE) == answer[2]
            assert asker.stop_loss(row, BALANCE) == 0.02
            assert asker.take_profit(row, BALANCE) is None
        assert bool(asker.should_short(row, BALANCE, POSITION)) == answer[1]


@pytest.mark.parametrize("make", [ViewAsker, RereadingAsker])
def test_it_sees_the_position(make: type) -> None:
    asker = make(load(CROSS), WholeHistory(FRAME), {})
    winning = PositionView("long", quantity=1.0, entry_price=1.0, unrealized_pnl=6.0)

    answers = [asker.should_short(row, BALANCE, winning) for row in (20, 21)]

    assert answers == [True, True]


@pytest.mark.parametrize("make", [ViewAsker, RereadingAsker])
def test_a_later_candle_can_not_be_seen(make: type) -> None:
    body = "return self.candles['close'].iloc[len(self.candles)] > 0"
    asker = make(write(body), WholeHistory(FRAME), {})

    with pytest.raises((IndexError, StepsAside)):
        asker.should_long(20, BALANCE)


@pytest.mark.parametrize(
    ("body", "words"),
    {
        "a column in a method": ("return self.candles['close'].rolling(5).mean().iloc[-1] > 1", "rolling"),
        "swallowed": ("try:\n    return self.candles['close'].mean() > 1\nexcept:\n    return False", "mean"),
        "a changed table": ("self.candles['x'] = 1\nreturn True", "a change"),
    }.values(),
)  # fmt: skip
def test_a_view_steps_aside_where_a_method_computes_columns(body: str, words: str) -> None:
    asker = ViewAsker(write(body), WholeHistory(FRAME), {})

    with pytest.raises(StepsAside, match=words):
        asker.should_long(20, BALANCE)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("self.last = candles['close'].iloc[-1]", "value of one candle"),
        ("self.enough = len(candles) > 20", "how many candles"),
        ("self.share = balance * 0.1", "arithmetic"),
        ("self.holds = position is not None", "whether there is a position"),
        ("self.make = lambda: candles['close']", "keeps a function"),
        ("self.balance = 100", "another balance"),
    ],
)
def test_a_view_steps_aside_where_each_candle_needs_an_instance(line: str, words: str) -> None:
    init = f"""
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        {line}
"""
    code = CROSS[: CROSS.index("\n    def")] + init + CROSS[CROSS.index("    def should_long") :]

    with pytest.raises(StepsAside, match=words):
        ViewAsker(load(code), WholeHistory(FRAME), {})


def test_candles_are_asked_about_in_order() -> None:
    asker = ViewAsker(write("return self.candles['close'].iloc[-1] > 1"), WholeHistory(FRAME), {})
    asker.should_long(20, BALANCE)

    with pytest.raises(ValueError, match="in order"):
        asker.should_long(19, BALANCE)


def test_numbers_are_those_of_numpy() -> None:
    asker = ViewAsker(
        write("return type(self.candles['close'].iloc[-1]) is np.float64"), WholeHistory(FRAME), {}
    )

    assert [asker.should_long(row, BALANCE) for row in np.arange(20, 23)] == [True] * 3
