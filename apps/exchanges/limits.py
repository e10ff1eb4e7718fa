"""Exchanges' rate limits as data, spent before a request leaves and shared by all who spend them."""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, Protocol

from apps.exchanges.errors import RateLimited


class Priority(IntEnum):
    """Who goes first where a limit is near: cancels, protection and look-ups, then entries, then reads."""

    READ = 0
    ENTRY = 1
    PROTECT = 2

    @property
    def share(self) -> float:
        """How much of a budget may be spent by this priority before it has to wait."""
        return _SHARES[self]


_SHARES = {Priority.READ: 0.6, Priority.ENTRY: 0.9, Priority.PROTECT: 1.0}
#: Full sweeps spend only while less than this share of a budget is used; the rest is for polls.
SWEEP_SHARE = 0.2
#: A call waits no longer than this for its turn; who has a deadline waits no longer than that.
PATIENCE_SECONDS = 3.0
#: Who takes a small share of a limit has to wait for more of it to flow back, and has time.
MODEST_PATIENCE_SECONDS = 10.0
#: Between two looks whether a key's turn has come.
_TURN_POLL_SECONDS = 0.005
#: Who waits for a turn says so again within this, or is taken for gone.
WAITING_SECONDS = 1.0
#: A turn outlives the longest request, looking up the name included, so that only a crashed holder loses it.
TURN_SECONDS = 25.0
#: No exchange bans for longer, and a wrong number must not silence us for ever.
LONGEST_STOP_SECONDS = 3 * 86_400.0


@dataclass(frozen=True, slots=True)
class Budget:
    """`capacity` units in each window of `seconds` on the clock; or, where it `refills`, flowing back
    evenly, all of it within `seconds`. It belongs to one key, or to everybody at one address."""

    name: str
    capacity: float
    seconds: float
    refills: bool = False
    is_per_key: bool = False


class Charge(NamedTuple):
    """What a request costs."""

    budget: Budget
    cost: float = 1.0


class Spending(NamedTuple):
    """A charge as a store knows it: under the full name of its budget."""

    key: str
    budget: Budget
    amount: float


class Refusal(NamedTuple):
    """Nothing was spent: what is used up, and for how many seconds."""

    seconds: float
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """How one call went: for the statistics, and for everybody's limits.

    `used` is what the exchange itself counted, `stop` a name that may send nothing for
    `stop_seconds`.
    """

    venue: str
    seconds: float
    is_ok: bool
    used: Sequence[Spending] = ()
    stop: str = ""
    stop_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStatistics:
    """Calls to one venue since counting began; times are seconds, `last_ok_at` since 1970."""

    calls: int = 0
    failures: int = 0
    seconds: float = 0.0
    last_ok_at: float | None = None


class LimitStore(Protocol):
    """Where the state of limits is kept; every method is atomic among all who share the store."""

    @property
    def patience(self) -> float:
        """For how many seconds a call waits for its turn."""

    def spend(
        self, spendings: Sequence[Spending], *, share: float, stops: Sequence[str]
    ) -> Refusal | None:
        """Spend all or nothing, up to `share` of each budget, unless one of `stops` is set."""

    def record(self, call: CallRecord) -> None:
        """Count a call, raise budgets to what the exchange counted, set a stop."""

    def statistics(self, venue: str) -> CallStatistics:
        """The calls to a venue so far."""

    def take_turn(self, name: str, token: str, *, priority: int, seconds: float) -> bool:
        """Whether the turn of `name` is ours now; while a more urgent one waits it is not."""

    def end_turn(self, name: str, token: str) -> None:
        """Give the turn back, or stop waiting for it."""

    def next_nonce(self, name: str, at_least: int) -> int:
        """A number larger than every one before it, and than `at_least` minus one."""


@dataclass
class _Level:
    used: float = 0.0
    at: float = 0.0


@dataclass
class _Turn:
    holder: str = ""
    until: float = 0.0
    waiting: dict[str, tuple[int, float]] = field(default_factory=dict)


