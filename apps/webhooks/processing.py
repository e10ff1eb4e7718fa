"""Webhooks become orders: those of one source and symbol one after the other, oldest first, all others side
by side. No exchange is asked here."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Min, QuerySet

from apps.core.alerts import raise_alert
from apps.core.enqueue import send
from apps.core.locks import advisory_lock
from apps.core.models import Alert
from apps.core.tasks import TaskName
from apps.core.traces import traced_as
from apps.domain.orders import OrderStatus
from apps.webhooks.models import Webhook
from apps.webhooks.trading import Outcome, carry_out, is_in_flight

logger = logging.getLogger(__name__)

#: After so long one task leaves the rest to another: none may outlive a worker's patience.
DRAIN_SECONDS = 20.0
#: How often one is tried whose worker died, or that shows a fault of ours.
MOST_ATTEMPTS = 3
#: A row is swept that waits since then: its message is lost, or nobody could send one.
SWEEP_AGE = timedelta(seconds=2)


def process_webhook(*, webhook_id: int, clock: Callable[[], datetime]) -> None:
    """Process what waits of the webhook's source and symbol, up to and beyond this one, unless another
    worker is at that; where the next one has to wait for an order it comes again."""
    queue = Webhook.objects.filter(pk=webhook_id).values_list("source_id", "symbol_name").first()
    if queue is None:
        return
    source_id, symbol_name = queue
    waiting = Webhook.objects.filter(
        source=source_id, symbol_name=symbol_name, state__in=Webhook.WAITING
    )
    until = time.monotonic() + DRAIN_SECONDS
    # Whoever finds it locked leaves, so there may be more once the lock is let go.
    while waiting.exists():
        with advisory_lock(f"webhooks {source_id} {symbol_name}") as held:
            if not held:
                return
            while webhook := _find_oldest(waiting):
                if is_in_flight(webhook, clock()):
                    send(TaskName.RESUME_WEBHOOK, webhook_id=webhook.pk)
                    return
                _take(webhook, clock())
                _process(webhook, clock())
                if time.monotonic() > until:
                    send(TaskName.PROCESS_WEBHOOK, webhook_id=webhook_id)
                    return


def sweep_webhooks(*, now: datetime) -> None:
    """Have every source and symbol processed that has something waiting for longer than it should."""
    late = Webhook.objects.filter(state__in=Webhook.WAITING, received_at__lt=now - SWEEP_AGE)
    queues = late.order_by().values("source", "symbol_name").annotate(oldest=Min("pk"))
    for webhook_id in queues.values_list("oldest", flat=True):
        send(TaskName.PROCESS_WEBHOOK, webhook_id=webhook_id)


def _find_oldest(waiting: QuerySet[Webhook]) -> Webhook | None:
    rows = waiting.select_related("source", "destination__book__broker")
    return rows.order_by("pk").first()


def _take(webhook: Webhook, now: datetime) -> None:
    """Mark it as being processed: one that is found so has been left by a worker that died."""
    webhook.state, webhook.started_at = Webhook.State.PROCESSING, webhook.started_at or now
    webhook.attempts += 1
    webhook.save(update_fields=["state", "started_at", "attempts"])


def _process(webhook: Webhook, now: datetime) -> None:
    """All of it or nothing; what happens belongs to the webhook's trace."""
    with traced_as(webhook.trace_id), transaction.atomic():
        handle = carry_out if webhook.attempts <= MOST_ATTEMPTS else _give_up
        outcome = handle(webhook, now)
        webhook.state = Webhook.State.PROCESSED if outcome.is_done else Webhook.State.ERROR
        webhook.reason = f"{outcome.words} {webhook.reason}".rstrip()
        webhook.order, webhook.finished_at = outcome.order, now
        if outcome.order and outcome.order.status != OrderStatus.DENIED:
            webhook.ordered_at = now
        webhook.save(update_fields=["state", "reason", "order", "ordered_at", "finished_at"])


def _give_up(webhook: Webhook, now: datetime) -> Outcome:
    words = f"Given up: {MOST_ATTEMPTS} attempts to process it broke off."
    raise_alert(
        owner_id=webhook.owner_id,
        key=f"webhook-{webhook.pk}",
        level=Alert.Level.CRITICAL,
        message=f"{webhook} of {webhook.source}: {words}",
        advice="Nothing was traded on it. The log of the worker says why.",
        link=f"/admin/webhooks/webhook/{webhook.pk}/change/",
        now=now,
    )
    return Outcome(is_done=False, words=words)
