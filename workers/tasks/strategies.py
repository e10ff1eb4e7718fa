"""Strategies and the candles they wait for."""

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from apps.bots import services
from apps.core.tasks import TaskName
from apps.strategies.sandbox import Sandbox, SandboxUnavailable

#: One client for the life of this worker process: it keeps a warm child for every activation.
sandbox = Sandbox(settings.SANDBOX_SOCKET)


@shared_task(
    name=TaskName.EVALUATE_CANDLE.value,
    autoretry_for=(SandboxUnavailable,),
    retry_kwargs={"countdown": 1, "max_retries": 30},
)
def evaluate_candle(*, candle_id: int, **_kwargs: object) -> None:
    """Ask the strategies that wait for a closed candle; asked again while the sandbox restarts."""
    services.evaluate_candle(candle_id=candle_id, sandbox=sandbox, now=timezone.now())
