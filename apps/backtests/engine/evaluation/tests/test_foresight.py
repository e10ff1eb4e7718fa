import pandas as pd
import pytest

from apps.backtests.engine.evaluation.foresight import find_foresight
from apps.backtests.engine.evaluation.signals import StepsAside
from apps.backtests.engine.evaluation.standins import WholeHistory
from apps.backtests.engine.evaluation.tests.asking import ask, make_frame, write
from apps.backtests.engine.evaluation.trace import trace

FRAME = make_frame(1500)
CLOSE = FRAME["close"]
CLOUD = "cloud = ta.ichimoku(self.candles['high'], self.candles['low'], self.candles['close'])[0]\n"


@pytest.mark.parametrize(
    ("line", "leaks"),
    [
        (lambda close: close.rolling(9).mean(), set()),
        (lambda close: close.shift(-1), {(0, None)}),
        (lambda close: (close, close.bfill(), close.shift(-3)), {(2, None)}),
        (lambda close: pd.DataFrame({"a": close, "b": close - close.mean()}), {(0, "b")}),
        (lambda close: close.rolling(1000).mean() if len(close) > 1000 else None, set()),
        (lambda _close: None, set()),
    ],
)
def test_columns_that_know_later_rows_are_found(line: object, leaks: set[object]) -> None:
    assert find_foresight(lambda rows: line(CLOSE.iloc[rows]), 1500) == leaks  # type: ignore[operator]


def test_an_indicator_that_knows_later_candles_can_not_be_read() -> None:
    body = "return ta.dpo(self.candles['close'], length=20).iloc[-1] > 0"

    with pytest.raises(StepsAside, match="knows later candles"):
        trace(write(body), WholeHistory(FRAME), {}, warmup=100)


@pytest.mark.filterwarnings("ignore")
def test_the_columns_beside_it_can() -> None:
    strategy_class = write(CLOUD + "return cloud['ITS_9'].iloc[-1] > cloud.iloc[-1, 3]")

    signals = trace(strategy_class, WholeHistory(FRAME), {}, warmup=100)

    rows = range(100, 1500, 70)
    assert signals.long[rows].tolist() == [ask(strategy_class, FRAME, row)[0] for row in rows]
    with pytest.raises(StepsAside, match="ICS_26, which knows later candles"):
        trace(write(CLOUD + "return cloud['ICS_26'].iloc[-1] > 1"), WholeHistory(FRAME), {})
