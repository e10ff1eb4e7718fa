import json
from typing import Any

import pytest

from workers.paper_exchange.dialects.bitget.tests.bare import TRADE, BareClient
from workers.paper_exchange.tests.builders import START_MS, Wall

LIMIT = {
    "symbol": "BTCUSDT",
    "side": "buy",
    "orderType": "limit",
    "force": "GTC",
    "price": "90",
    "size": "0.1",
}
MARKET = {"symbol": "BTCUSDT", "side": "buy", "orderType": "market", "size": "50"}
PLACE, CANCEL = f"{TRADE}/place-order", f"{TRADE}/cancel-order"
OPEN, PAST = f"{TRADE}/unfilled-orders", f"{TRADE}/history-orders"
ASSETS = "/api/v2/spot/account/assets"
MINUTE = 60
SCALE = "Parameter verification exception"


def held(client: BareClient, coin: str) -> tuple[str, str]:
    (row,) = client.get(ASSETS, coin=coin)
    return row["available"], row["frozen"]


def info(client: BareClient, placed: dict[str, str]) -> dict[str, Any]:
    (row,) = client.get(f"{TRADE}/orderInfo", orderId=placed["orderId"])
    found: dict[str, Any] = row
    return found


def test_account_and_its_rights(client: BareClient) -> None:
    row = client.get("/api/v2/spot/account/info")

    assert (row["authorities"], row["ips"]) == (["stow", "stor"], "")
    rates = client.get("/api/v2/common/trade-rate", symbol="BTCUSDT", businessType="spot")
    assert rates == {"makerFeeRate": "0.001", "takerFeeRate": "0.001"}


def test_open_order_tells_its_limit_as_average(client: BareClient) -> None:
    placed = client.post(PLACE, **LIMIT, clientOid="mine-1")
    (row,) = client.get(OPEN, symbol="BTCUSDT")

    assert placed == {"orderId": row["orderId"], "clientOid": "mine-1"}
    assert (row["priceAvg"], row["basePrice"], row["status"]) == ("90", "0", "live")
    assert "price" not in row
    assert "feeDetail" not in row
    assert (row["size"], row["baseVolume"], len(row["orderId"])) == ("0.1", "0", 19)
    assert held(client, "USDT") == ("9991", "9")
    assert info(client, placed)["price"] == "90"
    assert info(client, placed)["priceAvg"] == "0"


def test_cancel_by_either_name(client: BareClient) -> None:
    first = client.post(PLACE, **LIMIT)
    client.post(PLACE, **LIMIT, clientOid="mine-2")

    assert client.post(CANCEL, symbol="BTCUSDT", orderId=first["orderId"]) == first
    assert client.post(CANCEL, symbol="BTCUSDT", clientOid="mine-2")["clientOid"] == "mine-2"
    assert client.get(OPEN) == []
    assert {row["status"] for row in client.get(PAST)} == {"cancelled"}
    assert held(client, "USDT") == ("10000", "0")
    again = client.post(CANCEL, symbol="BTCUSDT", orderId=first["orderId"])
    assert again == (400, "43001", "The order does not exist")


def test_market_purchase_is_sized_in_quote(client: BareClient) -> None:
    placed = client.post(PLACE, **MARKET)
    row = info(client, placed)
    (fill,) = client.get(f"{TRADE}/fills", symbol="BTCUSDT", orderId=placed["orderId"])

    assert (row["status"], row["size"], row["price"]) == ("filled", "50", "0")
    assert 49.9 < float(row["quoteVolume"]) <= 50
    fee = json.loads(row["feeDetail"])
    assert fee["newFees"]["t"] == fee["BTC"]["totalFee"] == float(fill["feeDetail"]["totalFee"]) < 0
    assert (fill["feeDetail"]["feeCoin"], fill["tradeScope"]) == ("BTC", "taker")
    assert fill["size"] == row["baseVolume"]
    assert float(held(client, "BTC")[0]) == pytest.approx(1 + float(fill["size"]) * 0.999)


def test_market_sale_is_sized_in_base(client: BareClient) -> None:
    row = info(client, client.post(PLACE, **{**MARKET, "side": "sell", "size": "0.5"}))

    assert (row["status"], row["size"], row["baseVolume"]) == ("filled", "0.5", "0.5")
    assert json.loads(row["feeDetail"])["USDT"]["totalFee"] < 0


@pytest.mark.parametrize("force", ["IOC", "fok"])
def test_order_that_must_fill_at_once(client: BareClient, force: str) -> None:
    row = info(client, client.post(PLACE, **{**LIMIT, "force": force}))

    assert (row["status"], row["baseVolume"]) == ("cancelled", "0")


