"""ccxt, which was written for the real exchange."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import ccxt
import ccxt.pro
import pytest

from apps.domain.environments import Exchange
from apps.domain.paper import paper_secret
from workers.paper_exchange.tests.serving import Process

SYMBOL = "BTC/USDT"


def client_of(served: Process, key: str) -> Any:
    client = ccxt.bitget({"apiKey": key, "secret": paper_secret(key), "password": "paper"})
    client.urls["api"] = dict.fromkeys(client.urls["api"], served.url)
    client.options["fetchMarkets"] = {"types": ["spot"]}
    return client


@pytest.fixture(scope="module")
def markets(simulated_as: Callable[[Exchange], Process]) -> Any:
    client = client_of(simulated_as(Exchange.BITGET), "ccxtmarkets00000")
    client.load_markets()
    client.session.close()
    return client


@pytest.fixture
def bitget(
    simulated_as: Callable[[Exchange], Process], markets: Any, request: pytest.FixtureRequest
) -> Iterator[Any]:
    key = request.node.name.replace("_", "").ljust(16, "0")
    client = client_of(simulated_as(Exchange.BITGET), key)
    client.set_markets(markets.markets, markets.currencies)
    yield client
    client.session.close()


def test_ccxt_reads_the_markets(markets: Any) -> None:
    market = markets.markets[SYMBOL]

    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
    assert market["limits"]["cost"]["min"] == 5
    assert market["active"] is True
    assert set(markets.currencies) >= {"BTC", "USDT"}


@pytest.mark.parametrize(("timeframe", "step_ms"), [("1m", 60_000), ("1h", 3_600_000)])
def test_ccxt_reads_candles_without_a_hole(bitget: Any, timeframe: str, step_ms: int) -> None:
    rows = bitget.fetch_ohlcv(SYMBOL, timeframe, limit=200)

    assert len(rows) == 200
    assert all(later[0] - earlier[0] == step_ms for earlier, later in pairwise(rows))


def test_ccxt_reads_a_ticker_and_a_book(bitget: Any) -> None:
    ticker = bitget.fetch_ticker("ETH/USDT")
    book = bitget.fetch_order_book("ETH/USDT")

    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert book["bids"][0][0] < book["asks"][0][0]


def test_ccxt_places_finds_and_cancels_a_limit_order(bitget: Any) -> None:
    price = round(bitget.fetch_ticker(SYMBOL)["last"] * 0.5)

    placed = bitget.create_order(SYMBOL, "limit", "buy", 0.01, price)
    (found,) = bitget.fetch_open_orders(SYMBOL)
    locked = bitget.fetch_balance()["USDT"]["used"]
    bitget.cancel_order(placed["id"], SYMBOL)

    assert (found["id"], found["price"], found["status"]) == (placed["id"], price, "open")
    assert locked == pytest.approx(price * 0.01)
    assert bitget.fetch_open_orders(SYMBOL) == []
    assert bitget.fetch_order(placed["id"], SYMBOL)["status"] == "canceled"
    assert bitget.fetch_balance()["USDT"]["free"] == 10_000


def test_ccxt_buys_by_amount_and_sells(bitget: Any) -> None:
    bitget.options["createMarketBuyOrderRequiresPrice"] = False
    bought = bitget.fetch_order(bitget.create_order(SYMBOL, "market", "buy", 1000)["id"], SYMBOL)
    sold_size = bitget.amount_to_precision(SYMBOL, bitget.fetch_balance()["BTC"]["free"])
    bitget.create_order(SYMBOL, "market", "sell", sold_size)
    trades = bitget.fetch_my_trades(SYMBOL)
    closed = bitget.fetch_closed_orders(SYMBOL)

    assert bought["status"] == "closed"
    assert 990 < bought["cost"] <= 1000
    assert bought["fee"]["currency"] == "BTC"
    assert bought["fee"]["cost"] == pytest.approx(bought["filled"] * 0.001)
    assert {trade["side"] for trade in trades} == {"buy", "sell"}
    assert {order["side"] for order in closed} == {"buy", "sell"}


def test_ccxt_lets_an_order_wait_for_its_trigger(bitget: Any) -> None:
    price = round(bitget.fetch_ticker(SYMBOL)["last"] * 1.5)
    trigger = {"triggerPrice": price}

    placed = bitget.create_order(SYMBOL, "limit", "buy", 0.01, price, trigger)
    (found,) = bitget.fetch_open_orders(SYMBOL, params={"trigger": True})
    locked = bitget.fetch_balance()["USDT"]["used"]
    bitget.cancel_order(placed["id"], SYMBOL, {"trigger": True})
    (cancelled,) = bitget.fetch_canceled_orders(SYMBOL, params={"trigger": True})

    assert (found["id"], found["triggerPrice"], locked) == (placed["id"], price, 0)
    assert (cancelled["id"], cancelled["status"]) == (placed["id"], "canceled")
    assert bitget.fetch_open_orders(SYMBOL, params={"trigger": True}) == []


def test_ccxt_recognises_our_refusals(bitget: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        bitget.create_order(SYMBOL, "limit", "buy", 10, 20_000)
    with pytest.raises(ccxt.OrderNotFound):
        bitget.cancel_order("999999", SYMBOL)
    with pytest.raises(ccxt.OrderNotFound):
        bitget.fetch_order("999999", SYMBOL)
    bitget.secret = "f" * 64
    with pytest.raises(ccxt.AuthenticationError):
        bitget.fetch_balance()


def test_ccxt_pro_follows_the_market_and_its_orders(
    simulated_as: Callable[[Exchange], Process],
) -> None:
    url = simulated_as(Exchange.BITGET).url

    async def follow() -> tuple[Any, Any, Any, Any, Any]:
        key = "ccxtpro".ljust(16, "0")
        client = ccxt.pro.bitget({"apiKey": key, "secret": paper_secret(key), "password": "paper"})
        streams = url.replace("http", "ws") + "/v2/ws/"
        client.urls["api"] = {
            **dict.fromkeys(client.urls["api"], url),
            "ws": {"public": f"{streams}public", "private": f"{streams}private"},
        }
        client.options["fetchMarkets"] = {"types": ["spot"]}
        try:
            ticker = await client.watch_ticker(SYMBOL)
            candles = await client.watch_ohlcv(SYMBOL, "1m")
            book = await client.watch_order_book(SYMBOL, 5)
            hearing = asyncio.create_task(client.watch_orders(SYMBOL))
            filling = asyncio.create_task(client.watch_my_trades(SYMBOL))
            amount = {"createMarketBuyOrderRequiresPrice": False}
            heard = asyncio.gather(hearing, filling)
            # The first order may come before the exchange knows that somebody listens.
            while not heard.done():
                await client.create_order(SYMBOL, "market", "buy", 100, None, amount)
                await asyncio.wait([heard], timeout=1)
            orders, trades = heard.result()
        finally:
            await client.close()
        return ticker, candles, book, orders, trades

    ticker, candles, book, orders, trades = asyncio.run(asyncio.wait_for(follow(), 40))

    assert ticker["last"] > 0
    assert len(candles) > 0
    assert book["bids"][0][0] < book["asks"][0][0]
    assert orders[-1]["symbol"] == SYMBOL
    assert (trades[-1]["side"], trades[-1]["fee"]["currency"]) == ("buy", "BTC")
