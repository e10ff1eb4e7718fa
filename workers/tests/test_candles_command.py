"""`manage.py candles`, against an exchange in memory."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.exchanges.errors import ExchangeUnavailable
from apps.markets.history.storing import store_history
from apps.markets.history.tests.builders import columns
from apps.markets.history.tests.conftest import exchange, sent
from apps.markets.history.tests.fakes import FakeExchange
from apps.markets.models import CandleDownload, Series, Symbol

__all__ = ["exchange", "sent"]

pytestmark = pytest.mark.usefixtures("sent", "symbol")
MINUTES = ("--exchange", "binance", "--environment", "simulated", "--symbol", "BTC/USDT")
HUNDRED = ("--from", "2025-01-01", "--to", "2025-01-01T01:40")


def run(*arguments: str) -> list[str]:
    said = io.StringIO()
    call_command("candles", *arguments, stdout=said)
    return said.getvalue().splitlines()


def test_candles_are_downloaded_with_or_without_workers(exchange: FakeExchange) -> None:
    assert run("download", *MINUTES, *HUNDRED) == ["100 candles stored."]
    assert not CandleDownload.objects.get().asked_by.exists()


def test_a_download_that_fails_is_an_error(
    exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.failures = [ExchangeUnavailable("No answer.")] * 3
    monkeypatch.setattr("apps.markets.history.downloads.PAUSE", timedelta(0))

    with pytest.raises(CommandError, match=r"Given up after 3 attempts: No answer\."):
        run("download", *MINUTES, *HUNDRED)


def test_gaps_are_listed(series: Series) -> None:
    store_history(series=series, candles=columns([0, 1, 5]))

    assert run("gaps", *MINUTES) == [
        "2025-01-01 00:02 to 2025-01-01 00:05: 3",
        "3 candles are missing in 1 gaps.",
    ]


def test_a_file_goes_out_and_in(series: Series, tmp_path: Path) -> None:
    store_history(series=series, candles=columns(range(3, 9)))
    file = str(tmp_path / "candles.csv")

    assert run("export", file, *MINUTES) == [f"6 candles written to {file}."]
    Series.objects.all().delete()
    assert run("import", file, *MINUTES) == ["6 candles read, 6 of them new."]


def test_candles_of_a_wrong_file_are_deleted(series: Series) -> None:
    store_history(series=series, candles=columns(range(9)))

    assert run("delete", *MINUTES, "--from", "2025-01-01T00:02", "--to", "2025-01-02") == [
        "7 candles of BTC/USDT 1m deleted."
    ]


def test_a_bad_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "candles.csv"
    file.write_text("open_time,open,high,low,close,volume\nsoon,1,1,1,1,1\n")

    with pytest.raises(CommandError, match=r"Line 2: its time can't be read\."):
        run("import", str(file), *MINUTES)


def test_every_series_is_listed(series: Series) -> None:
    store_history(series=series, candles=columns([0, 1, 5]))

    (line,) = run("list")

    assert line.split("  ")[-1] == "3 missing (50.00%)"
    assert " 2025-01-01 00:00 to 2025-01-01 00:05 " in line


def test_a_symbol_that_is_not_listed_is_an_error(symbol: Symbol) -> None:
    with pytest.raises(CommandError, match="Binance lists no ETH/USDT"):
        run("gaps", *MINUTES[:-1], "ETH/USDT")


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError, match="soon is no time: write 2025-01-31"):
        run("download", *MINUTES, "--from", "soon", "--to", "2025-01-02")
