from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.backtests.engine.rules import round_down, round_up
from apps.domain.markets import ceil_to, floor_to

STEPS = [Decimal(step) for step in ("0.00000001", "0.001", "0.01", "0.1", "0.5", "1", "5", "0.25")]
amounts = st.decimals(0, 1_000_000, places=8)


@given(amounts, st.sampled_from(STEPS))
def test_rounding_counts_decimal_steps(amount: Decimal, step: Decimal) -> None:
    numerator, denominator = (float(part) for part in step.as_integer_ratio())

    assert round_down(float(amount), numerator, denominator) == float(floor_to(amount, step))
    assert round_up(float(amount), numerator, denominator) == float(ceil_to(amount, step))


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_quotient_of_decimal_amounts_loses_no_step(steps: int, cents: int) -> None:
    amount, price = float(Decimal(steps * cents) / 10_000), float(Decimal(cents) / 100)

    assert round_down(amount / price, 1.0, 100.0) == float(Decimal(steps) / 100)


def test_sums_of_binary_fractions_are_rounded_as_they_read() -> None:
    assert round_down(0.1 + 0.2, 1.0, 10.0) == 0.3
    assert round_up(0.1 + 0.2, 1.0, 10.0) == 0.3
    assert round_down(1.1 * 3, 1.0, 10.0) == 3.3


def test_no_step_rounds_nothing() -> None:
    assert round_down(1 / 3, 0.0, 1.0) == round_up(1 / 3, 0.0, 1.0) == 1 / 3


def test_amounts_beyond_the_digits_of_a_number_are_left_alone() -> None:
    assert round_down(1e30, 1.0, 100.0) == 1e30
