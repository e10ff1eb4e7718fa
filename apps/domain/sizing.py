"""How large an order may be."""

from decimal import Decimal


def affordable_amount(*, wanted: Decimal, available: Decimal, fee_rate: Decimal) -> Decimal:
    """What of `wanted` quote currency `available` can pay for with the fee on top."""
    return min(wanted, available / (1 + fee_rate))
