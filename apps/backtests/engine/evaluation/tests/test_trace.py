import numpy as np
import pytest

from apps.backtests.engine.evaluation.signals import StepsAside
from apps.backtests.engine.evaluation.standins import WholeHistory
from apps.backtests.engine.evaluation.tests.asking import ask, load, make_frame, read, write
from apps.backtests.engine.evaluation.trace import trace
from apps.strategies.catalogue import get_sample

FRAME = make_frame(700)
SAMPLES = (
    "atr_channel", "bollinger", "donchian_breakout", "ema_cross", "macd", "rsi_reversion", "supertrend",
    "volume_breakout", "vwap_reversion",
)  # fmt: skip
#: What authors write, each to be answered at all candles at once.
IDIOMS = {
    "a column of candles": "return self.candles['close'].iloc[-1] > self.candles['open'].iloc[-1]",
    "a column by name": "return self.candles.close.iloc[-1] > self.candles.open.iloc[-2]",
    "a row": "last, before = self.candles.iloc[-1], self.candles.iloc[-2]\n"
    "return last['close'] > before['high'] and last.volume > before.volume",
    "a table of its own": "df = self.candles.copy()\ndf['ema'] = ta.ema(df['close'], length=9)\n"
    "return df['close'].iloc[-1] > df['ema'].iloc[-1]",
    "an indicator that finds its columns": "return self.candles.ta.rsi(length=7).iloc[-1] < 30",
    "an indicator that adds its column": "self.candles.ta.ema(length=9, append=True)\n"
    "return self.candles['close'].iloc[-1] > self.candles['EMA_9'].iloc[-1]",
    "an import inside": "import pandas_ta as indicators\n"
    "return indicators.sma(self.candles['close'], length=5).iloc[-1] > self.candles['close'].iloc[-1]",
    "rolling": "close = self.candles['close']\n"
    "return close.rolling(5).mean().iloc[-1] > close.rolling(20).mean().iloc[-1]",
    "ewm": "close = self.candles['close']\n"
    "return close.ewm(span=5, adjust=False).mean().iloc[-1] > close.iloc[-1]",
    "a crossing of columns": "close = self.candles['close']\naverage = close.rolling(9).mean()\n"
    "crossed = (close > average) & (close.shift(1) <= average.shift(1))\nreturn crossed.iloc[-1]",
    "the last rows": "return self.candles['high'].iloc[-10:-1].max() < self.candles['close'].iloc[-1]",
    "rows without the newest": "low = self.candles['low']\n"
    "return low[:-1].tail(5).min() > low.iloc[-1]",
    "deviation": "close = self.candles['close']\n"
    "return close.iloc[-1] > close.tail(20).mean() + 1.5 * close.tail(20).std()",
    "any and all": "rising = self.candles['close'] > self.candles['open']\nreturn rising.tail(3).all()",
    "all in Python": "close = self.candles['close']\n"
    "return all(close.iloc[-k] > close.iloc[-k - 1] for k in range(1, 4))",
    "values": "close = self.candles['close'].values\n"
    "return close[-1] > close[-2] and not close[-2] > close[-3]",
    "numpy": "return np.abs(self.candles['close'].iloc[-1] - self.candles['open'].iloc[-1]) > 0.3",
    "where": "self.candles['up'] = np.where(self.candles['close'] > self.candles['open'], 1, -1)\n"
    "return self.candles['up'].rolling(3).sum().iloc[-1] == 3",
    "missing values": "gaps = self.candles['close'].where(self.candles['volume'] > 20)\n"
    "return not pd.isna(gaps.iloc[-1]) and pd.isna(gaps.iloc[-2])",
    "a number of Python's own": "x = float(self.candles['close'].iloc[-1])\n"
    "return x / 2 > 49 and not np.isnan(x)",
    "a number of rows": "return len(self.candles) > 50 and len(self.candles) % 7 == 0",
    "extremes": "close = self.candles['close']\nx = max(close.iloc[-1], close.iloc[-2], 99)\n"
    "return min(x, 101) == x and abs(close.iloc[-1] - x) < 1",
    "a chain": "return 95 < self.candles['close'].iloc[-1] <= 105",
    "a loop": "rises = 0\nfor k in range(1, 5):\n"
    "    if self.candles['close'].iloc[-k] > self.candles['open'].iloc[-k]:\n        rises += 1\n"
    "return rises >= 3",
    "one or the other": "x = self.candles['close'].iloc[-1]\n"
    "base = x if x > 100 else self.candles['open'].iloc[-1]\n"
    "return base > self.candles['low'].iloc[-2]",
    "division by zero": "change = self.candles['close'].iloc[-1] - self.candles['open'].iloc[-1]\n"
    "return 1 / (change * 0) > 0",
    "rounding": "return round(self.candles['close'].iloc[-1], 1) > self.candles['close'].iloc[-1]",
    "the highest of all": "return self.candles['close'].iloc[-1] >= self.candles['close'].max()",
    "the hour": "return self.candles.index[-1].hour == 3 and self.candles.index[-1].weekday() < 5",
    "a true range": "h, l, c = (self.candles[name] for name in ('high', 'low', 'close'))\n"
    "ranges = pd.concat([h - l, (h - c.shift()).abs(), (l - c.shift()).abs()], axis=1)\n"
    "return ranges.max(axis=1).rolling(5).mean().iloc[-1] < 1",
    "a kind of number": "x = self.candles['close'].iloc[-1]\n"
    "return isinstance(x, (int, float)) and not isinstance(x, int) and x > 100",
    "kinds of its own": "n = np.zeros(3, dtype=float)\n"
    "fits = type(7) is int and type(7.0) == float and n.dtype == np.float64\n"
    "return fits and self.candles['close'].iloc[-1] > 100",
    "a column of floats": "up = (self.candles['close'] > self.candles['open']).astype(float)\n"
    "return up.rolling(3).sum().iloc[-1] == 3",
    "the oldest of the last": "return self.candles['close'].tail(3).iloc[0] > self.candles['close'].iloc[-1]",
    "each of the last": "before, last = self.candles['close'].iloc[-2:]\n"
    "return last > before and all(low > 99 for low in self.candles['low'].tail(3))",
    "numpy's figures": "close = self.candles['close']\n"
    "return np.mean(close.iloc[-5:]) + np.std(close.tail(9)) < close.iloc[-1]",
    "a time": "return self.candles.index[-1] >= pd.Timestamp('2025-01-01 05:00', tz='UTC')",
    "no position": "return self.position is None and self.candles['close'].iloc[-1] > 100",
}  # fmt: skip
#: What is not known for all candles at once, and the words for it.
REFUSALS = {
    "int": ("return int(self.candles['close'].iloc[-1]) > 100", r"int\(\) of a number"),
    "text": ("return str(self.candles['close'].iloc[-1]) > '100'", r"str\(\) of a number"),
    "type": ("return isinstance(self.candles['close'].iloc[-1], str)", "type of a number"),
    "each row": ("return sum(self.candles['close']) > 100", "each row of a column"),
    "oldest row": ("return self.candles['close'].iloc[0] > 100", "not counted from the newest"),
    "a row that differs": ("return self.candles['close'].iloc[-len(self.candles)] > 1", "not counted"),
    "the future": ("return self.candles['close'].shift(-1).iloc[-1] > 1", r"shift\(\) by a negative"),
    "a centred window": (
        "return self.candles['close'].rolling(9, center=True).mean().iloc[-1] > 1", "around"
    ),
    "the whole mean": ("return self.candles['close'].mean() > 100", r"mean\(\) of all rows"),
    "balance": ("return self.balance > 100", "the balance"),
    "print": ("print('asked')\nreturn True", "print"),
    "chance": ("import random\nreturn random.random() > 0.5", "random"),
    "numpy's chance": ("return np.random.rand() > 0.5", "random"),
    "the clock": ("import time\nreturn time.time() > 0", "time.time"),
    "today": ("import datetime\nreturn datetime.datetime.now().hour > 3", "now"),
    "a class that counts": ("Written.asked = 1\nreturn Written.asked == 1", "keep something"),
    "a class that remembers": ("type(self).seen = 1\nreturn True", "keep something"),
    "a number for an answer": ("return self.candles['close'].iloc[-1]", "True or False"),
    "an exception": ("return self.candles['close'].iloc[-1].nothing + [][0]", "nothing of a number"),
    "more rows than there are": ("return self.candles['close'].iloc[-900] > 1", "row -900"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_answered_as_by_new_instances(name: str) -> None:
    strategy_class = load(get_sample(name).code)

    signals = trace(strategy_class, WholeHistory(FRAME), {})

    rows = {*range(0, 60, 3), *range(60, 700, 50), *np.flatnonzero(signals.long)[:8].tolist()}
    assert [read(signals, row) for row in rows] == [
        pytest.approx(ask(strategy_class, FRAME, row), rel=1e-12) for row in rows
    ]


@pytest.mark.parametrize("body", IDIOMS.values(), ids=IDIOMS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_authors_write_is_answered_for_all_candles(body: str) -> None:
    strategy_class = write(body)

    signals = trace(strategy_class, WholeHistory(FRAME), {}, warmup=40)

    rows = range(40, len(FRAME), 23)
    assert signals.long[rows].tolist() == [ask(strategy_class, FRAME, row)[0] for row in rows]
    assert not signals.long[:40].any()


@pytest.mark.parametrize(("body", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_is_not_known_for_all_candles_steps_aside(body: str, words: str) -> None:
    with pytest.raises(StepsAside, match=words):
        trace(write(body), WholeHistory(FRAME), {}, warmup=40)


def test_a_handler_cant_hide_that_it_steps_aside() -> None:
    body = "try:\n    return int(self.candles['close'].iloc[-1]) > 100\nexcept:\n    return False"

    with pytest.raises(StepsAside, match="int"):
        trace(write(body), WholeHistory(FRAME), {}, warmup=40)


STATE = """
class Memory:
    asked = 0

memory, seen, figures = Memory(), [], np.zeros(3)

def note(known=[]): known.append(1)
"""


@pytest.mark.parametrize(
    "line",
    ["Memory.asked += 1", "memory.asked = 1", "seen.append(1)", "figures[0] += 1", "note()"],
)
def test_what_a_module_keeps_for_the_next_candle_steps_aside(line: str) -> None:
    body = f"{line}\nreturn self.candles['close'].iloc[-1] > 100"

    with pytest.raises(StepsAside, match="keep something"):
        trace(write(body, STATE), WholeHistory(FRAME), {}, warmup=40)


def test_a_strategy_and_its_module_stay_as_they_are() -> None:
    strategy_class = write("return self.candles['close'].iloc[-1] > 100")
    names = strategy_class.should_long.__globals__
    before = dict(names)

    trace(strategy_class, WholeHistory(FRAME), {}, warmup=40)

    assert names == before
    assert names["Written"] is strategy_class
