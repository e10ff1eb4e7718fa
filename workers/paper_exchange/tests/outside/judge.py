"""Other people's clients at work on a paper exchange; run by their own Python, one client a run.

`judge.py CLIENT EXCHANGE URL KEY SECRET` does what a trader would and prints one line of JSON for each
step; the first that fails ends it with a traceback.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

SYMBOL = "BTC/USDT"
#: Bitget's market buys say what they cost.
BY_QUOTE_AMOUNT = {"createMarketBuyOrderRequiresPrice": False}


def say(step: str, **facts: object) -> None:
    """A step that worked."""
    print(json.dumps({"step": step, **facts}, default=str), flush=True)  # noqa: T201


def at(urls: Any, url: str) -> Any:
    """The same addresses at the paper exchange."""
    if isinstance(urls, dict):
        return {name: at(each, url) for name, each in urls.items()}
    scheme, _, rest = str(urls).partition("://")
    _host, slash, path = rest.partition("/")
    host = url.partition("://")[2]
    return f"{'ws' if scheme.startswith('ws') else 'http'}://{host}{slash}{path}"


def configure(client: Any, url: str) -> Any:
    """A ccxt client that knows spot markets alone."""
    client.urls["api"] = at(client.urls["api"], url)
    client.options |= {
        "defaultType": "spot",
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "warnOnFetchOpenOrdersWithoutSymbol": False,
    }
    client.has["fetchCurrencies"] = client.id == "kraken"
    return client


def keys(key: str, secret: str) -> dict[str, object]:
    """Of one account."""
    return {"apiKey": key, "secret": secret, "password": "paper", "enableRateLimit": False}


def ccxt_sync(exchange: str, url: str, key: str, secret: str) -> None:
    """Markets, candles, balance, every order type it has, cancel, open orders, fills."""
    import ccxt

    client = configure(getattr(ccxt, exchange)(keys(key, secret)), url)
    markets = client.load_markets()
    assert markets[SYMBOL]["active"] is not False
    say("markets", count=len(markets))
    candles = client.fetch_ohlcv(SYMBOL, "1m", limit=100)
    assert len(candles) >= 100
    say("candles", count=len(candles))
    last = client.fetch_ticker(SYMBOL)["last"]
    book = client.fetch_order_book(SYMBOL)
    assert book["bids"][0][0] < book["asks"][0][0]
    say("prices", last=last)
    assert client.fetch_balance()["USDT"]["free"] == 10_000
    say("balance")
    low, high = round(last * 0.7), round(last * 1.3)
    resting = client.create_order(SYMBOL, "limit", "buy", 0.01, low)
    assert [o["id"] for o in client.fetch_open_orders(SYMBOL)] == [resting["id"]]
    client.cancel_order(resting["id"], SYMBOL)
    assert client.fetch_open_orders(SYMBOL) == []
    say("limit")
    if exchange == "bitget":
        client.create_order(SYMBOL, "market", "buy", 3_000, None, BY_QUOTE_AMOUNT)
    else:
        client.create_order(SYMBOL, "market", "buy", 0.05)
    held = client.fetch_balance()["BTC"]["free"]
    assert 0.03 < held <= 0.05
    say("market", held=held)
    post_only = client.create_order(SYMBOL, "limit", "buy", 0.01, low, {"postOnly": True})
    client.cancel_order(post_only["id"], SYMBOL)
    say("post-only")
    place_conditionals(client, exchange, low, high)
    client.create_order(SYMBOL, "market", "sell", 0.02)
    trades = client.fetch_my_trades(SYMBOL)
    assert {trade["side"] for trade in trades} == {"buy", "sell"}
    assert all(trade["fee"]["cost"] > 0 for trade in trades)
    say("fills", count=len(trades))
    closed = client.fetch_closed_orders(SYMBOL)
    assert {order["side"] for order in closed if order["status"] == "closed"} == {"buy", "sell"}
    say("history", count=len(closed))
    if client.has["editOrder"]:
        old = client.create_order(SYMBOL, "limit", "buy", 0.01, low)
        new = client.edit_order(old["id"], SYMBOL, "limit", "buy", 0.011, low + 1)
        (found,) = client.fetch_open_orders(SYMBOL)
        # Kraken changes an order in place, and tells the id of the change.
        expected = old["id"] if exchange == "kraken" else new["id"]
        assert (found["id"], found["amount"], found["price"]) == (expected, 0.011, low + 1)
        say("edited")
        client.cancel_all_orders(SYMBOL)
        assert client.fetch_open_orders(SYMBOL) == []
    say("cancelled all")
    refuse_wrong_secret(client, ccxt.ExchangeError)


def place_conditionals(client: Any, exchange: str, low: float, high: float) -> None:
    """Everything that waits for a price, and what must fill at once or not at all."""
    stop, target = {"stopLossPrice": low}, {"takeProfitPrice": high}
    if exchange == "bitget":
        stop = target = {"triggerPrice": low}
    waiting = [
        ("market", None, stop),
        ("market", None, target),
        ("limit", low, stop),
        ("limit", high, target),
    ]
    if exchange == "binance":
        waiting += [("STOP_LOSS", None, {"trailingPercent": 2})]
    if exchange == "kraken":
        waiting += [
            ("market", None, {"trailingAmount": 500}),
            ("limit", low, {"trailingAmount": 500, "trailingLimitAmount": 10}),
        ]
    for order_type, price, params in waiting:
        placed = client.create_order(SYMBOL, order_type, "sell", 0.01, price, params)
        client.cancel_order(placed["id"], SYMBOL, {"trigger": True} if exchange == "bitget" else {})
    say("waiting", count=len(waiting))
    for time_in_force in ("IOC", "FOK") if exchange != "kraken" else ("IOC",):
        params = {"timeInForce": time_in_force}
        placed = client.create_order(SYMBOL, "limit", "buy", 0.01, low, params)
        found = client.fetch_order(placed["id"], SYMBOL)
        assert (found["status"], found["filled"]) != ("open", 0), found
        say(time_in_force, status=found["status"])


def refuse_wrong_secret(client: Any, error: type[Exception]) -> None:
    """A request somebody else signed is refused."""
    client.secret = client.secret[::-1]
    refusal = ""
    try:
        client.fetch_balance()
    except error as raised:
        refusal = str(raised)
    assert "signature" in refusal.lower(), "a wrong signature was taken"
    say("wrong secret", refusal=refusal)


async def soon(coming: Any) -> Any:
    """What is pushed within seconds."""
    return await asyncio.wait_for(coming, 20)


def ccxt_pro(exchange: str, url: str, key: str, secret: str) -> None:
    """Prices, and the account's own orders, fills and balance, over WebSockets."""
    import ccxt.pro

    async def run() -> None:
        client = configure(getattr(ccxt.pro, exchange)(keys(key, secret)), url)
        try:
            await client.load_markets()
            candles = await soon(client.watch_ohlcv(SYMBOL, "1m"))
            say("candles", count=len(candles))
            last = (await soon(client.watch_ticker(SYMBOL)))["last"]
            book = await soon(client.watch_order_book(SYMBOL))
            assert book["bids"][0][0] < book["asks"][0][0]
            assert await soon(client.watch_trades(SYMBOL))
            say("market", last=last)
            told = {
                name: asyncio.ensure_future(watch)
                for name, watch in {
                    "orders": client.watch_orders(SYMBOL),
                    "fills": client.watch_my_trades(SYMBOL),
                    "balance": client.watch_balance(),
                }.items()
            }
            await asyncio.sleep(2)
            placed = await client.create_order(SYMBOL, "limit", "buy", 0.01, round(last * 0.7))
            assert placed["id"] in [order["id"] for order in await soon(told["orders"])]
            say("orders")
            amount, params = (1_000, BY_QUOTE_AMOUNT) if exchange == "bitget" else (0.01, {})
            await client.create_order(SYMBOL, "market", "buy", amount, None, params)
            assert (await soon(told["fills"]))[0]["amount"] > 0
            assert (await soon(told["balance"]))["USDT"]["total"] is not None
            say("account")
        finally:
            await client.close()

    asyncio.run(run())


