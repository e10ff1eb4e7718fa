"""The paper exchange's own records: accounts, orders and fills."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from apps.domain.orders import OrderSide, OrderStatus, OrderType

ZERO = Decimal(0)


class TimeInForce(StrEnum):
    """How long an order stands."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class RejectionReason(StrEnum):
    """Why the matching engine refuses."""

    INSUFFICIENT_BALANCE = "insufficient_balance"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    MARKET_CLOSED = "market_closed"


class OrderRejected(Exception):
    """The matching engine refused an order; nothing has changed."""

    def __init__(self, reason: RejectionReason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for: `quantity` of base, or for a market order the `quote_amount`."""

    client_order_id: str
    symbol: str
    side: OrderSide
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal = ZERO
    quote_amount: Decimal = ZERO


@dataclass(slots=True, kw_only=True)
class Order:
    """An accepted order; amounts in base or quote, times in milliseconds of market time."""

    order_id: int
    client_order_id: str
    symbol: str
    side: OrderSide
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    price: Decimal
    quote_amount: Decimal
    status: OrderStatus
    created_ms: int
    updated_ms: int
    filled_quantity: Decimal = ZERO
    filled_quote: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order; the fee is in what was received."""

    trade_id: int
    order_id: int
    symbol: str
    side: OrderSide
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    filled_ms: int


@dataclass(slots=True, kw_only=True)
class Account:
    """A client's balances, orders and fills; the API key is its name."""

    key: str
    opened_ms: int
    updated_ms: int
    free: dict[str, Decimal] = field(default_factory=dict)
    locked: dict[str, Decimal] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    # What rests now, derived from the orders: nobody has to search the history for it.
    resting: dict[int, Order] = field(default_factory=dict, compare=False)

    @property
    def assets(self) -> set[str]:
        """Everything the account holds or has held."""
        return self.free.keys() | self.locked.keys()

    def open_orders(self) -> list[Order]:
        """Resting orders, oldest first."""
        return list(self.resting.values())

    def find_order(
        self, symbol: str, *, order_id: int | None, client_order_id: str | None
    ) -> Order | None:
        """The order of that id, or the newest of that client id; ids that disagree find none."""
        candidates = (
            reversed(self.orders.values()) if order_id is None else [self.orders.get(order_id)]
        )
        return next(
            (
                order
                for order in candidates
                if order is not None
                and order.symbol == symbol
                and client_order_id in {None, order.client_order_id}
            ),
            None,
        )
