"""What every store of limits must do, and what the one on Valkey does besides."""

import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings, settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.core.limits import ValkeyLimitStore, connect_valkey, limit_store
from apps.core.venues import client_options, paper_environment, stream_options
from apps.domain.environments import Environment, Exchange
from apps.exchanges.errors import ExchangeUnavailable
from apps.exchanges.limits import (
    WAITING_SECONDS,
    Budget,
    CallRecord,
    CallStatistics,
    LimitStore,
    MemoryLimitStore,
    Priority,
    Refusal,
    Spending,
)

ROOT = Path(__file__).resolve().parents[3]
PREFIX = f"limits-test-{uuid.uuid4().hex}:"
VALKEY = connect_valkey(settings.REDIS_URL)
START = 1_700_000_000.0

WINDOW = Budget("weight", capacity=8, seconds=4)
BUCKET = Budget("calls", capacity=8, seconds=4, refills=True)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def fresh_prefix() -> str:
    return f"{PREFIX}{uuid.uuid4().hex}:"


def on_valkey(clock: Clock) -> LimitStore:
    return ValkeyLimitStore(VALKEY, prefix=fresh_prefix(), now=clock)


each_store = pytest.mark.parametrize("create", [MemoryLimitStore, on_valkey])
# A busy machine is no failure.
patiently = hypothesis_settings(deadline=None)
Create = Callable[[Clock], LimitStore]


@pytest.fixture(scope="module", autouse=True)
def _clean_up() -> Iterator[None]:
    yield
    if keys := list(VALKEY.scan_iter(f"{PREFIX}*", count=10_000)):
        VALKEY.unlink(*keys)
    VALKEY.close()


def spend(
    store: LimitStore, amount: float, budget: Budget = WINDOW, *, share: float = 1.0
) -> Refusal | None:
    return store.spend([Spending(budget.name, budget, amount)], share=share, stops=["venue"])


def call(**facts: Any) -> CallRecord:
    return CallRecord(**{"venue": "venue", "seconds": 0.25, "is_ok": True} | facts)


# --- Budgets ---------------------------------------------------------------------------------------


@each_store
def test_what_is_used_up_is_refused_until_the_window_ends(create: Create) -> None:
    clock = Clock()
    store = create(clock)
    clock.now += 1

    assert spend(store, 8) is None
    assert spend(store, 1) == Refusal(3.0, "weight")

    clock.now += 3
    assert spend(store, 8) is None


@each_store
def test_a_bucket_refills_evenly(create: Create) -> None:
    clock = Clock()
    store = create(clock)

    assert spend(store, 8, BUCKET) is None
    assert spend(store, 2, BUCKET) == Refusal(1.0, "calls")

    clock.now += 1
    assert spend(store, 2, BUCKET) is None
    assert spend(store, 1, BUCKET) == Refusal(0.5, "calls")


def test_limits_of_a_market_that_runs_faster_give_back_as_much_sooner() -> None:
    clock = Clock()
    store = ValkeyLimitStore(VALKEY, prefix=fresh_prefix(), now=clock, pace=10)

    assert spend(store, 8, BUCKET) is None
    assert spend(store, 2, BUCKET) == Refusal(pytest.approx(0.1), "calls")
    store.record(call(used=[Spending("calls", BUCKET, 8)]))

    clock.now += 0.11
    assert spend(store, 2, BUCKET) is None


@each_store
def test_a_share_leaves_the_rest_to_others(create: Create) -> None:
    store = create(Clock())

    assert spend(store, 4, share=0.5) is None
    assert spend(store, 1, share=0.5) == Refusal(4.0, "weight")
    assert spend(store, 4) is None


def test_what_can_wait_takes_a_small_share_whatever_its_priority() -> None:
    prefix, clock = fresh_prefix(), Clock()
    store, patient = (
        ValkeyLimitStore(VALKEY, prefix=prefix, now=clock, share=share) for share in (1.0, 0.5)
    )

    assert spend(patient, 4, share=1.0) is None
    assert spend(patient, 1, share=1.0) == Refusal(4.0, "weight")
    assert spend(store, 4, share=1.0) is None


@each_store
def test_all_is_spent_or_nothing(create: Create) -> None:
    store = create(Clock())
    both = [Spending("calls", BUCKET, 8), Spending("weight", WINDOW, 8)]
    spend(store, 1)

    assert store.spend(both, share=1.0, stops=[]) == Refusal(4.0, "weight")
    assert spend(store, 8, BUCKET) is None


@each_store
def test_more_than_a_share_is_spent_alone(create: Create) -> None:
    clock = Clock()
    store = create(clock)
    spend(store, 2, BUCKET)

    assert spend(store, 8, BUCKET, share=0.5) == Refusal(1.0, "calls")

    clock.now += 1
    assert spend(store, 8, BUCKET, share=0.5) is None


