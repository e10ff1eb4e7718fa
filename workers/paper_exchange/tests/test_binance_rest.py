import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from apps.domain.paper import paper_secret
from workers.paper_exchange.dialects.binance.auth import sign
from workers.paper_exchange.tests.builders import (
    KEY,
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
NUMBER = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
NAME = "^[a-zA-Z0-9-_]{1,36}$"
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def told() -> list[tuple[str, dict[str, object]]]:
    return []


@pytest.fixture
def client(wall: Wall, told: list[tuple[str, dict[str, object]]]) -> Iterator[Client]:
    exchange = exchange_of(feed_of(rising_candles(50)), wall)
    with serve(exchange, lambda name, facts: told.append((name, facts))) as url:
        yield Client(url)


def error(reply: tuple[int, Any]) -> tuple[int, int, str]:
    status, body = reply
    return status, body["code"], body["msg"]


def without(parameters: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in parameters.items() if key != name}


@pytest.mark.parametrize(
    ("path", "query", "code", "text"),
    [
        ("klines", {"symbol": "NOPE", "interval": "1m"}, -1121, "Invalid symbol."),
        ("klines", {"symbol": "BTCUSDT", "interval": "7m"}, -1120, "Invalid interval."),
        (
            "klines",
            {"interval": "1m"},
            -1102,
            "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.",
        ),
        (
            "klines",
            {"symbol": "BTCUSDT", "interval": "1m", "x": "1"},
            -1104,
            "Not all sent parameters were read; read '2' parameter(s) but was sent '3'.",
        ),
        (
            "klines",
            {"symbol": "btc!", "interval": "1m"},
            -1100,
            "Illegal characters found in parameter 'symbol'; legal range is '^[A-Z0-9-_.]{1,20}$'.",
        ),
        (
            "klines",
            {"symbol": "BTCUSDT", "interval": "1m", "limit": "0"},
            -1130,
            "Data sent for parameter 'limit' is not valid.",
        ),
        ("time", {"x": "1"}, -1101, "Too many parameters; expected '0' and received '1'."),
        ("ticker/24hr", {"type": "SMALL"}, -1139, "Invalid ticker type."),
    ],
)
def test_public_refusals(
    client: Client, path: str, query: dict[str, str], code: int, text: str
) -> None:
    assert error(client.get(f"/api/v3/{path}", **query)) == (400, code, text)


def test_a_parameter_sent_twice_is_refused(client: Client) -> None:
    path = "/api/v3/klines?symbol=BTCUSDT&symbol=BTCUSDT&interval=1m"

    reply = client.send("GET", path, "", {})

    assert error(reply) == (400, -1101, "Duplicate values for a parameter detected.")


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
        ({"side": "HOLD"}, -1117, "Invalid side."),
        ({"type": "DREAM"}, -1116, "Invalid orderType."),
        ({"stopPrice": "90"}, -1106, "Parameter 'stopPrice' sent when not required."),
        ({"timeInForce": "GTD"}, -1115, "Invalid timeInForce."),
        ({"quantity": "0.123456789"}, -1111, "Parameter 'quantity' has too much precision."),
        (
            {"price": "cheap"},
            -1100,
            f"Illegal characters found in parameter 'price'; legal range is '{NUMBER}'.",
        ),
        (
            {"newClientOrderId": "a b"},
            -1100,
            f"Illegal characters found in parameter 'newClientOrderId'; legal range is '{NAME}'.",
        ),
        ({"quantity": "0.000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.1000001"}, -1013, "Filter failure: LOT_SIZE"),
        ({"price": "90.001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "0.02"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.01"}, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "500"}, -2010, "Account has insufficient balance for requested action."),
        ({"quoteOrderQty": "10"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        ({"icebergQty": "1"}, -2010, "Iceberg orders are not supported for this symbol."),
        (
            {"pegPriceType": "PRIMARY_PEG"},
            -1104,
            "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.",
        ),
        ({"strategyType": "7"}, -1134, "`strategyType` was less than 1000000."),
        (
            {"selfTradePreventionMode": "DECREMENT"},
            -1130,
            "Data sent for parameter 'selfTradePreventionMode' is not valid.",
        ),
        (
            {"recvWindow": "60001"},
            -1102,
            "'recvWindow' contains unexpected value. Cannot be greater than 60000.",
        ),
        (
            {"newOrderRespType": "ALL"},
            -1130,
            "Data sent for parameter 'newOrderRespType' is not valid.",
        ),
    ],
)
def test_refused_limit_orders(
    client: Client, changes: dict[str, str], code: int, text: str
) -> None:
    assert error(client.signed("POST", "/api/v3/order", **{**LIMIT, **changes})) == (
        400,
        code,
        text,
    )
    assert client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT") == (200, [])


