"""Whether exchanges answer, and how fast: one question a minute, and everybody's calls since the last."""

from datetime import UTC, datetime

from django.db import transaction

from apps.core.venues import client_options
from apps.domain.environments import Environment, Exchange
from apps.exchanges.clients import create_client
from apps.exchanges.errors import ExchangeError, RateLimited
from apps.exchanges.limits import CallStatistics
from apps.markets.models import ExchangeHealth

DEGRADED_FAILURES = 0.1
DEGRADED_MS = 2000.0

State = ExchangeHealth.State


def check_exchange(*, exchange: Exchange, environment: Environment, now: datetime) -> None:
    """Ask the exchange for its time and keep how it is, with what all processes counted since the last
    check."""
    options = client_options(exchange, environment)
    client = create_client(exchange, **options)
    error = None
    try:
        client.get_server_time()
    except ExchangeError as e:
        error = e
    statistics = options["limits"].statistics(client.venue)
    ExchangeHealth.objects.get_or_create(exchange=exchange, environment=environment)
    with transaction.atomic():
        health = ExchangeHealth.objects.select_for_update().get(
            exchange=exchange, environment=environment
        )
        _count(health, statistics)
        health.checked_at = now
        health.last_success_at = _last_success(health, statistics, now if error is None else None)
        health.state, health.message = _judge(health, error)
        health.save()


def _count(health: ExchangeHealth, statistics: CallStatistics) -> None:
    """The calls since the last check; counters that have fallen were lost and begin at zero."""
    if statistics.calls < health.counted_calls:
        health.counted_calls = health.counted_failures = 0
        health.counted_seconds = 0.0
    health.calls = statistics.calls - health.counted_calls
    health.failures = statistics.failures - health.counted_failures
    seconds = statistics.seconds - health.counted_seconds
    health.mean_ms = 1000 * seconds / health.calls if health.calls else None
    health.counted_calls = statistics.calls
    health.counted_failures = statistics.failures
    health.counted_seconds = statistics.seconds


def _last_success(
    health: ExchangeHealth, statistics: CallStatistics, now: datetime | None
) -> datetime | None:
    told = statistics.last_ok_at
    counted = None if told is None else datetime.fromtimestamp(told, UTC)
    return max(filter(None, (health.last_success_at, counted, now)), default=None)


def _judge(health: ExchangeHealth, error: ExchangeError | None) -> tuple[State, str]:
    if isinstance(error, RateLimited):
        return State.DEGRADED, str(error)  # it answers, and asks us to wait
    if error is not None:
        return State.DOWN, str(error)
    if health.calls and health.failures / health.calls >= DEGRADED_FAILURES:
        return State.DEGRADED, f"{health.failures} of {health.calls} calls failed."
    if health.mean_ms is not None and health.mean_ms > DEGRADED_MS:
        return State.DEGRADED, f"An answer took {health.mean_ms / 1000:.1f} s on average."
    return State.CONNECTED, ""
