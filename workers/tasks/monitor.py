"""Questions to exchanges about orders and money."""

from celery import shared_task
from django.utils import timezone

from apps.brokers import services as brokers
from apps.core.tasks import TaskName
from apps.exchanges.errors import ExchangeError
from apps.trading import monitor


@shared_task(name=TaskName.SWEEP_ORDERS.value)
def sweep_orders(**_kwargs: object) -> None:
    """Orders whose message, or whose sender, got lost."""
    monitor.sweep_orders(now=timezone.now())


@shared_task(name=TaskName.POLL_BROKERS.value)
def poll_brokers(**_kwargs: object) -> None:
    """Fan out to one task for each broker."""
    monitor.poll_brokers()


@shared_task(name=TaskName.POLL_BROKER.value)
def poll_broker(*, broker_id: int, **_kwargs: object) -> None:
    """Settle the orders of one broker."""
    monitor.poll_broker(broker_id=broker_id, now=timezone.now())


@shared_task(name=TaskName.REFRESH_BALANCES.value)
def refresh_balances(*, broker_id: int, **_kwargs: object) -> None:
    """Read the balances of one broker."""
    brokers.refresh_balances(broker_id=broker_id, now=timezone.now())


@shared_task(
    name=TaskName.TEST_CONNECTION.value,
    autoretry_for=(ExchangeError,),
    retry_kwargs={"countdown": 2, "max_retries": 5},
)
def test_connection(*, broker_id: int, **_kwargs: object) -> None:
    """Ask whether the keys of one broker work."""
    brokers.test_connection(broker_id=broker_id, now=timezone.now())
