import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from apps.accounts.models import User
from apps.domain.candles import Timeframe
from apps.exchanges.errors import ExchangeUnavailable, RateLimited, UnknownSymbol
from apps.markets.history.downloads import (
    DownloadRefused,
    begin_download,
    begin_repair,
    continue_download,
    leave_download,
    sweep_downloads,
)
from apps.markets.history.reading import list_asked, load_times
from apps.markets.history.spans import Span
from apps.markets.history.storing import record_asked, store_history
from apps.markets.history.tests.builders import columns, minute
from apps.markets.history.tests.fakes import FakeExchange
from apps.markets.models import CandleDownload, Series, Symbol
from apps.markets.services import follow

pytestmark = pytest.mark.usefixtures("sent")


@pytest.fixture
def download(alice: User, symbol: Symbol, exchange: FakeExchange) -> CandleDownload:
    """Of a hundred minutes, wanted by alice."""
    return begin(alice, symbol)


def begin(user: User, symbol: Symbol, start: int = 0, end: int = 100) -> CandleDownload:
    return begin_download(
        user=user, symbol=symbol, timeframe=Timeframe.M1, start=minute(start), end=minute(end)
    )


def go_on(download: CandleDownload, seconds: float = 60.0) -> CandleDownload:
    continue_download(download_id=download.pk, worker=uuid.uuid4().hex, seconds=seconds)
    download.refresh_from_db()
    return download


def fall_silent(download: CandleDownload) -> None:
    """As a killed worker does."""
    CandleDownload.objects.filter(pk=download.pk).update(
        state="running", worker="killed", beat_at=Now() - timedelta(minutes=1)
    )


