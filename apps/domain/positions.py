"""What a position is worth, and by which method its cost is counted."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)


class CostMethod(StrEnum):
    """Which coins a sale sells: a share of all, the oldest, the newest. Once flat the total is the same."""

    AVERAGE = "average"
    FIFO = "fifo"
    LIFO = "lifo"

    @property
    def words(self) -> str:
        """For a form."""
        return {
            CostMethod.AVERAGE: "Average cost",
            CostMethod.FIFO: "First in, first out",
            CostMethod.LIFO: "Last in, first out",
        }[self]


#: Counted, never held in lots: what profits are told in.
CASH = frozenset(
    (
        "USDT",
        "USDC",
        "FDUSD",
        "TUSD",
        "DAI",
        "USD",
        "EUR",
        "GBP",
        "CHF",
        "JPY",
        "AUD",
        "CAD",
        "TRY",
        "BRL",
    )
)


def is_cash(asset: str) -> bool:
    """Whether it is money, of which one piece is like another, rather than a coin with a purchase."""
    return asset in CASH


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Base `quantity` held, what it `cost` in quote (fees included), and what sales have earned so far;
    how it came to that is the business of lots."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized_pnl: Decimal = ZERO

    @property
    def average_price(self) -> Decimal | None:
        """Cost per unit, or None when flat."""
        return self.cost / self.quantity if self.quantity > 0 else None

    def unrealized_pnl(self, price: Decimal) -> Decimal:
        """What selling everything at `price` would add, before its fee."""
        return self.quantity * price - self.cost
