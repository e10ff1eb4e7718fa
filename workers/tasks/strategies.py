"""Strategies and the candles they wait for."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from apps.bots import evaluation
from apps.core.tasks import TASKS, TaskName
from apps.strategies.sandbox import Sandbox, SandboxUnavailable
from apps.trading import protection

#: One client for the life of this worker process: it keeps a warm child for every activation.
sandbox = Sandbox(settings.SANDBOX_SOCKET, accept_weak=settings.ACCEPT_WEAK_SANDBOX)


@shared_task(
    name=TaskName.EVALUATE_CANDLE.value,
    autoretry_for=(SandboxUnavailable,),
    max_retries=None,  # until the candle is too old to trade on, and then nobody waits for it
    retry_kwargs={"countdown": 1, "expires": TASKS[TaskName.EVALUATE_CANDLE].expires.seconds},
)
def evaluate_candle(*, candle_id: int, **_kwargs: object) -> None:
    """Sell what a closed candle has sold, then ask the strategies that wait for it; asked again while the
    sandbox restarts."""
    protection.watch_candle(candle_id=candle_id, now=timezone.now())
    evaluation.evaluate_candle(candle_id=candle_id, sandbox=sandbox, now=timezone.now())
