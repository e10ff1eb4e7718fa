"""What a key may ask for in a while: the REST counter, and the matching engine's per pair.

Those of the tier that a verified person has. They give back as fast as the market runs.
"""

from dataclasses import dataclass, field

from workers.paper_exchange.dialects.kraken import errors

COUNTER_CAPACITY, COUNTER_DECAY = 20.0, 0.5
ENGINE_CAPACITY, ENGINE_DECAY = 125.0, 2.34
LARGEST_OPEN_ORDERS = 80
#: Refusals of a key in a row until it has to be silent, and for how long.
LOCKOUT_REFUSALS, LOCKOUT_MS = 30, 15 * 60_000
#: What a change costs an order that is younger than so many seconds.
CANCEL_COSTS = ((5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1))
AMEND_COSTS = ((5, 3), (10, 2), (15, 1))
EDIT_COSTS = ((5, 6), (10, 5), (15, 4), (45, 2), (90, 1))
Costs = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Bucket:
    """A counter that falls with time."""

    capacity: float
    decay: float
    level: float = 0.0
    at_ms: int = 0

    def add(self, cost: float, now_ms: int) -> bool:
        """Count it when there is room; whether there was."""
        self._decay(now_ms)
        if self.level + cost > self.capacity:
            return False
        self.level += cost
        return True

    def force(self, cost: float, now_ms: int) -> None:
        """Count it in any case."""
        self._decay(now_ms)
        self.level += cost

    def _decay(self, now_ms: int) -> None:
        elapsed = max(0, now_ms - self.at_ms) / 1000
        self.level = max(0.0, self.level - elapsed * self.decay)
        self.at_ms = now_ms


@dataclass(slots=True)
class KeyRecord:
    """What is remembered of one API key while the process runs."""

    counter: Bucket = field(default_factory=lambda: Bucket(COUNTER_CAPACITY, COUNTER_DECAY))
    engine: dict[str, Bucket] = field(default_factory=dict)
    nonce: int = -1
    refusals: int = 0
    locked_until_ms: int = 0

    def count(self, cost: float, now_ms: int) -> None:
        """Charge the REST counter; raises KrakenError when it is full."""
        if cost and not self.counter.add(cost, now_ms):
            raise errors.rate_limited()

    def count_in_engine(self, symbol: str, cost: float, now_ms: int) -> None:
        """Charge the engine's counter of a pair; raises KrakenError when it is full."""
        if not self._bucket(symbol).add(cost, now_ms):
            raise errors.order_rate_limited()

    def note_in_engine(self, symbol: str, cost: float, now_ms: int) -> None:
        """Charge for what is done in any case."""
        self._bucket(symbol).force(cost, now_ms)

    def refuse(self, wall_ms: int) -> None:
        """Note a refusal; many in a row lock the key out, and each try makes it longer."""
        self.refusals += 1
        if self.refusals >= LOCKOUT_REFUSALS:
            self.locked_until_ms = wall_ms + LOCKOUT_MS

    def accept(self, nonce: int) -> None:
        """Note that the key is good, and its nonce."""
        self.nonce, self.refusals = nonce, 0

    def _bucket(self, symbol: str) -> Bucket:
        return self.engine.setdefault(symbol, Bucket(ENGINE_CAPACITY, ENGINE_DECAY))


def cost_by_age(costs: Costs, age_seconds: float) -> int:
    """The younger an order, the more its change costs."""
    return next((cost for younger_than, cost in costs if age_seconds < younger_than), 0)
