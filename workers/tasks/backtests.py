"""Backtests: long, so each is acknowledged when it begins and owned by a row whose lease brings it back."""

import os
import socket

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from apps.backtests.running import carry_out
from apps.core.tasks import TaskName

_SECONDS = 60 * settings.BACKTEST_MINUTES + 60


@shared_task(
    name=TaskName.RUN_BACKTEST.value,
    acks_late=False,
    reject_on_worker_lost=False,
    soft_time_limit=_SECONDS,
    time_limit=_SECONDS + 10,
)
def run_backtest(*, run_id: int, **_kwargs: object) -> None:
    """Do one run, if it waits."""
    worker = f"{socket.gethostname()}:{os.getpid()}"
    carry_out(run_id=run_id, worker=worker, clock=timezone.now)
