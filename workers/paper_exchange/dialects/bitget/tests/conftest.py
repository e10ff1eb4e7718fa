"""What the exchange's own tests share, and a bare client of an exchange in this process."""

from collections.abc import Iterator

import pytest

from apps.domain.environments import Exchange
from workers.paper_exchange.dialects.bitget.tests.bare import BareClient
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.tests.builders import Wall, exchange_of, feed_of, rising_candles
from workers.paper_exchange.tests.conftest import simulated_as
from workers.paper_exchange.tests.serving import serve

__all__ = ["simulated_as"]


@pytest.fixture
def wall() -> Wall:
    """What time it is."""
    return Wall()


@pytest.fixture
def exchange(wall: Wall) -> PaperExchange:
    """Fifty minutes that rise from 100, of which the first has begun."""
    return exchange_of(feed_of(rising_candles(50)), wall, spoken=Exchange.BITGET)


@pytest.fixture
def client(exchange: PaperExchange, wall: Wall) -> Iterator[BareClient]:
    """An account that opens with 10,000 USDT and 1 BTC."""
    with serve(exchange) as url:
        yield BareClient(url, wall)
