"""Housekeeping."""

from datetime import timedelta

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

from apps.backtests import services as backtests
from apps.bots import journal
from apps.brokers import connection
from apps.core.tasks import TaskName


@shared_task(name=TaskName.CLEAR_SESSIONS.value)
def clear_sessions(**_kwargs: object) -> None:
    """Forget the sessions that have expired."""
    call_command("clearsessions")


@shared_task(name=TaskName.FORGET_CONNECTION_TESTS.value)
def forget_connection_tests(**_kwargs: object) -> None:
    """Connection tests that nobody took the answer of."""
    connection.forget_connection_tests(created_before=timezone.now() - timedelta(hours=1))


@shared_task(name=TaskName.FORGET_STRATEGY_LOGS.value)
def forget_strategy_logs(**_kwargs: object) -> None:
    """What strategies printed and failed with more than 30 days ago."""
    journal.forget_logs(created_before=timezone.now() - timedelta(days=30))


@shared_task(name=TaskName.SWEEP_BACKTESTS.value)
def sweep_backtests(**_kwargs: object) -> None:
    """Backtests whose message, or whose worker, got lost."""
    backtests.sweep_runs(now=timezone.now())
