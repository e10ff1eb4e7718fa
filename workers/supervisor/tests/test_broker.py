import uuid
from collections.abc import Iterator

import pytest
from celery import current_app
from kombu import Connection

from workers.supervisor.broker import restore_unacknowledged


@pytest.fixture
def dead_worker() -> Iterator[tuple[Connection, str]]:
    """A connection to Valkey that holds a message of the returned queue and will not acknowledge it."""
    queue = f"test-{uuid.uuid4().hex}"
    with current_app.connection_for_write() as connection:
        with connection.channel() as channel:
            channel.queue_declare(queue)
            channel.basic_publish(channel.prepare_message("work"), exchange="", routing_key=queue)
        holder = connection.channel()
        assert holder.basic_get(queue) is not None
        holder.qos.restore_at_shutdown = False  # as if it had been killed
        yield connection, queue
        with connection.channel() as channel:
            channel.queue_delete(queue)


def waiting(connection: Connection, queue: str) -> int:
    with connection.channel() as channel:
        return int(channel.queue_declare(queue).message_count)


def test_what_a_dead_worker_held_is_waiting_again(dead_worker: tuple[Connection, str]) -> None:
    connection, queue = dead_worker
    assert waiting(connection, queue) == 0

    restore_unacknowledged([queue])

    assert waiting(connection, queue) == 1


def test_messages_of_other_queues_stay_with_their_worker(
    dead_worker: tuple[Connection, str],
) -> None:
    connection, queue = dead_worker

    restore_unacknowledged(["orders"])

    assert waiting(connection, queue) == 0


def test_a_broker_that_does_not_answer_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Connection("redis://127.0.0.1:1/0")
    monkeypatch.setattr("celery.app.base.Celery.connection_for_write", lambda _app: nobody)

    restore_unacknowledged(["orders"])
