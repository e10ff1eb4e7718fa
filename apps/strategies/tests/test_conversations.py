"""Many conversations in one thread."""

import socket
import time
from collections.abc import Iterator
from selectors import EVENT_READ

import pytest

from apps.strategies.conversations import Conversation, hold, hold_all


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def hear(ours: socket.socket) -> Conversation[bytes | str]:
    try:
        yield ours, EVENT_READ
    except TimeoutError:
        return "late"
    return ours.recv(10)


def say(theirs: socket.socket, word: bytes) -> Conversation[bytes | str]:
    theirs.send(word)
    return "said"
    yield  # a conversation that never waits


Pair = tuple[socket.socket, socket.socket]


def test_one_that_waits_does_not_hold_up_the_others(pair: Pair) -> None:
    ours, theirs = pair

    results = list(hold_all([hear(ours), say(theirs, b"hello")], at_once=2, seconds=5))

    assert results == ["said", b"hello"]


def test_no_more_are_begun_than_at_once(pair: Pair) -> None:
    ours, theirs = pair

    results = list(hold_all([hear(ours), say(theirs, b"hello")], at_once=1, seconds=0.05))

    assert results == ["late", "said"]


def test_what_took_too_long_learns_it_where_it_waits(pair: Pair) -> None:
    assert list(hold_all([hear(pair[0])], at_once=1, seconds=0)) == ["late"]


def test_the_time_of_who_takes_the_results_does_not_count(pair: Pair) -> None:
    ours, theirs = pair
    results = hold_all([hear(ours), say(theirs, b"")], at_once=2, seconds=0.2)
    assert next(results) == "said"

    time.sleep(0.25)
    theirs.send(b"hello")

    assert next(results) == b"hello"


def test_who_stops_listening_ends_what_is_under_way(pair: Pair) -> None:
    ours, theirs = pair
    unfinished = hear(ours)
    results = hold_all([unfinished, say(theirs, b"")], at_once=2, seconds=5)
    next(results)

    results.close()  # type: ignore[attr-defined]  # it is a generator

    assert unfinished.gi_frame is None


def test_what_one_raises_is_raised(pair: Pair) -> None:
    def fail() -> Conversation[None]:
        raise LookupError("no")
        yield

    with pytest.raises(LookupError):
        list(hold_all([hear(pair[0]), fail()], at_once=2, seconds=5))


def test_one_that_may_take_long_is_held_with_beats(pair: Pair) -> None:
    ours, theirs = pair
    beats: list[None] = []

    def beat() -> None:
        beats.append(None)
        if len(beats) == 2:
            theirs.send(b"hello")

    assert hold(hear(ours), beat=beat, every=0.01) == b"hello"
    assert len(beats) == 3


def test_what_a_beat_raises_ends_the_conversation(pair: Pair) -> None:
    conversation = hear(pair[0])

    def beat() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        hold(conversation, beat=beat, every=0.01)
    assert list(conversation) == []