@each_store
def test_a_clock_set_back_uses_nothing_up(create: Create) -> None:
    clock = Clock()
    store = create(clock)
    spend(store, 4, BUCKET)

    clock.now -= 3600

    assert spend(store, 4, BUCKET) is None


@each_store
def test_a_count_of_the_exchange_raises_ours(create: Create) -> None:
    store = create(Clock())

    store.record(call(used=[Spending("weight", WINDOW, 7)]))
    store.record(call(used=[Spending("weight", WINDOW, 5)]))

    assert spend(store, 2) == Refusal(4.0, "weight")
    assert spend(store, 1) is None


@each_store
def test_a_stop_stops_until_it_ends(create: Create) -> None:
    clock = Clock()
    store = create(clock)

    store.record(call(is_ok=False, stop="venue", stop_seconds=2.0))
    store.record(call(is_ok=False, stop="venue", stop_seconds=1.0))

    assert spend(store, 1) == Refusal(2.0, "venue")
    assert store.spend([], share=1.0, stops=["another"]) is None
    clock.now += 2
    assert spend(store, 8) is None


steps = st.integers(0, 32).map(lambda sixteenths: sixteenths / 16)
wishes = st.lists(st.tuples(steps, st.integers(1, 8), st.sampled_from(Priority)), max_size=20)


@each_store
@patiently
@given(wishes=wishes)
def test_a_window_is_never_overspent(
    create: Create, wishes: list[tuple[float, int, Priority]]
) -> None:
    clock, spent = Clock(), dict[float, int]()
    store = create(clock)

    for step, amount, priority in wishes:
        clock.now += step
        if spend(store, amount, share=priority.share) is None:
            window = clock.now // WINDOW.seconds
            spent[window] = spent.get(window, 0) + amount

    assert all(amount <= WINDOW.capacity for amount in spent.values())


@each_store
@patiently
@given(wishes=wishes)
def test_a_bucket_is_never_overspent(
    create: Create, wishes: list[tuple[float, int, Priority]]
) -> None:
    clock, spent = Clock(), list[tuple[float, int]]()
    store = create(clock)

    for step, amount, priority in wishes:
        clock.now += step
        if spend(store, amount, BUCKET, share=priority.share) is None:
            spent.append((clock.now, amount))

    for first, (began, _) in enumerate(spent):
        sums = accumulate(amount for _, amount in spent[first:])
        for (at, _), total in zip(spent[first:], sums, strict=True):
            assert total <= BUCKET.capacity + (at - began) * BUCKET.capacity / BUCKET.seconds


# --- Turns -----------------------------------------------------------------------------------------


def take(store: LimitStore, token: str, priority: Priority = Priority.READ) -> bool:
    return store.take_turn("key", token, priority=priority, seconds=8.0)


@each_store
def test_a_turn_is_ours_until_we_give_it_back(create: Create) -> None:
    store = create(Clock())

    assert take(store, "a")
    assert not take(store, "b")
    store.end_turn("key", "a")
    assert take(store, "b")


@each_store
def test_a_key_has_its_own_turn(create: Create) -> None:
    store = create(Clock())

    assert take(store, "a")
    assert store.take_turn("another key", "b", priority=0, seconds=8.0)


@each_store
def test_the_more_urgent_waiter_goes_first(create: Create) -> None:
    store = create(Clock())
    take(store, "a")
    take(store, "cancel", Priority.PROTECT)
    store.end_turn("key", "a")

    assert not take(store, "entry", Priority.ENTRY)
    assert take(store, "cancel", Priority.PROTECT)


@each_store
def test_who_waits_no_more_holds_nobody_up(create: Create) -> None:
    store = create(Clock())
    take(store, "a")
    take(store, "cancel", Priority.PROTECT)
    store.end_turn("key", "cancel")
    store.end_turn("key", "a")

    assert take(store, "entry", Priority.ENTRY)


@each_store
def test_a_waiter_that_crashed_is_forgotten(create: Create) -> None:
    clock = Clock()
    store = create(clock)
    take(store, "a")
    take(store, "cancel", Priority.PROTECT)
    store.end_turn("key", "a")

    clock.now += WAITING_SECONDS

    assert take(store, "entry", Priority.ENTRY)


@each_store
def test_a_holder_that_crashed_loses_the_turn_for_good(create: Create) -> None:
    clock = Clock()
    store = create(clock)
    take(store, "a")

    clock.now += 8

    assert take(store, "b")
    store.end_turn("key", "a")
    assert not take(store, "c")


