"""Rows of the private channels, from the documents, read in place."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.bitget import orders
from apps.exchanges.bitget.tests.payloads import names, payload_of
from apps.exchanges.ports import Fill, OrderReport

S, T = OrderStatus, OrderType

#: Frames of private channels that are followed, and of others, which are read past.
PUSHED = {"jkorf_ws_Order", "jkorf_ws_TriggerOrder"}
PUSHED_FILLS = {
    "ccxt_src_handle_my_trades_1",
    "ccxt_src_parse_ws_trade_2",
    "jkorf_ws_UserTrade",
}
PUSHED_BALANCES = {"ccxt_src_handle_balance_1", "jkorf_ws_Balance"}


def test_no_payload_is_forgotten(shared: Path) -> None:
    assert names(shared, "ws_private") == PUSHED | PUSHED_FILLS | PUSHED_BALANCES


def pushed_rows(shared: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a frame, of the last of a dialogue, or of one that was kept alone."""
    payload = payload_of(shared, f"ws_private/{name}")
    if isinstance(payload, list):
        payload = payload[-1]["message"]
    rows: list[dict[str, Any]] = payload.get("data", [payload])
    return rows


@pytest.mark.parametrize("name", sorted(PUSHED_FILLS))
def test_channel_of_fills_tells_what_was_paid_as_a_positive_number(shared: Path, name: str) -> None:
    # Unlike the channel of orders: the reason to leave out a fill whose sign is not the usual one.
    for row in pushed_rows(shared, name):
        assert Decimal(row["feeDetail"][0]["totalFee"]) > 0


def test_pushed_order_with_its_fill(shared: Path) -> None:
    (row,) = pushed_rows(shared, "jkorf_ws_Order")

    report = orders.parse_pushed_order(row)

    assert (report.symbol, report.exchange_order_id, report.client_order_id) == (
        *("BTCUSDT", "1", "1"),
    )
    assert (report.status, report.order_type) == (S.PARTIALLY_FILLED, T.MARKET)
    # newSize says 500 in this sample, against size and notional, and against what was filled.
    assert (report.quantity, report.quote_amount) == (None, Decimal("8.000000"))
    assert (report.filled_quantity, report.average_price) == (Decimal("0.0003"), Decimal(26256))
    assert report.fills == (
        Fill(
            trade_id="1",
            exchange_order_id="1",
            symbol="BTCUSDT",
            side=OrderSide.BUY,
            quantity=Decimal("0.0003"),
            price=Decimal("26256.0"),
            fee=Decimal("1.8E-7"),
            fee_asset="BTC",
            is_maker=False,
            executed_at=datetime(2023, 9, 27, 6, 56, 13, 286000, tzinfo=UTC),
        ),
    )


def pushed(**changes: object) -> OrderReport:
    """A resting limit buy as pushed, with changes; None leaves a field out."""
    row: dict[str, object] = {
        "instId": "BTCUSDT",
        "orderId": "1",
        "clientOid": "a",
        "size": "500",
        "newSize": "0.02",
        "orderType": "limit",
        "side": "buy",
        "price": "25000",
        "accBaseVolume": "0",
        "priceAvg": "0",
        "status": "live",
        "cTime": "1695797773257",
        "uTime": "1695797773326",
    } | changes
    return orders.parse_pushed_order(
        {key: value for key, value in row.items() if value is not None}
    )


def test_size_of_a_pushed_buy_is_in_quote_so_the_new_size_counts() -> None:
    assert pushed().quantity == Decimal("0.02")
    assert pushed(newSize=None).quantity is None
    assert pushed(newSize=None, side="sell", size="3").quantity == 3


def test_pushed_order_without_a_fill_has_none() -> None:
    report = pushed()

    assert (report.fills, report.filled_quantity, report.filled_quote) == ((), 0, 0)
    assert report.price == 25000


def test_fill_pushed_in_part_is_left_to_the_list_of_fills() -> None:
    told = {"tradeId": "1", "fillPrice": "2", "baseVolume": "1", "fillTime": "1695797773326"}

    assert pushed(**told).fills == ()
    assert pushed(**told, fillFee="-1", fillFeeCoin="BTC", tradeScope="M").fills[0].is_maker


@pytest.mark.parametrize(("told", "fees"), [("-0.5", ["0.5"]), ("0", ["0"]), ("0.5", [])])
def test_pushed_fee_that_may_be_a_rebate_is_left_to_the_list_of_fills(
    told: str, fees: list[str]
) -> None:
    fill = {"tradeId": "1", "fillPrice": "2", "baseVolume": "1", "fillTime": "1695797773326"}

    report = pushed(**fill, fillFee=told, fillFeeCoin="BTC", tradeScope="M")

    assert [str(fill.fee) for fill in report.fills] == fees


@pytest.mark.parametrize(
    "changes", [{"orderId": None}, {"fillFee": "NaN"}, {"tradeScope": "X"}, {"newSize": "1e90"}]
)
def test_pushed_order_that_makes_no_sense_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        pushed(**changes)


def test_pushed_conditional_order(shared: Path) -> None:
    (row,) = pushed_rows(shared, "jkorf_ws_TriggerOrder")

    report = orders.parse_plan(row)

    assert (report.symbol, report.status, report.side) == ("BTCUSDT", S.OPEN, "buy")
    # A market order has no limit, whatever its executePrice says.
    assert (report.trigger_price, report.price) == (27000, None)
    assert (report.quantity, report.filled_quantity) == (Decimal("0.02"), 0)
