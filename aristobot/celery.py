"""The Celery app: queues, routes and what makes a worker safe."""

import gc
import os
import sys
from importlib import import_module
from typing import Any

from celery import Celery
from celery.signals import (
    beat_init,
    celeryd_init,
    setup_logging,
    task_prerun,
    worker_init,
    worker_process_init,
    worker_ready,
)
from kombu.entity import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "aristobot.settings")
# The checks load every page of the admin; `migrate` and CI have run them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("aristobot")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Celery would close the connection after every task; opening one takes longer than most tasks.
app.conf.CELERY_DB_REUSE_MAX = sys.maxsize


@app.on_after_configure.connect
def set_queues(sender: Celery, **_kwargs: Any) -> None:
    """One queue per prefix of the task table; a task can't land in another."""
    from apps.core.tasks import QUEUES, TASKS

    sender.conf.task_queues = [Queue(name) for name in QUEUES]  # type: ignore[no-untyped-call]
    sender.conf.task_default_queue = QUEUES[-1]
    sender.conf.task_routes = {name.value: {"queue": name.queue} for name in TASKS}


@celeryd_init.connect
def load_tasks(options: dict[str, Any], **_kwargs: Any) -> None:
    """A worker loads the tasks of its own queues: what a backtest needs would be a burden to the others."""
    from apps.core.tasks import QUEUES

    for queue in options["queues"] or QUEUES:
        import_module(f"workers.tasks.{queue}")


@setup_logging.connect
def use_django_logging(**_kwargs: Any) -> None:
    """Leave logging as Django set it up."""


@worker_init.connect
def freeze_memory(**_kwargs: Any) -> None:
    """Children share what the parent has loaded: the collector leaves it alone, so it is not copied."""
    gc.collect()
    gc.freeze()


@worker_process_init.connect
def keep_database_connection(**_kwargs: Any) -> None:
    """A worker child keeps its connection from task to task."""
    from django.db import connections

    for connection in connections.all():
        connection.settings_dict["CONN_MAX_AGE"] = None


@task_prerun.connect
def check_database_connection(**_kwargs: Any) -> None:
    """Only a connection that no longer works is opened anew."""
    from django.db import close_old_connections

    close_old_connections()


@worker_ready.connect
def worker_is_alive(sender: Any, **_kwargs: Any) -> None:
    """Show this worker on the dashboard."""
    from apps.core.health import announce

    announce(f"worker {sender.hostname.split('@')[0]}")


@beat_init.connect
def beat_is_alive(**_kwargs: Any) -> None:
    """Show the scheduler on the dashboard."""
    from apps.core.health import announce

    announce("beat")
