"""Average-cost position from fills."""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from apps.domain.orders import OrderSide

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill as the ledger sees it; `fee_base` and `fee_quote` say what the fee took of either asset."""

    side: OrderSide
    quantity: Decimal
    price: Decimal
    fee_base: Decimal = ZERO
    fee_quote: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Base `quantity` held, what it `cost` in quote (fees included), and what sales have earned so far."""

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

    def apply(self, execution: Execution) -> "Holding":
        """The holding after one fill; a sale realises its proceeds less the average cost of what left."""
        if execution.side is OrderSide.BUY:
            return replace(
                self,
                quantity=self.quantity + execution.quantity - execution.fee_base,
                cost=self.cost + execution.quantity * execution.price + execution.fee_quote,
            )
        gone = execution.quantity + execution.fee_base
        cost_gone = self.cost if gone >= self.quantity else self.cost * gone / self.quantity
        proceeds = execution.quantity * execution.price - execution.fee_quote
        return Holding(
            quantity=max(ZERO, self.quantity - gone),
            cost=self.cost - cost_gone,
            realized_pnl=self.realized_pnl + proceeds - cost_gone,
        )
