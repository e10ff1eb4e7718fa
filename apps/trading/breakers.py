"""Breakers: what marked equity sets off, a daily loss and a drawdown."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet

from apps.brokers.models import Broker
from apps.core.alerts import raise_alert
from apps.core.models import Alert
from apps.domain.risk import Limits, RiskState, Trip, Worth, find_trip
from apps.trading.models import EquitySnapshot, RiskScope
from apps.trading.risk import alert_key, holding, restrict


@transaction.atomic
def judge(*, broker_id: int, now: datetime) -> Trip | None:
    """After a reading of the balances: set off the breakers of a broker whose marked equity fell too far,
    and tell its owner. Counts from the start of the day (UTC) or the highest equity, but never from
    before a person last resumed; what has no price is not judged."""
    broker = Broker.objects.get(pk=broker_id)
    scopes = list(holding(owner_id=broker.owner_id, broker_id=broker_id))
    own = next((scope for scope in scopes if scope.broker_id == broker_id), None)
    snapshots = EquitySnapshot.objects.filter(broker=broker, unpriced=[])
    latest = EquitySnapshot.objects.filter(broker=broker).first()
    if not latest or latest.unpriced or not any(_has_breaker(scope) for scope in scopes):
        return None
    resumed = own.changes.filter(state=RiskState.ACTIVE).first() if own else None
    if resumed:
        snapshots = snapshots.filter(at__gte=resumed.at)
    trips = _find_trips(scopes, snapshots, _worth(latest), now)
    trip = max(trips, key=lambda trip: trip.state.severity, default=None)
    if trip is None or not restrict(
        owner_id=broker.owner_id,
        broker_id=broker_id,
        state=trip.state,
        reason=trip.reason,
        now=now,
    ):
        return None
    raise_alert(
        owner_id=broker.owner_id,
        key=alert_key(broker_id),
        level=Alert.Level.CRITICAL,
        message=f"{broker}: {trip.state.words}. {trip.reason}",
        advice="Look at what happened. Only you can resume: by the switch at the top of every page.",
        now=now,
        link="/admin/trading/riskscope/",
    )
    return trip


def _find_trips(
    scopes: Iterable[RiskScope], snapshots: QuerySet[EquitySnapshot], worth: Worth, now: datetime
) -> list[Trip]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start = (
        snapshots.filter(at__lte=midnight).order_by("-at").first()
        or snapshots.order_by("at").first()
    )
    peak = snapshots.order_by(F("transferred") - F("equity")).first()
    if start is None or peak is None:
        return []
    trips = [
        find_trip(_limits(scope), now=worth, day_start=_worth(start), peak=_worth(peak))
        for scope in scopes
    ]
    return [trip for trip in trips if trip]


def _has_breaker(scope: RiskScope) -> bool:
    return scope.max_daily_loss is not None or scope.max_drawdown is not None


def _limits(scope: RiskScope) -> Limits:
    return Limits(max_daily_loss=scope.max_daily_loss, max_drawdown=scope.max_drawdown)


def _worth(snapshot: EquitySnapshot) -> Worth:
    return Worth(equity=snapshot.equity, transferred=snapshot.transferred)
