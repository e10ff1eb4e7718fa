from collections.abc import Iterator
from typing import Any

import pytest

from workers.paper_exchange.tests.builders import Wall, exchange_of, feed_of, rising_candles
from workers.paper_exchange.tests.serving import Client, serve

ORDER = {"symbol": "BTCUSDT", "quantity": "0.1", "newOrderRespType": "RESULT"}
LIMIT = {**ORDER, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "90"}
BUY_STOP = {**ORDER, "side": "BUY", "type": "STOP_LOSS", "stopPrice": "103"}
SELL_STOP = {**ORDER, "side": "SELL", "type": "STOP_LOSS", "stopPrice": "99.7"}
SELL_TARGET = {**ORDER, "side": "SELL", "type": "TAKE_PROFIT", "stopPrice": "103"}
TRAIL = {**ORDER, "side": "SELL", "type": "STOP_LOSS", "trailingDelta": "100"}
SELL_STOP_LIMIT = {
    **SELL_STOP,
    "type": "STOP_LOSS_LIMIT",
    "price": "99.6",
    "timeInForce": "GTC",
}
MAKER = {**ORDER, "side": "BUY", "type": "LIMIT_MAKER", "price": "90"}


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def client(wall: Wall) -> Iterator[Client]:
    with serve(exchange_of(feed_of(rising_candles(50)), wall)) as url:
        yield Client(url)


def move(client: Client, wall: Wall, seconds: int) -> None:
    wall.now += seconds
    client.timestamp_ms += seconds * 1000
    client.get("/api/v3/ping")


def place(client: Client, **order: str) -> dict[str, Any]:
    status, placed = client.signed("POST", "/api/v3/order", **order)
    assert status == 200, placed
    row: dict[str, Any] = placed
    return row


def refusal(client: Client, **order: str) -> tuple[int, str]:
    status, body = client.signed("POST", "/api/v3/order", **order)
    assert status == 400
    return body["code"], body["msg"]


def look_up(client: Client, order_id: int) -> dict[str, Any]:
    _, found = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", orderId=order_id)
    row: dict[str, Any] = found
    return row


@pytest.mark.parametrize("order", [BUY_STOP, SELL_STOP, SELL_TARGET, SELL_STOP_LIMIT])
def test_a_conditional_order_waits_for_the_price_and_is_filled(
    client: Client, wall: Wall, order: dict[str, str]
) -> None:
    placed = place(client, **order)
    waiting = look_up(client, placed["orderId"])

    move(client, wall, 230)
    ended = look_up(client, placed["orderId"])

    assert (placed["status"], placed["workingTime"]) == ("NEW", -1)
    assert float(placed["stopPrice"]) == float(order["stopPrice"])
    assert (waiting["type"], waiting["isWorking"]) == (order["type"], False)
    assert (ended["status"], ended["executedQty"]) == ("FILLED", "0.10000000")
    assert ended["isWorking"] is True


@pytest.mark.parametrize(
    ("order", "stop"),
    [(BUY_STOP, "99"), (SELL_STOP, "101"), (SELL_TARGET, "99"), (SELL_STOP_LIMIT, "100.5")],
)
def test_a_trigger_on_the_wrong_side_is_refused(
    client: Client, order: dict[str, str], stop: str
) -> None:
    reply = refusal(client, **{**order, "stopPrice": stop})

    assert reply == (-2010, "Order would trigger immediately.")


@pytest.mark.parametrize(("delta", "status"), [("90", "FILLED"), ("100", "NEW")])
def test_a_trailing_stop_follows_the_price(
    client: Client, wall: Wall, delta: str, status: str
) -> None:
    # From each minute's high to the next one's low the price falls by 1, which is less than 1 %.
    placed = place(client, **{**TRAIL, "trailingDelta": delta})
    move(client, wall, 120)

    assert placed["trailingDelta"] == int(delta)
    assert "stopPrice" not in placed
    assert look_up(client, placed["orderId"])["status"] == status


def test_a_trailing_stop_with_an_activation_price_waits_for_it_first(
    client: Client, wall: Wall
) -> None:
    order = {**TRAIL, "type": "TAKE_PROFIT", "stopPrice": "105", "trailingDelta": "2000"}

    placed = place(client, **order)
    move(client, wall, 60)
    waiting = look_up(client, placed["orderId"])
    move(client, wall, 600)
    active = look_up(client, placed["orderId"])

    assert (waiting["trailingTime"], active["trailingTime"] > 0) == (-1, True)
    assert active["status"] == "NEW"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"stopPrice": None},
            (-1102, "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!"),
        ),
        ({"price": "100"}, (-1106, "Parameter 'price' sent when not required.")),
        ({"timeInForce": "GTC"}, (-1106, "Parameter 'timeInForce' sent when not required.")),
        ({"icebergQty": "0.01"}, (-1106, "Parameter 'icebergQty' sent when not required.")),
        ({"stopPrice": "103.001"}, (-1013, "Filter failure: PRICE_FILTER")),
        ({"trailingDelta": "9"}, (-1013, "Filter failure: TRAILING_DELTA")),
        ({"trailingDelta": "2001"}, (-1013, "Filter failure: TRAILING_DELTA")),
        ({"quantity": "0.01"}, (-1013, "Filter failure: NOTIONAL")),
    ],
)
def test_refused_conditional_orders(
    client: Client, changes: dict[str, str | None], expected: tuple[int, str]
) -> None:
    order = {k: v for k, v in {**BUY_STOP, **changes}.items() if v is not None}

    assert refusal(client, **order) == expected


