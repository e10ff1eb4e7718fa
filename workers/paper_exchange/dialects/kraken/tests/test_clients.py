"""A client that was written for the real exchange."""

import asyncio
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import ccxt
import ccxt.pro
import pytest

from apps.domain.paper import paper_secret
from workers.paper_exchange.tests.serving import Process


def point_at(client: Any, served: Process) -> None:
    """Let a client ask the paper exchange wherever it would ask the real one."""
    socket = served.url.replace("http", "ws") + "/v2"
    streams = client.urls["api"].get("ws", {})
    client.urls["api"] = dict.fromkeys(client.urls["api"], served.url)
    client.urls["api"]["ws"] = dict.fromkeys(streams, socket)
    # Nonces are milliseconds, of which two requests may share one.
    nonces = iter(range(time.time_ns() // 1_000_000, 2**62))
    client.nonce = lambda: next(nonces)


@pytest.fixture
def kraken(kraken_process: Process, request: pytest.FixtureRequest) -> Iterator[Any]:
    key = f"ccxt{request.node.name}".replace("_", "").ljust(16, "0")
    client = ccxt.kraken({"apiKey": key, "secret": paper_secret(key), "enableRateLimit": False})
    point_at(client, kraken_process)
    yield client
    client.session.close()


def test_ccxt_reads_the_markets(kraken: Any) -> None:
    markets = kraken.load_markets()

    market = markets["BTC/USDT"]
    assert (market["id"], market["active"]) == ("XBTUSDT", True)
    assert (market["taker"], market["maker"]) == (0.004, 0.0025)
    assert market["precision"]["price"] == 0.01
    assert set(kraken.currencies) >= {"BTC", "ETH", "USDT"}


def test_ccxt_reads_candles_without_a_hole(kraken: Any) -> None:
    rows = kraken.fetch_ohlcv("BTC/USDT", "1m")
    later = kraken.fetch_ohlcv("BTC/USDT", "1m", since=rows[-5][0])

    assert len(rows) == 720
    assert all(later[0] - earlier[0] == 60_000 for earlier, later in pairwise(rows))
    assert later[0][0] == rows[-5][0]


def test_ccxt_reads_tickers_a_book_and_trades(kraken: Any) -> None:
    ticker = kraken.fetch_ticker("ETH/USDT")
    book = kraken.fetch_order_book("ETH/USDT")
    trades = kraken.fetch_trades("ETH/USDT")

    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    assert book["bids"][0][0] < book["asks"][0][0]
    assert trades[-1]["symbol"] == "ETH/USDT"
    assert "BTC/USDT" in kraken.fetch_tickers()
    assert kraken.fetch_status()["status"] == "ok"


def test_ccxt_places_finds_edits_and_cancels_a_limit_order(kraken: Any) -> None:
    price = round(kraken.fetch_ticker("BTC/USDT")["last"] * 0.5)

    placed = kraken.create_order("BTC/USDT", "limit", "buy", 0.01, price)
    found = kraken.fetch_open_orders("BTC/USDT")
    held = kraken.fetch_balance()["USDT"]["used"]
    kraken.edit_order(placed["id"], "BTC/USDT", "limit", "buy", 0.02, price)
    edited = kraken.fetch_order(placed["id"], "BTC/USDT")
    kraken.cancel_order(placed["id"], "BTC/USDT")
    closed = kraken.fetch_closed_orders("BTC/USDT")

    assert [order["id"] for order in found] == [placed["id"]]
    assert held == pytest.approx(price * 0.01 * 1.004)
    assert (edited["amount"], edited["price"]) == (0.02, price)
    assert kraken.fetch_open_orders("BTC/USDT") == []
    assert [(order["id"], order["status"]) for order in closed] == [(placed["id"], "canceled")]
    assert kraken.fetch_balance()["USDT"]["free"] == 10_000


def test_ccxt_buys_and_sells(kraken: Any) -> None:
    bought = kraken.create_order("BTC/USDT", "market", "buy", 0.05)
    by_cost = kraken.create_market_buy_order_with_cost("BTC/USDT", 100)
    held = kraken.fetch_balance()["BTC"]["free"]
    kraken.create_order("BTC/USDT", "market", "sell", 0.05)
    order = kraken.fetch_order(bought["id"], "BTC/USDT")
    cost_order = kraken.fetch_order(by_cost["id"], "BTC/USDT")
    trades = kraken.fetch_my_trades("BTC/USDT")
    of_order = kraken.fetch_order_trades(
        by_cost["id"], "BTC/USDT", params={"trades": cost_order["info"]["trades"]}
    )

    assert (order["status"], order["filled"]) == ("closed", 0.05)
    assert held > 0.05
    assert {trade["side"] for trade in trades} == {"buy", "sell"}
    assert {trade["fee"]["currency"] for trade in trades} == {"USDT"}
    assert sum(trade["cost"] for trade in of_order) == pytest.approx(100, abs=1)


def test_ccxt_places_stop_orders(kraken: Any) -> None:
    last = kraken.fetch_ticker("BTC/USDT")["last"]
    kraken.create_order("BTC/USDT", "market", "buy", 0.05)
    stop, limit = round(last * 0.5), round(last * 0.49)

    at_market = kraken.create_order(
        "BTC/USDT", "market", "sell", 0.01, None, {"stopLossPrice": stop}
    )
    at_limit = kraken.create_order(
        "BTC/USDT", "limit", "sell", 0.01, limit, {"stopLossPrice": stop}
    )
    trailing = kraken.create_order(
        "BTC/USDT", "market", "sell", 0.01, None, {"trailingPercent": "40"}
    )
    found = {order["id"]: order for order in kraken.fetch_open_orders("BTC/USDT")}
    kraken.cancel_orders([trailing["id"], at_limit["id"]])
    kraken.cancel_all_orders()

    assert found[at_market["id"]]["triggerPrice"] == stop
    assert found[at_limit["id"]]["price"] == limit
    assert found.keys() == {at_market["id"], at_limit["id"], trailing["id"]}
    assert kraken.fetch_open_orders("BTC/USDT") == []


def test_ccxt_places_a_batch(kraken: Any) -> None:
    price = round(kraken.fetch_ticker("BTC/USDT")["last"] * 0.5)
    order = {"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": 0.01, "price": price}

    placed = kraken.create_orders([order, order])

    found = kraken.fetch_open_orders("BTC/USDT")
    assert {each["id"] for each in placed} == {each["id"] for each in found}


def test_ccxt_recognises_our_refusals(kraken: Any) -> None:
    with pytest.raises(ccxt.InsufficientFunds):
        kraken.create_order("BTC/USDT", "market", "buy", 5)
    with pytest.raises(ccxt.ExchangeError, match="EOrder:Cost minimum not met"):
        kraken.create_order("BTC/USDT", "limit", "buy", 0.00001, 10)
    with pytest.raises(ccxt.BadRequest):
        kraken.create_order("BTC/USDT", "limit", "buy", 0.01, 10_000, {"triggerPrice": 9000})
    with pytest.raises(ccxt.OrderNotFound):
        kraken.cancel_order("OAAAAA-AAAAA-AAAAAA", "BTC/USDT")
    kraken.secret = "f" * 64
    with pytest.raises(ccxt.ExchangeError, match="EAPI:Invalid signature"):
        kraken.fetch_balance()


def test_ccxt_pro_follows_the_market_and_trades(kraken_process: Process) -> None:
    async def scenario() -> dict[str, Any]:
        key = "ccxtprofollows00"
        keys = {"apiKey": key, "secret": paper_secret(key)}
        client = ccxt.pro.kraken({**keys, "enableRateLimit": False})
        point_at(client, kraken_process)
        seen: dict[str, Any] = {}
        try:
            async with asyncio.timeout(20):
                seen["ticker"] = await client.watch_ticker("BTC/USDT")
                seen["candles"] = await client.watch_ohlcv("BTC/USDT", "1m")
                seen["trades"] = await client.watch_trades("BTC/USDT")
                for _ in range(3):
                    book = await client.watch_order_book("BTC/USDT", 10)
                seen["best"] = (book["bids"][0][0], book["asks"][0][0])
                seen["balance"] = await client.watch_balance()
                price = round(seen["ticker"]["last"] * 0.5)
                orders = asyncio.create_task(client.watch_orders("BTC/USDT"))
                fills = asyncio.create_task(client.watch_my_trades("BTC/USDT"))
                seen["placed"] = await client.create_order_ws(
                    "BTC/USDT", "limit", "buy", 0.01, price
                )
                await client.create_order_ws("BTC/USDT", "market", "buy", 0.01)
                seen["orders"], seen["fills"] = await orders, await fills
                await client.cancel_all_orders_ws()
        finally:
            await client.close()
        return seen

    seen = asyncio.run(scenario())

    assert seen["ticker"]["bid"] < seen["ticker"]["ask"]
    assert float(seen["candles"][-1][4]) > 0
    assert seen["trades"][-1]["symbol"] == "BTC/USDT"
    assert seen["best"][0] < seen["best"][1]
    assert seen["balance"]["USDT"]["total"] == 10_000
    assert seen["orders"][-1]["id"] == seen["placed"]["id"]
    assert seen["fills"][-1]["fee"]["currency"] == "USDT"