def stored(series: Series) -> list[int]:
    times = load_times(series=series, start=minute(-10), end=minute(1000))
    return ((times - Span.between(minute(0), minute(1)).start) // 60_000).astype(int).tolist()


def test_all_of_a_range_is_stored(download: CandleDownload, exchange: FakeExchange) -> None:
    go_on(download)

    assert stored(download.series) == list(range(100))
    assert (download.state, download.message) == ("done", "100 candles stored.")
    assert (download.done, download.total, download.stored) == (100, 100, 100)


def test_only_what_is_missing_is_asked_for(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    store_history(series=download.series, candles=columns([*range(40), *range(60, 90)]))

    go_on(download)

    assert exchange.asked == [(40, 59), (90, 99)]
    assert download.total == 30


def test_an_outage_of_the_exchange_is_remembered_and_not_asked_for_again(
    download: CandleDownload, exchange: FakeExchange, alice: User
) -> None:
    exchange.minutes = [*range(20), *range(50, 90)]

    go_on(download)
    exchange.asked.clear()
    again = go_on(begin(alice, download.series.symbol))

    assert download.message == "60 candles stored. Binance has none for 40 more."
    assert list_asked(download.series) == [Span.between(minute(0), minute(100))]
    assert (exchange.asked, again.message) == ([], "0 candles stored.")


def test_pages_follow_each_other_until_the_end(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    exchange.size = 40

    go_on(download)

    assert exchange.asked == [(0, 99), (40, 99), (80, 99)]
    assert len(stored(download.series)) == 100


def test_a_task_gives_the_download_on_when_its_time_is_up(
    download: CandleDownload, exchange: FakeExchange, sent: list[int]
) -> None:
    exchange.size = 40

    go_on(download, seconds=0)

    assert (download.done, download.worker, download.state) == (40, "", "running")
    assert download.progress == "40 %, 40 of 100 candles"
    assert sent == [download.pk, download.pk]


def test_a_killed_worker_is_followed_by_another_that_goes_on_where_it_was(
    download: CandleDownload, exchange: FakeExchange, sent: list[int]
) -> None:
    exchange.size = 40
    go_on(download, seconds=0)
    fall_silent(download)
    sent.clear()

    assert sweep_downloads() == 1
    go_on(download)

    assert exchange.asked == [(0, 99), (40, 99), (80, 99)]
    assert (download.state, download.stored, download.total) == ("done", 100, 100)


def test_a_worker_that_lost_its_download_stores_nothing_more(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    exchange.meanwhile = lambda: CandleDownload.objects.update(worker="another")

    go_on(download)

    assert (download.worker, download.state) == ("another", "running")
    assert stored(download.series) == []


def test_a_download_whose_workers_die_is_given_up(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    for _ in range(3):
        fall_silent(download)
        exchange.failures = [RateLimited("wait")]
        go_on(download)

    assert (download.state, download.message) == (
        "failed",
        "Its worker was lost 3 times. Begin it again.",
    )


def test_no_two_workers_are_at_one_download(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    CandleDownload.objects.update(state="running", worker="another", beat_at=Now())

    assert sweep_downloads() == 0
    go_on(download)

    assert exchange.asked == []


def test_downloads_of_one_series_wait_for_each_other(
    download: CandleDownload, exchange: FakeExchange, alice: User
) -> None:
    other = begin(alice, download.series.symbol, start=50, end=150)
    CandleDownload.objects.filter(pk=download.pk).update(state="running")

    go_on(other)
    go_on(download)
    go_on(other)

    assert exchange.asked == [(0, 99), (100, 149)]
    assert other.state == "done"


def test_cancelling_ends_it_at_once_and_keeps_what_is_stored(
    download: CandleDownload, exchange: FakeExchange, alice: User
) -> None:
    exchange.size = 40
    go_on(download, seconds=0)
    exchange.meanwhile = lambda: leave_download(download_id=download.pk, user=alice)

    go_on(download)

    assert (download.state, download.message) == ("cancelled", "Cancelled. What was stored stays.")
    assert len(stored(download.series)) == 40


def test_an_end_that_has_come_is_not_cancelled(download: CandleDownload, alice: User) -> None:
    go_on(download)

    assert leave_download(download_id=download.pk, user=alice).state == "done"


def test_who_asks_for_what_is_coming_shares_the_download(
    download: CandleDownload, alice: User, bob: User
) -> None:
    shared = begin(bob, download.series.symbol, start=10, end=90)

    assert shared == download
    assert set(download.asked_by.all()) == {alice, bob}
    assert leave_download(download_id=download.pk, user=alice).state == "waiting"
    assert leave_download(download_id=download.pk, user=bob).state == "cancelled"


def test_candles_of_another_exchange_are_another_download(
    download: CandleDownload, bob: User
) -> None:
    kraken = Symbol.objects.get()
    kraken.pk, kraken.exchange = None, "kraken"
    kraken.save()

    other = begin(bob, kraken)

    assert other != download
    assert other.series.symbol.exchange == "kraken"


def test_a_series_that_was_only_downloaded_is_not_followed_until_somebody_wants_it(
    download: CandleDownload,
) -> None:
    assert not download.series.is_followed

    assert follow(download.series.symbol, Timeframe.M1) == download.series
    assert Series.objects.get().is_followed


def test_a_limit_is_waited_for(download: CandleDownload, exchange: FakeExchange) -> None:
    limited = RateLimited("too fast")
    limited.retry_after = 30.0
    exchange.failures = [limited]

    go_on(download)

    assert (download.state, download.worker, download.attempts) == ("running", "", 0)
    assert download.progress == "0 %, 0 of 100 candles. Waiting for Binance's limits."
    assert sweep_downloads() == 0
    go_on(download)
    assert exchange.asked == []


def test_an_exchange_that_does_not_answer_is_asked_three_times(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    exchange.failures = [ExchangeUnavailable("No answer.") for _ in range(3)]

    for _ in range(3):
        assert go_on(download).is_going_on or download.attempts == 2
        CandleDownload.objects.update(resume_at=None)

    assert (download.state, download.message) == ("failed", "Given up after 3 attempts: No answer.")


def test_a_page_in_between_makes_up_for_failures(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    exchange.failures = [ExchangeUnavailable("No answer.")]
    go_on(download)
    CandleDownload.objects.update(resume_at=None)

    go_on(download)

    assert (download.state, download.attempts) == ("done", 0)


def test_a_definite_no_ends_it(download: CandleDownload, exchange: FakeExchange) -> None:
    exchange.failures = [UnknownSymbol("Binance has no such market.")]

    go_on(download)

    assert (download.state, download.message) == ("failed", "Binance has no such market.")


def test_a_candle_that_has_just_closed_is_left_to_later(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    exchange.clock = 50

    go_on(download)

    assert stored(download.series) == list(range(49))
    assert list_asked(download.series) == [Span.between(minute(0), minute(49))]


def test_what_the_heartbeat_brings_is_left_to_it(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    follow(download.series.symbol, Timeframe.M1)
    store_history(series=download.series, candles=columns([70]))

    go_on(download)

    assert stored(download.series) == list(range(71))


def test_what_an_exchange_no_longer_tells_has_to_be_imported(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    exchange.capabilities = replace(exchange.capabilities, candle_history=149)

    go_on(download)

    assert stored(download.series) == list(range(50, 100))
    assert download.message == (
        "50 candles stored. Binance tells only its newest 149: import older ones from a file."
    )


def test_candles_off_the_grid_are_not_stored(
    download: CandleDownload, exchange: FakeExchange
) -> None:
    exchange.minutes = [0, 1, 2.5, 3]

    go_on(download)

    assert stored(download.series) == [0, 1, 3]
    assert download.state == "done"


@pytest.mark.parametrize(
    ("timeframe", "end", "words"),
    [
        (Timeframe.M10, 100, "Binance makes no 10m candles"),
        (Timeframe.M1, 0, "The end lies before the end of the first candle"),
        (
            Timeframe.M1,
            3_000_001,
            "These are 3,000,001 candles, and a download takes at most 3,000,000",
        ),
    ],
)
def test_what_can_not_be_had_is_refused_in_words(
    alice: User, symbol: Symbol, timeframe: Timeframe, end: int, words: str
) -> None:
    with pytest.raises(DownloadRefused, match=words):
        begin_download(
            user=alice, symbol=symbol, timeframe=timeframe, start=minute(0), end=minute(end)
        )

    assert not CandleDownload.objects.exists()


def test_a_user_has_three_downloads_at_a_time(alice: User, bob: User, symbol: Symbol) -> None:
    for number in range(3):
        begin(alice, symbol, start=100 * number, end=100 * number + 50)

    with pytest.raises(DownloadRefused, match="3 of your downloads are going on"):
        begin(alice, symbol, start=500, end=600)

    assert begin(bob, symbol, start=500, end=600).is_going_on


def test_a_market_that_does_not_run_is_refused(alice: User, symbol: Symbol) -> None:
    Symbol.objects.update(environment="replay")
    symbol.refresh_from_db()

    with pytest.raises(DownloadRefused, match="needs the paper exchange with a replay market"):
        begin(alice, symbol)


def test_a_repair_asks_for_the_gaps_alone(
    series: Series, exchange: FakeExchange, alice: User
) -> None:
    Series.objects.update(is_followed=False)
    store_history(series=series, candles=columns([3, 4, 8]))

    repair = go_on(begin_repair(user=alice, series=series))

    assert exchange.asked == [(5, 7)]
    assert repair.message == "3 candles stored."


def test_a_repair_may_ask_again_for_what_the_exchange_had_not(
    series: Series, exchange: FakeExchange, alice: User
) -> None:
    store_history(series=series, candles=columns([3, 8]))
    record_asked(series=series, span=Span.between(minute(0), minute(9)))

    go_on(begin_repair(user=alice, series=series))
    assert exchange.asked == []

    go_on(begin_repair(user=alice, series=series, asks_again=True))
    assert exchange.asked == [(4, 7)]


def test_nothing_can_be_repaired_before_the_first_candle(series: Series, alice: User) -> None:
    with pytest.raises(DownloadRefused, match="There is no candle yet"):
        begin_repair(user=alice, series=series)
