from collections.abc import Iterator
from typing import Any

import pytest

from workers.paper_exchange.tests.builders import Wall, exchange_of, feed_of, rising_candles
from workers.paper_exchange.tests.serving import Client, serve

LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.5",
    "price": "90",
}
UNKNOWN = {"code": -2011, "msg": "Unknown order sent."}
BROKE = {"code": -2010, "msg": "Account has insufficient balance for requested action."}


@pytest.fixture
def client() -> Iterator[Client]:
    with serve(exchange_of(feed_of(rising_candles(50)), Wall())) as url:
        client = Client(url)
        client.signed("POST", "/api/v3/order", **LIMIT, newClientOrderId="old")
        yield client


def replace(client: Client, **changes: str) -> tuple[int, Any]:
    parameters = {
        "cancelReplaceMode": "STOP_ON_FAILURE",
        "cancelOrigClientOrderId": "old",
        "newClientOrderId": "new",
        **LIMIT,
        **changes,
    }
    return client.signed("POST", "/api/v3/order/cancelReplace", **parameters)


def amend(client: Client, **parameters: str) -> tuple[int, Any]:
    wanted = {"symbol": "BTCUSDT", "origClientOrderId": "old", **parameters}
    return client.signed("PUT", "/api/v3/order/amend/keepPriority", **wanted)


def open_names(client: Client) -> list[str]:
    _, rows = client.signed("GET", "/api/v3/openOrders")
    return [row["clientOrderId"] for row in rows]


def test_an_order_is_replaced(client: Client) -> None:
    status, body = replace(client, price="91", cancelNewClientOrderId="swap")

    assert status == 200
    assert (body["cancelResult"], body["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert body["cancelResponse"]["origClientOrderId"] == "old"
    assert body["cancelResponse"]["clientOrderId"] == "swap"
    assert body["newOrderResponse"]["price"] == "91.00000000"
    assert open_names(client) == ["new"]


@pytest.mark.parametrize(
    ("changes", "status", "code", "results", "left"),
    [
        (
            {"cancelOrigClientOrderId": "none"},
            400,
            -2022,
            ("FAILURE", "NOT_ATTEMPTED", UNKNOWN, None),
            ["old"],
        ),
        ({"quantity": "500"}, 409, -2021, ("SUCCESS", "FAILURE", None, BROKE), []),
        (
            {
                "cancelOrigClientOrderId": "none",
                "quantity": "500",
                "cancelReplaceMode": "ALLOW_FAILURE",
            },
            400,
            -2022,
            ("FAILURE", "FAILURE", UNKNOWN, BROKE),
            ["old"],
        ),
        (
            {"cancelOrigClientOrderId": "none", "cancelReplaceMode": "ALLOW_FAILURE"},
            409,
            -2021,
            ("FAILURE", "SUCCESS", UNKNOWN, None),
            ["old", "new"],
        ),
    ],
)
def test_a_replacement_of_which_a_half_fails(
    client: Client,
    changes: dict[str, str],
    status: int,
    code: int,
    results: tuple[str, str, Any, Any],
    left: list[str],
) -> None:
    answered, body = replace(client, **changes)

    data = body["data"]
    assert (answered, body["code"]) == (status, code)
    assert (data["cancelResult"], data["newOrderResult"]) == results[:2]
    for told, expected in zip(
        (data["cancelResponse"], data["newOrderResponse"]), results[2:], strict=True
    ):
        assert expected is None or told == expected
    assert open_names(client) == left


def test_a_replacement_that_breaks_a_rule_cancels_nothing(client: Client) -> None:
    status, body = replace(client, price="90.001")

    assert (status, body) == (400, {"code": -1013, "msg": "Filter failure: PRICE_FILTER"})
    assert open_names(client) == ["old"]


@pytest.mark.parametrize(
    ("restriction", "status"),
    [("ONLY_NEW", 200), ("ONLY_PARTIALLY_FILLED", 400), ("NEVER", 400)],
)
def test_a_cancel_may_depend_on_the_state_of_the_order(
    client: Client, restriction: str, status: int
) -> None:
    answered, body = client.signed(
        "DELETE",
        "/api/v3/order",
        symbol="BTCUSDT",
        origClientOrderId="old",
        cancelRestrictions=restriction,
    )

    assert answered == status
    if restriction == "ONLY_PARTIALLY_FILLED":
        assert body["msg"] == "Order was not canceled due to cancel restrictions."
    if restriction == "NEVER":
        assert body["code"] == -1145


def test_an_order_shrinks_in_place(client: Client) -> None:
    status, body = amend(client, newQty="0.2", newClientOrderId="old")
    _, account = client.signed("GET", "/api/v3/account")

    row = body["amendedOrder"]
    assert status == 200
    assert (row["qty"], row["clientOrderId"], row["origClientOrderId"]) == (
        "0.20000000",
        "old",
        "old",
    )
    assert {"asset": "USDT", "free": "9982.00000000", "locked": "18.00000000"} in account[
        "balances"
    ]


def test_an_amended_order_gets_a_new_name_unless_it_is_sent_again(client: Client) -> None:
    _, body = amend(client, newQty="0.2")

    name = body["amendedOrder"]["clientOrderId"]
    assert name != "old"
    assert open_names(client) == [name]
    status, _ = client.signed("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId=name)
    assert status == 200


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"newQty": "0.6"}, (-2038, "Order amend (quantity increase) is not supported.")),
        ({"newQty": "0.5"}, (-2038, "Order amend (quantity increase) is not supported.")),
        ({"newQty": "0.01"}, (-1013, "Filter failure: NOTIONAL")),
        ({"newQty": "0.1000001"}, (-1013, "Filter failure: LOT_SIZE")),
        ({"newQty": "0.2", "origClientOrderId": "none"}, (-2038, "Unknown order sent.")),
    ],
)
def test_refused_amendments(
    client: Client, parameters: dict[str, str], expected: tuple[int, str]
) -> None:
    status, body = amend(client, **parameters)

    assert (status, (body["code"], body["msg"])) == (400, expected)


def test_a_taken_name_is_refused_to_an_amendment(client: Client) -> None:
    client.signed("POST", "/api/v3/order", **LIMIT, newClientOrderId="other")

    _, body = amend(client, newQty="0.2", newClientOrderId="other")

    assert body["msg"] == "Duplicate order sent."
    assert open_names(client) == ["old", "other"]


def test_an_order_is_amended_ten_times(client: Client) -> None:
    for number in range(10):
        assert amend(client, newQty=f"0.{40 - number}", newClientOrderId="old")[0] == 200

    _, body = amend(client, newQty="0.2", newClientOrderId="old")

    assert body["msg"] == "Filter failure: MAX_NUM_ORDER_AMENDS"


def test_names_that_the_exchange_gives_are_never_the_same(client: Client) -> None:
    for quantity in ("0.4", "0.3"):
        name = open_names(client)[0]
        assert amend(client, origClientOrderId=name, newQty=quantity)[0] == 200
    for _ in range(2):
        assert client.signed("POST", "/api/v3/order", **LIMIT)[0] == 200

    assert len(set(open_names(client))) == 3
