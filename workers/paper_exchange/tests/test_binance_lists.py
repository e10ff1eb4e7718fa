from collections.abc import Iterator
from typing import Any

import pytest

from workers.paper_exchange.tests.builders import Wall, exchange_of, feed_of, rising_candles
from workers.paper_exchange.tests.serving import Client, serve

OCO = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "0.5",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "103",
    "belowType": "STOP_LOSS",
    "belowStopPrice": "90",
    "listClientOrderId": "exit",
}
ENTRY = {
    "symbol": "BTCUSDT",
    "workingType": "LIMIT",
    "workingSide": "BUY",
    "workingPrice": "99.6",
    "workingQuantity": "0.1",
    "workingTimeInForce": "GTC",
}
OTO = {**ENTRY, "pendingType": "MARKET", "pendingSide": "SELL", "pendingQuantity": "0.09"}
OTOCO = {
    **ENTRY,
    "pendingSide": "SELL",
    "pendingQuantity": "0.09",
    "pendingAboveType": "TAKE_PROFIT",
    "pendingAboveStopPrice": "102",
    "pendingBelowType": "STOP_LOSS_LIMIT",
    "pendingBelowStopPrice": "80",
    "pendingBelowPrice": "79",
    "pendingBelowTimeInForce": "GTC",
}


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


def place(client: Client, kind: str, **parameters: str) -> dict[str, Any]:
    status, placed = client.signed("POST", f"/api/v3/orderList/{kind}", **parameters)
    assert status == 200, placed
    row: dict[str, Any] = placed
    return row


def statuses(client: Client) -> list[str]:
    _, rows = client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT")
    return [row["status"] for row in rows]


def held(client: Client, asset: str) -> tuple[float, float]:
    _, account = client.signed("GET", "/api/v3/account")
    [row] = [row for row in account["balances"] if row["asset"] == asset]
    return float(row["free"]), float(row["locked"])


def test_one_leg_cancels_the_other(client: Client, wall: Wall) -> None:
    placed = place(client, "oco", **OCO)
    locked = held(client, "BTC")

    move(client, wall, 200)
    _, found = client.signed("GET", "/api/v3/orderList", orderListId=placed["orderListId"])

    assert (placed["contingencyType"], placed["listOrderStatus"]) == ("OCO", "EXECUTING")
    assert [row["type"] for row in placed["orderReports"]] == ["STOP_LOSS", "LIMIT_MAKER"]
    assert [row["workingTime"] > 0 for row in placed["orderReports"]] == [False, True]
    assert locked == (0.5, 0.5)
    assert statuses(client) == ["EXPIRED", "FILLED"]
    assert (found["listStatusType"], found["listOrderStatus"]) == ("ALL_DONE", "ALL_DONE")
    assert held(client, "BTC") == (0.5, 0)


@pytest.mark.parametrize("by_list", [True, False])
def test_the_legs_are_cancelled_together(client: Client, *, by_list: bool) -> None:
    placed = place(client, "oco", **OCO)
    leg = placed["orders"][1]["orderId"]

    if by_list:
        status, ended = client.signed(
            "DELETE", "/api/v3/orderList", symbol="BTCUSDT", listClientOrderId="exit"
        )
        assert [row["status"] for row in ended["orderReports"]] == ["CANCELED", "CANCELED"]
        assert ended["listOrderStatus"] == "ALL_DONE"
    else:
        status, _ = client.signed("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=leg)

    assert status == 200
    assert statuses(client) == ["CANCELED", "CANCELED"]
    assert held(client, "BTC") == (1, 0)


def test_what_is_cancelled_with_all_others_is_told_as_a_list(client: Client) -> None:
    place(client, "oco", **OCO)

    _, [ended] = client.signed("DELETE", "/api/v3/openOrders", symbol="BTCUSDT")

    assert (ended["contingencyType"], len(ended["orderReports"])) == ("OCO", 2)


def test_an_entry_that_is_filled_sets_up_what_follows(client: Client, wall: Wall) -> None:
    placed = place(client, "oto", **OTO)
    before = statuses(client)

    move(client, wall, 60)

    assert placed["contingencyType"] == "OTO"
    assert before == ["NEW", "PENDING_NEW"]
    assert statuses(client) == ["FILLED", "FILLED"]


def test_an_entry_with_a_bracket(client: Client, wall: Wall) -> None:
    place(client, "otoco", **OTOCO)
    waiting = statuses(client)

    move(client, wall, 60)
    entered = statuses(client)
    move(client, wall, 120)

    assert waiting == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    assert entered == ["FILLED", "NEW", "NEW"]
    assert statuses(client) == ["FILLED", "EXPIRED", "FILLED"]


@pytest.mark.parametrize("kind", ["opo", "opoco"])
def test_what_follows_a_purchase_sells_what_it_has_brought(
    client: Client, wall: Wall, kind: str
) -> None:
    order = OTO if kind == "opo" else OTOCO
    wanted = {name: value for name, value in order.items() if name != "pendingQuantity"}

    place(client, kind, **wanted)
    move(client, wall, 230)
    _, rows = client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT")

    # A tenth, less the fee of a thousandth.
    assert [row["status"] for row in rows if row["status"] != "EXPIRED"] == ["FILLED", "FILLED"]
    assert {row["origQty"] for row in rows[1:]} == {"0.09990000"}


def test_only_purchases_are_followed_by_what_they_bring(client: Client) -> None:
    wanted = {name: value for name, value in OTO.items() if name != "pendingQuantity"}

    _, sale = client.signed("POST", "/api/v3/orderList/opo", **{**wanted, "workingSide": "SELL"})
    _, more = client.signed("POST", "/api/v3/orderList/opo", **{**wanted, "pendingSide": "BUY"})

    assert (sale["code"], more["code"]) == (-1222, -1223)


@pytest.mark.parametrize(
    ("changes", "types"),
    [
        ({}, ["STOP_LOSS", "LIMIT_MAKER"]),
        (
            {"stopLimitPrice": "79", "stopLimitTimeInForce": "GTC"},
            ["STOP_LOSS_LIMIT", "LIMIT_MAKER"],
        ),
        ({"side": "BUY", "price": "80", "stopPrice": "103"}, ["STOP_LOSS", "LIMIT_MAKER"]),
    ],
)
def test_the_old_names_of_an_oco_are_still_taken(
    client: Client, changes: dict[str, str], types: list[str]
) -> None:
    wanted = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "quantity": "0.1",
        "price": "103",
        "stopPrice": "80",
        **changes,
    }

    status, placed = client.signed("POST", "/api/v3/order/oco", **wanted)

    assert status == 200
    assert [row["type"] for row in placed["orderReports"]] == types


