from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.domain.orders import OrderSide
from apps.domain.positions import Execution, Holding


def buy(quantity: str, price: str, **fees: Decimal) -> Execution:
    return Execution(side=OrderSide.BUY, quantity=Decimal(quantity), price=Decimal(price), **fees)


def sell(quantity: str, price: str, **fees: Decimal) -> Execution:
    return Execution(side=OrderSide.SELL, quantity=Decimal(quantity), price=Decimal(price), **fees)


def test_average_cost_of_the_reference_trades() -> None:
    holding = Holding().apply(buy("0.001", "45000")).apply(buy("0.002", "46000"))
    assert round(holding.average_price or 0, 4) == Decimal("45666.6667")

    holding = holding.apply(sell("0.0015", "47000"))

    assert round(holding.realized_pnl, 8) == 2
    assert holding.quantity == Decimal("0.0015")


def test_a_fee_in_the_base_asset_makes_the_rest_dearer() -> None:
    holding = Holding().apply(buy("1", "100", fee_base=Decimal("0.001")))

    assert holding.quantity == Decimal("0.999")
    assert holding.cost == 100


def test_a_fee_in_the_quote_asset_comes_off_the_proceeds() -> None:
    holding = Holding().apply(buy("1", "100")).apply(sell("1", "110", fee_quote=Decimal("0.11")))

    assert holding == Holding(realized_pnl=Decimal("9.89"))


def test_flat_has_no_average_price() -> None:
    assert Holding().average_price is None


amounts = st.decimals("0.001", "1000", places=3)
prices = st.decimals("1", "100000", places=2)


@given(st.lists(st.tuples(amounts, prices), min_size=1, max_size=8), prices)
def test_selling_all_at_one_price_earns_exactly_the_difference(
    buys: list[tuple[Decimal, Decimal]], price: Decimal
) -> None:
    holding = Holding()
    for quantity, paid in buys:
        holding = holding.apply(Execution(side=OrderSide.BUY, quantity=quantity, price=paid))
    held, cost = holding.quantity, holding.cost

    end = holding.apply(Execution(side=OrderSide.SELL, quantity=held, price=price))

    assert (end.quantity, end.cost) == (0, 0)
    assert end.realized_pnl == held * price - cost
