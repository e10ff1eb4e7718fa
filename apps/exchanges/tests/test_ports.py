"""The values that clients take and give."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from apps.exchanges.errors import InvalidCredentials
from apps.exchanges.ports import (
    AttachedExit,
    Credentials,
    OrderListRequest,
    OrderRef,
    OrderReport,
    OrderRequest,
)


def report(**facts: Any) -> OrderReport:
    """A filled market order, but for the given facts."""
    base: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "client_order_id": "a",
        "exchange_order_id": "1",
        "status": OrderStatus.FILLED,
        "exchange_status": "FILLED",
        "side": OrderSide.BUY,
        "order_type": OrderType.MARKET,
        "quantity": Decimal(2),
        "filled_quantity": Decimal(2),
        "filled_quote": Decimal(7),
        "price": None,
        "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return OrderReport(**base | facts)


def test_credentials_show_nothing() -> None:
    shown = repr(Credentials(api_key="the-key", api_secret="the-secret", passphrase="the-pass"))

    assert shown == "Credentials()"


def test_average_price_is_quote_per_base() -> None:
    assert report().average_price == Decimal("3.5")


@pytest.mark.parametrize(
    "facts", [{"filled_quote": None}, {"filled_quantity": Decimal(0), "filled_quote": Decimal(0)}]
)
def test_average_price_is_unknown_without_fills_or_total(facts: dict[str, Any]) -> None:
    assert report(**facts).average_price is None


@pytest.mark.parametrize(
    ("order_type", "amounts"),
    [
        (OrderType.MARKET, {}),
        (OrderType.MARKET, {"quantity": Decimal(1), "quote_amount": Decimal(1)}),
        (OrderType.MARKET, {"quantity": Decimal(1), "price": Decimal(1)}),
        (OrderType.LIMIT, {"quantity": Decimal(1)}),
        (OrderType.LIMIT, {"quote_amount": Decimal(1), "price": Decimal(1)}),
        (
            OrderType.LIMIT,
            {"quantity": Decimal(1), "price": Decimal(1), "trigger_price": Decimal(1)},
        ),
        (OrderType.STOP_LOSS, {"quantity": Decimal(1)}),
        (OrderType.STOP_LOSS_LIMIT, {"quantity": Decimal(1), "trigger_price": Decimal(1)}),
        (OrderType.TRAILING_STOP, {"quantity": Decimal(1)}),
        (OrderType.MARKET, {"quantity": Decimal(1), "trailing_share": Decimal(1)}),
        (OrderType.MARKET, {"quantity": Decimal(1), "time_in_force": TimeInForce.IOC}),
    ],
)
def test_incomplete_order_request_is_refused(
    order_type: OrderType, amounts: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"order|trailing"):
        OrderRequest(
            symbol="BTC/USDT",
            side=OrderSide.BUY,
            order_type=order_type,
            client_order_id="a",
            **amounts,
        )


def leg(order_type: OrderType, **changes: Any) -> OrderRequest:
    """One order of a list."""
    facts: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "side": OrderSide.SELL,
        "client_order_id": "a",
        "quantity": Decimal(1),
        "price": Decimal(1) if order_type.has_limit_price else None,
        "trigger_price": Decimal(1) if order_type.is_conditional else None,
    }
    return OrderRequest(order_type=order_type, **facts | changes)


STOP, TARGET = leg(OrderType.STOP_LOSS), leg(OrderType.LIMIT)


@pytest.mark.parametrize(
    ("kind", "orders", "words"),
    [
        (OrderListKind.OCO, (STOP,), "has 2 orders, not 1"),
        (OrderListKind.OTOCO, (TARGET, STOP), "has 3 orders, not 2"),
        (OrderListKind.OTO, (TARGET, leg(OrderType.LIMIT, symbol="A/B")), "same symbol"),
        (OrderListKind.OCO, (STOP, leg(OrderType.LIMIT, quantity=Decimal(2))), "side and quantity"),
        (OrderListKind.OCO, (STOP, STOP), "One leg of an OCO is a stop"),
    ],
)
def test_list_that_is_none_is_refused(
    kind: OrderListKind, orders: tuple[OrderRequest, ...], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        OrderListRequest(kind=kind, client_list_id="l", orders=orders)


def test_order_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="is named by"):
        OrderRef(symbol="BTC/USDT")


def test_report_names_its_order() -> None:
    named = report(client_order_id=None).ref

    assert (named.exchange_order_id, str(named)) == ("1", "1")


def test_bare_acknowledgement_leaves_open_what_was_filled() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)

    acknowledged = OrderReport.acknowledged(TARGET, exchange_order_id="9", at=at, raw={"id": "9"})

    assert (acknowledged.status, acknowledged.filled_quantity) == (OrderStatus.OPEN, None)
    assert (acknowledged.client_order_id, acknowledged.average_price) == ("a", None)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "0", "-1"])
def test_number_that_is_none_is_no_size_and_no_price(text: str) -> None:
    number = Decimal(text)

    for changes in ({"quantity": number}, {"price": number}):
        with pytest.raises(ValueError, match="no amount or price"):
            leg(OrderType.LIMIT, **changes)
    with pytest.raises(ValueError, match="no amount or price"):
        AttachedExit(trigger_price=number)


@pytest.mark.parametrize("key", ["with\nbreak", "with\u20acsign", "\u200bcopied"])
def test_key_that_no_exchange_gives_is_refused_unquoted(key: str) -> None:
    for keys in ({"api_key": key}, {"api_key": "k", "passphrase": key}):
        with pytest.raises(InvalidCredentials, match="copy it again") as caught:
            Credentials(api_secret="s", **keys)
        assert key not in str(caught.value)