@pytest.mark.parametrize("number", [0, 1])
def test_a_cancelled_entry_takes_all_with_it(client: Client, number: int) -> None:
    placed = place(client, "otoco", **OTOCO)

    client.signed(
        "DELETE",
        "/api/v3/order",
        symbol="BTCUSDT",
        orderId=placed["orders"][number]["orderId"],
    )

    assert statuses(client) == ["CANCELED"] * 3
    assert held(client, "USDT") == (10_000, 0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"belowType": "LIMIT_MAKER"}, -1168),
        ({"aboveType": "MARKET"}, -1158),
        ({"side": "BUY"}, -1165),
        ({"belowType": "TAKE_PROFIT"}, -1199),
        ({"aboveType": "STOP_LOSS"}, -1197),
        ({"aboveType": "LIMIT_MAKER", "abovePrice": "99"}, -2010),
        ({"belowStopPrice": "101"}, -2010),
        ({"abovePrice": "103.001"}, -1013),
        ({"quantity": "2"}, -2010),
        ({"aboveClientOrderId": "same", "belowClientOrderId": "same"}, -2010),
        ({"mystery": "1"}, -1104),
        ({"belowIcebergQty": "0.1"}, -1106),
    ],
)
def test_refused_lists(client: Client, changes: dict[str, str], code: int) -> None:
    status, body = client.signed("POST", "/api/v3/orderList/oco", **{**OCO, **changes})

    assert (status, body["code"]) == (400, code)
    assert client.signed("GET", "/api/v3/openOrders") == (200, [])
    assert client.signed("GET", "/api/v3/openOrderList") == (200, [])


def test_an_open_lists_name_is_taken(client: Client) -> None:
    order = {**OCO, "quantity": "0.1"}
    place(client, "oco", **order)

    _, body = client.signed("POST", "/api/v3/orderList/oco", **order)

    assert body["msg"] == "Duplicate order sent."


def test_lists_are_found_again(client: Client) -> None:
    first = place(client, "oco", **{**OCO, "quantity": "0.1"})
    second = place(client, "oco", **{**OCO, "quantity": "0.1", "listClientOrderId": "two"})
    client.signed("DELETE", "/api/v3/orderList", symbol="BTCUSDT", orderListId=first["orderListId"])

    def ids(path: str, **parameters: object) -> list[int]:
        _, rows = client.signed("GET", path, **parameters)
        return [row["orderListId"] for row in rows]

    both = [first["orderListId"], second["orderListId"]]
    assert ids("/api/v3/allOrderList") == both
    assert ids("/api/v3/allOrderList", fromId=both[1]) == both[1:]
    assert ids("/api/v3/openOrderList") == both[1:]
    _, found = client.signed("GET", "/api/v3/orderList", origClientOrderId="two")
    assert found["orderListId"] == both[1]
    _, missing = client.signed("GET", "/api/v3/orderList", orderListId=99)
    assert missing["code"] == -2018
