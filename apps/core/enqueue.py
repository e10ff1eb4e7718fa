"""The one way to send a task: by name, after commit, without waiting for a broker that is down."""

import logging
import os
from collections.abc import Mapping
from datetime import timedelta
from functools import cache, partial

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from apps.core.tasks import TASKS, TaskName
from apps.core.traces import current_trace_id

logger = logging.getLogger(__name__)

#: Longer than a working Valkey ever takes, short enough for the order path.
TIMEOUT_SECONDS = 0.1

#: What may travel in a message: ids and plain words, never secrets or payloads.
Argument = int | str | bool | None


def enqueue_on_commit(task: TaskName, **kwargs: Argument) -> None:
    """Send `task` once the surrounding transaction has committed; a broker that is down costs nothing
    but time, since the row that the task is about is found again by its sweep."""
    transaction.on_commit(partial(send, task, **kwargs))


def send(task: TaskName, **kwargs: Argument) -> bool:
    """Send `task` now, or leave it to a message that gathers such; False when the broker can't be
    reached."""
    rule = TASKS[task]
    if rule.gathers and _is_gathered(task, kwargs, rule.gathers):
        return True
    try:
        current_app.send_task(
            task.value,
            kwargs=kwargs,
            queue=task.queue,
            countdown=rule.gathers and rule.gathers.total_seconds(),
            expires=rule.expires.total_seconds(),
            root_id=current_trace_id() or None,
            retry=False,
        )
    except OperationalError as error:
        logger.warning("%s was not sent, its sweep will: %s", task.value, error)
        return False
    return True


def _is_gathered(task: TaskName, kwargs: Mapping[str, Argument], gathers: timedelta) -> bool:
    """Whether a message that is on its way will do this as well; with a broker that is down none is."""
    words = " ".join(f"{name}={value}" for name, value in sorted(kwargs.items()))
    marker = f"gathering:{task.value} {words}"
    try:
        valkey = _valkey(os.getpid(), settings.REDIS_URL)
        return not valkey.set(marker, "", nx=True, px=gathers)
    except RedisError:
        return False


@cache
def _valkey(pid: int, url: str) -> Redis:
    # A forked child must not speak on its parent's socket, so a connection belongs to a process.
    del pid
    return Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )
