from decimal import Decimal

import pytest

from apps.core.formats import price, quantity, signed_money


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.100000000000", "0.1"), ("0", "0"), ("1234.5", "1,234.5"), ("-0.0", "0"), (None, "-")],
)
def test_quantities_show_the_digits_that_say_something(value: str | None, text: str) -> None:
    assert quantity(Decimal(value) if value else None) == text


@pytest.mark.parametrize(("value", "text"), [(64000.0, "64,000.00"), (0.00001234, "1.234e-05")])
def test_prices(value: float, text: str) -> None:
    assert price(value) == text


def test_gains_and_losses_differ_in_sign_and_class() -> None:
    assert 'class="gain">+1.00 USDT' in signed_money(Decimal(1), "USDT")
    assert 'class="loss">-1.00' in signed_money(Decimal(-1))