def test_maker_that_would_take_is_accepted_and_cancelled(client: BareClient) -> None:
    placed = client.post(PLACE, **{**LIMIT, "price": "104", "force": "post_only"})

    assert info(client, placed)["status"] == "cancelled"
    assert held(client, "USDT") == ("10000", "0")


def test_resting_order_is_filled_by_the_market(client: BareClient, wall: Wall) -> None:
    placed = client.post(PLACE, **{**LIMIT, "side": "sell", "price": "105"})
    wall.now += 10 * 60
    row = info(client, placed)
    (fill,) = client.get(f"{TRADE}/fills", symbol="BTCUSDT")
    assert (row["status"], row["priceAvg"]) == ("filled", "105")
    assert (fill["tradeScope"], fill["amount"]) == ("maker", "10.5")


def test_order_larger_than_the_book_is_filled_in_part(client: BareClient, wall: Wall) -> None:
    wall.now += MINUTE + 30
    placed = client.post(PLACE, **{**LIMIT, "price": "102", "size": "90"})
    (row,) = client.get(OPEN)

    assert (row["status"], row["priceAvg"], row["size"]) == ("partially_filled", "102", "90")
    assert 0 < float(row["baseVolume"]) < 90
    assert 101 < float(row["basePrice"]) <= 102
    client.post(CANCEL, symbol="BTCUSDT", orderId=placed["orderId"])
    ended = info(client, placed)
    assert (ended["status"], ended["baseVolume"]) == ("cancelled", row["baseVolume"])
    assert held(client, "USDT")[1] == "0"


def test_name_is_refused_for_six_hours(client: BareClient, wall: Wall) -> None:
    named = {**LIMIT, "clientOid": "again"}
    duplicate = (400, "40786", "Duplicate clientOid")
    client.post(PLACE, **named)

    assert client.post(PLACE, **named) == duplicate
    client.post(CANCEL, symbol="BTCUSDT", clientOid="again")
    assert client.post(PLACE, **named) == duplicate


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"symbol": ""}, ("40019", "Parameter symbol cannot be empty")),
        ({"symbol": "NOPE"}, ("40309", "The symbol has been removed")),
        ({"side": "hold"}, ("40020", "Parameter side error")),
        ({"orderType": "stop"}, ("40020", "Parameter orderType error")),
        ({"force": "day"}, ("40020", "Parameter force error")),
        ({"price": ""}, ("40019", "Parameter price cannot be empty")),
        ({"size": "x"}, ("400172", "Parameter verification failed size")),
        ({"size": "-1"}, ("400172", "Parameter verification failed size")),
        ({"size": "NaN"}, ("400172", "Parameter verification failed size")),
        (
            {"price": "90.123"},
            (
                "40808",
                f"{SCALE} price checkBDScale error value=90.123 checkScale=2",
            ),
        ),
        (
            {"size": "0.1234567"},
            (
                "40808",
                f"{SCALE} size checkBDScale error value=0.1234567 checkScale=5",
            ),
        ),
        ({"size": "0.05"}, ("45110", "less than the minimum amount 5 USDT")),
        ({"orderType": "market", "size": "4"}, ("45110", "less than the minimum amount 5 USDT")),
        ({"size": "1000"}, ("43012", "Insufficient balance")),
        ({"orderType": "market", "size": "10001"}, ("43012", "Insufficient balance")),
        ({"side": "sell", "price": "100", "size": "2"}, ("43012", "Insufficient balance")),
        ({"price": "106"}, ("43009", "The current commission price exceeds the limit 105")),
        (
            {"side": "sell", "price": "94"},
            ("43008", "The current order price cannot be less than 95"),
        ),
        (
            {"clientOid": "x" * 51},
            (
                "40305",
                "Client_oid length is not greater than 50, and cannot be Martian characters",
            ),
        ),
        (
            {"presetTakeProfitPrice": "80"},
            ("43034", "The trigger price must be higher than the current price"),
        ),
        (
            {"presetStopLossPrice": "95"},
            ("43035", "The trigger price must be lower than the current price"),
        ),
        (
            {"tpslType": "tpsl", "triggerPrice": "95", "presetStopLossPrice": "80"},
            ("40020", "Parameter presetStopLossPrice error"),
        ),
    ],
)
def test_refused_orders(
    client: BareClient, changes: dict[str, str], refusal: tuple[str, str]
) -> None:
    code, text = refusal
    answer = client.post(PLACE, **{**LIMIT, **changes})

    assert answer[:2] == (400, code)
    assert answer[2].startswith(text)
    assert client.get(OPEN) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b"[" * 100_000])
