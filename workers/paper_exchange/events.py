"""What happens to orders, for those who are told."""

from enum import StrEnum
from typing import NamedTuple

from workers.paper_exchange.orders import Account, Fill, Order


class EventKind(StrEnum):
    """What happened to an order."""

    NEW = "new"
    TRADE = "trade"
    TRIGGERED = "triggered"
    AMENDED = "amended"
    ENDED = "ended"


class Event(NamedTuple):
    """A change of an account; `order` is as it is after it."""

    kind: EventKind
    account: Account
    order: Order
    fill: Fill | None = None
