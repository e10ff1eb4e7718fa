"""What breaks, and when: all of it drawn from the seed before anything starts."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from apps.domain.environments import Exchange
from workers.supervisor.process import WELL_AFTER_SECONDS

#: Where an exchange takes orders.
ORDER_PATHS = {
    Exchange.BINANCE: "/api/v3/order",
    Exchange.BITGET: "/api/v2/spot/trade/place-order",
    Exchange.KRAKEN: "/0/private/AddOrder",
}
#: A process that is struck down oftener than it gets well stays down in the end, which would prove little.
SHORTEST_PAUSE = WELL_AFTER_SECONDS + 3


class Victim(StrEnum):
    """Whom a blow hits; a child is one of a worker's pool."""

    ORDERS = "orders"
    ORDERS_CHILD = "orders child"
    MONITOR = "monitor"
    MONITOR_CHILD = "monitor child"
    STRATEGIES = "strategies"
    BEAT = "beat"
    HEARTBEAT = "heartbeat"
    VALKEY = "valkey"
    POSTGRES = "postgres"

    @property
    def is_child(self) -> bool:
        """Its parent replaces it, as often as needed."""
        return self in {self.ORDERS_CHILD, self.MONITOR_CHILD}


class Deed(StrEnum):
    """What is done to a victim."""

    KILL = "kill"
    #: Stopped in the middle of whatever it does, and let go on later as if nothing had been.
    FREEZE = "freeze"
    #: Killed again whenever it comes back.
    HOLD_DOWN = "hold down"


@dataclass(frozen=True, slots=True, order=True)
class Blow:
    """One deed, so many seconds after the start; a freeze and a hold last for some seconds."""

    at: float
    victim: Victim
    deed: Deed = Deed.KILL
    seconds: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.0f} s" if self.seconds else ""
        return f"{self.at:6.1f} s  {self.deed} {self.victim}{lasting}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All blows of a run, in their sequence, and the rules of every exchange."""

    seed: int
    seconds: float
    blows: tuple[Blow, ...]
    rules: dict[Exchange, list[dict[str, Any]]]


def make_plan(*, seed: int, seconds: float) -> Plan:
    """The same seed and length make the same plan."""
    random = Random(seed)  # noqa: S311  repeatable on purpose
    return Plan(
        seed=seed,
        seconds=seconds,
        blows=tuple(sorted([*_lasting_blows(seconds), *_kills(random, seconds)])),
        rules={exchange: _rules(ORDER_PATHS[exchange], seconds) for exchange in Exchange},
    )


def _lasting_blows(seconds: float) -> Iterator[Blow]:
    """A sender that sleeps for 90 s, and two minutes without Valkey; less in a short run, but a sleep
    always outlasts the deadline of an order and the grace after it."""
    yield Blow(0.12 * seconds, Victim.ORDERS, Deed.FREEZE, max(14.0, min(90.0, seconds / 8)))
    yield Blow(0.6 * seconds, Victim.VALKEY, Deed.HOLD_DOWN, max(6.0, min(120.0, seconds / 8)))


def _kills(random: Random, seconds: float) -> Iterator[Blow]:
    for victim in Victim:
        pause = 11.0 if victim.is_child else SHORTEST_PAUSE
        at = random.uniform(0.05, 0.9) * min(seconds, pause)
        while at < seconds:
            if not _is_busy(victim, at, seconds):
                yield Blow(at, victim)
            at += pause * random.uniform(1, 1.3)


def _is_busy(victim: Victim, at: float, seconds: float) -> bool:
    """Whether a lasting blow has that victim, or has had it so shortly that it is not well again."""
    group = Victim.ORDERS if victim is Victim.ORDERS_CHILD else victim
    return any(
        blow.victim is group and blow.at - SHORTEST_PAUSE / 2 < at < blow.at + blow.seconds + 5
        for blow in _lasting_blows(seconds)
    )


def _rules(order_path: str, seconds: float) -> list[dict[str, Any]]:
    """Everything the paper exchange can do wrong, but for what no client could survive."""
    to_orders = {"method": "POST", "path": order_path}
    window = {"start": 0.4 * seconds, "end": 0.4 * seconds + min(10.0, seconds / 10)}
    return [
        {"fault": "timeout_before", "seconds": 8, "chance": 0.02, **to_orders},
        {"fault": "timeout_after", "seconds": 8, "chance": 0.02, **to_orders},
        {"fault": "server_error", "chance": 0.01, **to_orders},
        {"fault": "server_error", "status": 504, "after": True, "chance": 0.01, **to_orders},
        {"fault": "html_page", "after": True, "chance": 0.005, **to_orders},
        {"fault": "html_page", "status": 200, "chance": 0.005, **to_orders},
        {"fault": "timeout_after", "seconds": 6, "chance": 0.003},
        {"fault": "server_error", "chance": 0.01},
        {"fault": "rate_limited", "retry_after": 1, "chance": 0.003},
        {"fault": "latency", "seconds": [0.02, 0.5], "chance": 0.2},
        {"fault": "maintenance", **window},
        {"fault": "partial_cancel", "share": 0.4, "chance": 0.02},
        {"fault": "order_hidden", "seconds": [1, 20], "chance": 0.04},
        {"fault": "fills_late", "seconds": [1, 15], "chance": 0.05},
        {"fault": "duplicate_acknowledgement", "chance": 0.05},
        {"fault": "socket_cut", "chance": 0.001},
        {"fault": "frame_missed", "chance": 0.01},
        {"fault": "frame_repeated", "chance": 0.01},
        {"fault": "frame_swapped", "chance": 0.01},
    ]