def test_body_that_is_no_object(client: BareClient, body: bytes) -> None:
    refused = client.send("POST", PLACE, body, client.headers("POST", PLACE, body))

    assert refused == (400, "40017", "Parameter verification failed")


def test_numbers_may_be_json_numbers(client: BareClient) -> None:
    placed = client.post(PLACE, **{**LIMIT, "price": 90.5, "size": 1})

    assert info(client, placed)["price"] == "90.5"


def test_unknown_order_is_an_empty_list(client: BareClient) -> None:
    assert client.get(f"{TRADE}/orderInfo", orderId="1200000000000099999") == []
    assert client.get(f"{TRADE}/orderInfo", clientOid="never") == []
    assert client.get(f"{TRADE}/orderInfo")[1] == "40304"
    for senseless in ("x", "9" * 5000):
        assert client.get(f"{TRADE}/orderInfo", orderId=senseless)[1] == "40020"


def test_batch_tells_each_outcome(client: BareClient) -> None:
    orders = [{**LIMIT, "clientOid": "a"}, {**LIMIT, "size": "0.01", "clientOid": "b"}]
    answer = client.post(f"{TRADE}/batch-orders", symbol="BTCUSDT", orderList=orders)

    assert [row["clientOid"] for row in answer["successList"]] == ["a"]
    assert answer["failureList"] == [
        {
            "orderId": "",
            "clientOid": "b",
            "errorMsg": "less than the minimum amount 5 USDT",
            "errorCode": "45110",
        }
    ]
    names = [{"clientOid": "a"}, {"clientOid": "b"}]
    gone = client.post(f"{TRADE}/batch-cancel-order", symbol="BTCUSDT", orderList=names)
    assert [len(gone["successList"]), gone["failureList"][0]["errorCode"]] == [1, "43001"]


def test_all_orders_of_a_symbol_are_cancelled(client: BareClient) -> None:
    for _ in range(2):
        client.post(PLACE, **LIMIT)
    path = f"{TRADE}/cancel-symbol-order"

    assert client.post(path, symbol="BTCUSDT") == {"symbol": "BTCUSDT"}
    assert client.post(path, symbol="BTCUSDT") == {"symbol": "BTCUSDT"}
    assert client.get(OPEN) == []


def test_replacement_has_an_id_of_its_own(client: BareClient) -> None:
    placed = client.post(PLACE, **LIMIT)
    wanted = {"symbol": "BTCUSDT", "orderId": placed["orderId"], "price": "91", "size": "0.2"}
    answer = client.post(f"{TRADE}/cancel-replace-order", **wanted, newClientOid="next")
    (row,) = client.get(OPEN)

    assert (answer["success"], answer["clientOid"]) == ("success", "next")
    assert row["orderId"] == answer["orderId"] != placed["orderId"]
    assert (row["priceAvg"], row["size"]) == ("91", "0.2")


def test_replacement_that_is_refused_costs_the_old_order(client: BareClient) -> None:
    placed = client.post(PLACE, **LIMIT)
    wanted = {"symbol": "BTCUSDT", "orderId": placed["orderId"], "price": "91", "size": "500"}
    path = f"{TRADE}/cancel-replace-order"

    answer = client.post(path, **wanted)

    assert (answer["success"], answer["msg"]) == ("failure", "Insufficient balance")
    assert client.get(OPEN) == []
    assert client.post(path, **wanted) == (400, "43001", "The order does not exist")


def test_history_is_paged_from_new_to_old(client: BareClient) -> None:
    placed = [client.post(PLACE, **{**LIMIT, "force": "ioc"})["orderId"] for _ in range(3)]

    first = client.get(PAST, limit="2")
    rest = client.get(PAST, limit="2", idLessThan=first[-1]["orderId"])

    assert [row["orderId"] for row in first + rest] == placed[::-1]
    assert client.get(PAST, endTime=str(START_MS - 3_600_000)) == []
    assert [row["orderId"] for row in client.get(PAST, orderId=placed[1])] == [placed[1]]


@pytest.mark.parametrize(
    ("days", "code"), [((0, 31), "00001"), ((-91, -80), "40704"), ((-89, -60), None)]
)
def test_windows_of_history(client: BareClient, days: tuple[int, int], code: str | None) -> None:
    start_ms, end_ms = (START_MS + day * 86_400_000 for day in days)
    answer = client.get(PAST, startTime=str(start_ms), endTime=str(end_ms))

    assert (answer == []) if code is None else (answer[1] == code)


def test_fills_need_a_symbol(client: BareClient) -> None:
    assert client.get(f"{TRADE}/fills") == (400, "40019", "Parameter symbol cannot be empty")
