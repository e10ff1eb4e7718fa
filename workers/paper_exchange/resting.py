"""Open orders of a market, kept so that a price finds those it concerns without asking the others."""

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from apps.domain.orders import OrderSide
from workers.paper_exchange.orders import ZERO, Account, Order, Owned, Phase
from workers.paper_exchange.triggers import fires_below, is_trailing


class Entry(NamedTuple):
    """An open order by its price and then by its age; the smaller the rank, the sooner it is its turn."""

    rank: Decimal
    arrival: int
    account: Account
    order: Order


class Queue:
    """Orders that a price comes to as it falls, the highest first, or as it rises, the lowest first."""

    def __init__(self, *, is_below: bool) -> None:
        self._sign = -1 if is_below else 1
        self._entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    @property
    def first_level(self) -> float:
        """The price at which it begins, endlessly far away while it is empty."""
        return self._sign * float(self._entries[0].rank if self._entries else math.inf)

    def rank(self, level: Decimal) -> Decimal:
        """What an order at this price is sorted by."""
        return level * self._sign

    def add(self, entry: Entry) -> None:
        """Put an order where it belongs."""
        insort(self._entries, entry)

    def remove(self, entry: Entry) -> None:
        """Take an order out."""
        del self._entries[bisect_left(self._entries, entry)]

    def reached(self, price: Decimal) -> list[Entry]:
        """Those that a price has come to."""
        return self._entries[: bisect_right(self._entries, (self.rank(price), math.inf))]

    def passed(self, price: Decimal) -> list[Entry]:
        """Those that a price has gone through; a touch is not enough."""
        return self._entries[: bisect_left(self._entries, (self.rank(price),))]


class OpenOrders:
    """The orders of one market that may still trade, of all accounts."""

    def __init__(self) -> None:
        #: In the order of their arrival.
        self._entries: dict[int, Entry] = {}
        self._queues: dict[int, Queue] = {}
        self._bids, self._asks = Queue(is_below=True), Queue(is_below=False)
        self._falling, self._rising = Queue(is_below=True), Queue(is_below=False)
        #: Those without a price of their own: they follow the market's, or wait for another order.
        self._trailing: dict[int, Entry] = {}
        self._pending: dict[int, Entry] = {}
        #: Those that any price may change, or that may set others up at it.
        self._restless: set[int] = set()
        #: Between which prices nothing happens; forgotten whenever an order changes.
        self._calm: tuple[float, float] | None = None
        self._last_arrival = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Owned]:
        return ((entry.account, entry.order) for entry in self._entries.values())

    def put(self, account: Account, order: Order) -> None:
        """Keep an order where its phase and its prices want it now; a known one keeps its age."""
        known = self._entries.get(order.order_id)
        if known is None:
            self._last_arrival += 1
        else:
            self._take_out(known)
        arrival = self._last_arrival if known is None else known.arrival
        queue = self._queue_for(order)
        level = order.price if order.phase is Phase.BOOK else order.trigger_price
        entry = Entry(ZERO if queue is None else queue.rank(level), arrival, account, order)
        if queue is not None:
            queue.add(entry)
            self._queues[order.order_id] = queue
        elif order.phase is Phase.WAITING:
            self._trailing[order.order_id] = entry
        elif order.phase is Phase.PENDING:
            self._pending[order.order_id] = entry
        if order.exits or order.list_id or is_trailing(order):
            self._restless.add(order.order_id)
        self._entries[order.order_id] = entry
        self._calm = None

    def remove(self, order: Order) -> None:
        """Forget an order, if it is known at all."""
        entry = self._entries.pop(order.order_id, None)
        if entry is not None:
            self._take_out(entry)

    def is_calm(self, price: float) -> bool:
        """Whether a price changes nothing; most don't, and say so fast."""
        if self._calm is None:
            self._calm = self._calm_between()
        low, high = self._calm
        return low < price < high

    def makers(self, side: OrderSide) -> Iterable[Entry]:
        """What a taker on `side` may meet, best price first, and at one price the oldest."""
        return self._asks if side is OrderSide.BUY else self._bids

    def passed(self, price: Decimal) -> list[Entry]:
        """Orders on the book that a price has gone through, by price and then by age."""
        return self._bids.passed(price) + self._asks.passed(price)

    def may_fire(self, price: Decimal) -> list[Entry]:
        """Orders that a price may fire, the oldest first: those it has come to, those whose trigger
        follows it, and with them those that they may set up."""
        found = self._falling.reached(price) + self._rising.reached(price)
        found += self._trailing.values()
        if found:
            found += self._pending.values()
        return sorted(found, key=lambda entry: entry.arrival)

    def _queue_for(self, order: Order) -> Queue | None:
        """None for one without a price of its own."""
        if order.phase is Phase.BOOK and order.price:
            return self._bids if order.side is OrderSide.BUY else self._asks
        if order.phase is Phase.WAITING and not is_trailing(order):
            return self._falling if fires_below(order) else self._rising
        return None

    def _take_out(self, entry: Entry) -> None:
        order_id = entry.order.order_id
        queue = self._queues.pop(order_id, None)
        if queue is not None:
            queue.remove(entry)
        self._trailing.pop(order_id, None)
        self._pending.pop(order_id, None)
        self._restless.discard(order_id)
        self._calm = None

    def _calm_between(self) -> tuple[float, float]:
        if self._restless:
            return math.inf, -math.inf
        low = max(self._bids.first_level, self._falling.first_level)
        return low, min(self._asks.first_level, self._rising.first_level)
