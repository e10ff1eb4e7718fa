from typing import Any

from apps.domain.environments import Exchange
from workers.paper_exchange.dialects.bitget.limits import PER_ADDRESS_AND_MINUTE, RateLimits
from workers.paper_exchange.dialects.bitget.tests.bare import BareClient
from workers.paper_exchange.tests.builders import Wall, exchange_of, feed_of, rising_candles
from workers.paper_exchange.tests.serving import serve

COINS = "/api/v2/spot/public/coins"
NOW_MS = 1_700_000_040_000


def ask(limits: RateLimits, *, owner: str = "key", now_ms: int = NOW_MS) -> bool:
    return limits.admit(owner=owner, address="127.0.0.1", path="/path", per_second=2, now_ms=now_ms)


def test_each_second_begins_anew() -> None:
    limits = RateLimits()

    assert [ask(limits) for _ in range(3)] == [True, True, False]
    assert ask(limits, owner="another")
    assert ask(limits, now_ms=NOW_MS + 1000)


def test_a_second_is_as_short_as_the_market_s(wall: Wall) -> None:
    exchange = exchange_of(feed_of(rising_candles(50)), wall, speed=60, spoken=Exchange.BITGET)
    with serve(exchange) as url:
        client = BareClient(url, wall)

        def ask(seconds: float) -> Any:
            # The client lets a second pass before each request.
            wall.now += seconds - 1
            return client.public(COINS)

        asked = [ask(0) for _ in range(4)]
        assert (asked[2][0]["coin"], asked[3][1]) == ("BTC", "429")
        assert len(ask(1 / 60)) == 2


def test_address_has_a_limit_of_its_own() -> None:
    limits = RateLimits()
    for number in range(PER_ADDRESS_AND_MINUTE):
        assert ask(limits, owner=str(number))

    assert not ask(limits, owner="one more")
    assert ask(limits, now_ms=NOW_MS + 60_000)
