"""Binance's orders and fills, recorded or from its documents, read in place."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.binance.constants import STATUSES
from apps.exchanges.binance.orders import parse_fills, parse_order
from apps.exchanges.tests.stubs import payload_of

ORDERS = {
    "ccxt_src_parse_order_5": (OrderStatus.OPEN, "24684460474", "0.001", "0"),
    "ccxt_static_create_limit_iceberg_stp": (OrderStatus.OPEN, "9780331417", "0.05", "0"),
    "ccxt_static_create_trailing_take_profit": (OrderStatus.OPEN, "2672907", "0.0086", "0"),
    "ccxt_static_fetch_closed_market": (OrderStatus.FILLED, "3397148653", "0.1", "0.1"),
    "docs_Cancel_order_TRADE__1": (OrderStatus.CANCELLED, "4", "1", "0"),
    "docs_New_order_TRADE__3": (OrderStatus.FILLED, "28", "10", "10"),
    "jkorf_PlaceOrder": (OrderStatus.FILLED, "28", "10", "10"),
    "xchange_filled-market-order": (OrderStatus.FILLED, "460498247", "0.107", "0.107"),
}
ORDER_LISTS = {
    "ccxt_src_cancel_all_orders_8": ("ADAUSDT", OrderStatus.CANCELLED),
    "docs_Current_open_orders_USER_DATA__1": ("LTCBTC", OrderStatus.OPEN),
    "jkorf_CancelAllOrders": ("BTCUSDT", OrderStatus.CANCELLED),
    "xchange_open-orders": ("LTCBTC", OrderStatus.OPEN),
}


def at(text: str) -> datetime:
    """A UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("name", ORDERS)
def test_order_is_read(shared: Path, name: str) -> None:
    status, order_id, quantity, filled = ORDERS[name]

    report = parse_order(payload_of(shared, f"orders/{name}"), "A/B")

    assert (report.symbol, report.status, report.exchange_order_id) == ("A/B", status, order_id)
    assert (report.quantity, report.filled_quantity) == (Decimal(quantity), Decimal(filled))
    assert report.raw == payload_of(shared, f"orders/{name}")


@pytest.mark.parametrize("name", ORDER_LISTS)
def test_listed_orders_are_read_under_their_wire_symbol(shared: Path, name: str) -> None:
    rows = payload_of(shared, f"orders/{name}")

    read = {(report.symbol, report.status) for report in map(parse_order, rows)}

    assert read == {ORDER_LISTS[name]}


def test_full_answer_carries_its_fills(shared: Path) -> None:
    report = parse_order(payload_of(shared, "orders/docs_New_order_TRADE__3"), "BTC/USDT")

    fill = report.fills[1]
    assert len(report.fills) == 5
    assert (fill.trade_id, fill.exchange_order_id, fill.symbol) == ("57", "28", "BTC/USDT")
    assert (fill.side, fill.quantity, fill.price) == (OrderSide.SELL, Decimal(5), Decimal(3999))
    assert (fill.fee, fill.fee_asset, fill.is_maker) == (Decimal("19.995"), "USDT", False)
    assert fill.executed_at == report.updated_at == at("2017-10-11T12:32:56.595")


def test_cancelled_order_keeps_its_own_name(shared: Path) -> None:
    raw = payload_of(shared, "orders/docs_Cancel_order_TRADE__1")

    assert parse_order(raw, "LTC/BTC", is_cancel=True).client_order_id == "myOrder1"


def test_average_price_of_a_market_order(shared: Path) -> None:
    raw = payload_of(shared, "orders/ccxt_static_fetch_closed_market")

    report = parse_order(raw, "LTC/USDT")

    assert (report.order_type, report.price) == (OrderType.MARKET, None)
    assert report.average_price == Decimal("90.8")


def test_order_type_that_only_binance_has_is_unknown(shared: Path) -> None:
    raw = payload_of(shared, "orders/ccxt_static_create_trailing_take_profit")

    assert parse_order(raw, "ETH/USDT").order_type is None


@pytest.mark.parametrize(
    ("word", "status"), [*STATUSES.items(), ("SOMETHING_NEW", OrderStatus.UNKNOWN)]
)
def test_status_word_is_kept_beside_ours(shared: Path, word: str, status: OrderStatus) -> None:
    raw = payload_of(shared, "orders/jkorf_PlaceOrder") | {"status": word}

    report = parse_order(raw, "BTC/USDT")

    assert (report.status, report.exchange_status) == (status, word)


def test_filled_quote_that_is_no_longer_kept_is_unknown(shared: Path) -> None:
    raw = payload_of(shared, "orders/jkorf_PlaceOrder") | {"cummulativeQuoteQty": "-1.00000000"}

    assert parse_order(raw, "BTC/USDT").filled_quote is None


@pytest.mark.parametrize("name", ["docs_New_order_TRADE__1", "ccxt_src_cancel_all_orders_2"])
def test_answer_without_a_state_is_not_guessed(shared: Path, name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        parse_order(payload_of(shared, f"orders/{name}"), "BTC/USDT")


def test_fills_are_read(shared: Path) -> None:
    rows = payload_of(shared, "ws_api/docs_wsapi_Account_trade_history_USER_DATA__2")["result"]

    fills = parse_fills(json.dumps(rows).encode(), "BTC/USDT")

    assert [fill.trade_id for fill in fills] == ["1650422481", "1650422482"]
    assert (fills[0].exchange_order_id, fills[0].symbol) == ("12569099453", "BTC/USDT")
    assert (fills[0].side, fills[0].is_maker) == (OrderSide.SELL, True)
    assert (fills[0].quantity, fills[0].price) == (Decimal("0.00635"), Decimal("23416.1"))
    assert (fills[0].fee, fills[0].fee_asset) == (Decimal(0), "BNB")
    assert fills[0].executed_at == at("2022-08-18T05:48:35.793")
