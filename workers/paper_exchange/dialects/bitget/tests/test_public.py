from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from apps.domain.environments import Exchange
from apps.domain.markets import Market
from workers.paper_exchange.dialects.binance.upstream import BinanceUpstream
from workers.paper_exchange.dialects.bitget.periods import GRANULARITIES
from workers.paper_exchange.dialects.bitget.tests.bare import BareClient
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.markets.live import LiveFeed
from workers.paper_exchange.tests.builders import (
    BTC,
    START_MS,
    Wall,
    exchange_of,
    feed_of,
    rising_candles,
)
from workers.paper_exchange.tests.serving import serve
from workers.paper_exchange.venues import VENUES


class Upstream(BinanceUpstream):
    """Knows one candle."""

    def __init__(self) -> None:
        super().__init__("http://upstream")

    async def klines(self, market: Market, wanted: Mapping[str, object]) -> object:
        assert (market, wanted["interval"]) == (BTC, "1d")
        assert wanted["endTime"] == 1_700_000_099_999
        opened_ms = 1_700_000_000_000
        return [[opened_ms, "1", "3", "0.5", "2", "7", opened_ms + 1, "14", 5, "3", "6", "0"]]


MARKET = "/api/v2/spot/market"
PUBLIC = "/api/v2/spot/public"


def test_envelope_tells_the_time(client: BareClient) -> None:
    with requests.get(f"{client.url}/api/v2/public/time", timeout=10) as reply:
        answer = reply.json()

    assert (answer["code"], answer["msg"], answer["requestTime"]) == ("00000", "success", START_MS)
    assert answer["data"] == {"serverTime": str(START_MS)}


def test_symbol_with_its_rules(client: BareClient) -> None:
    (row,) = client.public(f"{PUBLIC}/symbols", symbol="BTCUSDT")

    told = {name: row[name] for name in ("pricePrecision", "quantityPrecision", "minTradeUSDT")}
    assert told == {"pricePrecision": "2", "quantityPrecision": "5", "minTradeUSDT": "5"}
    assert (row["status"], row["takerFeeRate"]) == ("online", "0.001")
    assert str(VENUES[Exchange.BITGET].taker_fee) == row["takerFeeRate"]


def test_coins_and_the_margin_that_is_not_there(client: BareClient) -> None:
    assert [row["coin"] for row in client.public(f"{PUBLIC}/coins")] == ["BTC", "USDT"]
    assert client.public("/api/v2/margin/currencies") == []


def test_change_is_a_fraction(client: BareClient, wall: Wall) -> None:
    wall.now += 10 * 60
    (row,) = client.public(f"{MARKET}/tickers", symbol="BTCUSDT")

    change = float(row["lastPr"]) / float(row["open"]) - 1
    assert float(row["change24h"]) == pytest.approx(change, abs=1e-5)
    assert 0.09 < change < 0.11
    assert float(row["bidPr"]) < float(row["lastPr"]) < float(row["askPr"])


def test_candles_end_with_the_running_one(client: BareClient, wall: Wall) -> None:
    wall.now += 5 * 60 + 30
    rows = client.public(f"{MARKET}/candles", symbol="BTCUSDT", granularity="1min", limit="3")

    assert [int(row[0]) for row in rows] == [START_MS + n * 60_000 for n in (3, 4, 5)]
    assert rows[0][1:6] == ["103", "104.5", "102.5", "104", "12"]
    assert len(rows[0]) == 8


def test_older_candles_come_before_their_end(client: BareClient, wall: Wall) -> None:
    wall.now += 10 * 60
    rows = client.public(
        f"{MARKET}/history-candles",
        symbol="BTCUSDT",
        granularity="1min",
        endTime=str(START_MS + 4 * 60_000),
        limit="2",
    )

    assert [int(row[0]) for row in rows] == [START_MS + n * 60_000 for n in (2, 3)]


def test_candles_of_a_live_market_are_those_of_its_upstream(wall: Wall) -> None:
    exchange = exchange_of(feed_of(rising_candles(1)), wall, spoken=Exchange.BITGET)
    live = LiveFeed(Upstream())
    live.markets[BTC.symbol] = BTC
    exchange.feed = live
    with serve(exchange) as url:
        rows = BareClient(url, wall).public(
            f"{MARKET}/candles", symbol="BTCUSDT", granularity="1Dutc", endTime="1700000100000"
        )

    assert rows == [["1700000000000", "1", "3", "0.5", "2", "7", "14", "14"]]