class MemoryLimitStore:
    """Limits of one process."""

    patience = PATIENCE_SECONDS

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._levels: dict[str, _Level] = {}
        self._stops: dict[str, float] = {}
        self._turns: dict[str, _Turn] = {}
        self._nonces: dict[str, int] = {}
        self._statistics: dict[str, CallStatistics] = {}

    def spend(
        self, spendings: Sequence[Spending], *, share: float, stops: Sequence[str]
    ) -> Refusal | None:
        """Spend all or nothing, up to `share` of each budget, unless one of `stops` is set."""
        with self._lock:
            now = self._now()
            for name in stops:
                if (until := self._stops.get(name, 0.0)) > now:
                    return Refusal(until - now, name)
            for spending in spendings:
                budget, used = spending.budget, self._level(spending, now).used
                over = used + spending.amount - budget.capacity * share
                if over > 0 and used > 0:
                    # What is larger than its share of a budget waits until all of it is back.
                    seconds = _seconds_until_free(budget, min(over, used), now)
                    return Refusal(seconds, spending.key)
            for spending in spendings:
                self._levels[spending.key].used += spending.amount
        return None

    def record(self, call: CallRecord) -> None:
        """Count a call, raise budgets to what the exchange counted, set a stop."""
        with self._lock:
            now = self._now()
            for spending in call.used:
                level = self._level(spending, now)
                level.used = max(level.used, spending.amount)
            if call.stop:
                until = now + call.stop_seconds
                self._stops[call.stop] = max(self._stops.get(call.stop, 0.0), until)
            before = self._statistics.get(call.venue, CallStatistics())
            self._statistics[call.venue] = CallStatistics(
                calls=before.calls + 1,
                failures=before.failures + (not call.is_ok),
                seconds=before.seconds + call.seconds,
                last_ok_at=now if call.is_ok else before.last_ok_at,
            )

    def statistics(self, venue: str) -> CallStatistics:
        """The calls to a venue so far."""
        return self._statistics.get(venue, CallStatistics())

    def take_turn(self, name: str, token: str, *, priority: int, seconds: float) -> bool:
        """Whether the turn of `name` is ours now; while a more urgent one waits it is not."""
        with self._lock:
            now = self._now()
            turn = self._turns.setdefault(name, _Turn())
            turn.waiting[token] = (priority, now + WAITING_SECONDS)
            others = [
                rank for who, (rank, until) in turn.waiting.items() if who != token and until > now
            ]
            if turn.until > now or max(others, default=priority) > priority:
                return False
            turn.waiting.pop(token)
            turn.holder, turn.until = token, now + seconds
            return True

    def end_turn(self, name: str, token: str) -> None:
        """Give the turn back, or stop waiting for it."""
        with self._lock:
            turn = self._turns.setdefault(name, _Turn())
            turn.waiting.pop(token, None)
            if turn.holder == token:
                turn.holder, turn.until = "", 0.0

    def next_nonce(self, name: str, at_least: int) -> int:
        """A number larger than every one before it, and than `at_least` minus one."""
        with self._lock:
            self._nonces[name] = max(self._nonces.get(name, 0) + 1, at_least)
            return self._nonces[name]

    def _level(self, spending: Spending, now: float) -> _Level:
        level, budget = self._levels.setdefault(spending.key, _Level(at=now)), spending.budget
        if budget.refills:
            # A clock that was set back takes nothing away.
            flowed_back = max(0.0, now - level.at) * budget.capacity / budget.seconds
            level.used, level.at = max(0.0, level.used - flowed_back), now
        elif level.at // budget.seconds != now // budget.seconds:
            level.used, level.at = 0.0, now
        return level


def _seconds_until_free(budget: Budget, amount: float, now: float) -> float:
    if budget.refills:
        return amount * budget.seconds / budget.capacity
    return budget.seconds - now % budget.seconds


@dataclass(frozen=True, slots=True)
class ModestStore:
    """The limits of `store` for a client that has time: it spends only up to `share` of any budget, however
    urgent a question is elsewhere, and leaves the rest to others."""

    store: LimitStore
    share: float
    patience: float = MODEST_PATIENCE_SECONDS

    def spend(
        self, spendings: Sequence[Spending], *, share: float, stops: Sequence[str]
    ) -> Refusal | None:
        """As the store, up to the smaller of both shares."""
        return self.store.spend(spendings, share=min(share, self.share), stops=stops)

    def record(self, call: CallRecord) -> None:
        """As the store."""
        self.store.record(call)

    def statistics(self, venue: str) -> CallStatistics:
        """As the store."""
        return self.store.statistics(venue)

    def take_turn(self, name: str, token: str, *, priority: int, seconds: float) -> bool:
        """As the store."""
        return self.store.take_turn(name, token, priority=priority, seconds=seconds)

    def end_turn(self, name: str, token: str) -> None:
        """As the store."""
        self.store.end_turn(name, token)

    def next_nonce(self, name: str, at_least: int) -> int:
        """As the store."""
        return self.store.next_nonce(name, at_least)


