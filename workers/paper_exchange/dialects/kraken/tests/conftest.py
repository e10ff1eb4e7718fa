"""An exchange that speaks Kraken's protocol, and somebody who asks it."""

from collections.abc import Iterator

import pytest

from apps.domain.environments import Exchange
from workers.paper_exchange.dialects.kraken.tests.bare import BareClient
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.tests.builders import Wall, exchange_of, feed_of, rising_candles
from workers.paper_exchange.tests.serving import Process, serve


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def exchange(wall: Wall) -> PaperExchange:
    """BTC/USDT rises by 1 a minute from 100; accounts begin with 10,000 USDT and 1 BTC."""
    return exchange_of(feed_of(rising_candles(50)), wall, spoken=Exchange.KRAKEN)


@pytest.fixture
def client(exchange: PaperExchange) -> Iterator[BareClient]:
    with serve(exchange) as url:
        yield BareClient(url)


@pytest.fixture(scope="session")
def kraken_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A simulated market at speed 60 whose accounts begin with 10,000 USDT."""
    state = tmp_path_factory.mktemp("kraken") / "state.jsonl"
    process = Process("--exchange", "kraken", "--speed", "60", "--state", str(state))
    yield process
    process.stop()
