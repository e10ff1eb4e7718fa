"""What the real exchange was seen to answer: nothing of it may be missing here."""

import json
from pathlib import Path
from typing import Any

import pytest

from workers.paper_exchange.dialects.bitget.tests.bare import TRADE, BareClient
from workers.paper_exchange.dialects.bitget.tests.test_plans import PLAN
from workers.paper_exchange.dialects.bitget.tests.test_streams import arg, connected, login
from workers.paper_exchange.dialects.bitget.tests.test_trading import LIMIT, MARKET
from workers.paper_exchange.tests.builders import Wall

SPOT = "/api/v2/spot"


def recorded(shared: Path, name: str) -> Any:
    file = shared / "exchanges/fixtures/bitget" / f"{name}.json"
    return json.loads(file.read_text())["payload"]


def first(data: Any) -> dict[str, Any]:
    """The first row of an answer's data, whatever it is wrapped in."""
    rows = data.get("orderList", data) if isinstance(data, dict) else data
    row: dict[str, Any] = rows[0] if isinstance(rows, list) else rows
    return row


def check(told: dict[str, Any], seen: dict[str, Any]) -> None:
    """Every field is there, and of the same type where the recording tells something."""
    assert set(seen) - set(told) == set()
    for name, value in seen.items():
        if value is not None and told[name] is not None:
            assert type(told[name]) is type(value), name


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        (f"{SPOT}/public/symbols", {}, "markets/xchange_api_v2_spot_public_symbols"),
        (f"{SPOT}/public/coins", {}, "currencies/ccxt_static_coins_usdt"),
        (f"{SPOT}/market/tickers", {}, "tickers/ccxt_src_fetch_ticker_1"),
        (
            f"{SPOT}/market/orderbook",
            {"symbol": "BTCUSDT"},
            "orderbook/jkorf_GetOrderBook",
        ),
        ("/api/v2/public/time", {}, "time/jkorf_GetServerTime"),
    ],
)
def test_public_answers(
    client: BareClient, shared: Path, path: str, query: dict[str, str], name: str
) -> None:
    check(first(client.public(path, **query)), first(recorded(shared, name)["data"]))


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("account/assets", {}, "balances/ccxt_src_fetch_balance_3"),
        ("account/info", {}, "account/jkorf_GetAccountInfo"),
        ("trade/unfilled-orders", {}, "orders/ccxt_src_fetch_open_orders_1"),
        ("trade/orderInfo", {"clientOid": "open"}, "orders/ccxt_src_fetch_order_1"),
        (
            "trade/orderInfo",
            {"clientOid": "filled"},
            "orders/xchange_api_v2_spot_trade_orderinfo-t-valid-market-buy-order",
        ),
        ("trade/history-orders", {}, "orders/ccxt_src_fetch_canceled_and_closed_orders_1"),
        ("trade/fills", {"symbol": "BTCUSDT"}, "fills/ccxt_src_fetch_my_trades_1"),
        ("trade/current-plan-order", {}, "trigger_orders/ccxt_src_fetch_open_orders_2"),
    ],
)
def test_private_answers(
    client: BareClient, shared: Path, path: str, query: dict[str, str], name: str
) -> None:
    client.post(f"{TRADE}/place-order", **LIMIT, clientOid="open")
    client.post(f"{TRADE}/place-order", **MARKET, clientOid="filled")
    client.post(f"{TRADE}/place-plan-order", **PLAN)

    check(first(client.get(f"{SPOT}/{path}", **query)), first(recorded(shared, name)["data"]))


def test_fees_of_an_order_are_text_with_the_same_fields(client: BareClient, shared: Path) -> None:
    name = "orders/xchange_api_v2_spot_trade_orderinfo-t-valid-market-buy-order"
    seen = json.loads(recorded(shared, name)["data"][0]["feeDetail"])
    placed = client.post(f"{TRADE}/place-order", **MARKET)
    (row,) = client.get(f"{TRADE}/orderInfo", orderId=placed["orderId"])
    told = json.loads(row["feeDetail"])

    assert set(told) == {"BTC", "newFees"}
    assert set(told["newFees"]) == set(seen["newFees"])
    assert set(told["BTC"]) == set(seen["BGB"])


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("orders", "ws_private/jkorf_ws_Order"),
        ("fill", "ws_private/jkorf_ws_UserTrade"),
        ("orders-algo", "ws_private/jkorf_ws_TriggerOrder"),
    ],
)
def test_private_frames(
    client: BareClient, shared: Path, wall: Wall, channel: str, name: str
) -> None:
    with connected(client, "/v2/ws/private") as listener:
        listener.say("login", login(wall))
        listener.say("subscribe", arg(channel, "default"))
        client.post(f"{TRADE}/place-order", **MARKET)
        client.post(f"{TRADE}/place-plan-order", **PLAN)
        frames = [listener.hear() for _ in range(2 if channel == "orders" else 1)]

    seen = recorded(shared, name)[-1]["message"]
    assert set(frames[-1]) == set(seen)
    check(frames[-1]["data"][0], seen["data"][0])


def test_pushed_ticker(client: BareClient, shared: Path) -> None:
    with connected(client, "/v2/ws/public") as listener:
        listener.say("subscribe", arg("ticker"))
        frame = listener.hear()

    check(frame["data"][0], recorded(shared, "ws_market/ccxt_src_handle_ticker_1")["data"][0])
