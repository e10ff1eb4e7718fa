from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest

from apps.domain.orders import OrderStatus
from apps.trading.events import record_event
from apps.trading.models import Order
from apps.trading.words import explain, shown_price


@pytest.mark.parametrize("status", set(OrderStatus) - {OrderStatus.DENIED})
def test_every_status_says_what_to_do(status: OrderStatus) -> None:
    words = explain(Order(status=status, is_settled=status.is_terminal))

    assert words.endswith(".")


def test_a_denial_says_what_the_gate_said(make_order: Callable[..., Order], now: datetime) -> None:
    order = make_order(status="denied", denial_code="halted")
    record_event(order, at=now, message="Halted. For you: a bad day.")

    assert explain(order) == "Halted. For you: a bad day."


def test_an_unknown_order_is_not_to_be_placed_again() -> None:
    assert "don't place it again" in explain(Order(status="unknown"))


def test_a_wish_to_cancel_is_told_as_a_wish(now: datetime) -> None:
    assert explain(Order(status="open", cancel_requested_at=now)).startswith(
        "It is being cancelled"
    )


def test_a_replacement_says_what_it_waits_for() -> None:
    assert "until order 5 is settled" in explain(Order(status="created", replaces_id=5))


def test_fills_that_are_missing_are_told() -> None:
    assert "still being read" in explain(Order(status="filled", is_settled=False))


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"filled_quantity": Decimal(2), "filled_quote": Decimal(10)}, (Decimal(5), "average")),
        ({"trigger_price": Decimal(4), "price": Decimal(3)}, (Decimal(4), "trigger")),
        ({"price": Decimal(3)}, (Decimal(3), "limit")),
        ({}, (Decimal(1), "last price then")),
    ],
)
def test_the_most_telling_price_is_shown(
    values: dict[str, Decimal], shown: tuple[Decimal, str]
) -> None:
    assert shown_price(Order(reference_price=Decimal(1), **values)) == shown
