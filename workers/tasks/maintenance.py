"""Housekeeping."""

from datetime import timedelta

from celery import shared_task
from django.core.management import call_command
from django.utils import timezone

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
