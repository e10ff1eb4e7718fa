"""What is sent, from which thread, and what is not worth a message."""

import threading
from collections.abc import Callable

import pytest

from apps.core.traces import current_trace_id
from apps.webhooks import messenger
from apps.webhooks.messenger import Messenger, Wish


def wish(webhook_id: int, symbol: str = "BTCUSDT") -> Wish:
    return Wish(webhook_id=webhook_id, trace_id=f"trace-{webhook_id}", line=(1, symbol))


@pytest.fixture
def broker_back() -> threading.Event:
    """While it is not set, sending hangs."""
    return threading.Event()


@pytest.fixture
def wait_for_sent(
    monkeypatch: pytest.MonkeyPatch, broker_back: threading.Event
) -> Callable[[int], list[tuple[int, str]]]:
    """So many messages, each with the trace that it was sent in."""
    sent: list[tuple[int, str]] = []
    there = threading.Semaphore(0)

    def send(_task: str, *, webhook_id: int) -> bool:
        broker_back.wait()
        sent.append((webhook_id, current_trace_id()))
        there.release()
        return True

    monkeypatch.setattr(messenger, "send", send)

    def wait(count: int) -> list[tuple[int, str]]:
        assert all(there.acquire(timeout=5) for _ in range(count))
        return sent

    return wait


def test_what_came_meanwhile_is_one_message_a_line(
    broker_back: threading.Event, wait_for_sent: Callable[[int], list[tuple[int, str]]]
) -> None:
    postman = Messenger()
    broker_back.clear()
    postman.hand_over(wish(1, "FIRST"))
    while not postman._waiting.empty():
        pass

    for number in range(2, 7):
        postman.hand_over(wish(number, "BTCUSDT" if number % 2 else "ETHUSDT"))
    broker_back.set()

    assert wait_for_sent(3) == [(1, "trace-1"), (2, "trace-2"), (3, "trace-3")]


def test_too_many_are_left_to_the_sweep(
    broker_back: threading.Event, wait_for_sent: Callable[[int], list[tuple[int, str]]]
) -> None:
    postman = Messenger()
    broker_back.clear()

    for number in range(messenger.MOST_WAITING + 50):
        postman.hand_over(wish(number))

    broker_back.set()
    assert wait_for_sent(1)[0] == (0, "trace-0")
