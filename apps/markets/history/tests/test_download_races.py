"""What is done at the same moment, on PostgreSQL."""

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

import pytest
from django.db import connection

from apps.accounts.models import User
from apps.domain.candles import Timeframe
from apps.markets.history.downloads import begin_download, continue_download
from apps.markets.history.storing import store_history
from apps.markets.history.tests.builders import columns, minute
from apps.markets.history.tests.fakes import FakeExchange
from apps.markets.models import Candle, CandleDownload, Series, Symbol

T = TypeVar("T")

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]


def together(calls: Sequence[Callable[[], T]]) -> list[T]:
    """What each returned, run at the same moment on connections of their own."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        barrier.wait(10)
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def begin(user: User, symbol: Symbol) -> CandleDownload:
    return begin_download(
        user=user, symbol=symbol, timeframe=Timeframe.M1, start=minute(0), end=minute(100)
    )


def test_two_users_who_ask_at_once_share_one_download(
    alice: User, bob: User, symbol: Symbol
) -> None:
    first, second = together([lambda: begin(alice, symbol), lambda: begin(bob, symbol)])

    assert first == second
    assert set(first.asked_by.all()) == {alice, bob}


def test_two_tasks_of_one_download_ask_once(
    alice: User, symbol: Symbol, exchange: FakeExchange
) -> None:
    download = begin(alice, symbol)

    def go_on() -> None:
        continue_download(download_id=download.pk, worker=uuid.uuid4().hex)

    together([go_on, go_on])

    assert exchange.asked == [(0, 99)]
    assert CandleDownload.objects.get().state == "done"


def test_the_same_candles_are_stored_once(symbol: Symbol) -> None:
    series = Series.objects.create(symbol=symbol, timeframe="1m")

    counts = together([lambda: store_history(series=series, candles=columns(range(500)))] * 2)

    assert sum(counts) == Candle.objects.count() == 500
