from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import fastparquet
import numpy as np
import pandas as pd
import pytest

from apps.domain.candles import Timeframe
from apps.markets.history.coverage import read_coverage, summarize
from apps.markets.history.reading import load_candles
from apps.markets.history.storing import store_history
from apps.markets.history.tables import BadFile, read_file
from apps.markets.history.tests.builders import START, columns, minute
from apps.markets.history.transfer import file_name, import_candles, write_candles
from apps.markets.models import Candle, Series, Symbol

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HEADER = "open_time,open,high,low,close,volume\n"
FIRST_MS = int(START.timestamp()) * 1000
LINE = f"{FIRST_MS},2,4,1,3,9\n"
NEXT = f"{FIRST_MS + 60_000},3,4,1,2,0\n"
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Makes a CSV file of some text."""

    def to_file(text: str) -> Path:
        path = tmp_path / "candles.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return to_file


def read(path: Path, timeframe: Timeframe = Timeframe.M1) -> list[list[float]]:
    """Minutes from the start, and closes."""
    is_parquet = path.suffix == ".parquet"
    found = read_file(path, is_parquet=is_parquet, timeframe=timeframe, now=NOW).candles
    return [((found.opened_at_ms - FIRST_MS) / 60_000).tolist(), found.close.tolist()]


@pytest.mark.parametrize(
    "text",
    [
        HEADER + LINE + NEXT,
        LINE + NEXT,
        HEADER + NEXT + LINE,
        "\ufeff" + HEADER + LINE + "\n" + NEXT + "\n\n",
        (HEADER + LINE + NEXT).replace(",", ";"),
        (HEADER + LINE + NEXT).replace("\n", "\r\n"),
        ("Volume;Close;Low;High;Open;Date;Trades\n"
         "9;3;1;4;2;2025-01-01 00:00:00;17\n0;2;1;4;3;2025-01-01T01:01:00+01:00;1\n"),
        f"{FIRST_MS}000,2,4,1,3,9,{FIRST_MS}999,8,1,1,1,0\n{FIRST_MS + 60_000}000,3,4,1,2,0,0,0,0,0,0,0\n",
        (f"Unix,Date,open,high,low,close,vol\n{FIRST_MS // 1000},x,2,4,1,3,9\n"
         f"{FIRST_MS // 1000 + 60},y,3,4,1,2,0\n"),
        (HEADER + LINE + NEXT).replace(str(FIRST_MS), f"{FIRST_MS}000000").replace(
            str(FIRST_MS + 60_000), f"{FIRST_MS + 60_000}000000"
        ),
    ],
    ids=["as exported", "no names", "out of order", "empty lines", "semicolons", "Windows",
         "other names and ISO times", "Binance's own dumps", "seconds", "nanoseconds"],
)  # fmt: skip
def test_candles_are_read_however_they_are_written(write: Write, text: str) -> None:
    assert read(write(text)) == [[0, 1], [3, 2]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "This can't be read as CSV: No columns to parse"),
        (HEADER, "There is no candle in it."),
        ("a,b\n1,2\n", "There is no column open_time, open, high, low, close, volume; there are: a, b."),
        ("1,2,3\n", "Line 1: there are fewer than six columns"),
        (HEADER + LINE + "soon,2,4,1,3,9\n", "Line 3: its time can't be read."),
        (HEADER + "soon,2,4,1,3,9\n", "Line 2: its time can't be read."),
        (HEADER + LINE + "17,2,4,1,3,9\n", "Line 3: no 1m candle opens at its time, in UTC."),
        (HEADER + LINE + "9e99,2,4,1,3,9\n", "Line 3: its time is far off the others."),
        (HEADER + LINE + "\n" + NEXT.replace("3,", "x,"), "Line 4: its open is no number."),
        (HEADER + LINE.replace(",9", ",nan") + NEXT.replace(",0", ","),
         "Line 2: its volume is no number. So are 1 more."),
        (HEADER + LINE.replace(",1,", ",0,"), "Line 2: its low is not above zero."),
        (HEADER + LINE.replace(",1,", ",inf,"), "Line 2: its low is no number."),
        (HEADER + LINE.replace(",9", ",-9"), "Line 2: its volume is below zero."),
        (HEADER + LINE.replace(",3,", ",5,"), "Line 2: its open and close don't lie between"),
        (HEADER + LINE + NEXT + LINE, "Line 4: its time was there before."),
        (HEADER + LINE + "1,2,3,4,5,6,7,8,9\n", "This can't be read as CSV: .*Expected 6 fields in line 3"),
        (HEADER + "1793491200000,2,4,1,3,9\n", "Line 2: its candle has not closed yet."),
        (HEADER + LINE + f"{FIRST_MS + 300_000},2,4,1,3,9\n",
         "Its candles lie 5 minutes apart: these are no 1m candles."),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(write: Write, text: str, words: str) -> None:
    with pytest.raises(BadFile, match=words):
        read(write(text))


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "candles.csv"
    path.write_bytes(b"\xff\xfe" + "open".encode("utf-16-le"))

    with pytest.raises(BadFile, match="no text in UTF-8"):
        read(path)


@pytest.mark.parametrize("times", ["int64", "datetime64[ms]", "str"])
def test_parquet_is_read_with_times_of_any_kind(tmp_path: Path, times: str) -> None:
    moments = [START.replace(tzinfo=None), minute(1).replace(tzinfo=None)]
    column = {
        "int64": np.array([FIRST_MS, FIRST_MS + 60_000]),
        "datetime64[ms]": np.array(moments, "datetime64[ms]"),
        "str": [moment.isoformat() for moment in moments],
    }[times]
    prices = {
        "open": [2.0, 3],
        "high": [4.0, 4],
        "low": [1.0, 1],
        "close": [3, 2],
        "volume": [9.0, 0],
    }
    path = tmp_path / "candles.parquet"
    fastparquet.write(str(path), pd.DataFrame({"Time": column, **prices}))

    assert read(path) == [[0, 1], [3, 2]]


def test_a_wrong_row_of_a_parquet_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "candles.parquet"
    path.write_bytes(write_candles(columns([5, 6, 1]), is_parquet=True))

    with pytest.raises(BadFile, match=r"Row 3: its low is not above zero\."):
        read(path)


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "candles.parquet"
    path.write_bytes(b"PAR1" + b"\xff" * 40 + b"\x20\0\0\0PAR1")

    with pytest.raises(BadFile, match="no Parquet file that can be read"):
        read(path)


def run_import(symbol: Symbol, path: Path) -> str:
    return import_candles(
        symbol=symbol,
        timeframe=Timeframe.M1,
        path=path,
        is_parquet=path.suffix == ".parquet",
        now=NOW,
    ).describe()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_exported_can_be_imported(symbol: Symbol, tmp_path: Path, suffix: str) -> None:
    written = columns(range(3, 10))
    path = tmp_path / f"candles.{suffix}"
    path.write_bytes(write_candles(written, is_parquet=suffix == "parquet"))

    assert run_import(symbol, path) == "7 candles read, 7 of them new."
    assert run_import(symbol, path) == "7 candles read, 0 of them new."

    series = Series.objects.get()
    read_back = load_candles(series=series, start=minute(0), end=minute(20))
    assert not series.is_followed
    for name in ("opened_at_ms", "open", "high", "low", "close", "volume"):
        assert getattr(read_back, name).tolist() == getattr(written, name).tolist()


def test_nothing_of_a_file_with_a_bad_line_is_kept(symbol: Symbol, write: Write) -> None:
    with pytest.raises(BadFile):
        run_import(symbol, write(HEADER + LINE + "soon,2,4,1,3,9\n"))

    assert not Candle.objects.exists()
    assert not Series.objects.exists()


def test_what_is_newer_than_the_heartbeat_is_left_to_it(series: Series, write: Write) -> None:
    store_history(series=series, candles=columns([1]))

    told = run_import(series.symbol, write(HEADER + LINE + NEXT))

    assert told == (
        "2 candles read, 1 of them new. 1 are left out: they are newer than what is followed."
    )


def test_a_few_candles_that_opened_at_odd_moments_are_left_out(
    symbol: Symbol, tmp_path: Path
) -> None:
    content = write_candles(columns(range(3, 203)), is_parquet=False).decode()
    path = tmp_path / "candles.csv"
    path.write_text(content + f"{FIRST_MS + 34_789},2,4,1,3,9\n")

    assert run_import(symbol, path) == (
        "201 candles read, 200 of them new. 1 are left out: they open at odd moments."
    )


def test_files_are_called_as_the_paper_exchange_takes_them(symbol: Symbol) -> None:
    assert file_name(symbol, Timeframe.M1, is_parquet=False) == "BINANCE_BTCUSDT_1m.csv"


def test_a_recorded_outage_is_a_gap(symbol: Symbol, shared: Path) -> None:
    run_import(symbol, shared / "data/quirks/binance_BTCUSDT_1m_outage_2023-03-24.csv")

    (gap,) = read_coverage(series := Series.objects.get(), summarize([series.pk])[series.pk]).gaps
    assert (f"{gap.start:%H:%M}", f"{gap.end:%H:%M}") == ("12:40", "14:00")


def test_recorded_candles_are_read(shared: Path) -> None:
    closes = read(shared / "data" / "BINANCE_BTCUSDT_1h.parquet", Timeframe.H1)[1]

    assert len(closes) == 75_444
