"""The pages of the price history."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.core.tasks import TaskName
from apps.markets.history.storing import store_history
from apps.markets.history.tests.builders import columns
from apps.markets.models import Candle, CandleDownload, Series, Symbol

LIST = "/admin/markets/series/"
MINUTES = {
    "exchange": "binance",
    "environment": "simulated",
    "symbol": "btc/usdt",
    "timeframe": "1m",
}
JANUARY = {**MINUTES, "first": "2025-01-01", "last": "2025-01-31"}
FILE = b"time,open,high,low,close,volume\n2025-01-01,2,4,1,3,9\n2025-01-01T00:01,3,4,1,2,0\n"


@pytest.fixture
def desk(client: Client, alice: User) -> Client:
    """Alice's browser."""
    client.force_login(alice)
    return client


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[TaskName]:
    """The tasks that were sent."""
    names: list[TaskName] = []
    for module in ("history.downloads", "symbols"):
        monkeypatch.setattr(
            f"apps.markets.{module}.enqueue_on_commit", lambda name, **_kwargs: names.append(name)
        )
    return names


def page_of(series: Series) -> str:
    return reverse("admin:markets_series_change", args=[series.pk])


def text(client: Client, address: str, **values: Any) -> str:
    """What a page says, or the one that a form leads to."""
    answer = client.post(address, values, follow=True) if values else client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_list_tells_what_each_series_holds(desk: Client, series: Series) -> None:
    store_history(series=series, candles=columns([0, 1, 5]))

    page = text(desk, LIST)

    assert "2025-01-01 00:00 to 2025-01-01 00:05" in page
    assert "3 missing (50.00%)" in page


def test_many_series_take_no_more_queries_than_one(
    desk: Client, series: Series, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for timeframe in ("3m", "5m", "15m", "1h"):
        store_history(
            series=Series.objects.create(symbol=series.symbol, timeframe=timeframe),
            candles=columns([0]),
        )

    with django_assert_max_num_queries(14):
        desk.get(LIST)


def test_whoever_asks_for_candles_follows_the_download(
    desk: Client, alice: User, symbol: Symbol, sent: list[TaskName]
) -> None:
    page = text(desk, reverse("admin:markets_series_download"), **JANUARY)

    download = CandleDownload.objects.get()
    assert list(download.asked_by.all()) == [alice]
    assert (download.end - download.start).days == 31
    assert f'hx-get="{reverse("admin:markets_candledownload", args=[download.pk])}"' in page
    assert "Waiting for a worker" in page
    assert sent == [TaskName.DOWNLOAD_CANDLES]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"symbol": "ETH/USDT"}, "Binance lists no ETH/USDT."),
        ({"timeframe": "10m"}, "Binance makes no 10m candles"),
        ({"last": "2024-12-31"}, "The end lies before the end of the first candle"),
        ({"first": ""}, "This field is required."),
    ],
)
def test_what_can_not_be_downloaded_is_said_in_the_form(
    desk: Client, symbol: Symbol, values: dict[str, str], words: str
) -> None:
    page = text(desk, reverse("admin:markets_series_download"), **{**JANUARY, **values})

    assert words in page
    assert not CandleDownload.objects.exists()


def test_symbols_that_were_never_read_are_read_now(
    desk: Client, symbol: Symbol, sent: list[TaskName]
) -> None:
    values = {**JANUARY, "exchange": "kraken", "environment": "live"}

    page = text(desk, reverse("admin:markets_series_download"), **values)

    assert "The symbols of Kraken are being read for the first time." in page
    assert sent == [TaskName.SYNC_SYMBOLS]


def test_a_form_begins_with_the_series_that_it_is_opened_from(desk: Client, series: Series) -> None:
    page = text(desk, f"{reverse('admin:markets_series_download')}?series={series.pk}")

    assert '<option value="simulated" selected>' in page


def test_a_download_is_cancelled_where_it_is_shown(desk: Client, symbol: Symbol) -> None:
    text(desk, reverse("admin:markets_series_download"), **JANUARY)
    address = reverse("admin:markets_candledownload", args=[CandleDownload.objects.get().pk])
    assert "every 1s" in text(desk, address)

    part = desk.post(address).content.decode()

    assert "Cancelled. What was stored stays." in part
    assert "every 1s" not in part


def test_the_page_of_a_series_shows_its_days_and_gaps(desk: Client, series: Series) -> None:
    store_history(series=series, candles=columns([0, 1, 5]))

    page = text(desk, page_of(series))

    assert 'aria-label="2025: 0 of 1 days complete"' in page
    assert "<td>2025-01-01 00:02</td><td>2025-01-01 00:05</td><td>3</td>" in page


def test_a_repair_downloads_what_is_missing(desk: Client, series: Series) -> None:
    store_history(series=series, candles=columns([0, 1, 5]))

    desk.post(reverse("admin:markets_series_repair", args=[series.pk]))

    download = CandleDownload.objects.get()
    assert str(download) == "BTC/USDT 1m, 2025-01-01 to 2025-01-01"


def test_a_series_without_candles_can_not_be_repaired(desk: Client, series: Series) -> None:
    page = text(desk, reverse("admin:markets_series_repair", args=[series.pk]), again="on")

    assert "There is no candle yet" in page


def test_a_file_is_imported(desk: Client, symbol: Symbol) -> None:
    file = SimpleUploadedFile("candles.csv", FILE)

    page = text(desk, reverse("admin:markets_series_import"), **MINUTES, file=file)

    assert "2 candles read, 2 of them new." in page
    assert Candle.objects.count() == 2


def test_a_bad_line_of_a_file_is_said_in_the_form(desk: Client, symbol: Symbol) -> None:
    file = SimpleUploadedFile("candles.csv", FILE + b"soon,1,1,1,1,1\n")

    page = text(desk, reverse("admin:markets_series_import"), **MINUTES, file=file)

    assert "Line 4: its time can&#x27;t be read." in page
    assert not Candle.objects.exists()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_days_are_exported_as_a_file(
    desk: Client, series: Series, tmp_path: Path, kind: str
) -> None:
    store_history(series=series, candles=columns([0, 1, 1440]))
    days = f"first=2025-01-01&last=2025-01-01&kind={kind}"

    answer = desk.get(f"{reverse('admin:markets_series_export', args=[series.pk])}?{days}")

    assert answer["Content-Disposition"] == f'attachment; filename="BINANCE_BTCUSDT_1m.{kind}"'
    if kind == "csv":
        assert len(answer.content.splitlines()) == 3
    else:
        assert answer.content[:4] == b"PAR1"


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ("first=&last=2025-01-01&kind=csv", "Choose the first and the last day"),
        ("first=2020-01-01&last=2025-01-01&kind=csv", "That is too much for one file"),
    ],
)
def test_a_file_that_can_not_be_written_is_explained(
    desk: Client, series: Series, days: str, words: str
) -> None:
    address = reverse("admin:markets_series_export", args=[series.pk])

    assert words in desk.get(f"{address}?{days}", follow=True).content.decode()
