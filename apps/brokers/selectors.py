"""Reading brokers and what they hold."""

from decimal import Decimal

from apps.accounts.models import User
from apps.brokers.models import Balance, Broker
from apps.core.models import OwnedQuerySet
from apps.domain.environments import Environment, Exchange


def list_brokers(user: User) -> OwnedQuerySet[Broker]:
    """The user's brokers, by name."""
    return Broker.objects.for_user(user)


def list_active_broker_ids() -> list[int]:
    """Every broker that is switched on, of all users: the monitor asks their exchanges."""
    return list(Broker.objects.filter(is_active=True).values_list("pk", flat=True))


def list_venues_in_use() -> set[tuple[Exchange, Environment]]:
    """The exchanges and environments that some active broker trades at."""
    rows = Broker.objects.filter(is_active=True).values_list("exchange", "environment").distinct()
    return {(Exchange(exchange), Environment(environment)) for exchange, environment in rows}


def find_free_balance(broker: Broker, asset: str) -> Decimal | None:
    """The free amount in the last snapshot; zero for an asset it does not list, None without a snapshot."""
    if broker.balances_as_of is None:
        return None
    free = Balance.objects.filter(broker=broker, asset=asset).values_list("free", flat=True)
    return next(iter(free), Decimal(0))
