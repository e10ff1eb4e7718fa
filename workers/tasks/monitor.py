"""Questions to exchanges about orders, money and themselves."""

from typing import Any

from celery import shared_task
from celery.signals import worker_ready
from django.db import connections
from django.utils import timezone

from apps.brokers import connection
from apps.brokers.selectors import list_venues_in_use
from apps.core.enqueue import send
from apps.core.tasks import TaskName
from apps.core.venues import is_reachable
from apps.domain.environments import Environment, Exchange
from apps.markets import health
from apps.trading import ledger, monitor, protection, sync


@worker_ready.connect
def resume_watching(sender: Any, **_kwargs: object) -> None:
    """The worker that watches the brokers begins with all of them at once."""
    if TaskName.POLL_BROKER.queue in sender.app.amqp.queues.consume_from:
        now = timezone.now()
        monitor.resume_watching(now=now)
        monitor.poll_brokers(now=now)
        # Children that are forked later must not find a connection of their parent's.
        connections.close_all()


@shared_task(name=TaskName.SWEEP_ORDERS.value)
def sweep_orders(**_kwargs: object) -> None:
    """Orders whose message, or whose sender, got lost."""
    monitor.sweep_orders(now=timezone.now())


@shared_task(name=TaskName.POLL_BROKERS.value)
def poll_brokers(**_kwargs: object) -> None:
    """Fan out to one task for each broker whose turn it is."""
    monitor.poll_brokers(now=timezone.now())


@shared_task(name=TaskName.POLL_BROKER.value)
def poll_broker(*, broker_id: int, **_kwargs: object) -> None:
    """Settle the orders of one broker."""
    monitor.poll_broker(broker_id=broker_id, now=timezone.now())


@shared_task(name=TaskName.SWEEP_BROKER.value)
def sweep_broker(*, broker_id: int, **_kwargs: object) -> None:
    """Go on with the full sweep of one broker."""
    monitor.sweep_broker(broker_id=broker_id, now=timezone.now())


@shared_task(name=TaskName.GUARD_BROKERS.value)
def guard_brokers(**_kwargs: object) -> None:
    """Fan out to one task for each broker with positions to guard."""
    protection.guard_brokers()


@shared_task(name=TaskName.GUARD_BROKER.value)
def guard_broker(*, broker_id: int, **_kwargs: object) -> None:
    """Have every position of one broker protected."""
    protection.guard_broker(broker_id=broker_id, now=timezone.now())


@shared_task(name=TaskName.RECOMPUTE_LEDGER.value)
def recompute_ledger(*, broker_id: int, **_kwargs: object) -> None:
    """Compute the ledger of one broker again from its fills."""
    ledger.recompute(broker_id)


@shared_task(name=TaskName.REFRESH_BALANCES.value)
def refresh_balances(*, broker_id: int, **_kwargs: object) -> None:
    """Read the balances of one broker after a change."""
    sync.refresh_balances(broker_id=broker_id, now=timezone.now())


@shared_task(name=TaskName.TEST_CONNECTION.value)
def test_connection(*, test_id: int, **_kwargs: object) -> None:
    """Ask whether keys work that somebody waits to save."""
    connection.run_connection_test(test_id=test_id, now=timezone.now())


@shared_task(name=TaskName.TEST_BROKER.value)
def test_broker(*, broker_id: int, **_kwargs: object) -> None:
    """Ask whether the stored keys of one broker work."""
    connection.test_broker(broker_id=broker_id, now=timezone.now())


@shared_task(name=TaskName.CHECK_EXCHANGES.value)
def check_exchanges(**_kwargs: object) -> None:
    """Fan out to one task for each exchange in use."""
    for exchange, environment in list_venues_in_use():
        if is_reachable(environment):
            send(TaskName.CHECK_EXCHANGE, exchange=exchange.value, environment=environment.value)


@shared_task(name=TaskName.CHECK_EXCHANGE.value)
def check_exchange(*, exchange: str, environment: str, **_kwargs: object) -> None:
    """Ask one exchange whether it answers, and keep how its last minute was."""
    health.check_exchange(
        exchange=Exchange(exchange), environment=Environment(environment), now=timezone.now()
    )
