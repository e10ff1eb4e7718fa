from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from workers.paper_exchange.dialects.kraken.names import order_txid
from workers.paper_exchange.dialects.kraken.tests.bare import FORM, JSON, BareClient
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.tests.builders import KEY, START_MS, Wall

LIMIT = {"pair": "XBTUSDT", "type": "buy", "ordertype": "limit", "volume": "0.1", "price": "90"}
MARKET = {"pair": "XBTUSDT", "type": "buy", "ordertype": "market", "volume": "0.1"}
STOP = {"pair": "XBTUSDT", "type": "sell", "ordertype": "stop-loss", "volume": "0.1", "price": "95"}
UUID = "6d1b345e-2821-40e2-ad83-4ecb18a06876"


def changed(order: dict[str, str], **changes: str) -> dict[str, str]:
    return order | changes


def without(order: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in order.items() if key != name}


def placed(client: BareClient, **order: str) -> str:
    (txid,) = client.private("AddOrder", **order)["txid"]
    assert isinstance(txid, str)
    return txid


def found(client: BareClient, txid: str) -> Any:
    return client.private("QueryOrders", txid=txid, trades="true")[txid]


def at(wall: Wall, seconds: float) -> str:
    moment = datetime.fromtimestamp(wall.now, UTC) + timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")


def test_answer_tells_no_more_than_that_the_order_was_taken(client: BareClient) -> None:
    answer = client.private("AddOrder", **LIMIT)

    assert answer == {
        "descr": {"order": "buy 0.10000000 XBTUSDT @ limit 90.00"},
        "txid": [order_txid(1)],
    }


def test_resting_order_as_it_is_listed(client: BareClient) -> None:
    txid = placed(client, **LIMIT, cl_ord_id=UUID)
    listed = client.private("OpenOrders")["open"][txid]

    assert (listed["status"], listed["cl_ord_id"], listed["userref"]) == ("open", UUID, None)
    assert (listed["descr"]["price"], listed["price"]) == ("90.00", "0.0000000")
    assert (listed["vol"], listed["vol_exec"]) == ("0.10000000", "0.00000000")
    assert listed["oflags"] == "fciq"
    assert listed["opentm"] == START_MS / 1000


def test_money_of_a_resting_order_is_held_with_its_fee(client: BareClient) -> None:
    placed(client, **LIMIT)

    held = client.private("BalanceEx")["USDT"]
    assert held == {"balance": "10000.00000000", "hold_trade": "9.03600000"}


def test_market_order_is_filled_and_paid_with_a_fee_in_quote(client: BareClient) -> None:
    txid = placed(client, **MARKET)
    order = found(client, txid)
    trades = client.private("QueryTrades", txid=",".join(order["trades"]))

    cost = sum(Decimal(trade["cost"]) for trade in trades.values())
    fee = sum(Decimal(trade["fee"]) for trade in trades.values())
    assert (order["status"], order["vol_exec"]) == ("closed", "0.10000000")
    assert (Decimal(order["cost"]), Decimal(order["fee"])) == (cost, fee)
    assert fee == cost * Decimal("0.004")
    assert Decimal(order["price"]) == cost / Decimal("0.1")
    balance = client.private("Balance")
    assert Decimal(balance["USDT"]) == 10_000 - cost - fee
    assert Decimal(balance["XXBT"]) == Decimal("1.1")


def test_fee_in_base_leaves_the_quote_alone(client: BareClient) -> None:
    txid = placed(client, **MARKET, oflags="fcib")
    order = found(client, txid)

    assert order["oflags"] == "fcib"
    balance = client.private("Balance")
    assert Decimal(balance["USDT"]) == 10_000 - Decimal(order["cost"])
    assert Decimal(balance["XXBT"]) == Decimal("1.1") - Decimal("0.0004")


def test_everything_can_not_be_sold_for_a_fee_in_what_is_sold(client: BareClient) -> None:
    selling = changed(MARKET, type="sell", volume="1", oflags="fcib")

    assert client.private("AddOrder", **selling) == "EOrder:Insufficient funds"


