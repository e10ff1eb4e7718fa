"""The kill switch: who may take new risk. A rule of ours may take trading back, only a person resumes."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.accounts.models import User
from apps.core.alerts import resolve_alert
from apps.core.broadcast import Topic, broadcast_on_commit
from apps.core.enqueue import enqueue_on_commit
from apps.core.tasks import TaskName
from apps.domain.risk import RiskState, strictest
from apps.trading.models import RiskChange, RiskMark, RiskScope


class OnlyAPersonResumes(Exception):
    """Something other than a person asked to go back to trading."""


def state_for(
    *, owner_id: int, broker_id: int | None = None, book_id: int | None = None
) -> RiskState:
    """The strictest state of the scopes that hold for a user, and for one of his brokers or books."""
    scopes = _holding(owner_id=owner_id, broker_id=broker_id, book_id=book_id)
    return strictest(RiskState(state) for state in scopes.values_list("state", flat=True))


def list_scopes(user: User) -> QuerySet[RiskScope]:
    """All scopes of a user, and that of everybody, which holds for him too."""
    mine = RiskScope.objects.filter(Q(owner=user) | Q(owner=None))
    return mine.select_related("broker", "book", "owner").order_by("pk")


def _holding(
    *, owner_id: int, broker_id: int | None = None, book_id: int | None = None
) -> QuerySet[RiskScope]:
    whole = Q(owner=owner_id, broker=None, book=None)
    parts = [Q(owner=owner_id, broker=broker_id)] if broker_id else []
    parts += [Q(owner=owner_id, book=book_id)] if book_id else []
    everybody = Q(owner=None)
    for part in parts:
        whole |= part
    return RiskScope.objects.filter(everybody | whole)


@transaction.atomic
def set_state(
    *,
    owner_id: int | None,
    broker_id: int | None = None,
    book_id: int | None = None,
    state: RiskState,
    reason: str,
    by: User | None,
    now: datetime,
) -> RiskScope:
    """Halt, reduce, flatten or resume everybody (no owner), a user, one of his brokers or one of his
    books, and write down who wanted it and why. Holds for every order that is not at the exchange yet."""
    if by is None and state is RiskState.ACTIVE:
        raise OnlyAPersonResumes(reason)
    scope = _lock_scope(owner_id=owner_id, broker_id=broker_id, book_id=book_id)
    _change(scope, state=state, reason=reason, by=by, now=now)
    if state is RiskState.ACTIVE and (broker_id or book_id):
        _count_again(scope, now)
    return scope


@transaction.atomic
def restrict(
    *,
    owner_id: int,
    broker_id: int | None = None,
    book_id: int | None = None,
    state: RiskState,
    reason: str,
    now: datetime,
) -> bool:
    """What a rule of ours asks for by itself: a scope that is not as strict already goes to `state`.
    Whether that changed anything."""
    scope = _lock_scope(owner_id=owner_id, broker_id=broker_id, book_id=book_id)
    if RiskState(scope.state).severity >= state.severity:
        return False
    _change(scope, state=state, reason=reason, by=None, now=now)
    return True


def _count_again(scope: RiskScope, now: datetime) -> None:
    """Who resumes a broker or a book has seen its losses: breakers count from now."""
    about = Q(book=scope.book) if scope.book else Q(broker=scope.broker)
    if scope.broker:
        about |= Q(environment=scope.broker.environment)
    for mark in RiskMark.objects.filter(about, owner=scope.owner_id):
        resolve_alert(owner_id=mark.owner_id, key=mark.alert_key, now=now)
        mark.delete()


def _lock_scope(**whose: int | None) -> RiskScope:
    values: dict[str, Any] = whose
    return RiskScope.objects.select_for_update().get_or_create(**values)[0]


def _change(
    scope: RiskScope, *, state: RiskState, reason: str, by: User | None, now: datetime
) -> None:
    scope.state, scope.changed_at = state, now
    scope.reason = "" if state is RiskState.ACTIVE else reason
    scope.save(update_fields=["state", "reason", "changed_at"])
    RiskChange.objects.create(scope=scope, at=now, state=state, reason=reason, by=by)
    if scope.owner_id:
        broadcast_on_commit(scope.owner_id, Topic.ALERTS)
    if state is RiskState.FLATTEN:
        enqueue_on_commit(TaskName.FLATTEN)
