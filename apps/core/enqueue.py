"""The one way to send a task: by name, after commit, without waiting for a broker that is down."""

import logging
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from apps.core.tasks import TASKS, TaskName

logger = logging.getLogger(__name__)

#: What may travel in a message: ids and plain words, never secrets or payloads.
Argument = int | str | bool | None


def enqueue_on_commit(task: TaskName, **kwargs: Argument) -> None:
    """Send `task` once the surrounding transaction has committed; a broker that is down costs nothing
    but time, since the row that the task is about is found again by its sweep."""
    transaction.on_commit(partial(send, task, **kwargs))


def send(task: TaskName, **kwargs: Argument) -> bool:
    """Send `task` now; False when the broker can't be reached."""
    try:
        current_app.send_task(
            task.value,
            kwargs=kwargs,
            queue=task.queue,
            expires=TASKS[task].expires.total_seconds(),
            retry=False,
        )
    except OperationalError as error:
        logger.warning("%s was not sent, its sweep will: %s", task.value, error)
        return False
    return True
