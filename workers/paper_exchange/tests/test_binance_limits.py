from collections.abc import Iterator

import pytest
import requests

from workers.paper_exchange.clock import Clock
from workers.paper_exchange.dialects.binance.errors import BinanceError
from workers.paper_exchange.dialects.binance.limits import PATIENCE, WEIGHT_PER_MINUTE, Limits
from workers.paper_exchange.tests.builders import (
    START_MS,
    Wall,
    exchange_of,
    feed_of,
    rising_candles,
)
from workers.paper_exchange.tests.serving import Client, serve

LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.1",
    "price": "90",
}


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def limits(wall: Wall) -> Limits:
    return Limits(Clock(wall=wall, start_ms=START_MS, speed=1))


@pytest.fixture
def client(wall: Wall) -> Iterator[Client]:
    with serve(exchange_of(feed_of(rising_candles(50)), wall)) as url:
        yield Client(url)


def refusal(limits: Limits) -> BinanceError:
    with pytest.raises(BinanceError) as refused:
        limits.admit("here")
    return refused.value


def test_an_address_that_has_used_its_minute_waits_for_the_next(wall: Wall, limits: Limits) -> None:
    limits.spend("here", WEIGHT_PER_MINUTE)

    refused = refusal(limits)
    limits.admit("elsewhere")
    wall.now += 60
    limits.admit("here")

    assert (refused.code, refused.status) == (-1003, 429)
    assert refused.text.startswith("Too much request weight used; current limit is 6000 request")
    assert refused.retry_ms == (START_MS // 60_000 + 1) * 60_000


def test_a_minute_is_as_short_as_the_market_s(wall: Wall) -> None:
    limits = Limits(Clock(wall=wall, start_ms=START_MS, speed=60))
    limits.spend("here", WEIGHT_PER_MINUTE)

    refused = refusal(limits)
    wall.now += 1
    limits.admit("here")

    assert refused.retry_ms == START_MS + 1000


def test_an_address_that_goes_on_is_shut_out(wall: Wall, limits: Limits) -> None:
    limits.spend("here", WEIGHT_PER_MINUTE)
    for _ in range(PATIENCE):
        assert refusal(limits).status == 429

    banned = refusal(limits)
    wall.now += 119
    still = refusal(limits)
    wall.now += 1
    limits.admit("here")

    assert (banned.status, banned.retry_ms, still.status) == (418, START_MS + 120_000, 418)
    assert "IP banned until" in banned.text


def test_a_refusal_says_how_long_to_wait(client: Client) -> None:
    for _ in range(WEIGHT_PER_MINUTE // 80):
        client.signed("GET", "/api/v3/openOrders")

    with requests.get(
        f"{client.url}/api/v3/ping", headers={"Connection": "close"}, timeout=5
    ) as reply:
        assert (reply.status_code, reply.json()["code"]) == (429, -1003)
        assert int(reply.headers["Retry-After"]) == 60 - START_MS // 1000 % 60


def test_orders_that_are_not_filled_are_counted(client: Client, wall: Wall) -> None:
    for _ in range(100):
        assert client.signed("POST", "/api/v3/order", **LIMIT)[0] == 200

    status, body = client.signed("POST", "/api/v3/order", **LIMIT)
    _, counts = client.signed("GET", "/api/v3/rateLimit/order")
    wall.now += 10
    client.timestamp_ms += 10_000
    again, _ = client.signed("POST", "/api/v3/order", **LIMIT)

    assert (status, body["code"]) == (429, -1015)
    assert body["msg"] == "Too many new orders; current limit is 100 orders per 10 SECOND."
    assert [row["count"] for row in counts] == [100, 100]
    assert again == 200


def test_a_fill_and_a_refusal_give_back_what_they_were_counted_with(client: Client) -> None:
    client.signed("POST", "/api/v3/order", **LIMIT)
    client.signed("POST", "/api/v3/order", **{**LIMIT, "price": "101"})
    client.signed("POST", "/api/v3/order", **{**LIMIT, "quantity": "500"})

    _, counts = client.signed("GET", "/api/v3/rateLimit/order")

    assert [row["count"] for row in counts] == [1, 1]


def test_a_placed_order_tells_the_counts_in_its_headers(client: Client) -> None:
    with requests.post(
        f"{client.url}/api/v3/order", data={"symbol": "BTCUSDT"}, timeout=5
    ) as reply:
        assert reply.headers["X-MBX-ORDER-COUNT-10S"] == "0"
        assert reply.headers["X-MBX-ORDER-COUNT-1D"] == "0"