def test_five_orders_may_wait_for_their_triggers(client: Client) -> None:
    for _ in range(5):
        place(client, **BUY_STOP)

    assert refusal(client, **BUY_STOP) == (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS")
    assert place(client, **LIMIT)["status"] == "NEW"


def test_conditional_orders_are_acknowledged_unless_more_is_wanted(client: Client) -> None:
    order = {name: value for name, value in BUY_STOP.items() if name != "newOrderRespType"}

    placed = place(client, **order)

    assert placed.keys() == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}


def test_an_order_that_may_only_rest(client: Client) -> None:
    placed = place(client, **MAKER)

    assert (placed["type"], placed["timeInForce"], placed["status"]) == (
        "LIMIT_MAKER",
        "GTC",
        "NEW",
    )
    assert refusal(client, **{**MAKER, "price": "101"}) == (
        -2010,
        "Order would immediately match and take.",
    )
    assert refusal(client, **MAKER, timeInForce="GTC") == (
        -1106,
        "Parameter 'timeInForce' sent when not required.",
    )


@pytest.mark.parametrize(
    ("time_in_force", "status", "reason"),
    [
        ("GTC", "PARTIALLY_FILLED", None),
        ("IOC", "EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("FOK", "EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED"),
    ],
)
def test_what_becomes_of_a_limit_order_that_finds_too_little(
    client: Client, time_in_force: str, status: str, reason: str | None
) -> None:
    order = {**LIMIT, "quantity": "90", "price": "100", "timeInForce": time_in_force}

    placed = place(client, **order, newClientOrderId="big")
    found = look_up(client, placed["orderId"])
    _, trades = client.signed("GET", "/api/v3/myTrades", symbol="BTCUSDT")

    assert (placed["status"], placed.get("expiryReason")) == (status, reason)
    executed = sum(float(trade["qty"]) for trade in trades)
    assert float(placed["executedQty"]) == float(found["executedQty"]) == pytest.approx(executed)
    assert (executed > 0) is (time_in_force != "FOK")


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        ("NONE", "FILLED", "FILLED"),
        ("EXPIRE_TAKER", "EXPIRED_IN_MATCH", "NEW"),
        ("EXPIRE_BOTH", "EXPIRED_IN_MATCH", "EXPIRED_IN_MATCH"),
    ],
)
def test_an_order_that_meets_one_of_its_own_account(
    client: Client, wall: Wall, mode: str, taker: str, maker: str
) -> None:
    move(client, wall, 130)
    _, book = client.get("/api/v3/depth", symbol="BTCUSDT")
    inside = {"price": f"{float(book['bids'][0][0]) + 0.01:.2f}"}
    assert float(inside["price"]) < float(book["asks"][0][0])
    resting = place(client, **{**LIMIT, **inside})

    taken = place(client, **{**LIMIT, **inside, "side": "SELL"}, selfTradePreventionMode=mode)

    assert (taken["status"], taken["selfTradePreventionMode"]) == (taker, mode)
    assert look_up(client, resting["orderId"])["status"] == maker


def test_strategy_numbers_are_kept(client: Client) -> None:
    placed = place(client, **LIMIT, strategyId="7", strategyType="1000001")

    assert (placed["strategyId"], placed["strategyType"]) == (7, 1_000_001)
    assert look_up(client, placed["orderId"])["strategyId"] == 7


def test_the_rules_are_shown_as_they_are_applied(client: Client) -> None:
    _, info = client.get("/api/v3/exchangeInfo", symbol="BTCUSDT")
    _, mine = client.signed("GET", "/api/v3/myFilters", symbol="BTCUSDT")

    [symbol] = info["symbols"]
    names = [row["filterType"] for row in symbol["filters"]]
    assert {"TRAILING_DELTA", "PERCENT_PRICE_BY_SIDE", "MAX_NUM_ALGO_ORDERS"} <= set(names)
    assert symbol["orderTypes"] == [
        "LIMIT",
        "LIMIT_MAKER",
        "MARKET",
        "STOP_LOSS",
        "STOP_LOSS_LIMIT",
        "TAKE_PROFIT",
        "TAKE_PROFIT_LIMIT",
    ]
    assert mine["symbolFilters"] == symbol["filters"]