@pytest.mark.parametrize("name", ["symbol", "side", "type", "timeInForce", "quantity", "price"])
def test_a_missing_parameter_is_named(client: Client, name: str) -> None:
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."

    reply = client.signed("POST", "/api/v3/order", **without(LIMIT, name))

    assert error(reply) == (400, -1102, text)


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({}, -1102, "Param 'quantity' or 'quoteOrderQty' must be sent, but both were empty/null!"),
        (
            {"quantity": "1", "quoteOrderQty": "1"},
            -1128,
            "Combination of optional parameters invalid.",
        ),
        (
            {"quantity": "1", "timeInForce": "GTC"},
            -1106,
            "Parameter 'timeInForce' sent when not required.",
        ),
        ({"quantity": "1", "price": "1"}, -1106, "Parameter 'price' sent when not required."),
        ({"quoteOrderQty": "4"}, -1013, "Filter failure: NOTIONAL"),
        (
            {"quoteOrderQty": "20000"},
            -2010,
            "Account has insufficient balance for requested action.",
        ),
    ],
)
def test_refused_market_orders(
    client: Client, changes: dict[str, str], code: int, text: str
) -> None:
    reply = client.signed("POST", "/api/v3/order", **{**MARKET, **changes})

    assert error(reply) == (400, code, text)


def test_a_market_that_stands_still_takes_no_market_order(client: Client, wall: Wall) -> None:
    wall.now += 51 * 60
    client.timestamp_ms += 51 * 60_000

    reply = client.signed("POST", "/api/v3/order", **MARKET, quantity="0.1")

    assert error(reply) == (400, -1013, "Market is closed.")
    _, info = client.get("/api/v3/exchangeInfo", symbol="BTCUSDT")
    assert info["symbols"][0]["status"] == "BREAK"


@pytest.mark.parametrize("key", ["", "short", "k" * 129, "not-a-key-at-all"])
def test_a_malformed_key_is_refused(client: Client, key: str) -> None:
    client.key = key

    assert error(client.signed("GET", "/api/v3/account")) == (401, -2014, "API-key format invalid.")


def test_a_wrong_secret_opens_no_account(client: Client) -> None:
    path = f"/api/v3/account?timestamp={START_MS}&signature={'0' * 64}"

    reply = client.send("GET", path, "", {"X-MBX-APIKEY": KEY})

    assert error(reply) == (400, -1022, "Signature for this request is not valid.")
    assert client.get("/paper/state")[1]["accounts"] == 0


@pytest.mark.parametrize(
    ("shift_ms", "text"),
    [
        (-5001, "Timestamp for this request is outside of the recvWindow."),
        (1000, "Timestamp for this request was 1000ms ahead of the server's time."),
    ],
)
def test_a_timestamp_out_of_its_window_is_refused(client: Client, shift_ms: int, text: str) -> None:
    client.timestamp_ms += shift_ms

    assert error(client.signed("GET", "/api/v3/account")) == (400, -1021, text)


def test_a_timestamp_may_be_in_microseconds(client: Client) -> None:
    client.timestamp_ms *= 1000

    assert client.signed("GET", "/api/v3/account")[0] == 200


@pytest.mark.parametrize("interval", ["30m", "12h", "3d"])
def test_intervals_that_we_do_not_use_are_served_too(client: Client, interval: str) -> None:
    _, rows = client.get("/api/v3/klines", symbol="BTCUSDT", interval=interval)

    assert rows == []  # the first whole one has not begun yet


@pytest.mark.parametrize("shift_ms", [-5000, 999])
def test_a_timestamp_at_the_edge_of_its_window_is_taken(client: Client, shift_ms: int) -> None:
    client.timestamp_ms += shift_ms

    assert client.signed("GET", "/api/v3/account")[0] == 200


def test_at_speed_both_clocks_are_accepted(wall: Wall) -> None:
    exchange = exchange_of(feed_of(rising_candles(200)), wall, speed=60)
    with serve(exchange) as url:
        client = Client(url)
        wall.now += 100
        client.timestamp_ms = START_MS + 100_000
        assert client.signed("GET", "/api/v3/account")[0] == 200
        client.timestamp_ms = client.get("/api/v3/time")[1]["serverTime"]
        assert client.timestamp_ms == START_MS + 6_000_000
        assert client.signed("GET", "/api/v3/account")[0] == 200
        client.timestamp_ms = START_MS + 3_000_000

        assert client.signed("GET", "/api/v3/account")[1]["code"] == -1021


