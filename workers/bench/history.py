"""How fast a year of minutes is stored, read, checked, and carried in and out as a file."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from django.db import connection

from apps.domain.candles import Timeframe
from apps.exchanges.parsing import milliseconds
from apps.markets.history.columns import CandleColumns
from apps.markets.history.coverage import read_coverage, summarize
from apps.markets.history.reading import list_missing, load_history
from apps.markets.history.storing import store_history
from apps.markets.history.tables import read_file
from apps.markets.history.transfer import write_candles
from apps.markets.models import Series, Symbol
from workers.bench.pages import backend_pid

MINUTES = 525_600
START = datetime(2025, 1, 1, tzinfo=UTC)
END = START + timedelta(minutes=MINUTES)
AIM_LOAD_MS = 500.0
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One thing: its fastest round on the clock, and what a round cost in processor time of ours and of the
    database's."""

    what: str
    milliseconds: float
    ours: float
    database: float
    aim: float | None = None

    def describe(self) -> str:
        """A line for the terminal."""
        work = f"{self.ours:6.0f} ms of work here, {self.database:6.0f} in the database"
        verdict = "" if self.aim is None else f": {self._judge(self.aim)}"
        return f"{self.what:44} {self.milliseconds:7.0f} ms: {work}{verdict}"

    def _judge(self, aim: float) -> str:
        return f"{'met' if self.milliseconds < aim else 'MISSED'} (aim {aim:.0f})"


def measure(*, say: Callable[[str], None]) -> Iterator[Timing]:
    """In an empty database: a year is stored, then everything is done with it that reads it."""
    say(f"{MINUTES:,} candles of one minute ...")
    series, candles = _make_series(), _make_year()
    yield _time("a year stored", partial(store_history, series=series, candles=candles), rounds=1)
    yield _time(
        "the same again, nothing new",
        partial(store_history, series=series, candles=candles),
        rounds=1,
    )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE markets_candle")  # as the database does by itself
    load = partial(load_history, symbol=series.symbol, start=START, end=END)
    yield _time("a year read", partial(load, timeframe=Timeframe.M1), aim=AIM_LOAD_MS)
    yield _time("a year of hours built", partial(load, timeframe=Timeframe.H1))
    yield _time("its gaps", partial(list_missing, series=series, start=START, end=END))
    yield _time("its line in the list", partial(summarize, [series.pk]))
    summary = summarize([series.pk])[series.pk]
    yield _time("its days", partial(read_coverage, series, summary))
    with tempfile.TemporaryDirectory() as directory:
        for kind in ("csv", "parquet"):
            path, is_parquet = Path(directory) / f"year.{kind}", kind == "parquet"
            write = partial(write_candles, candles, is_parquet=is_parquet)
            yield _time(f"written as {kind}", write, rounds=1)
            path.write_bytes(write())
            read = partial(read_file, path, is_parquet=is_parquet, timeframe=Timeframe.M1, now=END)
            yield _time(f"{kind} read and checked", read, rounds=1)


def _make_series() -> Series:
    rules = ("tick_size", "step_size", "min_quantity", "max_quantity", "min_notional")
    symbol = Symbol.objects.create(
        exchange="binance",
        environment="live",
        name="BTC/USDT",
        base="BTC",
        quote="USDT",
        **dict.fromkeys(rules, Decimal(1)),
    )
    return Series.objects.create(symbol=symbol, timeframe=Timeframe.M1, is_followed=False)


def _make_year() -> CandleColumns:
    chance = np.random.default_rng(1)
    close = np.round(50_000 * np.exp(np.cumsum(chance.normal(0, 0.0005, MINUTES))), 2)
    open_ = np.concatenate(([50_000.0], close[:-1]))
    return CandleColumns(
        timeframe=Timeframe.M1,
        opened_at_ms=milliseconds(START) + 60_000 * np.arange(MINUTES),
        open=open_,
        high=np.maximum(open_, close) + 5,
        low=np.minimum(open_, close) - 5,
        close=close,
        volume=np.round(chance.exponential(10, MINUTES), 5),
    )


def _time(
    what: str, do: Callable[[], object], *, rounds: int = ROUNDS, aim: float | None = None
) -> Timing:
    backend = psutil.Process(backend_pid())
    seconds, ours, database = [], time.process_time(), sum(backend.cpu_times()[:2])
    for _ in range(rounds):
        started = time.perf_counter()
        do()
        seconds.append(time.perf_counter() - started)
    return Timing(
        what=what,
        milliseconds=1000 * min(seconds),
        ours=1000 * (time.process_time() - ours) / rounds,
        database=1000 * (sum(backend.cpu_times()[:2]) - database) / rounds,
        aim=aim,
    )
