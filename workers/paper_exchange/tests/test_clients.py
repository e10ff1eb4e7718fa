"""Clients that were written for the real exchange."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import ccxt
import ccxt.pro
import pytest

from apps.domain.paper import paper_secret
from workers.paper_exchange.tests.serving import Process


@pytest.fixture
def binance(simulated: Process, request: pytest.FixtureRequest) -> Iterator[Any]:
    key = "".join(c for c in f"ccxt{request.node.name}" if c.isalnum()).ljust(16, "0")
    client = ccxt.binance({"apiKey": key, "secret": paper_secret(key), "enableRateLimit": False})
    point_at(client, simulated)
    client.options["fetchMarkets"] = {"types": ["spot"]}
    yield client
    client.session.close()


def point_at(client: Any, served: Process) -> None:
    """Let a client ask the paper exchange wherever it would ask the real one."""
    client.urls["api"] |= {
        name: address.replace("https://api.binance.com", served.url)
        for name, address in client.urls["api"].items()
        if isinstance(address, str)
    }


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


@pytest.mark.parametrize(
    ("order_type", "price", "params", "wire_type"),
    [
        ("market", None, {"stopLossPrice": 0.5}, "STOP_LOSS"),
        ("market", None, {"takeProfitPrice": 2.0}, "TAKE_PROFIT"),
        ("limit", 0.4, {"stopLossPrice": 0.5}, "STOP_LOSS_LIMIT"),
        ("limit", 2.1, {"takeProfitPrice": 2.0}, "TAKE_PROFIT_LIMIT"),
    ],
)
def test_ccxt_places_finds_and_cancels_a_trigger(
    binance: Any, order_type: str, price: float | None, params: dict[str, float], wire_type: str
) -> None:
    binance.create_order("BTC/USDT", "market", "buy", 0.02)
    last = binance.fetch_ticker("BTC/USDT")["last"]
    limit = None if price is None else round(last * price, 2)
    triggers = {name: round(last * share, 2) for name, share in params.items()}

    placed = binance.create_order("BTC/USDT", order_type, "sell", 0.01, limit, triggers)
    [found] = binance.fetch_open_orders("BTC/USDT")
    ended = binance.cancel_order(placed["id"], "BTC/USDT")

    assert (found["id"], found["info"]["type"]) == (placed["id"], wire_type)
    assert found["triggerPrice"] == next(iter(triggers.values()))
    assert ended["status"] == "canceled"


def test_ccxt_trails_the_price(binance: Any) -> None:
    binance.create_order("BTC/USDT", "market", "buy", 0.02)

    placed = binance.create_order(
        "BTC/USDT",
        "market",
        "sell",
        0.01,
        None,
        {"trailingPercent": 5, "stopLossOrTakeProfit": "stopLoss"},
    )

    assert placed["info"]["trailingDelta"] == "500"
    binance.cancel_all_orders("BTC/USDT")


def test_ccxt_edits_and_posts_only(binance: Any) -> None:
    price = round(binance.fetch_ticker("BTC/USDT")["last"] * 0.5)

    placed = binance.create_order("BTC/USDT", "limit", "buy", 0.01, price, {"postOnly": True})
    edited = binance.edit_order(placed["id"], "BTC/USDT", "limit", "buy", 0.01, price + 1)

    assert (placed["postOnly"], edited["price"]) == (True, price + 1)
    assert [order["id"] for order in binance.fetch_open_orders("BTC/USDT")] == [edited["id"]]
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        binance.create_order("BTC/USDT", "limit", "buy", 0.01, price * 3, {"postOnly": True})


def test_ccxt_ties_two_orders_together(binance: Any) -> None:
    binance.load_markets()
    binance.create_order("BTC/USDT", "market", "buy", 0.02)
    last = binance.fetch_ticker("BTC/USDT")["last"]

    placed = binance.private_post_orderlist_oco(
        {
            "symbol": "BTCUSDT",
            "side": "SELL",
            "quantity": "0.01",
            "aboveType": "LIMIT_MAKER",
            "abovePrice": str(round(last * 1.5)),
            "belowType": "STOP_LOSS",
            "belowStopPrice": str(round(last * 0.5)),
        }
    )
    ended = binance.cancel_all_orders("BTC/USDT")

    assert placed["listOrderStatus"] == "EXECUTING"
    assert ended
    assert binance.fetch_open_orders("BTC/USDT") == []


def test_ccxt_pro_hears_of_orders_and_balances(simulated: Process) -> None:
    async def follow() -> tuple[list[Any], Any, Any]:
        key = "ccxtpro".ljust(16, "0")
        client = ccxt.pro.binance({"apiKey": key, "secret": paper_secret(key)})
        client.options["fetchMarkets"] = {"types": ["spot"]}
        point_at(client, simulated)
        streams = simulated.url.replace("http", "ws")
        client.urls["api"]["ws"] |= {
            "spot": f"{streams}/ws",
            "ws-api": {"spot": f"{streams}/ws-api/v3"},
        }
        try:
            await client.load_markets()
            watching = asyncio.ensure_future(client.watch_orders("BTC/USDT"))
            balance = asyncio.ensure_future(client.watch_balance())
            ticker = await client.watch_ticker("BTC/USDT")
            book = await client.watch_order_book("BTC/USDT")
            placed = await client.create_order(
                "BTC/USDT", "limit", "buy", 0.01, round(ticker["last"] / 2)
            )
            told = await asyncio.wait_for(watching, 10)
            assert [order["id"] for order in told] == [placed["id"]]
            return told, await asyncio.wait_for(balance, 10), book
        finally:
            await client.close()

    told, balance, book = asyncio.run(follow())

    assert told[0]["status"] == "open"
    assert balance["USDT"]["used"] == pytest.approx(told[0]["price"] * 0.01)
    assert book["bids"][0][0] < book["asks"][0][0]
