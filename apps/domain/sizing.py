"""From an amount of quote currency to a quantity the exchange takes."""

from decimal import Decimal

from apps.domain.markets import Market


def affordable_amount(*, wanted: Decimal, available: Decimal, fee_rate: Decimal) -> Decimal:
    """What of `wanted` quote currency `available` can pay for with the fee on top."""
    return min(wanted, available / (1 + fee_rate))


def quantity_for_amount(*, amount: Decimal, price: Decimal, market: Market) -> Decimal:
    """The base quantity that `amount` of quote currency buys at `price`, on the market's step."""
    return market.round_quantity(amount / price)
