"""Reading strategies for their pages."""

from itertools import count
from typing import Any

from django.db.models import QuerySet

from apps.accounts.models import User
from apps.core.models import OwnedQuerySet
from apps.strategies.models import LookaheadVerdict, Strategy, StrategyVersion

_WHERE_THEY_ARE_ACTIVE = (
    "activations__version__strategy",
    "activations__series__symbol",
    "activations__book__broker",
)


def list_versions(strategy: Strategy) -> QuerySet[StrategyVersion]:
    """Newest first, without their code, each with its activations."""
    return strategy.versions.defer("code").prefetch_related(*_WHERE_THEY_ARE_ACTIVE)


def list_runnable_versions(user: User) -> OwnedQuerySet[StrategyVersion]:
    """The user's versions that were found valid, newest of each strategy first."""
    versions = StrategyVersion.objects.for_user(user).select_related("strategy")
    return versions.filter(validated_at__isnull=False).order_by("strategy__name", "-number")


def list_activations(strategy: Strategy) -> list[Any]:
    """Everything that runs or ran one of its versions: rows of an app above this one."""
    return [row for version in list_versions(strategy) for row in version.activations.all()]


def list_verdicts(version: StrategyVersion) -> QuerySet[LookaheadVerdict]:
    """What backtests of this version's code have found, the newest first."""
    verdicts = LookaheadVerdict.objects.filter(
        owner_id=version.owner_id, code_hash=version.code_hash
    )
    return verdicts.select_related("symbol")


def suggest_name(owner: User, title: str) -> str:
    """`title`, with a number where the user has a strategy of that name."""
    taken = set(
        Strategy.objects.for_user(owner)
        .filter(name__startswith=title)
        .values_list("name", flat=True)
    )
    names = (title if number == 1 else f"{title} {number}" for number in count(1))
    return next(name for name in names if name not in taken)
