from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.markets import Market, floor_to

MARKET = Market(
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    step_size=Decimal("0.00001"),
    min_quantity=Decimal("0.0001"),
    max_quantity=Decimal(9000),
    min_notional=Decimal(5),
)


@given(
    value=st.decimals("0", "1000000", places=10),
    step=st.sampled_from([Decimal("0.00001"), Decimal("0.01"), Decimal("0.5"), Decimal(1)]),
)
def test_floor_is_the_largest_multiple_not_above(value: Decimal, step: Decimal) -> None:
    floored = floor_to(value, step)

    assert floored <= value < floored + step
    assert floored % step == 0


def test_a_step_of_zero_is_no_rule() -> None:
    assert floor_to(Decimal("1.23456789"), Decimal(0)) == Decimal("1.23456789")


@pytest.mark.parametrize(
    ("quantity", "price", "sellable"),
    [
        ("0.0001", "50000", True),
        ("0.00009999", "1000000", False),  # under the minimum quantity
        ("0.0001", "49999", False),  # under the minimum notional
    ],
)
def test_sellable_needs_both_minimums(quantity: str, price: str, sellable: bool) -> None:
    assert MARKET.is_sellable(Decimal(quantity), Decimal(price)) is sellable