def test_coarser_candle_whose_beginning_is_known(client: BareClient, wall: Wall) -> None:
    wall.now += 20 * 60
    rows = client.public(f"{MARKET}/candles", symbol="BTCUSDT", granularity="5min")

    # The market began 14 minutes past the hour: the first whole candle opens a minute later.
    first_ms = START_MS - START_MS % 300_000 + 300_000
    assert int(rows[0][0]) == first_ms
    assert [float(rows[0][4]) - float(rows[0][1]), rows[0][5]] == [5.0, "60"]


@pytest.mark.parametrize(
    ("word", "opens", "ends"),
    [
        ("1day", "2023-11-14T16:00", "2023-11-15T16:00"),
        ("1Dutc", "2023-11-14T00:00", "2023-11-15T00:00"),
        ("6h", "2023-11-14T22:00", "2023-11-15T04:00"),
        ("6Hutc", "2023-11-14T18:00", "2023-11-15T00:00"),
        ("1week", "2023-11-12T16:00", "2023-11-19T16:00"),
        ("1Wutc", "2023-11-13T00:00", "2023-11-20T00:00"),
        ("1M", "2023-10-31T16:00", "2023-11-30T16:00"),
        ("1Mutc", "2023-11-01T00:00", "2023-12-01T00:00"),
    ],
)
def test_calendar_of_a_candle(word: str, opens: str, ends: str) -> None:
    period = GRANULARITIES[word]
    start_ms = period.start(START_MS)

    assert start_ms == _ms(opens)
    assert period.end(start_ms) == _ms(ends)
    assert period.start(period.end(start_ms)) == period.end(start_ms)


def test_book_is_merged(client: BareClient) -> None:
    fine = client.public(f"{MARKET}/orderbook", symbol="BTCUSDT", limit="5")
    coarse = client.public(f"{MARKET}/orderbook", symbol="BTCUSDT", type="step2")

    assert len(fine["asks"]) <= 5
    assert float(fine["bids"][0][0]) < float(fine["asks"][0][0])
    assert all(float(price).is_integer() for price, _ in coarse["asks"] + coarse["bids"])


@pytest.mark.parametrize(
    ("path", "query", "refusal"),
    [
        (f"{MARKET}/tickers", {"symbol": "NOPE"}, (400, "40309", "The symbol has been removed")),
        (
            f"{MARKET}/candles",
            {"symbol": "BTCUSDT"},
            (400, "40019", "Parameter granularity cannot be empty"),
        ),
        (
            f"{MARKET}/candles",
            {"symbol": "BTCUSDT", "granularity": "7min"},
            (400, "400172", "Parameter verification failed granularity"),
        ),
        (
            f"{MARKET}/history-candles",
            {"symbol": "BTCUSDT", "granularity": "1min"},
            (400, "40019", "Parameter endTime cannot be empty"),
        ),
        ("/api/v2/spot/no/such", {}, (404, "40404", "Request URL NOT FOUND")),
        ("/", {}, (404, "40404", "Request URL NOT FOUND")),
    ],
)
def test_refusals(client: BareClient, path: str, query: dict[str, str], refusal: Any) -> None:
    assert client.public(path, **query) == refusal


def test_method_that_is_not_there(client: BareClient) -> None:
    refused = client.send("DELETE", "/api/v2/public/time", b"", {})

    assert refused == (404, "40404", "Request URL NOT FOUND")


def test_too_many_requests_in_a_second(client: BareClient, wall: Wall) -> None:
    def ask() -> Any:
        wall.now -= 1
        return client.public(f"{PUBLIC}/coins")

    answers = [ask() for _ in range(4)]

    assert answers[3] == (429, "429", "Too Many Requests")
    assert [len(answer) for answer in answers[:3]] == [2, 2, 2]
    wall.now += 1
    assert len(ask()) == 2


def test_no_market_yet(client: BareClient, exchange: PaperExchange) -> None:
    exchange.feed.markets.clear()

    assert client.public(f"{PUBLIC}/symbols")[:2] == (400, "40200")


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000
