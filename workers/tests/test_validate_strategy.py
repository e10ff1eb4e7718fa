"""`manage.py validate_strategy`, without a database."""

import io
import json
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from apps.strategies.catalogue import get_sample
from workers.sandbox.tests.running import RunningZygote, write_strategy

COMMAND = "validate_strategy"
SAMPLE = get_sample("rsi_reversion").code


@pytest.fixture(autouse=True)
def _running(zygote: RunningZygote, settings: LazySettings) -> None:
    settings.SANDBOX_SOCKET = zygote.socket_path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "strategy.py"
    path.write_text(SAMPLE, encoding="utf-8")
    return path


def run(*arguments: str) -> str:
    said = io.StringIO()
    call_command(COMMAND, *arguments, stdout=said)
    return said.getvalue()


def test_a_valid_strategy_is_told_with_its_dry_run(file: Path) -> None:
    said = run(str(file)).splitlines()

    assert "RsiReversion: parameters length, oversold, overbought; lookback 500" in said
    assert said[-2].startswith("dry run: ")
    assert said[-1] == "valid"


def test_an_invalid_one_ends_with_1_and_its_line(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("import os\n" + write_strategy("return True"), encoding="utf-8")

    with pytest.raises(SystemExit) as ended:
        call_command(COMMAND, str(file))

    assert ended.value.code == 1
    assert capsys.readouterr().out.startswith("error: line 1: os can't be imported.")


def test_code_comes_from_stdin_and_the_report_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SAMPLE))

    report = json.loads(run("-", "--json"))

    assert (report["valid"], report["class_name"]) == (True, "RsiReversion")
    assert report["memory_bytes"] > 0


def test_given_candles_are_what_it_is_rehearsed_on(file: Path, tmp_path: Path) -> None:
    file.write_text(write_strategy("print(len(self.candles)); return False"), encoding="utf-8")
    candles = tmp_path / "BINANCE_BTCUSDT_1m.csv"
    rows = [f"{60_000 * row},1,1,1,1,1" for row in range(301)]
    candles.write_text("\n".join(["open_time,open,high,low,close,volume", *rows]), encoding="utf-8")

    report = json.loads(run(str(file), "--candles", str(candles), "--json"))

    assert set(report["output"].split()) == {"300"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "nowhere.py can't be read: No such file or directory."),
        (["-", "--candles", "x.csv"], "the name must be EXCHANGE_SYMBOL_TIMEFRAME"),
    ],
)
def test_what_could_not_be_checked_ends_with_2(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SAMPLE))

    with pytest.raises(CommandError, match=message) as raised:
        run(*arguments)

    assert raised.value.returncode == 2


def test_without_a_running_sandbox_it_starts_one(
    file: Path, settings: LazySettings, tmp_path: Path
) -> None:
    settings.SANDBOX_SOCKET = str(tmp_path / "nobody")

    assert run(str(file)).endswith("valid\n")