def python_binance(_exchange: str, url: str, key: str, secret: str) -> None:
    """REST, and the user data stream."""
    from binance import AsyncClient, BinanceSocketManager, Client

    ws = url.replace("http", "ws")
    for kind in (Client, AsyncClient):
        kind.API_URL, kind.MARGIN_API_URL = f"{url}/api", f"{url}/sapi"
        kind.WS_API_URL = f"{ws}/ws-api/v3"
    client = Client(key, secret, ping=True)
    assert client.get_symbol_info("BTCUSDT")["status"] == "TRADING"
    assert len(client.get_klines(symbol="BTCUSDT", interval="1m", limit=50)) == 50
    say("market data")
    last = float(client.get_symbol_ticker(symbol="BTCUSDT")["price"])
    placed = client.order_limit_buy(symbol="BTCUSDT", quantity="0.01", price=str(round(last * 0.7)))
    assert client.get_order(symbol="BTCUSDT", orderId=placed["orderId"])["status"] == "NEW"
    client.cancel_order(symbol="BTCUSDT", orderId=placed["orderId"])
    assert client.get_open_orders() == []
    say("limit")
    client.order_market_buy(symbol="BTCUSDT", quantity="0.05")
    client.create_order(
        symbol="BTCUSDT",
        side="SELL",
        type="STOP_LOSS",
        quantity="0.01",
        stopPrice=str(round(last * 0.7)),
    )
    listed = client.create_oco_order(
        symbol="BTCUSDT",
        side="SELL",
        quantity="0.01",
        aboveType="LIMIT_MAKER",
        abovePrice=str(round(last * 1.3)),
        belowType="STOP_LOSS",
        belowStopPrice=str(round(last * 0.7)),
    )
    assert len(listed["orders"]) == 2
    assert client.get_asset_balance(asset="BTC")["locked"] == "0.02000000"
    assert len(client.get_my_trades(symbol="BTCUSDT")) >= 1
    say("orders")

    async def listen() -> None:
        streaming = await AsyncClient.create(key, secret)
        manager = BinanceSocketManager(streaming)
        try:
            async with manager.user_socket() as stream:
                await streaming.order_market_sell(symbol="BTCUSDT", quantity="0.01")
                for _ in range(10):
                    event = await asyncio.wait_for(stream.recv(), 20)
                    if event.get("e") == "executionReport" and event.get("x") == "TRADE":
                        say("user data stream", status=event["X"])
                        return
            raise AssertionError("no trade was told")
        finally:
            await streaming.close_connection()

    asyncio.run(listen())


