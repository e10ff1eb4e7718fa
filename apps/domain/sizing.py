"""How large an order may be."""

from collections.abc import Iterable
from decimal import Decimal

from apps.domain.markets import Market


def affordable_amount(*, wanted: Decimal, available: Decimal, fee_rate: Decimal) -> Decimal:
    """What of `wanted` quote currency `available` can pay for with the fee on top."""
    return min(wanted, available / (1 + fee_rate))


def is_sellable_again(
    market: Market, *, quantity: Decimal, prices: Iterable[Decimal], fee_rate: Decimal
) -> bool:
    """Whether what is left of `quantity` after a fee in coins could be sold at each of `prices`."""
    left = quantity * (1 - fee_rate)
    return all(
        market.is_sellable(left, price) and not market.is_too_large(left, price) for price in prices
    )
