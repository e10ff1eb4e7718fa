"""Reading activations and decisions."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from apps.accounts.models import User
from apps.bots.models import Activation, Decision
from apps.core.models import OwnedQuerySet
from apps.markets.models import Candle
from apps.trading.models import Order


def list_activations(user: User) -> OwnedQuerySet[Activation]:
    """The user's activations, newest first."""
    return Activation.objects.for_user(user).select_related(
        "version__strategy", "series__symbol", "book__broker"
    )


def list_waiting_activations(*, candle: Candle, now: datetime) -> list[Activation]:
    """The activations, of all users, that are switched on for the candle's series, within their dates,
    and have not decided on it yet; each with `in_flight`: whether an order of its book is not settled."""
    within = Q(starts_at__lte=now) & (Q(ends_at__isnull=True) | Q(ends_at__gt=now))
    decided = Decision.objects.filter(activation=OuterRef("pk"), candle=candle)
    unsettled = Order.objects.filter(book=OuterRef("book"), is_settled=False)
    return list(
        Activation.objects.select_related("version", "book__broker")
        .filter(within, ~Exists(decided), series=candle.series_id, is_active=True)
        .annotate(in_flight=Exists(unsettled))
        .order_by("pk")
    )


def is_decided(*, activation_id: int, candle_id: int) -> bool:
    """Whether this activation has decided on this candle."""
    return Decision.objects.filter(activation_id=activation_id, candle_id=candle_id).exists()
