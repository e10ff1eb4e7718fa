from decimal import Decimal

from apps.domain.positions import Holding


def test_selling_all_now_would_earn_the_difference() -> None:
    holding = Holding(quantity=Decimal("0.5"), cost=Decimal(50))

    assert holding.average_price == 100
    assert holding.unrealized_pnl(Decimal(110)) == 5


def test_flat_has_no_average_price() -> None:
    assert Holding().average_price is None