def kraken_sdk(_exchange: str, url: str, key: str, secret: str) -> None:
    """REST, and the executions channel."""
    from kraken.spot import Market, SpotWSClient, Trade, User

    market, user = Market(url=url), User(key=key, secret=secret, url=url)
    trade = Trade(key=key, secret=secret, url=url)
    pairs = market.get_asset_pairs(pair="XBTUSDT")
    assert "XBTUSDT" in pairs
    assert len(market.get_ohlc(pair="XBTUSDT", interval=1)["XBTUSDT"]) > 100
    last = float(market.get_ticker(pair="XBTUSDT")["XBTUSDT"]["c"][0])
    say("market data", last=last)
    assert float(user.get_account_balance()["USDT"]) == 10_000
    placed = trade.create_order(
        ordertype="limit", side="buy", pair="XBTUSDT", volume=0.01, price=round(last * 0.7)
    )
    (txid,) = placed["txid"]
    assert txid in user.get_open_orders()["open"]
    trade.cancel_order(txid=txid)
    assert user.get_orders_info(txid=txid)[txid]["status"] == "canceled"
    say("limit")
    trade.create_order(ordertype="market", side="buy", pair="XBTUSDT", volume=0.02)
    trade.create_order(
        ordertype="stop-loss", side="sell", pair="XBTUSDT", volume=0.01, price=round(last * 0.7)
    )
    assert len(user.get_trades_history()["trades"]) >= 1
    say("orders")

    async def listen() -> None:
        ws = url.replace("http", "ws")
        told: asyncio.Queue[Any] = asyncio.Queue()

        class Listening(SpotWSClient):
            async def on_message(self, message: Any) -> None:
                if isinstance(message, dict) and message.get("channel") == "executions":
                    await told.put(message)

        client = Listening(key=key, secret=secret, rest_url=url, ws_url=ws, auth_ws_url=ws)
        await client.start()
        await client.subscribe(params={"channel": "executions", "snap_orders": True})
        message = await asyncio.wait_for(told.get(), 20)
        say("executions", type=message["type"])
        await client.close()

    asyncio.run(listen())


CLIENTS: dict[str, Callable[[str, str, str, str], None]] = {
    "ccxt": ccxt_sync,
    "ccxt.pro": ccxt_pro,
    "python-binance": python_binance,
    "python-kraken-sdk": kraken_sdk,
}

if __name__ == "__main__":
    CLIENTS[sys.argv[1]](*sys.argv[2:])
