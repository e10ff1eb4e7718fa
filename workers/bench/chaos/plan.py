"""What breaks, and when: all of it drawn from the seed before anything starts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from django.conf import settings

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
#: In which a process that was killed is there again.
START_SECONDS = 6
#: Between two kills, so that what one has stopped goes on before the next.
KILL_SECONDS = 7.5
#: Of a worker's children, in the time in which everybody else is killed once.
CHILDREN_A_ROUND = 4
#: What lasts for a while comes once in so many seconds.
ROUND_SECONDS = 300.0
SKEW_SECONDS = 10
LOCKOUT_SECONDS = 900


Rule = dict[str, Any]


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
    WEB = "web"
    WEBHOOK = "webhook"
    STREAMS = "streams"
    SANDBOX = "sandbox"
    BINANCE = "paper binance"
    BITGET = "paper bitget"
    KRAKEN = "paper kraken"

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
    """All blows of a run, in their sequence, the rules of every exchange, and when a key is revoked there."""

    seed: int
    seconds: float
    blows: tuple[Blow, ...]
    rules: dict[Exchange, list[Rule]]
    revoked: list[Rule]


def make_plan(*, seed: int, seconds: float) -> Plan:
    """The same seed and length make the same plan."""
    random = Random(seed)  # noqa: S311  repeatable on purpose
    return Plan(
        seed=seed,
        seconds=seconds,
        blows=tuple(sorted([*_lasting_blows(seconds), *_kills(random, seconds)])),
        rules={exchange: _rules(exchange, seconds) for exchange in Exchange},
        revoked=[{"fault": "key_revoked", **when} for when in _windows(0.8, 20, seconds)],
    )


def _lasting_blows(seconds: float) -> Iterator[Blow]:
    """A sender that sleeps for 90 s, and two minutes without Valkey; less in a short run, but a sleep
    always outlasts the deadline of an order and the grace after it."""
    yield Blow(0.12 * seconds, Victim.ORDERS, Deed.FREEZE, max(14.0, min(90.0, seconds / 8)))
    yield Blow(0.6 * seconds, Victim.VALKEY, Deed.HOLD_DOWN, max(6.0, min(120.0, seconds / 8)))


def _kills(random: Random, seconds: float) -> Iterator[Blow]:
    """Round after round, each in another sequence, somebody every few seconds: the first in the queue who
    is well at that moment."""
    victims = [victim for victim in Victim for _ in range(victim.is_child * CHILDREN_A_ROUND or 1)]
    pause = min(KILL_SECONDS, 0.9 * seconds / len(victims))
    queue: list[Victim] = []
    last: dict[Victim, float] = {}
    at = pause * random.random()
    while at < seconds:
        well = [v for v in Victim if _is_well(v, at, last) and not _is_busy(v, at, seconds)]
        if not set(queue) & set(well):
            queue += random.sample(victims, len(victims))
        victim = next(victim for victim in queue if victim in well)
        queue.remove(victim)
        last[victim] = at
        yield Blow(at, victim)
        at += pause * random.uniform(0.8, 1.2)


def _is_well(victim: Victim, at: float, last: Mapping[Victim, float]) -> bool:
    return victim.is_child or at - last.get(victim, -SHORTEST_PAUSE) >= SHORTEST_PAUSE


def _is_busy(victim: Victim, at: float, seconds: float) -> bool:
    """Whether a lasting blow has that victim, or comes or went so shortly that it would not be well."""
    group = Victim.ORDERS if victim is Victim.ORDERS_CHILD else victim
    for blow in _lasting_blows(seconds):
        margin = SHORTEST_PAUSE if blow.deed is Deed.HOLD_DOWN else START_SECONDS
        if blow.victim is group and blow.at - margin < at < blow.at + blow.seconds + margin:
            return True
    return False


def _windows(share: float, length: float, seconds: float) -> Iterator[Rule]:
    """When a fault holds that lasts for a while: from that share of every round on."""
    round_seconds = min(ROUND_SECONDS, seconds)
    start = share * round_seconds
    while start < seconds:
        yield {"start": start, "end": start + min(length, round_seconds / 10)}
        start += round_seconds


def _rules(exchange: Exchange, seconds: float) -> list[Rule]:
    """Everything the paper exchange can do wrong, but for the keys, which nobody has yet."""
    return [
        *_constant_rules(ORDER_PATHS[exchange]),
        *_passing_rules(seconds),
        *_bans(exchange, seconds),
    ]


def _constant_rules(order_path: str) -> Iterator[Rule]:
    """What may happen at any moment."""
    to_orders = {"method": "POST", "path": order_path}
    yield {"fault": "timeout_before", "seconds": 8, "chance": 0.02, **to_orders}
    yield {"fault": "timeout_after", "seconds": 8, "chance": 0.02, **to_orders}
    yield {"fault": "server_error", "chance": 0.01, **to_orders}
    yield {"fault": "server_error", "status": 504, "after": True, "chance": 0.01, **to_orders}
    yield {"fault": "html_page", "after": True, "chance": 0.005, **to_orders}
    yield {"fault": "html_page", "status": 200, "chance": 0.005, **to_orders}
    yield {"fault": "timeout_after", "seconds": 6, "chance": 0.003}
    yield {"fault": "server_error", "chance": 0.01}
    yield {"fault": "rate_limited", "retry_after": 1, "chance": 0.003}
    yield {"fault": "latency", "seconds": [0.02, 0.5], "chance": 0.2}
    yield {"fault": "partial_cancel", "share": 0.4, "chance": 0.02}
    yield {"fault": "order_hidden", "seconds": [1, 20], "chance": 0.04}
    yield {"fault": "fills_late", "seconds": [1, 15], "chance": 0.05}
    yield {"fault": "duplicate_acknowledgement", "chance": 0.05}
    yield {"fault": "socket_cut", "chance": 0.001}
    yield {"fault": "frame_missed", "chance": 0.01}
    yield {"fault": "frame_repeated", "chance": 0.01}
    yield {"fault": "frame_swapped", "chance": 0.01}


def _passing_rules(seconds: float) -> Iterator[Rule]:
    """What lasts for a while."""
    market_ms = int(SKEW_SECONDS * 1000 * settings.PAPER_SPEED)
    for when in _windows(0.1, 30, seconds):
        yield {"fault": "clock_skew", "skew_ms": market_ms, **when}
    for when in _windows(0.25, 30, seconds):
        yield {"fault": "clock_skew", "skew_ms": -market_ms, **when}
    for when in _windows(0.4, 10, seconds):
        yield {"fault": "maintenance", **when}
    for when in _windows(0.65, 30, seconds):
        steps = {"symbol": "SOL/USDT", "tick_size": "0.1", "step_size": "0.01"}
        yield {"fault": "precision_change", **steps, **when}


def _bans(exchange: Exchange, seconds: float) -> Iterator[Rule]:
    """For five seconds each. Kraken's lockout takes a quarter of an hour: a short run has no time for it."""
    if exchange is not Exchange.KRAKEN:
        for when in _windows(0.55, 10, seconds):
            yield {"fault": "banned", "retry_after": 5, "chance": 0.05, **when}
    elif seconds >= 2 * LOCKOUT_SECONDS:
        start = 0.2 * seconds
        yield {"fault": "banned", "times": 1, "start": start, "end": start + 30}