#: For whoever names no other store.
PROCESS_LIMITS = MemoryLimitStore()


def venue_name(exchange: str, base_url: str) -> str:
    """What limits and statistics of one exchange at one address are kept under."""
    return f"{exchange}@{base_url.rstrip('/')}"


_NO_TURN = nullcontext()


class Throttle:
    """The limits that hold for one client: those of its address, and those of its key."""

    def __init__(
        self,
        store: LimitStore,
        *,
        venue: str,
        api_key: str = "",
        one_at_a_time: bool = False,
        stops_all_keys: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.venue = venue
        self._store = store
        # Names are seen by whoever looks into the store, so the key itself is not in them.
        self._key = f"{venue}#{hashlib.sha256(api_key.encode()).hexdigest()[:16]}"
        # What stops those without a key, such as too many public questions, stops nobody's orders.
        self._stops = (venue, self._key if api_key else f"{venue}#public")
        self._stop = venue if stops_all_keys else self._stops[-1]
        self._one_at_a_time = one_at_a_time and bool(api_key)
        self._sleep = sleep
        self._monotonic = monotonic
        self._now = now

    def admit(
        self, charges: Sequence[Charge], priority: Priority, deadline: datetime | None = None
    ) -> None:
        """Spend what a request costs, waiting a little for it; raises RateLimited, nothing sent."""
        spendings = [self._spending(*charge) for charge in charges]
        give_up_at = None
        while refusal := self._store.spend(spendings, share=priority.share, stops=self._stops):
            give_up_at = give_up_at or self._give_up_at(deadline)
            if self._monotonic() + refusal.seconds > give_up_at:
                raise self._limited(f"its limit {refusal.name} is used up", refusal.seconds)
            self._sleep(refusal.seconds)

    def turn(
        self, priority: Priority, deadline: datetime | None = None
    ) -> AbstractContextManager[None]:
        """Where an exchange takes one request of a key at a time: ours, while this lasts."""
        return self._turn(priority, deadline) if self._one_at_a_time else _NO_TURN

    @contextmanager
    def _turn(self, priority: Priority, deadline: datetime | None) -> Iterator[None]:
        token, give_up_at = uuid.uuid4().hex, self._give_up_at(deadline)
        try:
            while not self._store.take_turn(
                self._key, token, priority=priority, seconds=TURN_SECONDS
            ):
                if self._monotonic() > give_up_at:
                    raise self._limited("another request of this key is still running", None)
                self._sleep(_TURN_POLL_SECONDS)
            yield
        finally:
            self._store.end_turn(self._key, token)

    def next_nonce(self, at_least: int) -> int:
        """A nonce of this key, larger than all before it; drawn inside its turn."""
        return self._store.next_nonce(self._key, at_least)

    def record(
        self,
        *,
        seconds: float,
        is_ok: bool,
        used: Mapping[Budget, float] | None = None,
        stop_seconds: float = 0.0,
    ) -> None:
        """Tell everybody how a call went, and to send nothing for `stop_seconds`."""
        self._store.record(
            CallRecord(
                venue=self.venue,
                seconds=seconds,
                is_ok=is_ok,
                used=[self._spending(budget, count) for budget, count in (used or {}).items()],
                stop=self._stop if stop_seconds else "",
                stop_seconds=min(stop_seconds, LONGEST_STOP_SECONDS),
            )
        )

    def _spending(self, budget: Budget, amount: float) -> Spending:
        owner = self._key if budget.is_per_key else self.venue
        return Spending(f"{owner}:{budget.name}", budget, amount)

    def _give_up_at(self, deadline: datetime | None) -> float:
        patience = self._store.patience
        if deadline is not None:
            patience = min(patience, deadline.timestamp() - self._now())
        return self._monotonic() + patience

    def _limited(self, why: str, seconds: float | None) -> RateLimited:
        wait = "" if seconds is None else f" for another {seconds:.1f} s"
        error = RateLimited(f"{self.venue} was not asked: {why}{wait}. {RateLimited.advice}")
        error.retry_after = seconds
        return error
