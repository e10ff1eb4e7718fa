"""Everything a strategy may use, imported and used once: confined processes can't read files."""

import importlib
import pkgutil
import sys
import time
import warnings
from contextlib import suppress
from types import ModuleType
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pandas_ta_classic as ta

from apps.strategies.contract.imports import STANDARD_LIBRARY
from workers.sandbox.indicators import prefer_talib

_LAZY_IN_NUMPY = ("fft", "linalg", "ma", "polynomial", "random", "rec", "lib.stride_tricks")
#: Of the big stock exchanges, for strategies that look at their hours; zoneinfo keeps the last 8.
_TIME_ZONES = ("America/New_York", "Asia/Hong_Kong", "Asia/Tokyo", "Europe/London", "Europe/Paris")
_INDICATORS = (
    "adx", "aroon", "atr", "bbands", "cci", "donchian", "ema", "hma", "ichimoku", "kc", "macd", "mfi",
    "mom", "obv", "psar", "roc", "rsi", "sma", "stoch", "stochrsi", "supertrend", "vwap", "willr", "wma",
)  # fmt: skip


def warm_up() -> None:
    """Import and use what strategies use, and let them call pandas-ta-classic by its short name."""
    for name in (*sorted(STANDARD_LIBRARY), *(f"numpy.{name}" for name in _LAZY_IN_NUMPY)):
        importlib.import_module(name)
    _import_package(ta)
    prefer_talib()
    _import_package(pd.core)
    sys.modules["pandas_ta"] = ta
    time.localtime()
    for name in _TIME_ZONES:
        ZoneInfo(name)
    times = pd.date_range("2026-01-01", periods=300, freq="h", tz="UTC", unit="ms")
    wave = 100 + np.sin(np.arange(300) / 9) + np.arange(300) / 100
    candles = pd.DataFrame(
        {"open": wave, "high": wave + 1, "low": wave - 1, "close": wave, "volume": wave},
        index=times,
    )
    with warnings.catch_warnings(action="ignore"):
        for indicator in _INDICATORS:
            getattr(candles.ta, indicator)()
    _use_pandas(candles)
    np.linalg.lstsq(candles.to_numpy(), wave, rcond=None)
    np.polyfit(range(9), range(9), 1)


def _import_package(package: ModuleType) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        # Some need a library that is not installed; pandas does without.
        with suppress(ModuleNotFoundError):
            importlib.import_module(module.name)


def _use_pandas(candles: pd.DataFrame) -> None:
    close = candles["close"]
    candles.resample("4h").agg({"open": "first", "high": "max", "low": "min", "close": "last"})
    candles.groupby(candles.index.hour).mean()
    candles.rolling(10).agg(["mean", "std"])
    candles.merge(candles, left_index=True, right_index=True).sort_values("close_x").describe()
    candles.query("close > 1").corr().to_csv()
    candles.apply(lambda row: row.sum(), axis=1)
    close.ewm(span=5, adjust=False).mean().shift(1).fillna(0).diff().round(2)
    close.rolling(5).apply(lambda part: part.max(), raw=True)
    close.expanding().max().quantile(0.5)
    pd.concat([close.pct_change().dropna(), close.rank()], axis=1).iloc[-1].to_dict()
    pd.cut(close, 3).value_counts()
    pd.to_datetime([0, 1], unit="ms", utc=True).strftime("%H:%M")
    repr(candles)