def test_query_and_body_together_are_signed_as_sent(client: Client) -> None:
    query = "symbol=BTCUSDT&side=BUY&type=MARKET"
    body = f"quantity=0.1&timestamp={START_MS}"
    signature = sign(paper_secret(KEY), (query + body).encode())

    status, order = client.send(
        "POST",
        f"/api/v3/order?{query}",
        f"{body}&signature={signature}",
        {"X-MBX-APIKEY": KEY, "Content-Type": "application/x-www-form-urlencoded"},
    )

    assert (status, order["status"]) == (200, "FILLED")


def test_an_order_lives_and_is_cancelled(client: Client) -> None:
    _, placed = client.signed("POST", "/api/v3/order", **LIMIT, newClientOrderId="mine")
    _, [resting] = client.signed("GET", "/api/v3/openOrders")
    _, balances = client.signed("GET", "/api/v3/account", omitZeroBalances="true")
    _, cancelled = client.signed(
        "DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="mine"
    )
    _, found = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"])

    assert (placed["status"], placed["fills"]) == ("NEW", [])
    assert resting["clientOrderId"] == "mine"
    assert {"asset": "USDT", "free": "9991.00000000", "locked": "9.00000000"} in balances[
        "balances"
    ]
    assert (cancelled["status"], cancelled["origClientOrderId"]) == ("CANCELED", "mine")
    assert (found["status"], found["clientOrderId"]) == ("CANCELED", "mine")


def test_open_client_ids_are_unique(client: Client) -> None:
    client.signed("POST", "/api/v3/order", **LIMIT, newClientOrderId="mine")

    reply = client.signed("POST", "/api/v3/order", **LIMIT, newClientOrderId="mine")

    assert error(reply) == (400, -2010, "Duplicate order sent.")


def test_orders_that_are_not_there(client: Client) -> None:
    query = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=77)
    cancel = client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=77)
    cancel_all = client.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")
    neither = client.signed("GET", "/api/v3/order", symbol="BTCUSDT")

    assert error(query) == (400, -2013, "Order does not exist.")
    assert error(cancel) == (400, -2011, "Unknown order sent.")
    assert error(cancel_all) == (400, -2011, "Unknown order sent.")
    assert error(neither) == (
        400,
        -1102,
        "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
    )


def test_a_market_order_by_amount_buys_what_it_pays_for(client: Client) -> None:
    _, order = client.signed("POST", "/api/v3/order", **MARKET, quoteOrderQty="200")
    _, [trade] = client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT")

    assert (order["status"], order["origQty"]) == ("FILLED", "2.00000000")
    assert order["fills"] == [
        {
            "price": "100.00000000",
            "qty": "2.00000000",
            "commission": "0.00200000",
            "commissionAsset": "BTC",
            "tradeId": 1,
        }
    ]
    assert (trade["orderId"], trade["isBuyer"], trade["isMaker"]) == (order["orderId"], True, False)


@pytest.mark.parametrize("size", [{"quoteOrderQty": "9000"}, {"quantity": "90"}])
def test_a_market_order_that_is_larger_than_the_book_expires_with_what_it_got(
    client: Client, size: dict[str, str]
) -> None:
    _, book = client.get("/api/v3/depth", symbol="BTCUSDT")
    offered = sum(float(quantity) for _price, quantity in book["asks"])

    _, order = client.signed("POST", "/api/v3/order", **MARKET, **size)
    _, found = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=order["orderId"])

    assert (order["status"], order["expiryReason"]) == ("EXPIRED", "INSUFFICIENT_LIQUIDITY")
    assert order["origQty"] == "90.00000000"
    assert float(order["executedQty"]) == pytest.approx(offered)
    assert sum(float(fill["qty"]) for fill in order["fills"]) == pytest.approx(offered)
    assert (found["status"], found["executedQty"]) == ("EXPIRED", order["executedQty"])


@pytest.mark.parametrize("kind", ["ACK", "RESULT", "FULL"])
def test_the_answer_has_the_form_that_was_asked_for(
    client: Client, shared: Path, kind: str
) -> None:
    fixtures = shared / "exchanges/fixtures/binance/orders"
    full = json.loads((fixtures / "docs_New_order_TRADE__3.json").read_text())["payload"]
    ack = json.loads((fixtures / "docs_New_order_TRADE__1.json").read_text())["payload"]
    expected = {"ACK": ack.keys(), "RESULT": full.keys() - {"fills"}, "FULL": full.keys()}

    _, order = client.signed(
        "POST", "/api/v3/order", **MARKET, quantity="0.1", newOrderRespType=kind
    )

    assert order.keys() == expected[kind]


