"""The paper exchange's own records: accounts, orders, order lists and fills."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce

ZERO = Decimal(0)


class RejectionReason(StrEnum):
    """Why the matching engine refuses."""

    INSUFFICIENT_BALANCE = "insufficient_balance"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    MARKET_CLOSED = "market_closed"
    WOULD_TAKE = "would_take"
    WOULD_TRIGGER = "would_trigger"
    TOO_SMALL = "too_small"


class OrderRejected(Exception):
    """The matching engine refused an order; nothing has changed."""

    def __init__(self, reason: RejectionReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Phase(StrEnum):
    """Where an order waits: for the order that sets it up, for its trigger, on the book, or no more."""

    PENDING = "pending"
    WAITING = "waiting"
    BOOK = "book"
    DONE = "done"


class EndReason(StrEnum):
    """Why an order ended before it was filled."""

    USER = "user"
    NO_LIQUIDITY = "no_liquidity"
    IMMEDIATE_ONLY = "immediate_only"
    WHOLE_ONLY = "whole_only"
    POST_ONLY = "post_only"
    OTHER_LEG = "other_leg"
    ENTRY_ENDED = "entry_ended"
    SELF_TRADE = "self_trade"
    NO_FUNDS = "no_funds"
    EXCHANGE = "exchange"


class SelfTrade(StrEnum):
    """Which order ends when two of one account would meet."""

    ALLOW = "allow"
    END_TAKER = "end_taker"
    END_MAKER = "end_maker"
    END_BOTH = "end_both"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitTemplate:
    """An order that the exchange places itself once another one is filled, for what it received."""

    order_type: OrderType
    trigger_price: Decimal
    price: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for: `quantity` of base, or for a market order the `quote_amount`.

    A trailing stop follows at a share of the best price, or at an amount of quote from it.
    `labels` are a dialect's own notes, kept with the order and never looked at here.
    """

    client_order_id: str
    symbol: str
    side: OrderSide
    order_type: OrderType
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    quote_amount: Decimal = ZERO
    trigger_price: Decimal = ZERO
    trailing_share: Decimal = ZERO
    trailing_amount: Decimal = ZERO
    self_trade: SelfTrade = SelfTrade.ALLOW
    exits: tuple[ExitTemplate, ...] = ()
    fee_in: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Order:
    """An accepted order; amounts in base or quote, times in milliseconds of market time.

    `locked` is what it holds back of the asset that it pays with, `best_price` the extreme that a
    trailing stop has seen, `working_ms` when it came onto the book.
    """

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
    phase: Phase = Phase.DONE
    trigger_price: Decimal = ZERO
    trailing_share: Decimal = ZERO
    trailing_amount: Decimal = ZERO
    best_price: Decimal = ZERO
    self_trade: SelfTrade = SelfTrade.ALLOW
    exits: tuple[ExitTemplate, ...] = ()
    fee_in: str = ""
    locked: Decimal = ZERO
    list_id: int = 0
    working_ms: int = 0
    triggered_ms: int = 0
    end_reason: EndReason | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def remaining(self) -> Decimal:
        """Base that is not filled yet."""
        return self.quantity - self.filled_quantity

    @property
    def is_open(self) -> bool:
        """Whether it may still trade, now or later."""
        return self.phase is not Phase.DONE


@dataclass(slots=True, kw_only=True)
class OrderList:
    """Orders that are tied together; of an OTO and an OTOCO the first one is the entry."""

    list_id: int
    client_list_id: str
    kind: OrderListKind
    symbol: str
    order_ids: tuple[int, ...]
    created_ms: int
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order; a fee in the asset it was taken in."""

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
    lists: dict[int, OrderList] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    # What is open now, derived from the orders: nobody has to search the history for it.
    resting: dict[int, Order] = field(default_factory=dict, compare=False)
    newest_by_client_id: dict[str, Order] = field(default_factory=dict, compare=False)

    @property
    def assets(self) -> set[str]:
        """Everything the account holds or has held."""
        return self.free.keys() | self.locked.keys()

    def open_orders(self) -> list[Order]:
        """Orders that may still trade, oldest first."""
        return list(self.resting.values())

    def find_order(
        self, symbol: str | None, *, order_id: int | None, client_order_id: str | None
    ) -> Order | None:
        """The order of that id, or the newest of that client id; ids that disagree find none."""
        if order_id is not None:
            order = self.orders.get(order_id)
            is_named = order is not None and client_order_id in {None, "", order.client_order_id}
        else:
            order, is_named = self.newest_by_client_id.get(client_order_id or ""), True
        if order is None or not is_named or symbol not in {None, order.symbol}:
            return None
        return order

    def fills_of(self, order: Order) -> list[Fill]:
        """The fills of one order, oldest first."""
        found: list[Fill] = []
        # From the newest on: an order has no fill from before it came.
        for fill in reversed(self.fills):
            if fill.filled_ms < order.created_ms:
                break
            if fill.order_id == order.order_id:
                found.append(fill)
        return found[::-1]


#: An order and whose it is.
Owned = tuple[Account, Order]


def others_of(account: Account, order: Order) -> list[Order]:
    """The other orders of its list."""
    listed = account.lists.get(order.list_id)
    if listed is None:
        return []
    return [account.orders[i] for i in listed.order_ids if i != order.order_id]


def other_legs(account: Account, order: Order) -> list[Order]:
    """The other leg, where one cancels the other."""
    listed = account.lists.get(order.list_id)
    if listed is None or listed.kind is OrderListKind.OTO:
        return []
    entry = listed.order_ids[:1] if listed.kind is OrderListKind.OTOCO else ()
    if order.order_id in entry:
        return []
    return [other for other in others_of(account, order) if other.order_id not in entry]
