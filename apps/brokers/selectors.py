"""Reading brokers and what they hold."""

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.core.models import OwnedQuerySet
from apps.domain.environments import Environment, Exchange


def list_brokers(user: User) -> OwnedQuerySet[Broker]:
    """The user's brokers, by name."""
    return Broker.objects.for_user(user)


def list_active_brokers() -> list[Broker]:
    """Those of all users that may trade."""
    return list(Broker.objects.filter(is_active=True))


def list_venues_in_use() -> set[tuple[Exchange, Environment]]:
    """The exchanges and environments that some active broker trades at."""
    rows = Broker.objects.filter(is_active=True).values_list("exchange", "environment").distinct()
    return {(Exchange(exchange), Environment(environment)) for exchange, environment in rows}
