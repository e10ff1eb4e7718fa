"""Orders, what happened to them, and what they made of the money."""

from apps.trading.models.accounts import Difference, EquitySnapshot, Lot, Transfer
from apps.trading.models.books import Book, Position
from apps.trading.models.orders import Fill, Order, OrderEvent, new_client_order_id
from apps.trading.models.risk import RiskChange, RiskMark, RiskScope
from apps.trading.models.watch import BrokerWatch

__all__ = [
    "Book",
    "BrokerWatch",
    "Difference",
    "EquitySnapshot",
    "Fill",
    "Lot",
    "Order",
    "OrderEvent",
    "Position",
    "RiskChange",
    "RiskMark",
    "RiskScope",
    "Transfer",
    "new_client_order_id",
]
