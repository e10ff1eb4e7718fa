from typing import Any

import pytest

from workers.paper_exchange.dialects.bitget.tests.bare import TRADE, BareClient
from workers.paper_exchange.dialects.bitget.tests.test_trading import LIMIT, MARKET, held, info
from workers.paper_exchange.tests.builders import Wall

PLAN = {
    "symbol": "BTCUSDT",
    "side": "buy",
    "orderType": "market",
    "size": "0.1",
    "triggerPrice": "103",
    "planType": "amount",
    "triggerType": "mark_price",
}
PLACE, MODIFY = f"{TRADE}/place-plan-order", f"{TRADE}/modify-plan-order"
CURRENT, PAST = f"{TRADE}/current-plan-order", f"{TRADE}/history-plan-order"
SUB_ORDERS, OPEN = f"{TRADE}/plan-sub-order", f"{TRADE}/unfilled-orders"
MINUTE = 60


def listed(client: BareClient, path: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = client.get(path, symbol="BTCUSDT")["orderList"]
    return rows


def test_waiting_order_freezes_nothing(client: BareClient) -> None:
    placed = client.post(PLACE, **PLAN, clientOid="plan-1")
    (row,) = listed(client, CURRENT)

    assert placed == {"orderId": row["orderId"], "clientOid": "plan-1"}
    told = (row["status"], row["planType"], row["triggerPrice"], row["size"], row["triggerType"])
    assert told == ("live", "AMOUNT", "103", "0.1", "mark_price")
    assert held(client, "USDT") == ("10000", "0")
    assert client.get(f"{TRADE}/orderInfo", clientOid="plan-1") == []
    assert client.get(OPEN) == []
    assert client.get(SUB_ORDERS, planOrderId=placed["orderId"]) == []


def test_fired_order_lives_on_under_another_id(client: BareClient, wall: Wall) -> None:
    placed = client.post(PLACE, **PLAN, clientOid="plan-1")
    wall.now += 5 * MINUTE
    (plan,) = listed(client, PAST)
    (sub_order,) = client.get(SUB_ORDERS, planOrderId=placed["orderId"])
    row = info(client, sub_order)
    (fill,) = client.get(f"{TRADE}/fills", symbol="BTCUSDT", orderId=sub_order["orderId"])

    assert (plan["orderId"], plan["status"], plan["size"]) == (placed["orderId"], "executed", "0.1")
    assert sub_order["status"] == "success"
    assert sub_order["orderId"] != placed["orderId"]
    assert (row["status"], row["baseVolume"], row["clientOid"]) == (
        "filled",
        "0.1",
        sub_order["orderId"],
    )
    assert fill["orderId"] == sub_order["orderId"]
    assert listed(client, CURRENT) == []


def test_fired_limit_order_rests_and_can_be_cancelled(client: BareClient, wall: Wall) -> None:
    limit = {"orderType": "limit", "executePrice": "90", "clientOid": "plan-1"}
    client.post(PLACE, **{**PLAN, **limit})
    wall.now += 5 * MINUTE
    (row,) = client.get(OPEN)

    assert (row["priceAvg"], row["status"]) == ("90", "live")
    assert held(client, "USDT") == ("9991", "9")
    assert client.post(f"{TRADE}/cancel-plan-order", clientOid="plan-1")[1] == "43025"
    client.post(f"{TRADE}/cancel-order", symbol="BTCUSDT", orderId=row["orderId"])
    assert info(client, row)["status"] == "cancelled"
    assert listed(client, PAST)[0]["status"] == "executed"


def test_order_without_money_fails_when_it_fires(client: BareClient, wall: Wall) -> None:
    placed = client.post(PLACE, **{**PLAN, "size": "500"})
    wall.now += 5 * MINUTE

    assert listed(client, PAST)[0]["status"] == "fail_trigger"
    (sub_order,) = client.get(SUB_ORDERS, planOrderId=placed["orderId"])
    assert (sub_order["orderId"], sub_order["status"]) == ("", "fail")
    assert client.get(f"{TRADE}/history-orders") == []


def test_purchase_for_an_amount(client: BareClient, wall: Wall) -> None:
    placed = client.post(PLACE, **{**PLAN, "planType": "total", "size": "50"})
    wall.now += 5 * MINUTE
    (sub_order,) = client.get(SUB_ORDERS, planOrderId=placed["orderId"])

    assert info(client, sub_order)["size"] == "50"
    assert 49.8 < float(info(client, sub_order)["quoteVolume"]) <= 50


@pytest.mark.parametrize(("side", "trigger"), [("sell", "103"), ("sell", "95"), ("buy", "95")])
def test_trigger_may_lie_on_either_side(client: BareClient, side: str, trigger: str) -> None:
    client.post(PLACE, **{**PLAN, "side": side, "triggerPrice": trigger})

    assert listed(client, CURRENT)[0]["status"] == "live"


def test_waiting_order_is_changed_in_place(client: BareClient, wall: Wall) -> None:
    placed = client.post(PLACE, **PLAN)
    changes = {"orderType": "limit", "executePrice": "91", "triggerPrice": "98", "size": "0.2"}
    assert client.post(MODIFY, orderId=placed["orderId"], **changes) == placed
    (row,) = listed(client, CURRENT)

    told = (row["orderType"], row["executePrice"], row["triggerPrice"], row["size"])
    assert told == ("limit", "91", "98", "0.2")
    wall.now += 5 * MINUTE
    assert listed(client, CURRENT)[0]["status"] == "live"
    assert client.post(MODIFY, clientOid="never", triggerPrice="98")[1] == "43025"


def test_cancel_one_or_all(client: BareClient) -> None:
    placed = [client.post(PLACE, **PLAN) for _ in range(3)]
    cancelled = client.post(f"{TRADE}/cancel-plan-order", orderId=placed[0]["orderId"])
    answer = client.post(f"{TRADE}/batch-cancel-plan-order", symbolList=["BTCUSDT"])

    assert cancelled == {"result": "success"}
    assert answer == {"successList": placed[1:], "failureList": []}
    assert {row["status"] for row in listed(client, PAST)} == {"cancelled"}


def test_lists_are_paged(client: BareClient) -> None:
    placed = [client.post(PLACE, **PLAN)["orderId"] for _ in range(3)]
    first = client.get(CURRENT, limit="2")
    rest = client.get(CURRENT, limit="2", idLessThan=first["idLessThan"])

    assert [row["orderId"] for row in first["orderList"]] == placed[:0:-1]
    assert (first["nextFlag"], rest["nextFlag"]) == (True, False)
    assert [row["orderId"] for row in rest["orderList"]] == placed[:1]


def test_what_comes_with_an_entry_follows_it(client: BareClient, wall: Wall) -> None:
    presets = {"presetTakeProfitPrice": "103", "presetStopLossPrice": "80"}
    client.post(f"{TRADE}/place-order", **MARKET, **presets)
    exits = client.get(OPEN, tpslType="tpsl")
    assert {row["triggerPrice"] for row in exits} == {"103", "80"}
    assert held(client, "BTC")[1] == "0"
    assert client.get(OPEN) == []
    wall.now += 5 * MINUTE

    past = client.get(f"{TRADE}/history-orders", tpslType="tpsl")
    assert {row["triggerPrice"]: row["status"] for row in past} == {
        "103": "filled",
        "80": "cancelled",
    }
    assert client.get(OPEN, tpslType="tpsl") == []


def test_exit_that_stands_alone(client: BareClient) -> None:
    tpsl = {"tpslType": "tpsl", "triggerPrice": "95"}
    exit_order = {**LIMIT, "side": "sell", "price": "94"}
    placed = client.post(f"{TRADE}/place-order", **{**exit_order, **tpsl})
    (row,) = client.get(OPEN, tpslType="tpsl")

    assert (row["orderId"], row["triggerPrice"]) == (placed["orderId"], "95")
    cancel = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert client.post(f"{TRADE}/cancel-order", **cancel)[1] == "43001"
    assert client.post(f"{TRADE}/cancel-order", **cancel, tpslType="tpsl") == placed


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"triggerPrice": ""}, "40019"),
        ({"triggerPrice": "103.001"}, "40808"),
        ({"orderType": "limit"}, "40019"),
        ({"planType": "some"}, "40020"),
        ({"triggerType": "some"}, "40020"),
        ({"side": "sell", "planType": "total", "size": "10"}, "40020"),
        ({"size": "0.01"}, "45110"),
        ({"triggerPrice": "100"}, "43034"),
    ],
)
def test_refused_plans(client: BareClient, changes: dict[str, str], code: str) -> None:
    assert client.post(PLACE, **{**PLAN, **changes})[:2] == (400, code)