def test_purchase_by_amount(client: BareClient) -> None:
    txid = placed(client, **changed(MARKET, volume="50"), oflags="viqc")
    order = found(client, txid)

    assert (order["vol"], order["oflags"]) == ("50.00000000", "fciq,viqc")
    assert Decimal(50) - Decimal("0.01") < Decimal(order["cost"]) <= 50


def test_checked_order_is_not_placed_and_false_is_false(client: BareClient) -> None:
    checked = client.private("AddOrder", **LIMIT, validate="True")
    txid = placed(client, **LIMIT, validate="False", reduce_only="False")

    assert "txid" not in checked
    assert list(client.private("OpenOrders")["open"]) == [txid]


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (changed(LIMIT, pair="NOSUCH"), "EQuery:Unknown asset pair"),
        (without(LIMIT, "pair"), "EGeneral:Invalid arguments:pair"),
        (without(LIMIT, "price"), "EGeneral:Invalid arguments:price"),
        (changed(LIMIT, type="hold"), "EGeneral:Invalid arguments:type"),
        (changed(LIMIT, ordertype="guess"), "EGeneral:Invalid arguments:ordertype"),
        (changed(LIMIT, volume="0"), "EGeneral:Invalid arguments:volume"),
        (changed(LIMIT, volume="0.1000001"), "EGeneral:Invalid arguments:volume"),
        (changed(LIMIT, volume="0.01"), "EOrder:Cost minimum not met"),
        (changed(LIMIT, volume="0.000001"), "EGeneral:Invalid arguments:volume"),
        (changed(LIMIT, volume="500"), "EOrder:Insufficient funds"),
        (
            changed(LIMIT, price="90.001"),
            "EOrder:Invalid price:BTC/USDT price can only be specified up to 2 decimals.",
        ),
        (changed(LIMIT, triggerPrice="80"), "EGeneral:Invalid arguments"),
        (changed(LIMIT, oflags="viqc"), "EGeneral:Invalid arguments:viqc"),
        (changed(LIMIT, oflags="what"), "EGeneral:Invalid arguments:oflags"),
        (changed(LIMIT, timeinforce="GTD"), "EGeneral:Invalid arguments:timeinforce"),
        (changed(LIMIT, leverage="5"), "EGeneral:Invalid arguments:leverage"),
        (changed(LIMIT, cl_ord_id="x" * 19), "EGeneral:Invalid arguments:cl_ord_id"),
        (changed(LIMIT, cl_ord_id="a", userref="1"), "EGeneral:Invalid arguments:cl_ord_id"),
        (changed(LIMIT, userref="3000000000"), "EGeneral:Invalid arguments:userref"),
        (changed(LIMIT, starttm="+60"), "EGeneral:Invalid arguments:starttm"),
        (changed(LIMIT, ordertype="iceberg"), "EGeneral:Invalid arguments:displayvol"),
        (changed(MARKET, price="90"), "EGeneral:Invalid arguments:price"),
        (changed(MARKET, volume="2000"), "EOrder:Insufficient funds"),
        (changed(MARKET, type="sell", volume="2"), "EOrder:Insufficient funds"),
        (changed(STOP, price="105"), "EOrder:Invalid price"),
        (changed(STOP, ordertype="trailing-stop"), "EGeneral:Invalid arguments:price"),
        (changed(LIMIT, ordertype="settle-position"), "EOrder:Unknown position"),
    ],
)
def test_refusals(client: BareClient, order: dict[str, str], text: str) -> None:
    assert client.private("AddOrder", **order) == text
    assert client.private("OpenOrders")["open"] == {}


def test_name_is_unique_among_open_orders_only(client: BareClient) -> None:
    txid = placed(client, **LIMIT, cl_ord_id="mine")
    again = client.private("AddOrder", **LIMIT, cl_ord_id="mine")
    client.private("CancelOrder", txid=txid)

    assert again == "EOrder:Duplicate cl_ord_id"
    assert placed(client, **LIMIT, cl_ord_id="mine") != txid


