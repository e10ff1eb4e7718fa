"""Downloads through the real clients, against paper exchanges that speak each protocol."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from django.conf import LazySettings

from apps.core.venues import client_options
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.exchanges.clients import create_client
from apps.markets.history.downloads import begin_download, continue_download
from apps.markets.history.reading import list_asked, load_history
from apps.markets.history.spans import Span
from apps.markets.models import CandleDownload, Symbol
from workers.paper_exchange.tests.conftest import simulated_as
from workers.paper_exchange.tests.serving import Process

__all__ = ["simulated_as"]
WANTED = timedelta(hours=8)


@pytest.fixture(params=Exchange)
def listed(
    request: pytest.FixtureRequest,
    symbol: Symbol,
    simulated_as: Callable[[Exchange], Process],
    settings: LazySettings,
) -> Symbol:
    """BTC/USDT at a paper exchange that runs."""
    settings.PAPER_MARKET = "simulated"
    settings.PAPER_EXCHANGE_URLS = {request.param: simulated_as(request.param).url}
    symbol.exchange = request.param
    symbol.save()
    return symbol


def test_eight_hours_of_minutes_come_whole_and_in_no_other_market(listed: Symbol) -> None:
    exchange = Exchange(listed.exchange)
    client = create_client(exchange, **client_options(exchange, Environment.SIMULATED))
    end = Timeframe.H1.floor(client.get_server_time() - timedelta(hours=1))
    download = begin_download(
        user=None, symbol=listed, timeframe=Timeframe.M1, start=end - WANTED, end=end
    )

    while download.is_going_on:
        continue_download(download_id=download.pk, worker=uuid.uuid4().hex, seconds=0)
        download.refresh_from_db()

    told = client.get_candles("BTC/USDT", Timeframe.M1, start=end - WANTED, limit=480)
    minutes, hours = (
        load_history(symbol=listed, timeframe=timeframe, start=end - WANTED, end=end)
        for timeframe in (Timeframe.M1, Timeframe.H1)
    )
    assert CandleDownload.objects.get().message == "480 candles stored."
    assert minutes.opened_at_ms.tolist() == list(told.opened_at_ms)
    assert np.array_equal(minutes.close, told.close)
    assert (len(hours), hours.high.max()) == (8, minutes.high.max())
    assert list_asked(download.series) == [Span.between(end - WANTED, end)]
