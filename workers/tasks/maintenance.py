"""Housekeeping."""

from celery import shared_task
from django.core.management import call_command

from apps.core.tasks import TaskName


@shared_task(name=TaskName.CLEAR_SESSIONS.value)
def clear_sessions(**_kwargs: object) -> None:
    """Forget the sessions that have expired."""
    call_command("clearsessions")
