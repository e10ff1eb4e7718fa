"""Reading activations and decisions."""

from apps.accounts.models import User
from apps.bots.models import Activation, Decision
from apps.core.models import OwnedQuerySet


def list_activations(user: User) -> OwnedQuerySet[Activation]:
    """The user's activations, newest first."""
    return Activation.objects.for_user(user).select_related(
        "version__strategy", "series__symbol", "book__broker"
    )


def is_decided(*, activation_id: int, candle_id: int) -> bool:
    """Whether this activation has decided on this candle."""
    return Decision.objects.filter(activation_id=activation_id, candle_id=candle_id).exists()
