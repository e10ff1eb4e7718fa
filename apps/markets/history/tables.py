"""Candles in files: which column is which, how times are written, and what can't be true."""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from apps.domain.candles import Timeframe
from apps.markets.history.columns import PRICES, CandleColumns
from apps.markets.history.parquet import MAX_ROWS, Unreadable, read_parquet

TIME = "open_time"
#: What the columns are called here and there, without case, spaces and signs; the first found counts.
_NAMES = {
    TIME: ("opentime", "openedat", "timestamp", "unix", "time", "datetime", "date", "ts", "t"),
    "open": ("open", "openprice", "o"),
    "high": ("high", "highprice", "h"),
    "low": ("low", "lowprice", "l"),
    "close": ("close", "closeprice", "c"),
    "volume": ("volume", "basevolume", "vol", "v"),
}
#: Times before the year 5138 as seconds are smaller than the first, as milliseconds than the second, and
#: so on; what they are divided by, and multiplied with, to be milliseconds.
_UNITS = ((1e11, 1000.0), (1e14, 1.0), (1e17, 1e-3), (float("inf"), 1e-6))


#: Exchanges have opened candles at odd moments after an outage. A file with more of them than this share
#: holds candles of another timeframe, or times in another unit.
_FEW = 0.01


class BadFile(Exception):
    """A file that can't be imported; its words say where it is wrong, and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """The candles of a file in order, and how many were left out because they lie off the grid."""

    candles: CandleColumns
    off_grid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """The six columns of a file as they are written; row 0 is the `first` of its lines, or rows."""

    frame: pd.DataFrame
    unit: str
    first: int

    def refuse(self, is_wrong: NDArray[np.bool_], words: str) -> None:
        """Raise BadFile where any row is wrong, naming the first one."""
        rows = np.flatnonzero(is_wrong)
        if len(rows):
            place = self.frame.index[rows[0]] + self.first
            more = f" So are {len(rows) - 1:,} more." if len(rows) > 1 else ""
            raise BadFile(f"{self.unit.capitalize()} {place:,}: {words}{more}")


def read_file(
    path: Path, *, is_parquet: bool, now: datetime, timeframe: Timeframe | None = None
) -> FileContent:
    """What a CSV or Parquet file holds. Times are numbers (seconds to nanoseconds since 1970) or ISO 8601,
    in UTC where they name no zone; without a timeframe it is the step that most of them are apart. Raises
    BadFile, also for one with a single wrong line."""
    table = _open_parquet(path) if is_parquet else _open_csv(path)
    if table.frame.empty:
        raise BadFile("There is no candle in it.")
    times = _read_times(table)
    timeframe = timeframe or _guess_timeframe(times)
    prices = {name: _read_numbers(table.frame[name]) for name in PRICES}
    _check_prices(table, prices)
    is_off = times % timeframe.milliseconds != 0
    _check_times(table, times, is_off, timeframe, now)
    order = np.argsort(times, kind="stable")
    candles = CandleColumns(
        timeframe=timeframe,
        opened_at_ms=times[order],
        **{name: column[order] for name, column in prices.items()},
    )
    _check_steps(table, candles.opened_at_ms, order, timeframe)
    return FileContent(candles=candles.where(~is_off[order]), off_grid=int(is_off.sum()))


def _guess_timeframe(times: NDArray[np.int64]) -> Timeframe:
    steps, counts = np.unique(np.diff(np.sort(times)), return_counts=True)
    step = int(steps[counts.argmax()]) if len(steps) else 0
    for timeframe in Timeframe:
        if timeframe.milliseconds == step:
            return timeframe
    raise BadFile(
        f"Most of its candles are {step / 1000:,g} s apart, which is no timeframe: {', '.join(Timeframe)}."
    )


def _open_parquet(path: Path) -> _Table:
    try:
        frame = read_parquet(path)
    except Unreadable:
        raise BadFile(
            f"This is no Parquet file that can be read, or it has more than {MAX_ROWS:,} rows."
        ) from None
    return _Table(frame=_choose(frame), unit="row", first=1)


def _open_csv(path: Path) -> _Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            start = file.readline(10_000)
        mark = max(",;\t", key=start.count)
        names = next(csv.reader([start], delimiter=mark), [])
        has_header = not any(name.strip().replace(".", "", 1).isdigit() for name in names)
        frame = pd.read_csv(
            path,
            sep=mark,
            header=0 if has_header else None,
            encoding="utf-8-sig",
            skip_blank_lines=False,
            nrows=MAX_ROWS + 1,
            low_memory=False,
        )
    except UnicodeDecodeError:
        raise BadFile("This is no text in UTF-8: is it a CSV file?") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error) as error:
        raise BadFile(f"This can't be read as CSV: {error}") from None
    if len(frame) > MAX_ROWS:
        raise BadFile(f"It has more than {MAX_ROWS:,} lines: split it.")
    if not has_header:
        if frame.shape[1] < 6:
            raise BadFile(
                "Line 1: there are fewer than six columns, and no names: time, open, high, low, close,"
                " volume."
            )
        frame = frame.iloc[:, :6].set_axis(list(_NAMES), axis="columns")
    # The index still counts the lines that hold nothing.
    return _Table(frame=_choose(frame).dropna(how="all"), unit="line", first=1 + has_header)


def _choose(frame: pd.DataFrame) -> pd.DataFrame:
    """The six columns under our names."""
    known = {"".join(filter(str.isalnum, str(name).lower())): name for name in frame.columns}
    chosen = {
        ours: next((known[theirs] for theirs in names if theirs in known), None)
        for ours, names in _NAMES.items()
    }
    if missing := [ours for ours, theirs in chosen.items() if theirs is None]:
        raise BadFile(
            f"There is no column {', '.join(missing)}; there are: {', '.join(map(str, frame.columns))[:200]}."
        )
    return pd.DataFrame({ours: frame[theirs] for ours, theirs in chosen.items()})


def _read_numbers(column: "pd.Series[object]") -> NDArray[np.float64]:
    return np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)


def _read_times(table: _Table) -> NDArray[np.int64]:
    """UTC milliseconds."""
    column = table.frame[TIME]
    numbers = _read_numbers(column)
    if np.isnan(numbers).all():
        moments = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
        table.refuse(moments.isna().to_numpy(), "its time can't be read.")
        return np.asarray(moments.dt.tz_localize(None).astype("datetime64[ms]"), np.int64)
    table.refuse(~np.isfinite(numbers), "its time can't be read.")
    factor = next(factor for limit, factor in _UNITS if np.abs(numbers[0]) < limit)
    times = numbers * factor
    table.refuse(np.abs(times) > 1e14, "its time is far off the others.")
    return np.rint(times).astype(np.int64)


def _check_prices(table: _Table, prices: dict[str, NDArray[np.float64]]) -> None:
    for name, column in prices.items():
        table.refuse(~np.isfinite(column), f"its {name} is no number.")
    for name in PRICES[:4]:
        table.refuse(prices[name] <= 0, f"its {name} is not above zero.")
    table.refuse(prices["volume"] < 0, "its volume is below zero.")
    table.refuse(
        (prices["high"] < np.maximum(prices["open"], prices["close"]))
        | (prices["low"] > np.minimum(prices["open"], prices["close"])),
        "its open and close don't lie between low and high.",
    )


def _check_times(
    table: _Table,
    times: NDArray[np.int64],
    is_off: NDArray[np.bool_],
    timeframe: Timeframe,
    now: datetime,
) -> None:
    if is_off.mean() > _FEW:
        table.refuse(is_off, f"no {timeframe} candle opens at its time, in UTC.")
    closed = (now.astimezone(UTC) - timeframe.duration).timestamp() * 1000
    table.refuse(times > closed, "its candle has not closed yet.")


def _check_steps(
    table: _Table, times: NDArray[np.int64], order: NDArray[np.intp], timeframe: Timeframe
) -> None:
    """`times` are in order; `order` tells the row of each."""
    steps = np.diff(times)
    is_double = np.zeros(len(times), np.bool_)
    is_double[order[1:][steps == 0]] = True
    table.refuse(is_double, "its time was there before.")
    usual = int(np.median(steps)) if len(steps) else timeframe.milliseconds
    if usual != timeframe.milliseconds:
        raise BadFile(
            f"Its candles lie {usual / 60_000:g} minutes apart: these are no {timeframe} candles."
        )
