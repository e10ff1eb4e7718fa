"""Clients that were written for the real exchange."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import ccxt
import pytest

from apps.domain.paper import paper_secret
from workers.paper_exchange.tests.serving import Process


@pytest.fixture
def binance(simulated: Process, request: pytest.FixtureRequest) -> Iterator[Any]:
    key = f"ccxt{request.node.name}".replace("_", "").ljust(16, "0")
    client = ccxt.binance({"apiKey": key, "secret": paper_secret(key), "enableRateLimit": False})
    client.urls["api"] = {
        name: address.replace("https://api.binance.com", simulated.url)
        for name, address in client.urls["api"].items()
        if isinstance(address, str)
    }
    client.options["fetchMarkets"] = {"types": ["spot"]}
    yield client
    client.session.close()


def test_ccxt_reads_the_markets(binance: Any) -> None:
    markets = binance.load_markets()

    market = markets["BTC/USDT"]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
    assert market["limits"]["cost"]["min"] == 5
    assert market["active"] is True
    assert set(binance.currencies) >= {"BTC", "USDT"}


def test_ccxt_reads_candles_without_a_hole(binance: Any) -> None:
    rows = binance.fetch_ohlcv("BTC/USDT", "1m", limit=1000)

    assert len(rows) == 1000
    assert all(later[0] - earlier[0] == 60_000 for earlier, later in pairwise(rows))


def test_ccxt_reads_a_ticker_and_a_book(binance: Any) -> None:
    ticker = binance.fetch_ticker("ETH/USDT")
    book = binance.fetch_order_book("ETH/USDT")

    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert book["bids"][0][0] < book["asks"][0][0]


def test_ccxt_places_finds_and_cancels_a_limit_order(binance: Any) -> None:
    price = round(binance.fetch_ticker("BTC/USDT")["last"] * 0.5)

    placed = binance.create_order("BTC/USDT", "limit", "buy", 0.01, price)
    found = binance.fetch_open_orders("BTC/USDT")
    locked = binance.fetch_balance()["USDT"]["used"]
    binance.cancel_order(placed["id"], "BTC/USDT")

    assert [order["id"] for order in found] == [placed["id"]]
    assert locked == pytest.approx(price * 0.01)
    assert binance.fetch_open_orders("BTC/USDT") == []
    assert binance.fetch_order(placed["id"], "BTC/USDT")["status"] == "canceled"
    assert binance.fetch_balance()["USDT"]["free"] == 10_000


def test_ccxt_buys_and_sells(binance: Any) -> None:
    bought = binance.create_order("BTC/USDT", "market", "buy", 0.05)
    held = binance.fetch_balance()["BTC"]["free"]
    sold = binance.create_order("BTC/USDT", "market", "sell", 0.049)
    trades = binance.fetch_my_trades("BTC/USDT")

    assert (bought["status"], bought["filled"]) == ("closed", 0.05)
    assert held == 0.04995
    assert sold["status"] == "closed"
    assert [trade["side"] for trade in trades] == ["buy", "sell"]
    assert trades[0]["fee"] == {"cost": 0.00005, "currency": "BTC"}


def test_ccxt_recognises_our_refusals(binance: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        binance.create_order("BTC/USDT", "market", "buy", 5)
    with pytest.raises(ccxt.OrderNotFound):
        binance.fetch_order("999999", "BTC/USDT")
    binance.secret = "f" * 64
    with pytest.raises(ccxt.AuthenticationError):
        binance.fetch_balance()
