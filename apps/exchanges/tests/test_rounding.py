"""From a wanted order to one that the market's rules allow."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.domain.markets import Market
from apps.domain.orders import OrderSide, OrderType
from apps.exchanges.errors import InvalidOrder
from apps.exchanges.ports import AttachedExit, OrderRequest
from apps.exchanges.rounding import decimal_text, fit_to_market

MARKET = Market(
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    step_size=Decimal("0.00001"),
    min_quantity=Decimal("0.0001"),
    max_quantity=Decimal(9000),
    min_notional=Decimal(5),
    max_notional=Decimal(9_000_000),
    market_step_size=Decimal("0.001"),
    market_max_quantity=Decimal(100),
    quote_step=Decimal("0.01"),
)
amounts = st.decimals("0.000000000001", "1000000", places=12)
steps = st.sampled_from([Decimal(s) for s in ("0", "0.00000001", "0.01", "0.5", "1", "25")])


def limit(**changes: Any) -> OrderRequest:
    """Buy 1 BTC at 50,000."""
    facts: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "side": OrderSide.BUY,
        "order_type": OrderType.LIMIT,
        "client_order_id": "a",
        "quantity": Decimal(1),
        "price": Decimal(50_000),
    }
    return OrderRequest(**facts | changes)


def market(**changes: Any) -> OrderRequest:
    """Buy 1 BTC at market."""
    return limit(**{"order_type": OrderType.MARKET, "price": None} | changes)


def free_market(**rules: Decimal) -> Market:
    """A market with these rules and no other."""
    zero = Decimal(0)
    facts: dict[str, Any] = dict.fromkeys(
        ("tick_size", "step_size", "min_quantity", "max_quantity", "min_notional"), zero
    )
    return Market(symbol="A/B", base="A", quote="B", **facts | rules)


@given(quantity=amounts, price=amounts, step=steps, tick=steps, side=st.sampled_from(OrderSide))
def test_fitted_order_lies_on_the_grid_and_never_favours_the_exchange(
    quantity: Decimal, price: Decimal, step: Decimal, tick: Decimal, side: OrderSide
) -> None:
    wanted = limit(quantity=quantity, price=price, side=side)

    try:
        fitted = fit_to_market(wanted, free_market(step_size=step, tick_size=tick))
    except InvalidOrder:
        assert quantity < step or price < tick
        return

    assert fitted.quantity is not None
    assert fitted.price is not None
    assert 0 < fitted.quantity <= quantity
    assert not step or fitted.quantity % step == 0
    assert not tick or fitted.price % tick == 0
    assert fitted.price <= price if side is OrderSide.BUY else fitted.price >= price


@given(quantity=amounts, price=amounts, step=steps, tick=steps)
def test_fitting_twice_changes_nothing(
    quantity: Decimal, price: Decimal, step: Decimal, tick: Decimal
) -> None:
    rules = free_market(step_size=step, tick_size=tick)
    try:
        fitted = fit_to_market(limit(quantity=quantity, price=price), rules)
    except InvalidOrder:
        return

    assert fit_to_market(fitted, rules) == fitted


@given(st.decimals("-1e15", "1e15", places=12))
def test_written_decimal_is_the_same_number_and_plain(value: Decimal) -> None:
    text = decimal_text(value)

    assert Decimal(text) == value
    assert "E" not in text
    assert not (text.endswith("0") and "." in text)


@pytest.mark.parametrize(
    ("value", "text"),
    [("0.00010000", "0.0001"), ("1E-8", "0.00000001"), ("1E+3", "1000"), ("64000.50", "64000.5")],
)
def test_decimal_is_written_plainly(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


def test_market_order_keeps_to_its_own_lot() -> None:
    fitted = fit_to_market(market(quantity=Decimal("0.12345")), MARKET)

    assert fitted.quantity == Decimal("0.123")


def test_attached_exit_below_a_tick_is_refused() -> None:
    with pytest.raises(InvalidOrder, match="below the tick"):
        fit_to_market(limit(stop_loss=AttachedExit(trigger_price=Decimal("0.001"))), MARKET)


def test_number_with_more_digits_than_usual_is_not_rounded_up() -> None:
    quantity = Decimal("0.99999999999999999999999999999999999")

    fitted = fit_to_market(limit(quantity=quantity), MARKET)

    assert fitted.quantity == Decimal("0.99999")
    assert decimal_text(quantity) == "0.99999999999999999999999999999999999"


def test_amount_in_quote_keeps_its_precision() -> None:
    fitted = fit_to_market(market(quantity=None, quote_amount=Decimal("50.129")), MARKET)

    assert fitted.quote_amount == Decimal("50.12")


def test_triggers_go_to_the_nearest_tick() -> None:
    wanted = limit(
        stop_loss=AttachedExit(trigger_price=Decimal("40000.006"), price=Decimal("39999.994"))
    )

    assert fit_to_market(wanted, MARKET).stop_loss == AttachedExit(
        trigger_price=Decimal("40000.01"), price=Decimal("39999.99")
    )


@pytest.mark.parametrize(
    ("request_", "rule", "words"),
    [
        (limit(quantity=Decimal("0.000009")), "LOT_SIZE", "0 BTC is less than 0.0001"),
        (limit(quantity=Decimal("0.00009")), "LOT_SIZE", "0.00009 BTC is less than 0.0001"),
        (limit(quantity=Decimal(9001)), "LOT_SIZE", "9001 BTC is more than 9000"),
        (market(quantity=Decimal(101)), "LOT_SIZE", "101 BTC is more than 100"),
        (limit(price=Decimal("0.001")), "PRICE_FILTER", "below the tick 0.01"),
        (limit(price=Decimal(4)), "NOTIONAL", "4 USDT is less than 5"),
        (limit(quantity=Decimal(200)), "NOTIONAL", "USDT is more than 9000000"),
        (market(quantity=None, quote_amount=Decimal("4.999")), "NOTIONAL", "4.99 USDT is less"),
    ],
)
def test_what_the_rules_forbid_is_refused_by_name(
    request_: OrderRequest, rule: str, words: str
) -> None:
    with pytest.raises(InvalidOrder, match=words) as caught:
        fit_to_market(request_, MARKET)

    assert caught.value.filter_name == rule
    assert "BTC/USDT does not take this order" in str(caught.value)


def test_value_of_a_market_order_is_judged_at_the_reference_price() -> None:
    small = market(quantity=Decimal("0.001"))

    assert fit_to_market(small, MARKET).quantity == Decimal("0.001")
    with pytest.raises(InvalidOrder, match=r"4\.999 USDT is less than 5"):
        fit_to_market(small, MARKET, reference_price=Decimal(4_999))