@each_store
@patiently
@given(
    moves=st.lists(st.tuples(steps, st.sampled_from("abc"), st.sampled_from(Priority))),
    ends=st.sets(st.integers(0, 20)),
)
def test_one_at_a_time_holds_a_turn(
    create: Create, moves: list[tuple[float, str, Priority]], ends: set[int]
) -> None:
    clock, held_until = Clock(), 0.0
    store = create(clock)
    holder = ""

    for number, (step, token, priority) in enumerate(moves):
        clock.now += step
        if take(store, token, priority):
            assert clock.now >= held_until
            holder, held_until = token, clock.now + 8
        elif number in ends:
            store.end_turn("key", token)
            held_until = 0.0 if token == holder else held_until


@each_store
def test_threads_take_turns(create: Create) -> None:
    store, inside = create(Clock()), list[str]()

    def work(token: str) -> int:
        while not take(store, token):
            time.sleep(0.0001)
        inside.append(token)
        alone = len(inside)
        inside.remove(token)
        store.end_turn("key", token)
        return alone

    with ThreadPoolExecutor(8) as threads:
        counts = list(threads.map(work, map(str, range(40))))

    assert counts == [1] * 40


# --- Nonces and statistics -------------------------------------------------------------------------


@each_store
def test_a_nonce_is_at_least_what_was_asked_for(create: Create) -> None:
    store, now = create(Clock()), 1_764_000_000_123_456_789

    nonces = [store.next_nonce("key", least) for least in (0, now, now, now - 5, now + 1, now + 9)]

    assert nonces == [1, now, now + 1, now + 2, now + 3, now + 9]
    assert store.next_nonce("another key", 3) == 3


@each_store
@patiently
@given(leasts=st.lists(st.integers(-10, 2**63 - 100), min_size=1, max_size=20))
def test_nonces_only_grow(create: Create, leasts: list[int]) -> None:
    store = create(Clock())

    nonces = [store.next_nonce("key", least) for least in leasts]

    assert nonces == sorted(set(nonces))
    assert all(nonce >= least for nonce, least in zip(nonces, leasts, strict=True))


@each_store
def test_threads_never_get_the_same_nonce(create: Create) -> None:
    store = create(Clock())

    def draw(_number: int) -> list[int]:
        return [store.next_nonce("key", 1) for _ in range(25)]

    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(draw, range(8)))

    assert sorted(nonce for nonces in drawn for nonce in nonces) == list(range(1, 201))
    assert all(nonces == sorted(nonces) for nonces in drawn)


@each_store
def test_statistics_add_up(create: Create) -> None:
    clock = Clock()
    store = create(clock)
    store.record(call())
    clock.now += 1
    store.record(call(seconds=0.5, is_ok=False))
    store.record(call(venue="another"))

    assert store.statistics("venue") == CallStatistics(
        calls=2, failures=1, seconds=0.75, last_ok_at=START
    )
    assert store.statistics("unheard of") == CallStatistics()


# --- The one is the other --------------------------------------------------------------------------

tokens = st.sampled_from("abc")
quarters = st.integers(0, 48).map(lambda n: n / 4)
venues = st.sampled_from(["one", "two"])
spendings = st.lists(
    st.builds(
        lambda budget, amount: Spending(budget.name, budget, amount),
        st.sampled_from(
            [WINDOW, BUCKET, Budget("day", 16, 86_400), Budget("slow", 4, 64, refills=True)]
        ),
        quarters,
    ),
    max_size=4,
)
operations = st.one_of(
    st.tuples(
        st.just("spend"),
        st.fixed_dictionaries(
            {
                "spendings": spendings,
                "share": st.sampled_from([p.share for p in Priority]),
                "stops": st.lists(venues, min_size=1),
            }
        ),
    ),
    st.tuples(
        st.just("record"),
        st.fixed_dictionaries(
            {
                "call": st.builds(
                    CallRecord,
                    venue=venues,
                    seconds=quarters,
                    is_ok=st.booleans(),
                    used=spendings,
                    stop=st.one_of(st.just(""), venues),
                    stop_seconds=quarters,
                )
            }
        ),
    ),
    st.tuples(st.just("statistics"), st.fixed_dictionaries({"venue": venues})),
    st.tuples(
        st.just("next_nonce"),
        st.fixed_dictionaries({"name": venues, "at_least": st.integers(0, 2**62)}),
    ),
)


turns = st.one_of(
    st.tuples(
        st.just("take_turn"),
        st.fixed_dictionaries(
            {
                "name": st.just("key"),
                "token": tokens,
                "priority": st.sampled_from(Priority),
                "seconds": st.sampled_from([0.5, 2.0]),
            }
        ),
    ),
    st.tuples(
        st.just("end_turn"), st.fixed_dictionaries({"name": st.just("key"), "token": tokens})
    ),
)
Script = list[tuple[float, tuple[str, dict[str, Any]]]]


def play(script: Script, store: LimitStore, clock: Clock) -> list[object]:
    """What a store answers to each step."""
    answers = list[object]()
    for step, (method, arguments) in script:
        clock.now += step
        answers.append(getattr(store, method)(**arguments))
    return answers