def test_deadlines(client: BareClient, wall: Wall) -> None:
    late = client.private("AddOrder", **LIMIT, deadline=at(wall, -1))
    far = client.private("AddOrder", **LIMIT, deadline=at(wall, 90))

    assert (late, far) == ("EService:Deadline elapsed", "EGeneral:Invalid arguments:deadline")
    assert placed(client, **LIMIT, deadline=at(wall, 5))


def test_post_only_order_that_would_take_is_cancelled(client: BareClient) -> None:
    order = found(client, placed(client, **changed(LIMIT, price="110"), oflags="post"))

    assert (order["status"], order["reason"]) == ("canceled", "Post only order")


def test_order_that_may_not_wait_is_cancelled(client: BareClient) -> None:
    order = found(client, placed(client, **LIMIT, timeinforce="IOC"))

    assert (order["status"], order["vol_exec"]) == ("canceled", "0.00000000")


def test_order_expires(client: BareClient, wall: Wall) -> None:
    txid = placed(client, **LIMIT, timeinforce="GTD", expiretm="+60")
    wall.now += 61
    order = found(client, txid)

    assert (order["status"], order["expiretm"]) == ("expired", START_MS // 1000 + 60)
    assert client.private("BalanceEx")["USDT"]["hold_trade"] == "0.00000000"


def test_stop_limit_order_tells_trigger_and_limit(client: BareClient) -> None:
    txid = placed(client, **changed(STOP, ordertype="stop-loss-limit", price2="#1%"))
    description = found(client, txid)["descr"]

    assert (description["price"], description["price2"]) == ("95.00", "94.05")
    assert description["order"] == "sell 0.10000000 XBTUSDT @ stop loss 95.00 -> limit 94.05"


def test_take_profit_fires_as_the_price_rises(client: BareClient, wall: Wall) -> None:
    txid = placed(client, **changed(STOP, ordertype="take-profit", price="103"))
    wall.now += 240
    order = found(client, txid)

    assert (order["status"], order["stopprice"]) == ("closed", "103.0000000")
    assert Decimal(order["price"]) >= Decimal("102.9")


@pytest.mark.parametrize(("offset", "shown"), [("+1%", "+1.0000%"), ("+2.5", "+2.5")])
def test_trailing_stop_follows(client: BareClient, wall: Wall, offset: str, shown: str) -> None:
    txid = placed(client, **changed(STOP, ordertype="trailing-stop", price=offset))
    first = found(client, txid)
    wall.now += 100
    then = client.private("OpenOrders")["open"]

    assert first["descr"]["price"] == shown
    expected = {"+1%": "99.0000000", "+2.5": "97.5000000"}
    assert first["stopprice"] == expected[offset]
    assert not then or Decimal(then[txid]["stopprice"]) > Decimal(first["stopprice"])


def test_trailing_stop_with_a_limit_rests_where_nobody_buys(client: BareClient, wall: Wall) -> None:
    order = changed(STOP, ordertype="trailing-stop-limit", price="+0.5", price2="+50")
    txid = placed(client, **order)
    wall.now += 60
    row = found(client, txid)

    assert (row["status"], row["descr"]["ordertype"]) == ("open", "trailing-stop-limit")
    assert (row["descr"]["price"], row["descr"]["price2"]) == ("+0.5", "+50")
    assert Decimal(row["limitprice"]) == Decimal(row["stopprice"]) + 50


def test_iceberg(client: BareClient) -> None:
    order = changed(LIMIT, ordertype="iceberg")

    assert client.private("AddOrder", **order, displayvol="0.001") == (
        "EGeneral:Invalid arguments:displayvol"
    )
    assert found(client, placed(client, **order, displayvol="0.01"))["descr"]["ordertype"] == (
        "iceberg"
    )


def test_closing_order_is_placed_for_what_was_bought(client: BareClient) -> None:
    closing = {"close[ordertype]": "stop-loss-limit", "close[price]": "95", "close[price2]": "94"}
    txid = placed(client, **MARKET, **closing)
    ((closing_txid, order),) = client.private("OpenOrders")["open"].items()

    assert closing_txid != txid
    assert (order["refid"], order["descr"]["type"], order["vol"]) == (txid, "sell", "0.10000000")
    assert "cl_ord_id" not in order


def test_amended_order_keeps_its_id(client: BareClient) -> None:
    txid = placed(client, **LIMIT)
    amended = client.private("AmendOrder", txid=txid, order_qty="0.2", limit_price="91")
    order = found(client, txid)

    assert amended["amend_id"].startswith("T")
    assert (order["vol"], order["descr"]["price"]) == ("0.20000000", "91.00")
    assert client.private("BalanceEx")["USDT"]["hold_trade"] == "18.27280000"


def test_amendments_that_are_refused(client: BareClient) -> None:
    txid = placed(client, **LIMIT)

    def amend(**changes: str) -> Any:
        return client.private("AmendOrder", **{"txid": txid, **changes})

    assert amend(txid=order_txid(99), order_qty="1") == "EOrder:Unknown order"
    assert amend(trigger_price="80") == "EGeneral:Invalid arguments:trigger_price"
    assert amend(limit_price="120", post_only="true") == "EOrder:Post only order"
    assert amend(order_qty="0.01") == "EOrder:Cost minimum not met"
    assert amend(order_qty="200") == "EOrder:Insufficient funds"


def test_edited_order_is_another_one(client: BareClient) -> None:
    txid = placed(client, **LIMIT)
    edited = client.private("EditOrder", txid=txid, pair="XBTUSDT", price="91")

    assert (edited["originaltxid"], edited["orders_cancelled"]) == (txid, 1)
    assert found(client, txid)["status"] == "canceled"
    assert found(client, edited["txid"])["descr"]["price"] == "91.00"


def test_edit_that_can_not_be_paid_leaves_the_order(client: BareClient) -> None:
    txid = placed(client, **changed(LIMIT, volume="100"))
    refused = client.private("EditOrder", txid=txid, pair="XBTUSDT", volume="200")

    assert refused == "EOrder:Insufficient funds"
    assert found(client, txid)["status"] == "open"
    assert "txid" in client.private("EditOrder", txid=txid, pair="XBTUSDT", volume="105")


def test_cancel_by_id_name_and_userref(client: BareClient) -> None:
    txid = placed(client, **LIMIT)
    placed(client, **LIMIT, cl_ord_id="mine")
    placed(client, **LIMIT, userref="7")
    placed(client, **LIMIT, userref="7")

    assert client.private("CancelOrder", txid=txid) == {"count": 1}
    assert client.private("CancelOrder", cl_ord_id="mine") == {"count": 1}
    assert client.private("CancelOrder", txid="7") == {"count": 2}
    assert client.private("CancelOrder", txid=txid) == "EOrder:Unknown order"
    assert client.private("CancelOrder") == "EGeneral:Invalid arguments:txid"


@pytest.mark.parametrize("txid", ["--5", "\u00b2", "\u0663", "", "OAAAAA"])
def test_what_is_no_id_names_no_order(client: BareClient, txid: str) -> None:
    assert client.private("CancelOrder", txid=txid).startswith("E")


def test_list_where_one_value_belongs(client: BareClient) -> None:
    assert (
        client.private_json("QueryOrders", cl_ord_id=[]) == "EGeneral:Invalid arguments:cl_ord_id"
    )


def test_bodies_that_can_not_be_read(client: BareClient) -> None:
    for body in (b"[", b"[]", b"7", b"\xff"):
        assert client.signed("Balance", body, JSON).startswith("EGeneral:Invalid arguments")
    doubled = b"nonce=2000&nonce=2001"
    assert client.signed("Balance", doubled, FORM) == "EGeneral:Invalid arguments"


def test_batches(client: BareClient) -> None:
    order = without(LIMIT, "pair")
    small = order | {"volume": "200"}
    added = client.private_json("AddOrderBatch", pair="XBTUSDT", orders=[order, small, order])
    first, refused, last = added["orders"]
    txids = [first["txid"], last["txid"]]

    assert refused == {"error": "EOrder:Insufficient funds"}
    assert client.private_json("CancelOrderBatch", orders=txids) == {"count": 2}


def test_cancel_all(client: BareClient) -> None:
    for _ in range(3):
        placed(client, **LIMIT)

    assert client.private("CancelAll") == {"count": 3}
    assert client.private("CancelAll") == {"count": 0}


def test_dead_man_s_switch(client: BareClient, wall: Wall) -> None:
    txid = placed(client, **LIMIT)
    answer = client.private("CancelAllOrdersAfter", timeout="60")
    wall.now += 59
    before = found(client, txid)["status"]
    wall.now += 2

    assert answer == {
        "currentTime": "2023-11-14T22:14:00Z",
        "triggerTime": "2023-11-14T22:15:00Z",
    }
    assert (before, found(client, txid)["status"]) == ("open", "canceled")


def test_engine_counts_cancels_of_young_orders(client: BareClient, wall: Wall) -> None:
    texts = []
    for _ in range(15):
        texts.append(client.private("CancelOrder", txid=placed(client, **LIMIT)))
        if texts[-1] == "EOrder:Rate limit exceeded":
            break

    assert texts[-1] == "EOrder:Rate limit exceeded"
    assert len(texts) == 14
    wall.now += 60
    assert placed(client, **LIMIT)


def test_only_so_many_orders_rest_in_a_pair(client: BareClient) -> None:
    for _ in range(80):
        placed(client, **LIMIT)

    assert client.private("AddOrder", **LIMIT) == "EOrder:Orders limit exceeded"


def test_own_orders_do_not_meet(client: BareClient) -> None:
    first = placed(client, **changed(LIMIT, price="99.99"))
    second = found(client, placed(client, **changed(LIMIT, type="sell", price="99.99")))

    assert second["status"] in {"canceled", "closed"}
    assert found(client, first)["vol_exec"] == "0.00000000"


def test_history_is_newest_first_and_paged(client: BareClient, wall: Wall) -> None:
    txids = [placed(client, **LIMIT) for _ in range(51)]
    client.private("CancelAll")
    first = client.private("ClosedOrders")
    second = client.private("ClosedOrders", ofs="50")

    assert first["count"] == second["count"] == 51
    assert list(first["closed"]) == list(reversed(txids))[:50]
    assert list(second["closed"]) == txids[:1]
    assert client.private("ClosedOrders", start=START_MS // 1000)["count"] == 0
    assert client.private("ClosedOrders", end=START_MS // 1000)["count"] == 51


def test_orders_by_name_are_found_open_and_closed(client: BareClient) -> None:
    txid = placed(client, **LIMIT, cl_ord_id="mine")
    placed(client, **LIMIT)
    in_open = client.private("OpenOrders", cl_ord_id="mine")["open"]
    client.private("CancelAll")

    assert list(in_open) == [txid]
    assert list(client.private("ClosedOrders", cl_ord_id="mine")["closed"]) == [txid]
    assert client.private("QueryOrders", txid=order_txid(77)) == "EOrder:Invalid order"


def test_trades_are_told_one_by_one(client: BareClient) -> None:
    placed(client, **MARKET)
    placed(client, **changed(MARKET, type="sell"))
    history = client.private("TradesHistory", consolidate_taker="false")
    rows = list(history["trades"].values())

    assert history["count"] == len(rows) >= 2
    assert rows[0]["type"] == "sell"
    assert {row["pair"] for row in rows} == {"XBTUSDT"}
    assert all(row["maker"] is False for row in rows)


def test_what_else_an_account_is_told(client: BareClient, exchange: PaperExchange) -> None:
    fees = client.private("TradeVolume", pair="XBTUSDT")
    rights = client.private("GetApiKeyInfo")

    assert fees["fees"]["XBTUSDT"]["fee"] == "0.4000"
    assert fees["fees_maker"]["XBTUSDT"]["fee"] == "0.2500"
    assert (rights["api_key"], rights["ip_allowlist"]) == (KEY, [])
    assert "modify-trades" in rights["permissions"]
    assert "withdraw-funds" not in rights["permissions"]
    assert client.private("TradeBalance", asset="USDT")["eb"] == "10100.0000"
    assert client.private("Ledgers") == {"ledger": {}, "count": 0}
    assert client.private("GetWebSocketsToken")["expires"] == 900
