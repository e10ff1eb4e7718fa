"""TA-Lib says what pandas-ta-classic says, wherever it is asked in its place."""

import importlib
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from apps.backtests.engine.evaluation.tests.asking import make_frame

with warnings.catch_warnings(action="ignore"):  # those of the libraries it imports
    ta = importlib.import_module("pandas_ta_classic")
    indicators = importlib.import_module("workers.sandbox.indicators")

CANDLES = make_frame(3000)
BEGINS_LATE, HAS_GAP, STARTS_STILL = CANDLES.copy(), CANDLES.copy(), CANDLES.copy()
BEGINS_LATE.iloc[:40] = np.nan
HAS_GAP.iloc[500:510] = np.nan
STARTS_STILL.iloc[:30] = 100.0
STANDS_STILL = CANDLES.assign(open=100.0, high=100.0, low=100.0, close=100.0)
PROBE = """
import sys
sys.path.insert(0, {root!r})
from workers.sandbox.warmup import warm_up
warm_up()
import pandas_ta_classic as ta
hma = sys.modules["pandas_ta_classic.overlap.hma"]
print(hasattr(ta.ema, "__wrapped__"), hasattr(hma.wma, "__wrapped__"))
"""


def compute(
    function: Any, candles: pd.DataFrame, names: tuple[str, ...], **options: Any
) -> np.ndarray:
    found = function(*(candles[name].copy() for name in names), **options)
    return np.asarray(found, np.float64)


@pytest.mark.parametrize("length", [2, 14, 200])
@pytest.mark.parametrize(
    "candles",
    [CANDLES, CANDLES.iloc[:201], BEGINS_LATE, HAS_GAP, STANDS_STILL, STARTS_STILL],
    ids=["plain", "short", "begins late", "has a gap", "stands still", "starts still"],
)
@pytest.mark.parametrize("name", indicators.FITTING)
@pytest.mark.filterwarnings("ignore")
def test_both_agree(name: str, candles: pd.DataFrame, length: int) -> None:
    function = getattr(ta, name)
    names = ("high", "low", "close") if name in ("atr", "natr") else ("close",)

    own = compute(function, candles, names, length=length, talib=False)
    preferred = indicators.prefer(function, indicators.FITTING[name])
    ours = compute(preferred, candles, names, length=length)

    np.testing.assert_allclose(ours, own, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_an_argument_that_talib_does_not_know_is_kept() -> None:
    atr = indicators.prefer(ta.atr, indicators.FITTING["atr"])
    columns = [CANDLES[name] for name in ("high", "low", "close")]

    found = atr(*columns, length=14, mamode="sma")

    pd.testing.assert_series_equal(found, ta.atr(*columns, length=14, mamode="sma", talib=False))


@pytest.mark.parametrize(("period", "seed_end"), [(9, 8), (9, 33), (1, 5), (50, 20), (5, 4000)])
def test_the_averages_of_macd_agree(period: int, seed_end: int) -> None:
    own = importlib.import_module("pandas_ta_classic.momentum.macd")._ema_aligned
    values = CANDLES["close"].to_numpy()

    ours = indicators.average_from(values, 3000, period, seed_end)

    np.testing.assert_allclose(ours, own(values, 3000, period, seed_end), rtol=1e-9)


def test_the_sandbox_prefers_talib_in_the_whole_library(pytestconfig: pytest.Config) -> None:
    code = PROBE.format(root=str(pytestconfig.rootpath))

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-I", "-c", code],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip

    assert done.stdout.split() == ["True", "True"]
