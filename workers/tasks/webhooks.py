"""Webhooks on their way to the order gate."""

from celery import shared_task
from django.utils import timezone

from apps.core.tasks import TaskName
from apps.webhooks import processing


@shared_task(name=TaskName.PROCESS_WEBHOOK.value)
def process_webhook(*, webhook_id: int, **_kwargs: object) -> None:
    """Process what waits of the same source and symbol."""
    processing.process_webhook(webhook_id=webhook_id, clock=timezone.now)


@shared_task(name=TaskName.RESUME_WEBHOOK.value)
def resume_webhook(*, webhook_id: int, **_kwargs: object) -> None:
    """The same again for one that had to wait for an order."""
    processing.process_webhook(webhook_id=webhook_id, clock=timezone.now)


@shared_task(name=TaskName.SWEEP_WEBHOOKS.value)
def sweep_webhooks(**_kwargs: object) -> None:
    """Webhooks that were stored and never processed."""
    processing.sweep_webhooks(now=timezone.now())
