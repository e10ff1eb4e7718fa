"""Reading activations and decisions."""

from apps.accounts.models import User
from apps.bots.models import Activation, Decision
from apps.brokers.models import Broker
from apps.core.models import OwnedQuerySet
from apps.domain.environments import Environment


def list_activations(user: User) -> OwnedQuerySet[Activation]:
    """The user's activations, newest first."""
    return Activation.objects.for_user(user).select_related(
        "version__strategy", "series__symbol", "book__broker"
    )


def needs_confirmation(broker: Broker) -> bool:
    """Whether real money is about to trade automatically for the first time for this user."""
    if broker.environment != Environment.LIVE:
        return False
    earlier = Activation.objects.filter(
        owner=broker.owner_id, book__broker__environment=Environment.LIVE
    )
    return not earlier.exists()


def is_decided(*, activation_id: int, candle_id: int) -> bool:
    """Whether this activation has decided on this candle."""
    return Decision.objects.filter(activation_id=activation_id, candle_id=candle_id).exists()
