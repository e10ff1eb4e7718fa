"""Reading activations and decisions."""

from collections.abc import Iterable
from datetime import date, datetime

from django.db.models import Q
from django.db.models.functions import TruncDate

from apps.accounts.models import User
from apps.bots.models import Activation, Decision
from apps.brokers.models import Broker
from apps.core.models import OwnedQuerySet
from apps.domain.environments import Environment
from apps.strategies.models import StrategyVersion
from apps.trading.models import Order, Position


def list_activations(user: User) -> OwnedQuerySet[Activation]:
    """The user's activations, newest first."""
    return Activation.objects.for_user(user).select_related(
        "version__strategy", "series__symbol", "book__broker"
    )


def count_active(*, now: datetime) -> int:
    """How many strategies are switched on, of all users together; those that wait for their start too."""
    goes_on = Q(ends_at=None) | Q(ends_at__gt=now)
    return Activation.objects.filter(goes_on, is_active=True).count()


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


def find_open_position(activation: Activation) -> Position | None:
    """What it holds."""
    positions = Position.objects.select_related("symbol", "book__broker")
    return positions.filter(book=activation.book_id, closed_at=None).first()


def has_unsettled_orders(activation: Activation) -> bool:
    """Whether something may still happen to one of its orders."""
    return Order.objects.filter(book=activation.book_id, is_settled=False).exists()


def list_days_at_work(
    version: StrategyVersion,
    *,
    environments: Iterable[Environment],
    most_capital: int | None = None,
) -> list[date]:
    """The days (UTC) on which a version decided in one of the environments without failing, in books that
    have at most so much capital of their own."""
    decisions = Decision.objects.filter(
        version=version, activation__book__broker__environment__in=list(environments)
    ).exclude(action=Decision.Action.FAILED)
    if most_capital is not None:
        decisions = decisions.filter(activation__book__capital__lte=most_capital)
    days = decisions.order_by().values_list(TruncDate("created_at"), flat=True).distinct()
    return list(days)
