"""How often a broker can be looked at, and when its turn is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.exchanges.costs import MonitorCosts
from apps.exchanges.limits import SWEEP_SHARE, Priority

#: What is announced where the budget carries it.
SHORTEST = timedelta(seconds=10)
SWEEP_EVERY = timedelta(minutes=5)
#: Of what polls may take, the share they are planned with: what they find is asked for by id besides.
_PLANNED = 0.9
_GOLDEN = 0.618033988749895


@dataclass(frozen=True, slots=True)
class Pace:
    """How often open orders are looked at, and everything is."""

    poll_every: timedelta
    sweep_every: timedelta


def plan_pace(costs: MonitorCosts, *, watched: Sequence[int], traded: Sequence[int]) -> Pace:
    """The fastest pace that the budget allows all who share it: sweeps have a part of it for themselves, and
    polls what is left to reads. One figure for each of them: in how many symbols orders rest, and how many
    are traded."""
    sweep_every = sum(map(costs.of_sweep, traded)) / (costs.units_per_second * SWEEP_SHARE)
    left = Priority.READ.share - SWEEP_SHARE
    poll_every = sum(map(costs.of_poll, watched)) / (costs.units_per_second * left * _PLANNED)
    return Pace(
        poll_every=max(SHORTEST, timedelta(seconds=poll_every)),
        sweep_every=max(SWEEP_EVERY, timedelta(seconds=sweep_every)),
    )


def next_turn(*, broker_id: int, after: datetime, interval: timedelta) -> datetime:
    """The next moment of a broker on the clock: always the same share of the interval, another one for each
    broker, so that their questions spread."""
    offset = (broker_id * _GOLDEN % 1) * interval.total_seconds()
    elapsed = (after.timestamp() - offset) % interval.total_seconds()
    wait = interval.total_seconds() - elapsed
    return datetime.fromtimestamp(after.timestamp() + wait, tz=UTC)
