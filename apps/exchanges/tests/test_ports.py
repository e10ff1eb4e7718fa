"""The values that clients take and give."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from apps.domain.orders import OrderSide, OrderStatus, OrderType
from apps.exchanges.ports import Credentials, OrderReport, OrderRequest


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
    ],
)
def test_incomplete_order_request_is_refused(
    order_type: OrderType, amounts: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="order"):
        OrderRequest(
            symbol="BTC/USDT",
            side=OrderSide.BUY,
            order_type=order_type,
            client_order_id="a",
            **amounts,
        )
