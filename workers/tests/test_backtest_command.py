"""`manage.py backtest`, with candles in a file."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from workers.sandbox.tests.running import RunningZygote, walk, write_strategy

EVERY_TENTH = write_strategy("return len(self.candles) % 10 == 0")


@pytest.fixture(autouse=True)
def _sandbox(backtest_zygote: RunningZygote, settings: LazySettings) -> None:
    settings.BACKTEST_SOCKET = backtest_zygote.socket_path


@pytest.fixture
def strategy(tmp_path: Path) -> str:
    """A file that buys after every tenth candle."""
    file = tmp_path / "tenth.py"
    file.write_text(EVERY_TENTH)
    return str(file)


def write_candles(folder: Path, close: list[Any]) -> str:
    """A file of hours with these prices."""
    times = [1_767_225_600_000 + 3_600_000 * row for row in range(len(close))]
    frame = pd.DataFrame({"open_time": times, "volume": 1.0})
    for name in ("open", "high", "low", "close"):
        frame[name] = close
    file = folder / "candles.csv"
    frame.to_csv(file, index=False)
    return str(file)


@pytest.fixture
def candles(tmp_path: Path) -> str:
    """60 hours."""
    return write_candles(tmp_path, walk(60))


def backtest(*arguments: str) -> tuple[str, int]:
    """What it prints, and its exit code."""
    said = StringIO()
    try:
        call_command("backtest", *arguments, stdout=said)
    except SystemExit as end:
        return said.getvalue(), int(str(end.code))
    return said.getvalue(), 0


def test_a_script_gets_json(strategy: str, candles: str) -> None:
    said, status = backtest(strategy, "--candles", candles, "--json", "--fee-rate", "0.002")

    told = json.loads(said)
    assert (status, told["state"], told["metrics"]["trades"]) == (0, "done", 5)
    assert (told["settings"]["taker_fee"], told["settings"]["balance"]) == (0.002, 10_000)
    assert told["trades"][0]["entry_time"] == 1_767_225_600_000 + 3_600_000 * 10
    assert {"entry_price", "exit_time", "exit_price", "quantity", "fees", "pnl", "exit_reason"} < (
        told["trades"][0].keys()
    )
    assert {trade["exit_reason"] for trade in told["trades"]} <= {"signal", "stop_loss"}


def test_a_person_gets_words(strategy: str, candles: str) -> None:
    said, status = backtest(strategy, "--candles", candles)

    assert status == 0
    assert "Maximum drawdown" in said
    assert "How far to trust it: don't trust" in said


def test_a_sample_is_known_by_its_name_and_takes_parameters(candles: str) -> None:
    said, _ = backtest("ema_cross", "--candles", candles, "--param", "fast=3", "--json")

    assert json.loads(said)["settings"]["params"] == {"fast": 3}


def test_dates_choose_candles_of_the_file(strategy: str, candles: str) -> None:
    said, _ = backtest(strategy, "--candles", candles, "--from", "2026-01-02", "--json")

    assert json.loads(said)["daily_equity"][0][0] == 1_767_312_000_000


def test_a_parameter_that_is_none_is_an_error(candles: str) -> None:
    said, status = backtest("ema_cross", "--candles", candles, "--param", "x=3", "--json")

    assert status == 1
    assert json.loads(said)["reason"].startswith("There is no parameter x.")


def test_a_strategy_that_fails_keeps_what_came_before(tmp_path: Path, candles: str) -> None:
    file = tmp_path / "failing.py"
    file.write_text(write_strategy("if len(self.candles) == 35: 1 / 0\nreturn True"))

    said, status = backtest(str(file), "--candles", candles, "--json")

    told = json.loads(said)
    assert (status, told["state"]) == (1, "error")
    assert told["reason"] == (
        "At the candle of 2026-01-02 10:00 UTC: ZeroDivisionError: division by zero"
    )
    assert told["trades"]


@pytest.mark.parametrize(
    ("close", "words"),
    [([100.0, None, 101.0], "Line 3"), ([100.0, -1.0, 101.0], "Line 3"), ([], "no candle")],
)
def test_bad_candles_are_an_error(
    tmp_path: Path, strategy: str, close: list[Any], words: str
) -> None:
    said, status = backtest(strategy, "--candles", write_candles(tmp_path, close), "--json")

    told = json.loads(said)
    assert (status, told["state"], told["trades"]) == (1, "error", [])
    assert words in told["reason"]


def test_a_file_that_is_not_there_is_said(strategy: str) -> None:
    with pytest.raises(CommandError, match=r"nowhere.csv can't be read: No such file"):
        backtest(strategy, "--candles", "nowhere.csv")


def test_without_a_file_the_flags_that_lack_are_named(strategy: str) -> None:
    with pytest.raises(CommandError, match="--candles FILE, or --exchange, --from, --to as well"):
        backtest(strategy, "--symbol", "BTC/USDT")


@pytest.mark.django_db
def test_a_name_that_nobody_gave_is_said(candles: str) -> None:
    with pytest.raises(CommandError, match="Nope is no file and no strategy of one user"):
        backtest("Nope", "--candles", candles)
