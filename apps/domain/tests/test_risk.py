from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.markets import Market
from apps.domain.risk import (
    DenialCode,
    Exposure,
    Limits,
    Performance,
    RiskState,
    find_breach,
    find_trip,
    is_off_price,
    strictest,
)
from apps.domain.sizing import affordable_amount, is_sellable_again

amounts = st.decimals(min_value=0, max_value=10**9, places=8)
positive = st.decimals(min_value="0.00000001", max_value=10**9, places=8)
counts = st.integers(min_value=0, max_value=1000)
fractions = st.decimals(min_value=0, max_value=1, places=4)
performances = st.builds(
    Performance,
    equity=amounts,
    earned=amounts,
    earned_at_day_start=amounts,
    earned_at_peak=amounts,
)
exposures = st.builds(
    Exposure,
    order_value=amounts,
    position_value=amounts,
    open_positions=counts,
    orders_last_minute=counts,
)


@given(st.lists(st.sampled_from(RiskState)))
def test_one_scope_that_is_not_active_is_enough(states: list[RiskState]) -> None:
    allowed = strictest(states).allows_entries

    assert allowed == all(state is RiskState.ACTIVE for state in states)


def test_everything_without_an_active_word_has_one() -> None:
    assert len({state.words for state in RiskState}) == len(RiskState)
    assert len({code.words for code in DenialCode}) == len(DenialCode)


@given(exposures)
def test_without_limits_nothing_is_a_breach(exposure: Exposure) -> None:
    assert find_breach(Limits(), exposure) is None


@given(exposures)
def test_what_reaches_its_limit_is_no_breach(exposure: Exposure) -> None:
    limits = Limits(
        max_order_value=exposure.order_value,
        max_position_value=exposure.position_value,
        max_open_positions=exposure.open_positions,
        max_orders_per_minute=exposure.orders_last_minute,
    )

    assert find_breach(limits, exposure) is None


@given(exposures, positive)
def test_what_is_above_its_limit_is_one(exposure: Exposure, less: Decimal) -> None:
    breach = find_breach(Limits(max_order_value=exposure.order_value - less), exposure)

    assert breach is not None
    assert breach.code is DenialCode.ORDER_TOO_LARGE


def test_the_words_of_a_breach_name_the_figures() -> None:
    exposure = Exposure(
        order_value=Decimal(1500), position_value=Decimal(0), open_positions=0, orders_last_minute=0
    )

    breach = find_breach(Limits(max_order_value=Decimal("1000.50")), exposure)

    assert breach is not None
    assert breach.words.endswith("It would be 1,500, the limit is 1,000.5.")


def make_performance(equity: Decimal | None, *, lost: Decimal) -> Performance:
    return Performance(
        equity=equity, earned=-lost, earned_at_day_start=Decimal(0), earned_at_peak=Decimal(0)
    )


@given(performances)
def test_no_loss_is_negative(performance: Performance) -> None:
    assert performance.daily_loss >= 0
    assert 0 <= performance.drawdown <= 1


@given(positive, fractions)
def test_a_drawdown_is_the_fraction_that_is_gone(peak: Decimal, gone: Decimal) -> None:
    now = make_performance(peak * (1 - gone), lost=peak * gone)

    assert abs(now.drawdown - gone) < Decimal("1e-9")


def test_without_a_known_worth_there_is_no_drawdown() -> None:
    assert make_performance(None, lost=Decimal(10)).drawdown == 0


@pytest.mark.parametrize(
    ("equity", "state"),
    [(1000, None), (950, None), (949, "reduce_only"), (799, "halted")],
)
def test_a_drawdown_is_stricter_than_a_daily_loss(equity: int, state: str | None) -> None:
    limits = Limits(max_daily_loss=Decimal(50), max_drawdown=Decimal("0.2"))

    trip = find_trip(limits, make_performance(Decimal(equity), lost=Decimal(1000 - equity)))

    assert (trip.state if trip else None) == state


@given(positive, st.decimals(min_value="0.9", max_value="1.1", places=6))
def test_a_price_within_a_tenth_is_no_mistake(market: Decimal, factor: Decimal) -> None:
    assert not is_off_price(market * factor, market)


@given(amounts, amounts, fractions)
def test_what_is_affordable_is_paid_for_with_its_fee(
    wanted: Decimal, available: Decimal, fee_rate: Decimal
) -> None:
    amount = affordable_amount(wanted=wanted, available=available, fee_rate=fee_rate)

    assert amount <= wanted
    assert amount * (1 + fee_rate) <= available + Decimal("1e-15")


@given(positive, positive, fractions)
def test_what_is_sellable_again_is_so_at_each_price(
    quantity: Decimal, price: Decimal, fee_rate: Decimal
) -> None:
    market = Market(
        symbol="BTC/USDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.00001"),
        min_quantity=Decimal("0.0001"),
        max_quantity=Decimal(9000),
        min_notional=Decimal(5),
    )
    prices = [price, price * 2]

    each = [
        is_sellable_again(market, quantity=quantity, prices=[one], fee_rate=fee_rate)
        for one in prices
    ]

    assert all(each) == is_sellable_again(
        market, quantity=quantity, prices=prices, fee_rate=fee_rate
    )
