"""What a person should know and do, as rows; raising and ending are harmless to repeat."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Case, F, IntegerField, Value, When

from apps.core.broadcast import Topic, broadcast_on_commit
from apps.core.models import Alert, OwnedQuerySet

_WORST_FIRST = [Alert.Level.CRITICAL, Alert.Level.WARNING, Alert.Level.INFO]


def raise_alert(
    *,
    owner_id: int,
    key: str,
    level: Alert.Level,
    message: str,
    advice: str,
    now: datetime,
    link: str = "",
) -> None:
    """Tell the owner; an open alert with the same key is counted up and takes the new words."""
    broadcast_on_commit(owner_id, Topic.ALERTS)
    values = {"level": level, "message": message, "advice": advice, "link": link, "last_at": now}
    still_open = Alert.objects.filter(owner_id=owner_id, key=key, resolved_at=None)
    if still_open.update(count=F("count") + 1, **values):
        return
    try:
        with transaction.atomic():
            Alert.objects.create(owner_id=owner_id, key=key, **values)
    except IntegrityError:
        # Another process told it in this very moment.
        still_open.update(count=F("count") + 1, **values)


def resolve_alert(*, owner_id: int, key: str, now: datetime) -> bool:
    """The cause is gone; whether there was an open alert of it."""
    ended = Alert.objects.filter(owner_id=owner_id, key=key, resolved_at=None).update(
        resolved_at=now
    )
    if ended:
        broadcast_on_commit(owner_id, Topic.ALERTS)
    return bool(ended)


def put_away(alert: Alert, *, now: datetime) -> None:
    """Its owner has read it; the same thing happening again opens a new one."""
    resolve_alert(owner_id=alert.owner_id, key=alert.key, now=now)


def list_alerts(user: object) -> OwnedQuerySet[Alert]:
    """The user's alerts: the open ones first, the worst of them before the others."""
    rank = Case(
        *(When(level=level, then=Value(place)) for place, level in enumerate(_WORST_FIRST)),
        output_field=IntegerField(),
    )
    first = F("resolved_at").desc(nulls_first=True)
    return Alert.objects.for_user(user).annotate(rank=rank).order_by(first, "rank", "-last_at")


def list_open_alerts(user: object) -> OwnedQuerySet[Alert]:
    """What the user should know and has not put away, the worst first."""
    return list_alerts(user).filter(resolved_at=None)
