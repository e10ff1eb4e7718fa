"""Recorded candles, played again."""

import csv
import logging
import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from workers.paper_exchange.markets.candles import KEPT_CANDLES, TIMEFRAMES, Candle, Series
from workers.paper_exchange.markets.feed import market_for
from workers.paper_exchange.markets.paths import PathFeed, Tape
from workers.paper_exchange.startup import StartError

logger = logging.getLogger(__name__)

COLUMNS = ("open_time", "open", "high", "low", "close", "volume")
#: Candles that lie in the past when a replay begins.
HISTORY_CANDLES = 600
_QUOTES = ("USDT", "USDC", "USD", "EUR", "BTC", "ETH")
_SAMPLE = 2000
Times = Sequence[int]
Columns = tuple[Sequence[float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The candles of one file: times in milliseconds, one array per other column."""

    path: Path
    base: str
    quote: str
    timeframe_ms: int
    opened: Times
    columns: Columns

    def candles(self, start: int = 0) -> Iterator[Candle]:
        """Candles in order from row `start` on."""
        for row in range(start, len(self.opened)):
            yield Candle(self.opened[row], *(column[row] for column in self.columns))

    def row_at(self, start_ms: int) -> int:
        """The first row whose candle has not closed by `start_ms`."""
        return bisect_right(self.opened, start_ms - self.timeframe_ms)


def load_recording(path: Path) -> Recording:
    """Read a Parquet or CSV file named EXCHANGE_SYMBOL_TIMEFRAME, as downloads name them."""
    base, quote, timeframe_ms = _parse_name(path)
    if not path.is_file():
        raise StartError(f"{path}: there is no such file. Give the path of a candle file.")
    opened, columns = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    opened, columns = _on_grid(path, timeframe_ms, opened, columns)
    recording = Recording(
        path=path,
        base=base,
        quote=quote,
        timeframe_ms=timeframe_ms,
        opened=opened,
        columns=columns,
    )
    _check(recording)
    return recording


def replay_start_ms(recordings: Sequence[Recording]) -> int:
    """The first moment at which every recording has enough candles in its past."""
    for recording in recordings:
        if len(recording.opened) <= HISTORY_CANDLES:
            raise StartError(
                f"{recording.path}: {len(recording.opened)} candles, and the first "
                f"{HISTORY_CANDLES} are kept as the past. Give a longer file, or --start."
            )
    return max(recording.opened[HISTORY_CANDLES] for recording in recordings)


def replay_feed(
    recordings: Sequence[Recording], start_ms: int, *, has_path: bool = True
) -> PathFeed:
    """The recorded markets at `start_ms`; what closed before is their past."""
    feed = PathFeed()
    for recording in recordings:
        first = recording.row_at(start_ms)
        digits = _decimals(recording)
        market = market_for(
            base=recording.base,
            quote=recording.quote,
            price=recording.columns[3][min(first, len(recording.opened) - 1)],
            tick_size=Decimal(1).scaleb(-digits),
        )
        if market.symbol in feed.markets:
            raise StartError(f"{recording.path}: {market.symbol} was given twice. Give one file.")
        series = Series(recording.timeframe_ms)
        for row in range(max(0, first - KEPT_CANDLES), first):
            series.put(
                Candle(recording.opened[row], *(column[row] for column in recording.columns))
            )
        feed.markets[market.symbol] = market
        feed.series[market.symbol] = series
        feed.tapes.append(
            Tape(
                symbol=market.symbol,
                series=series,
                source=recording.candles(first),
                digits=digits,
                has_path=has_path,
            )
        )
    return feed


def _parse_name(path: Path) -> tuple[str, str, int]:
    parts = path.stem.split("_")
    symbol, timeframe = parts[1:3] if len(parts) >= 3 else ("", "")
    quote = next((q for q in _QUOTES if symbol.endswith(q) and symbol != q), None)
    if quote is None or timeframe not in TIMEFRAMES:
        raise StartError(
            f"{path}: the name must be EXCHANGE_SYMBOL_TIMEFRAME with a quote of "
            f"{', '.join(_QUOTES)} and a timeframe of {', '.join(TIMEFRAMES)}, "
            "such as BINANCE_BTCUSDT_1m.parquet. Rename it."
        )
    return symbol.removesuffix(quote), quote, TIMEFRAMES[timeframe]


def _read_parquet(path: Path) -> tuple[Times, Columns]:
    # Imported here: pandas comes with it, and no other market needs either.
    from apps.markets.history.parquet import Unreadable, read_parquet  # noqa: PLC0415

    try:
        frame = read_parquet(path)[list(COLUMNS)]
    except (Unreadable, KeyError) as error:
        raise StartError(f"{path}: not a readable candle file. Download it again.") from error
    opened = array("q", frame["open_time"].to_numpy("int64").tobytes())
    return opened, tuple(array("d", frame[c].to_numpy("float64").tobytes()) for c in COLUMNS[1:])


def _read_csv(path: Path) -> tuple[Times, Columns]:
    opened = array("q")
    columns = tuple(array("d") for _ in COLUMNS[1:])
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                opened.append(int(row["open_time"]))
                for name, column in zip(COLUMNS[1:], columns, strict=True):
                    column.append(float(row[name]))
        except (KeyError, TypeError, ValueError) as error:
            raise StartError(
                f"{path}:{reader.line_num}: can't be read as {', '.join(COLUMNS)} ({error}). "
                "Correct the line, or download the file again."
            ) from error
    return opened, columns


def _on_grid(
    path: Path, timeframe_ms: int, opened: Times, columns: Columns
) -> tuple[Times, Columns]:
    """Leave out candles that an exchange opened at odd moments, as after an outage."""
    rows = [row for row, opened_ms in enumerate(opened) if opened_ms % timeframe_ms == 0]
    if len(rows) == len(opened):
        return opened, columns
    logger.warning("%s: %d candles off the grid are left out", path, len(opened) - len(rows))
    return (
        array("q", [opened[row] for row in rows]),
        tuple(array("d", [column[row] for row in rows]) for column in columns),
    )


def _check(recording: Recording) -> None:
    path = recording.path
    if not recording.opened:
        raise StartError(f"{path}: there is no candle in it. Download it again.")
    for earlier, later in pairwise(recording.opened):
        if later <= earlier:
            raise StartError(f"{path}: not in ascending order at {later}. Sort it.")
    rows = zip(recording.opened, *recording.columns, strict=True)
    for opened_ms, first, high, low, last, volume in rows:
        is_sound = 0 < low <= min(first, last) and max(first, last) <= high < math.inf
        if not (is_sound and 0 <= volume < math.inf):
            raise StartError(
                f"{path}: the numbers of the candle of {opened_ms} contradict each other. "
                "Correct it, or download the file again."
            )


def _decimals(recording: Recording) -> int:
    """How many decimals the recorded prices have: that is what their tick size must have been."""
    closes = recording.columns[3]
    sample = closes[:: max(1, len(closes) // _SAMPLE)]
    return next(
        (digits for digits in range(8) if all(round(price, digits) == price for price in sample)),
        8,
    )
