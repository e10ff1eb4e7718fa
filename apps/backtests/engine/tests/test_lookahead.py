import pytest

from apps.backtests.engine.evaluation.tests.asking import load, make_frame
from apps.backtests.engine.lookahead import check_lookahead, pick_places
from apps.strategies.contract import Strategy

FRAME = make_frame(4000)
_TEMPLATE = """
class Written(Strategy):
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        high, low, close, volume = (candles[name] for name in ("high", "low", "close", "volume"))
        {line}

    def should_long(self): return False
    def should_short(self): return False
    def calculate_position_size(self): return 1
    def calculate_stop_loss(self): return None
    def calculate_take_profit(self): return None
"""
#: What knows later candles: the column, and how many of them.
LEAKS = {
    "shift": ("self.x = close.shift(-1)", "x", 1),
    "a centred window": ("candles['middle'] = close.rolling(21, center=True).mean()", "middle", 10),
    "a mean of all": ("x = (close - close.mean()) / close.std()", "x", None),
    "a rank of all": ("self.x = close.rank(pct=True)", "x", None),
    "numpy's convolution": ("x = np.convolve(close, np.ones(9) / 9, mode='same')", "x", 4),
    "Ichimoku's lagging span": ("self.cloud = ta.ichimoku(high, low, close)[0]", "ICS_26", 26),
}  # fmt: skip
#: The same where the number depends on the candles.
LOOSE_LEAKS = {
    "back-fill": "self.x = close.where(volume > 20).bfill()",
    "interpolation": "self.x = close.where(volume > 10).interpolate()",
    "an hour's close": "x = close.resample('1h').last().reindex(candles.index, method='ffill')",
    "a range of all": "x = (close - close.min()) / (close.max() - close.min())",
}
CLEAN = {
    "EMA": "x = ta.ema(close, length=50)",
    "RSI": "x = ta.rsi(close)",
    "MACD": "self.macd = ta.macd(close)",
    "ATR": "x = ta.atr(high, low, close)",
    "ADX": "x = ta.adx(high, low, close)",
    "Supertrend": "x = ta.supertrend(high, low, close)",
    "OBV": "x = ta.obv(close, volume)",
    "an hour's close, when it is over": "x = close.resample('1h', label='right', closed='left').last()"
    ".iloc[:-1].reindex(candles.index, method='ffill')",
}


def write(line: str) -> type[Strategy]:
    return load(_TEMPLATE.format(line=line))


@pytest.mark.parametrize(("line", "column", "ahead"), LEAKS.values(), ids=LEAKS)
@pytest.mark.filterwarnings("ignore")
def test_a_column_that_knows_later_candles_is_named(
    line: str, column: str, ahead: int | None
) -> None:
    verdict = check_lookahead(write(line), FRAME, {})

    assert not verdict.passed
    (leak,) = verdict.leaks
    assert (leak.column, leak.line, leak.ahead) == (column, 6, ahead)


@pytest.mark.parametrize("line", LOOSE_LEAKS.values(), ids=LOOSE_LEAKS)
def test_one_that_knows_some_is_named_too(line: str) -> None:
    (leak,) = check_lookahead(write(line), FRAME, {}).leaks

    assert (leak.column, leak.line) == ("x", 6)


@pytest.mark.parametrize("line", CLEAN.values(), ids=CLEAN)
@pytest.mark.filterwarnings("ignore")
def test_an_indicator_of_the_past_passes(line: str) -> None:
    verdict = check_lookahead(write(line), FRAME, {})

    assert verdict.passed
    assert verdict.columns > 0


def test_a_rare_leak_shows_at_a_signal() -> None:
    frame = make_frame(4000)
    loud = frame["volume"].iloc[:3000].argmax()
    line = f"self.x = close.where(volume < {frame['volume'].iloc[loud]}, close.shift(-1))"

    verdict = check_lookahead(write(line), frame, {}, signals=[int(loud)])

    assert [leak.column for leak in verdict.leaks] == ["x"]


def test_the_verdict_is_in_words() -> None:
    verdict = check_lookahead(write("self.x = close.shift(-1)"), FRAME, {})

    assert verdict.words.startswith("x (line 6) knows the candle after it: when they came, ")
    assert "No value knows a later candle: 1 columns were computed twice at 6 places" in (
        check_lookahead(write("x = close.diff()"), FRAME, {}).words
    )


def test_a_strategy_that_raises_is_judged_by_what_it_computed() -> None:
    verdict = check_lookahead(write("self.x = close.shift(-1); raise ValueError"), FRAME, {})

    assert [leak.column for leak in verdict.leaks] == ["x"]


def test_without_columns_there_is_nothing_to_know() -> None:
    assert check_lookahead(write("pass"), FRAME, {}).words == (
        "The strategy computes no columns that could know a later candle."
    )


def test_too_few_candles_are_no_place_to_look() -> None:
    assert pick_places(2, []) == []