@pytest.mark.parametrize("kind", [operations, turns])
@patiently
@given(data=st.data())
def test_both_stores_answer_alike(
    kind: st.SearchStrategy[tuple[str, dict[str, Any]]], data: st.DataObject
) -> None:
    script = data.draw(st.lists(st.tuples(steps, kind), max_size=40))
    ours, theirs = Clock(), Clock()

    answers = play(script, on_valkey(ours), ours)

    assert answers == play(script, MemoryLimitStore(theirs), theirs)


# --- Valkey ----------------------------------------------------------------------------------------


def use_everything(store: LimitStore) -> None:
    """Every method once."""
    spend(store, 1)
    spend(store, 1, BUCKET)
    store.record(call(stop="venue", stop_seconds=1.0, used=[Spending("used", WINDOW, 1)]))
    store.statistics("venue")
    take(store, "a")
    take(store, "b")
    store.end_turn("key", "c")
    store.next_nonce("key", 1)


def test_its_clock_is_valkeys() -> None:
    store = ValkeyLimitStore(VALKEY, prefix=fresh_prefix())

    store.record(call())

    assert store.statistics("venue").last_ok_at == pytest.approx(time.time(), abs=5)


def test_every_key_is_under_the_prefix_and_expires() -> None:
    prefix = fresh_prefix()
    use_everything(ValkeyLimitStore(VALKEY, prefix=prefix))

    keys = set(VALKEY.scan_iter(f"{prefix}*", count=10_000))
    assert {key.removeprefix(prefix) for key in keys} == {
        *("level:weight", "level:calls", "level:used", "stop:venue", "calls:venue"),
        *("turn:key", "waiting:key", "nonce:key"),
    }
    assert all(VALKEY.ttl(key) > 0 for key in keys)


def test_every_method_is_one_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    store, sent = ValkeyLimitStore(VALKEY, prefix=fresh_prefix()), list[str]()
    use_everything(store)  # the scripts are known from here on
    execute = VALKEY.execute_command

    def execute_and_note(*words: Any, **options: Any) -> Any:
        sent.append(words[0])
        return execute(*words, **options)

    monkeypatch.setattr(VALKEY, "execute_command", execute_and_note)
    use_everything(store)

    assert sent == ["EVALSHA"] * 3 + ["HGETALL"] + ["EVALSHA"] * 4


def test_processes_never_get_the_same_nonce() -> None:
    prefix = fresh_prefix()
    script = f"""
from apps.core.limits import ValkeyLimitStore, connect_valkey
store = ValkeyLimitStore(connect_valkey({settings.REDIS_URL!r}), prefix={prefix!r})
print(*(store.next_nonce("key", 1) for _ in range(200)))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    drawn = [[int(word) for word in process.communicate()[0].split()] for process in processes]

    assert sorted(drawn[0] + drawn[1]) == list(range(1, 401))
    assert all(nonces == sorted(nonces) for nonces in drawn)


@pytest.fixture
def unreachable() -> ValkeyLimitStore:
    return ValkeyLimitStore(connect_valkey("redis://:the-password@127.0.0.1:1/0"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: spend(store, 1),
        lambda store: take(store, "a"),
        lambda store: store.next_nonce("key", 1),
        lambda store: store.statistics("venue"),
    ],
)
def test_where_limits_cannot_be_asked_nothing_is_sent(
    unreachable: ValkeyLimitStore, ask: Callable[[LimitStore], object]
) -> None:
    with pytest.raises(ExchangeUnavailable) as caught:
        ask(unreachable)

    assert "rate limits in Valkey can't be reached: nothing was sent" in str(caught.value)
    assert "the-password" not in str(caught.value)


def test_an_answer_is_not_lost_for_its_count(
    unreachable: ValkeyLimitStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        unreachable.record(call())
        unreachable.end_turn("key", "a")

    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "A call to venue was not counted",
        "The turn of key was not given back",
    ]


def test_a_process_has_one_store_and_its_child_another(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = limit_store()
    assert limit_store() is ours

    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert limit_store() is not ours


def test_clients_of_an_installation_share_its_limits() -> None:
    place = stream_options(Exchange.BINANCE, Environment.LIVE)

    options = client_options(Exchange.BINANCE, Environment.LIVE)

    assert options == {**place, "limits": limit_store()}


@pytest.mark.parametrize(
    ("market", "speed", "pace"), [("simulated", 300, 300), ("simulated", 0.5, 1), ("live", 300, 1)]
)
def test_limits_of_a_paper_exchange_run_as_fast_as_its_market(
    settings: LazySettings, market: str, speed: float, pace: float
) -> None:
    settings.PAPER_MARKET, settings.PAPER_SPEED = market, speed

    options = client_options(Exchange.KRAKEN, paper_environment())

    assert options["limits"] is limit_store(pace)
