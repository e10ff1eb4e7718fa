"""Importing and exporting candles as files."""

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

import fastparquet
import pandas as pd
from django.db import transaction

from apps.domain.candles import Timeframe
from apps.markets.history.columns import PRICES, CandleColumns
from apps.markets.history.storing import history_end_ms, store_history
from apps.markets.history.tables import TIME, read_file
from apps.markets.models import Series, Symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """How many candles a file had, how many of them are new, are left to the heartbeat, or lie off the grid
    of the timeframe."""

    series: Series
    read: int
    stored: int
    left_out: int
    off_grid: int

    def describe(self) -> str:
        """In words, for the notice at the end."""
        words = [f"{self.read:,} candles read, {self.stored:,} of them new."]
        if self.left_out:
            words.append(f"{self.left_out:,} are left out: they are newer than what is followed.")
        if self.off_grid:
            words.append(f"{self.off_grid:,} are left out: they open at odd moments.")
        return " ".join(words)


def import_candles(
    *, symbol: Symbol, timeframe: Timeframe, path: Path, is_parquet: bool, now: datetime
) -> ImportReport:
    """Keep the candles of a file, all or none; those that are stored already stay as they were. Raises
    BadFile."""
    content = read_file(path, is_parquet=is_parquet, timeframe=timeframe, now=now)
    candles = content.candles
    with transaction.atomic():
        series, _created = Series.objects.get_or_create(
            symbol=symbol, timeframe=timeframe, defaults={"is_followed": False}
        )
        end = history_end_ms(series)
        history = candles if end is None else candles.where(candles.opened_at_ms < end)
        stored = store_history(series=series, candles=history)
    return ImportReport(
        series=series,
        read=len(candles) + content.off_grid,
        stored=stored,
        left_out=len(candles) - len(history),
        off_grid=content.off_grid,
    )


def file_name(symbol: Symbol, timeframe: Timeframe, *, is_parquet: bool) -> str:
    """What a file of these candles is called, as `--market replay` of the paper exchange takes it."""
    pair = symbol.name.replace("/", "")
    return f"{symbol.exchange.upper()}_{pair}_{timeframe}.{'parquet' if is_parquet else 'csv'}"


def write_candles(candles: CandleColumns, *, is_parquet: bool) -> bytes:
    """The content of a file with these candles."""
    columns = {name: getattr(candles, name) for name in PRICES}
    return write_table(pd.DataFrame({TIME: candles.opened_at_ms, **columns}), is_parquet=is_parquet)


def write_table(frame: pd.DataFrame, *, is_parquet: bool) -> bytes:
    """The content of a CSV or Parquet file with this table."""
    if not is_parquet:
        text: str = frame.to_csv(index=False)
        return text.encode()
    content = _Kept()
    fastparquet.write("", frame, compression="ZSTD", open_with=lambda *_: content)
    return content.getvalue()


class _Kept(BytesIO):
    """A file in memory that can still be read after it was closed."""

    def close(self) -> None:
        """Nothing: its content is needed."""
