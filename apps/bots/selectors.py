"""Reading activations and decisions."""

from datetime import datetime

from django.db.models import Q

from apps.accounts.models import User
from apps.bots.models import Activation, Decision
from apps.core.models import OwnedQuerySet


def list_activations(user: User) -> OwnedQuerySet[Activation]:
    """The user's activations, newest first."""
    return Activation.objects.for_user(user).select_related(
        "version__strategy", "series__symbol", "book__broker"
    )


def list_waiting_activations(*, series_id: int, now: datetime) -> list[Activation]:
    """The activations, of all users, that are switched on for a series and within their dates."""
    within = Q(starts_at__lte=now) & (Q(ends_at__isnull=True) | Q(ends_at__gt=now))
    return list(
        Activation.objects.select_related("version", "series__symbol", "book__broker")
        .filter(within, series_id=series_id, is_active=True)
        .order_by("pk")
    )


def is_decided(*, activation_id: int, candle_id: int) -> bool:
    """Whether this activation has seen this candle already."""
    return Decision.objects.filter(activation_id=activation_id, candle_id=candle_id).exists()
