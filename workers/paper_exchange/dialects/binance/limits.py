"""How much an address may ask and an account may order; windows pass as fast as in the market."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from workers.paper_exchange.clock import Clock
from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.events import Event, EventKind
from workers.paper_exchange.markets.candles import DAY_MS, MINUTE_MS

WEIGHT_PER_MINUTE = 6000
ORDERS_PER_10S, ORDERS_PER_DAY = 100, 200_000
#: So many refusals in a row of minutes are answered with 429 before the address is shut out.
PATIENCE = 10
BAN_MS = 2 * MINUTE_MS
#: What the first fill of an order gives back: more where it had rested.
_TAKER_CREDIT, _MAKER_CREDIT = 1, 5
Row = dict[str, object]


@dataclass(slots=True)
class Window:
    """A count that begins anew with every period."""

    length_ms: int
    slot: int = 0
    count: int = 0

    def add(self, amount: int, now_ms: int) -> int:
        """Count, never below nothing; the sum of the running period."""
        if self.slot != now_ms // self.length_ms:
            self.slot, self.count = now_ms // self.length_ms, 0
        self.count = max(0, self.count + amount)
        return self.count

    def ends_ms(self, now_ms: int) -> int:
        """When the running period is over."""
        return (now_ms // self.length_ms + 1) * self.length_ms


@dataclass(slots=True)
class _Address:
    weight: Window = field(default_factory=lambda: Window(MINUTE_MS))
    refusals: Window = field(default_factory=lambda: Window(MINUTE_MS))
    banned_until_ms: int = 0


@dataclass(slots=True)
class _Orders:
    short: Window = field(default_factory=lambda: Window(10_000))
    day: Window = field(default_factory=lambda: Window(DAY_MS))


class Limits:
    """Request weight by address, unfilled orders by account."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[str, _Orders] = {}

    def admit(self, address: str) -> None:
        """Raise BinanceError for an address that has used up its minute, or is shut out."""
        known, now_ms = self._addresses.get(address), self._clock.limit_ms()
        if known is None:
            return
        if now_ms < known.banned_until_ms:
            raise errors.banned(self._clock.wall_ms_at(known.banned_until_ms))
        if known.weight.add(0, now_ms) < WEIGHT_PER_MINUTE:
            return
        if known.refusals.add(1, now_ms) > PATIENCE:
            known.banned_until_ms = now_ms + BAN_MS
            raise errors.banned(self._clock.wall_ms_at(known.banned_until_ms))
        ends_ms = self._clock.wall_ms_at(known.weight.ends_ms(now_ms))
        raise errors.too_much_weight(WEIGHT_PER_MINUTE, ends_ms)

    def spend(self, address: str, weight: int) -> int:
        """Count a request; what the running minute has used."""
        known = self._addresses.setdefault(address, _Address())
        return known.weight.add(weight, self._clock.limit_ms())

    def admit_orders(self, key: str, count: int) -> None:
        """Count new orders before they are placed; raises BinanceError where they are too many."""
        orders, now_ms = self._orders.setdefault(key, _Orders()), self._clock.limit_ms()
        windows = (
            (orders.short, ORDERS_PER_10S, "10 SECOND"),
            (orders.day, ORDERS_PER_DAY, "1 DAY"),
        )
        for window, limit, period in windows:
            if window.add(0, now_ms) + count > limit:
                ends_ms = self._clock.wall_ms_at(window.ends_ms(now_ms))
                raise errors.too_many_orders(limit, period, ends_ms)
        self.return_orders(key, -count)

    def return_orders(self, key: str, count: int) -> None:
        """Orders that were refused or filled count no longer."""
        orders, now_ms = self._orders.setdefault(key, _Orders()), self._clock.limit_ms()
        orders.short.add(-count, now_ms)
        orders.day.add(-count, now_ms)

    def order_counts(self, key: str) -> tuple[int, int]:
        """Unfilled orders of the running 10 seconds and of the day."""
        orders, now_ms = self._orders.get(key, _Orders()), self._clock.limit_ms()
        return orders.short.add(0, now_ms), orders.day.add(0, now_ms)

    def on_event(self, event: Event) -> None:
        """The first fill of an order gives back what it was counted with."""
        if event.kind is not EventKind.TRADE or event.fill is None:
            return
        if event.account.key in self._orders and event.order.filled_quantity == event.fill.quantity:
            credit = _MAKER_CREDIT if event.fill.is_maker else _TAKER_CREDIT
            self.return_orders(event.account.key, credit)


def limit_rows() -> list[Row]:
    """The limits as exchangeInfo shows them."""
    return [
        _row("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_PER_MINUTE),
        *_order_rows(),
        _row("RAW_REQUESTS", "MINUTE", 5, 300_000),
    ]


def count_rows(counts: Iterable[int]) -> list[Row]:
    """The limits of new orders, and how far they are used."""
    return [{**row, "count": count} for row, count in zip(_order_rows(), counts, strict=True)]


def weight_row(used: int) -> Row:
    """The limit of requests, and how far it is used."""
    return {**_row("REQUEST_WEIGHT", "MINUTE", 1, WEIGHT_PER_MINUTE), "count": used}


def _order_rows() -> list[Row]:
    return [
        _row("ORDERS", "SECOND", 10, ORDERS_PER_10S),
        _row("ORDERS", "DAY", 1, ORDERS_PER_DAY),
    ]


def _row(kind: str, interval: str, count: int, limit: int) -> Row:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": count, "limit": limit}
