"""How one client keeps within its limits."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.exchanges.errors import RateLimited
from apps.exchanges.limits import (
    Budget,
    CallRecord,
    Charge,
    LimitStore,
    MemoryLimitStore,
    ModestStore,
    Priority,
    Refusal,
    Spending,
    Throttle,
    venue_name,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
SHORT = Budget("weight", capacity=10, seconds=2)
LONG = Budget("orders", capacity=10, seconds=60, is_per_key=True)


class Clock:
    """Moves by sleeping alone."""

    def __init__(self) -> None:
        self.now = START.timestamp()
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class NotingStore(MemoryLimitStore):
    """Keeps every name that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def spend(
        self, spendings: Sequence[Spending], *, share: float, stops: Sequence[str]
    ) -> Refusal | None:
        self.names += [*(spending.key for spending in spendings), *stops]
        return super().spend(spendings, share=share, stops=stops)

    def record(self, call: CallRecord) -> None:
        self.names += [call.venue, call.stop, *(spending.key for spending in call.used)]
        super().record(call)

    def take_turn(self, name: str, token: str, *, priority: int, seconds: float) -> bool:
        self.names.append(name)
        return super().take_turn(name, token, priority=priority, seconds=seconds)

    def next_nonce(self, name: str, at_least: int) -> int:
        self.names.append(name)
        return super().next_nonce(name, at_least)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> MemoryLimitStore:
    return MemoryLimitStore(clock)


def throttle(store: LimitStore, clock: Clock, *, api_key: str = "a-key", **facts: Any) -> Throttle:
    return Throttle(
        store,
        venue="binance@host",
        api_key=api_key,
        sleep=clock.sleep,
        monotonic=clock,
        now=clock,
        **facts,
    )


def test_a_call_waits_a_little_for_its_limit(store: MemoryLimitStore, clock: Clock) -> None:
    client = throttle(store, clock)

    client.admit([Charge(SHORT, 10)], Priority.PROTECT)
    client.admit([Charge(SHORT, 10)], Priority.PROTECT)

    assert clock.pauses == [2.0]


def test_a_call_that_would_wait_long_is_refused(store: MemoryLimitStore, clock: Clock) -> None:
    client = throttle(store, clock)
    client.admit([Charge(LONG, 10)], Priority.PROTECT)

    with pytest.raises(RateLimited, match=r"orders is used up for another 60\.0 s") as caught:
        client.admit([Charge(LONG)], Priority.PROTECT)

    assert caught.value.retry_after == 60.0
    assert clock.pauses == []


def test_nobody_waits_past_his_deadline(store: MemoryLimitStore, clock: Clock) -> None:
    client = throttle(store, clock)
    client.admit([Charge(SHORT, 10)], Priority.PROTECT)

    with pytest.raises(RateLimited):
        client.admit([Charge(SHORT)], Priority.PROTECT, START + timedelta(seconds=1))

    client.admit([Charge(SHORT)], Priority.PROTECT, START + timedelta(seconds=2))
    assert clock.pauses == [2.0]


@pytest.mark.parametrize(
    ("priority", "amount"), [(Priority.READ, 6), (Priority.ENTRY, 9), (Priority.PROTECT, 10)]
)
def test_the_less_urgent_leave_something(
    store: MemoryLimitStore, clock: Clock, priority: Priority, amount: int
) -> None:
    client = throttle(store, clock)
    client.admit([Charge(LONG)], priority)

    client.admit([Charge(LONG, amount - 1)], priority)

    with pytest.raises(RateLimited):
        client.admit([Charge(LONG)], priority)


def test_who_has_time_takes_a_small_share_of_a_limit_whatever_he_asks(
    store: MemoryLimitStore, clock: Clock
) -> None:
    modest = throttle(ModestStore(store, 0.2), clock)
    modest.admit([Charge(LONG, 2)], Priority.READ)

    with pytest.raises(RateLimited):
        modest.admit([Charge(LONG)], Priority.PROTECT)

    throttle(store, clock).admit([Charge(LONG, 4)], Priority.READ)


def test_who_has_time_waits_longer(store: MemoryLimitStore, clock: Clock) -> None:
    counter = Budget("counter", capacity=10, seconds=40, refills=True)
    modest = throttle(ModestStore(store, 0.2), clock)

    for _ in range(2):
        modest.admit([Charge(counter, 2)], Priority.READ)

    assert clock.pauses == [8.0]


