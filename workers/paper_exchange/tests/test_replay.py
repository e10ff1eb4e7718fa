from collections.abc import Iterable
from pathlib import Path

import pytest

from workers.paper_exchange.markets.candles import MINUTE_MS, Candle
from workers.paper_exchange.markets.replay import (
    HISTORY_CANDLES,
    load_recording,
    replay_feed,
    replay_start_ms,
)
from workers.paper_exchange.startup import StartError
from workers.paper_exchange.tests.builders import START_MS, rising_candles


def write_csv(path: Path, candles: Iterable[Candle]) -> Path:
    rows = ["open_time,open,high,low,close,volume"]
    rows += [",".join(str(value) for value in candle) for candle in candles]
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_csv_file_becomes_a_market_with_a_past(tmp_path: Path) -> None:
    candles = rising_candles(HISTORY_CANDLES + 2)
    path = write_csv(tmp_path / "BINANCE_BTCUSDT_1m.csv", candles)
    recording = load_recording(path)

    feed = replay_feed([recording], replay_start_ms([recording]))

    assert feed.markets["BTC/USDT"].tick_size == 1
    assert feed.series["BTC/USDT"].last == candles[HISTORY_CANDLES - 1]
    assert feed.next_tick_ms == candles[HISTORY_CANDLES].opened_ms


def test_recorded_parquet_plays_over_its_holes(shared: Path) -> None:
    recording = load_recording(shared / "data/BINANCEUS_BTCUSDT_1m.parquet")

    feed = replay_feed([recording], recording.opened[-1] - 10 * MINUTE_MS)

    assert recording.base == "BTC"
    assert str(feed.markets["BTC/USDT"].tick_size) == "0.01"
    closed = [t for t in feed.advance(recording.opened[-1] + MINUTE_MS) if t.is_closed]
    assert closed[-1].candle.opened_ms == recording.opened[-1]


def test_a_recorded_outage_is_a_hole(shared: Path) -> None:
    name = "binance_BTCUSDT_1m_outage_2023-03-24.csv"
    recording = load_recording(shared / "data/quirks" / name)
    gaps = [
        (before, after)
        for before, after in zip(recording.opened, recording.opened[1:], strict=False)
        if after - before > MINUTE_MS
    ]
    feed = replay_feed([recording], recording.opened[0])

    list(feed.advance(gaps[0][0] + MINUTE_MS))

    assert feed.resumes_ms(gaps[0][0] + MINUTE_MS) == gaps[0][1]
    assert feed.is_open("BTC/USDT") is False


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("candles.csv", "the name must be EXCHANGE_SYMBOL_TIMEFRAME"),
        ("BINANCE_BTCXXX_1m.csv", "the name must be EXCHANGE_SYMBOL_TIMEFRAME"),
        ("BINANCE_BTCUSDT_7m.csv", "the name must be EXCHANGE_SYMBOL_TIMEFRAME"),
        ("BINANCE_BTCUSDT_1m.csv", "there is no such file"),
    ],
)
def test_a_file_that_cannot_be_played_is_named(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(StartError, match=words):
        load_recording(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("open_time,open,high,low,close,volume\n", "no candle in it"),
        ("open_time,open,high,low,close,volume\n60000,1,2,x,1,1\n", r"1m\.csv:2: can't be read"),
        ("time,open\n1,2\n", r"1m\.csv:2: can't be read"),
        ("open_time,open,high,low,close,volume\n60000,9,2,1,1,1\n", "of 60000 contradict"),
        ("open_time,open,high,low,close,volume\n60000,1,nan,1,1,1\n", "of 60000 contradict"),
        ("open_time,open,high,low,close,volume\n60000,1,2,1,1,1\n60000,1,2,1,1,1\n", "ascending"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "BINANCE_BTCUSDT_1m.csv"
    path.write_text(text)

    with pytest.raises(StartError, match=words):
        load_recording(path)


def test_a_broken_parquet_file_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "BINANCE_BTCUSDT_1m.parquet"
    path.write_bytes(b"not a parquet file at all")

    with pytest.raises(StartError, match="not a readable candle file"):
        load_recording(path)


def test_a_file_that_is_too_short_says_how_long_it_must_be(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "BINANCE_BTCUSDT_1m.csv", rising_candles(10))

    with pytest.raises(StartError, match="10 candles, and the first 600"):
        replay_start_ms([load_recording(path)])


def test_the_same_market_twice_is_refused(tmp_path: Path) -> None:
    one = load_recording(write_csv(tmp_path / "A_BTCUSDT_1m.csv", rising_candles(10)))
    two = load_recording(write_csv(tmp_path / "B_BTCUSDT_1m.csv", rising_candles(10)))

    with pytest.raises(StartError, match="given twice"):
        replay_feed([one, two], START_MS)


def test_candles_off_the_grid_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    candles = rising_candles(3)
    odd = candles[1]._replace(opened_ms=candles[1].opened_ms + 46_176)
    path = write_csv(tmp_path / "BINANCE_BTCUSDT_1m.csv", [candles[0], odd, candles[2]])

    recording = load_recording(path)

    assert list(recording.candles()) == [candles[0], candles[2]]
    assert "1 candles off the grid are left out" in caplog.text
