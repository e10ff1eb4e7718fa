import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from apps.core.enqueue import enqueue_on_commit, send
from apps.core.tasks import TaskName


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What Celery was asked to send."""
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(
        "apps.core.enqueue.current_app.send_task",
        lambda name, **options: sent.append((name, options)),
    )
    return sent


def test_a_message_has_its_queue_and_expires(calls: list[tuple[str, dict[str, Any]]]) -> None:
    assert send(TaskName.SUBMIT_ORDER, order_id=1)

    assert calls == [
        (
            "orders.submit_order",
            {
                "kwargs": {"order_id": 1},
                "queue": "orders",
                "countdown": None,
                "expires": 60.0,
                "root_id": None,
                "retry": False,
            },
        )
    ]


def test_what_gathers_is_sent_once_and_carried_out_at_the_end(
    calls: list[tuple[str, dict[str, Any]]],
) -> None:
    broker_id = time.monotonic_ns()

    for _ in range(3):
        assert send(TaskName.REFRESH_BALANCES, broker_id=broker_id)
    send(TaskName.REFRESH_BALANCES, broker_id=broker_id + 1)

    assert [(options["kwargs"]["broker_id"] - broker_id) for _name, options in calls] == [0, 1]
    assert {options["countdown"] for _name, options in calls} == {0.25}


def test_what_comes_after_the_gathering_is_sent_again(
    calls: list[tuple[str, dict[str, Any]]],
) -> None:
    broker_id = time.monotonic_ns()

    send(TaskName.REFRESH_BALANCES, broker_id=broker_id)
    time.sleep(0.3)
    send(TaskName.REFRESH_BALANCES, broker_id=broker_id)

    assert len(calls) == 2


@pytest.mark.django_db
def test_nothing_is_sent_before_the_commit(
    calls: list[tuple[str, dict[str, Any]]],
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        enqueue_on_commit(TaskName.SUBMIT_ORDER, order_id=1)
        assert calls == []

    assert len(calls) == 1


def test_a_broker_that_is_down_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise OperationalError("no route")

    monkeypatch.setattr("apps.core.enqueue.current_app.send_task", fail)

    assert send(TaskName.SUBMIT_ORDER, order_id=1) is False
