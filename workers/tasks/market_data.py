"""Symbols and candles."""

from celery import shared_task
from django.utils import timezone

from apps.brokers.selectors import list_venues_in_use
from apps.core.enqueue import send
from apps.core.tasks import TaskName
from apps.core.venues import is_reachable
from apps.domain.environments import Environment, Exchange
from apps.markets import services, symbols
from apps.markets.history import downloads


@shared_task(name=TaskName.REFRESH_ALL_SYMBOLS.value)
def refresh_all_symbols(**_kwargs: object) -> None:
    """Fan out to one task for each exchange in use."""
    for exchange, environment in list_venues_in_use():
        if is_reachable(environment):
            send(TaskName.SYNC_SYMBOLS, exchange=exchange.value, environment=environment.value)


@shared_task(name=TaskName.SYNC_SYMBOLS.value)
def sync_symbols(*, exchange: str, environment: str, **_kwargs: object) -> None:
    """Read the rules of all pairs of one exchange."""
    symbols.sync_symbols(exchange=Exchange(exchange), environment=Environment(environment))


@shared_task(name=TaskName.SWEEP_CANDLES.value)
def sweep_candles(**_kwargs: object) -> None:
    """Candles that were stored but never dispatched."""
    services.sweep_candles(now=timezone.now())


@shared_task(name=TaskName.SWEEP_DOWNLOADS.value)
def sweep_downloads(**_kwargs: object) -> None:
    """Downloads that nobody is at."""
    downloads.sweep_downloads()
