"""Webhooks on their way to the order gate."""

from celery import shared_task
from django.utils import timezone

from apps.core.tasks import TASKS, TaskName
from apps.webhooks import processing


@shared_task(
    name=TaskName.PROCESS_WEBHOOK.value,
    autoretry_for=(processing.StillInFlight,),
    max_retries=None,  # an order is settled within seconds, and no webhook waits longer than it may be old
    retry_kwargs={"countdown": 0.2, "expires": TASKS[TaskName.PROCESS_WEBHOOK].expires.seconds},
)
def process_webhook(*, webhook_id: int, **_kwargs: object) -> None:
    """Process what waits of the same source and symbol; tried again while an order is on its way."""
    processing.process_webhook(webhook_id=webhook_id, clock=timezone.now)


@shared_task(name=TaskName.SWEEP_WEBHOOKS.value)
def sweep_webhooks(**_kwargs: object) -> None:
    """Webhooks that were stored and never processed."""
    processing.sweep_webhooks(now=timezone.now())