def test_answers_have_the_documented_fields(client: Client, shared: Path) -> None:
    fixtures = shared / "exchanges/fixtures/binance"
    client.signed("POST", "/api/v3/order", **LIMIT)
    documented = {
        "orders/docs_Current_open_orders_USER_DATA__1": client.signed("GET", "/api/v3/openOrders"),
        "orders/docs_Cancel_order_TRADE__1": client.signed(
            "DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=1
        ),
        "balances/docs_Account_information_USER_DATA__1": client.signed("GET", "/api/v3/account"),
        "fees/docs_Query_Commission_Rates_USER_DATA__1": client.signed(
            "GET", "/api/v3/account/commission", symbol="BTCUSDT"
        ),
        "account/jkorf_GetAPIKeyPermissions": client.signed(
            "GET", "/sapi/v1/account/apiRestrictions"
        ),
        "tickers/docs_24hr_ticker_price_change_statistics_1": client.get(
            "/api/v3/ticker/24hr", symbol="BTCUSDT"
        ),
        "tickers/docs_24hr_ticker_price_change_statistics_3": client.get(
            "/api/v3/ticker/24hr", symbol="BTCUSDT", type="MINI"
        ),
        "tickers/docs_Symbol_order_book_ticker_1": client.get(
            "/api/v3/ticker/bookTicker", symbol="BTCUSDT"
        ),
        "orderbook/docs_Order_book_1": client.get("/api/v3/depth", symbol="BTCUSDT"),
    }

    for name, (_status, answer) in documented.items():
        payload = json.loads((fixtures / f"{name}.json").read_text())["payload"]
        expected = payload[0] if isinstance(payload, list) else payload
        given = answer[0] if isinstance(answer, list) else answer
        assert given.keys() == expected.keys(), name


def test_klines_end_with_the_running_candle(client: Client, wall: Wall) -> None:
    wall.now += 130

    _, rows = client.get("/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=2)

    assert [row[0] for row in rows] == [START_MS + 60_000, START_MS + 120_000]
    assert rows[0][1:5] == ["101.00000000", "102.50000000", "100.50000000", "102.00000000"]
    assert rows[0][6] == START_MS + 119_999
    assert len(rows[1]) == 12


def test_every_answer_tells_the_used_weight(client: Client) -> None:
    weights = []
    for path in ("/api/v3/ping", "/api/v3/exchangeInfo"):
        with requests.get(client.url + path, headers={"Connection": "close"}, timeout=5) as reply:
            weights.append(reply.headers["X-MBX-USED-WEIGHT-1M"])

    assert weights == ["1", "21"]


def test_a_placed_order_weighs_nothing_and_a_refused_one_does(client: Client) -> None:
    client.signed("POST", "/api/v3/order", **LIMIT)
    client.signed("POST", "/api/v3/order", **{**LIMIT, "side": "HOLD"})

    with requests.get(
        client.url + "/api/v3/ping", headers={"Connection": "close"}, timeout=5
    ) as reply:
        assert reply.headers["X-MBX-USED-WEIGHT-1M"] == "2"


def test_a_test_order_is_checked_and_not_placed(client: Client) -> None:
    assert client.signed("POST", "/api/v3/order/test", **LIMIT) == (200, {})
    assert client.signed("POST", "/api/v3/order/test", **{**LIMIT, "price": "90.001"})[0] == 400
    assert client.signed("GET", "/api/v3/openOrders") == (200, [])


def test_a_test_order_tells_what_it_would_pay(client: Client) -> None:
    _, rates = client.signed("POST", "/api/v3/order/test", **LIMIT, computeCommissionRates="true")

    assert rates["standardCommissionForOrder"] == {"maker": "0.00100000", "taker": "0.00100000"}


def test_history_is_given_a_day_at_a_time(client: Client) -> None:
    reply = client.signed(
        "GET", "/api/v3/myTrades", symbol="BTCUSDT", startTime=0, endTime=24 * 3_600_000 + 1
    )

    assert error(reply) == (400, -1127, "More than 24 hours between startTime and endTime.")


def test_trades_are_found_by_id_and_time(client: Client) -> None:
    for _ in range(3):
        client.signed("POST", "/api/v3/order", **MARKET, quantity="0.1")

    def ids(**parameters: object) -> list[int]:
        _, rows = client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT", **parameters)
        return [row["id"] for row in rows]

    assert ids(fromId=2) == [2, 3]
    assert ids(orderId=2) == [2]
    assert ids(limit=2) == [2, 3]
    assert ids(startTime=START_MS, limit=2) == [1, 2]
    assert ids(endTime=START_MS - 1) == []


def test_the_probe_hears_of_an_order_first(
    client: Client, told: list[tuple[str, dict[str, object]]]
) -> None:
    client.signed("POST", "/api/v3/order", **LIMIT, newClientOrderId="mine", x="unread")

    assert told == [("order_request", {"client_order_id": "mine"})]


def test_an_unknown_path_is_not_found(client: Client) -> None:
    url = f"{client.url}/api/v3/nope"
    with requests.get(url, headers={"Connection": "close"}, timeout=5) as reply:
        assert reply.status_code == 404