def test_an_address_has_one_limit_and_each_key_its_own(
    store: MemoryLimitStore, clock: Clock
) -> None:
    one, two = throttle(store, clock), throttle(store, clock, api_key="another")
    one.admit([Charge(SHORT, 10), Charge(LONG, 10)], Priority.PROTECT)

    two.admit([Charge(LONG, 10)], Priority.PROTECT)
    two.admit([Charge(SHORT, 10)], Priority.PROTECT)

    assert clock.pauses == [2.0]


def test_a_stop_holds_for_its_key(store: MemoryLimitStore, clock: Clock) -> None:
    stopped = throttle(store, clock)
    stopped.record(seconds=0.1, is_ok=False, stop_seconds=9.0)

    throttle(store, clock, api_key="another").admit([], Priority.READ)

    with pytest.raises(RateLimited) as caught:
        stopped.admit([], Priority.PROTECT)
    assert caught.value.retry_after == 9.0


def test_a_stop_of_an_address_holds_for_all_its_keys(store: MemoryLimitStore, clock: Clock) -> None:
    stopped = throttle(store, clock, stops_all_keys=True)
    stopped.record(seconds=0.1, is_ok=False, stop_seconds=9.0)

    with pytest.raises(RateLimited):
        throttle(store, clock, api_key="").admit([], Priority.READ)


def test_what_the_exchange_counted_is_used(store: MemoryLimitStore, clock: Clock) -> None:
    client = throttle(store, clock)
    client.record(seconds=0.1, is_ok=True, used={LONG: 10})

    with pytest.raises(RateLimited):
        client.admit([Charge(LONG)], Priority.PROTECT)


def test_a_key_speaks_one_request_at_a_time(store: MemoryLimitStore, clock: Clock) -> None:
    client = throttle(store, clock, one_at_a_time=True)

    with (
        client.turn(Priority.PROTECT),
        pytest.raises(RateLimited, match="another request of this key") as caught,
        client.turn(Priority.PROTECT),
    ):
        pytest.fail("two at a time")

    assert caught.value.retry_after is None
    assert sum(clock.pauses) == pytest.approx(3.0, abs=0.01)


def test_waiting_for_a_turn_ends_with_the_deadline(store: MemoryLimitStore, clock: Clock) -> None:
    client = throttle(store, clock, one_at_a_time=True)

    with (
        client.turn(Priority.READ),
        pytest.raises(RateLimited),
        client.turn(Priority.PROTECT, START + timedelta(seconds=0.1)),
    ):
        pytest.fail("two at a time")

    assert sum(clock.pauses) == pytest.approx(0.1, abs=0.01)


def test_who_gave_up_waiting_holds_nobody_up(store: MemoryLimitStore, clock: Clock) -> None:
    client = throttle(store, clock, one_at_a_time=True)
    with (
        client.turn(Priority.READ),
        pytest.raises(RateLimited),
        client.turn(Priority.PROTECT),
    ):
        pytest.fail("two at a time")
    clock.pauses.clear()

    with client.turn(Priority.READ):
        assert clock.pauses == []


def test_a_turn_is_given_back_after_an_error(store: MemoryLimitStore, clock: Clock) -> None:
    client = throttle(store, clock, one_at_a_time=True)
    with pytest.raises(ZeroDivisionError), client.turn(Priority.READ):
        raise ZeroDivisionError

    with client.turn(Priority.READ):
        assert clock.pauses == []


@pytest.mark.parametrize(
    "facts", [{"one_at_a_time": False}, {"one_at_a_time": True, "api_key": ""}]
)
def test_elsewhere_nobody_waits_for_a_turn(
    store: MemoryLimitStore, clock: Clock, facts: dict[str, Any]
) -> None:
    client = throttle(store, clock, **facts)

    with client.turn(Priority.READ), client.turn(Priority.READ):
        assert clock.pauses == []


def test_clients_of_a_key_share_its_nonces(store: MemoryLimitStore, clock: Clock) -> None:
    first, second = throttle(store, clock), throttle(store, clock)

    nonces = [first.next_nonce(7), second.next_nonce(7), first.next_nonce(7)]

    assert nonces == [7, 8, 9]


def test_no_name_holds_the_key(clock: Clock) -> None:
    store = NotingStore()
    client = throttle(store, clock, one_at_a_time=True)

    client.admit([Charge(LONG)], Priority.READ)
    with client.turn(Priority.READ):
        client.next_nonce(1)
    client.record(seconds=0.1, is_ok=True, used={LONG: 1}, stop_seconds=1.0)

    assert len(store.names) == 8
    assert all(name.startswith("binance@host") and "a-key" not in name for name in store.names)


def test_a_venue_is_an_exchange_at_an_address() -> None:
    assert venue_name("binance", "https://host/") == venue_name("binance", "https://host")
