"""The kill switch and the breakers: who may take new risk, and closing everything."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.broadcast import Topic, broadcast_on_commit
from apps.core.enqueue import enqueue_on_commit
from apps.core.models import Alert
from apps.core.tasks import TaskName
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderType
from apps.domain.risk import (
    DenialCode,
    Limits,
    RiskState,
    Trip,
    Worth,
    find_trip,
    strictest,
)
from apps.trading.gate import Signal, place
from apps.trading.models import EquitySnapshot, Order, Position, RiskChange, RiskScope
from apps.trading.path import request_cancel
from apps.trading.selectors import with_last_price


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
    whose: dict[str, Any] = {"owner_id": owner_id, "broker_id": broker_id, "book_id": book_id}
    scope, _created = RiskScope.objects.select_for_update().get_or_create(**whose)
    scope.state, scope.changed_at = state, now
    scope.reason = "" if state is RiskState.ACTIVE else reason
    scope.save(update_fields=["state", "reason", "changed_at"])
    RiskChange.objects.create(scope=scope, at=now, state=state, reason=reason, by=by)
    if owner_id:
        broadcast_on_commit(owner_id, Topic.ALERTS)
    if state is RiskState.FLATTEN:
        enqueue_on_commit(TaskName.FLATTEN)
    if state is RiskState.ACTIVE and broker_id and owner_id:
        resolve_alert(owner_id=owner_id, key=_alert_key(broker_id), now=now)
    return scope


def flatten(*, now: datetime) -> None:
    """One step further in every scope that is being flattened: cancel its entries, sell its positions at
    market, and call it halted when nothing is left. Repeating it does no harm."""
    for scope in RiskScope.objects.filter(state=RiskState.FLATTEN):
        _flatten_scope(scope, now)


def _flatten_scope(scope: RiskScope, now: datetime) -> None:
    entries = _within(Order.objects.all(), scope, "").filter(
        purpose=OrderPurpose.ENTRY, is_settled=False
    )
    for order_id in entries.values_list("pk", flat=True):
        request_cancel(order_id=order_id, now=now, reason="everything is being closed.")
    positions = with_last_price(
        _within(Position.objects.all(), scope, "book__").filter(closed_at=None)
    ).select_related("symbol", "book")
    is_going_on = [_sell(position, scope, now) for position in positions]
    if not any(is_going_on) and not entries.exists():
        set_state(
            owner_id=scope.owner_id,
            broker_id=scope.broker_id,
            book_id=scope.book_id,
            state=RiskState.HALTED,
            reason=f"Everything was closed. {scope.reason}",
            by=None,
            now=now,
        )


def _within(rows: QuerySet, scope: RiskScope, to_broker: str) -> QuerySet:  # type: ignore[type-arg]  # of any rows
    """Those of `rows` that the scope is about; `to_broker` leads from a row to what has the broker."""
    wanted = {"owner": scope.owner_id, f"{to_broker}broker": scope.broker_id, "book": scope.book_id}
    return rows.filter(**{name: value for name, value in wanted.items() if value is not None})


def _sell(position: Position, scope: RiskScope, now: datetime) -> bool:
    """Try to sell all of it unless that is tried already; whether there is still something to wait for."""
    exits = Order.objects.filter(position=position, purpose=OrderPurpose.EXIT)
    if exits.filter(is_settled=False).exists():
        return True
    assert scope.changed_at  # noqa: S101  set_state sets it
    intent = f"flatten-{scope.pk}-{scope.changed_at.timestamp():.0f}-position-{position.pk}"
    attempts = exits.filter(dedup_key__startswith=intent)
    if attempts.filter(denial_code=DenialCode.BELOW_MINIMUM).exists():
        return False  # too little to sell
    last: float | None = position.last_price  # type: ignore[attr-defined]  # annotated
    price = Decimal(str(last)) if last else position.to_holding().average_price or Decimal(0)
    signal = Signal(
        side=OrderSide.SELL,
        order_type=OrderType.MARKET,
        purpose=OrderPurpose.EXIT,
        source=OrderSource.PROTECTION,
        dedup_key=f"{intent}-{attempts.count()}",
        reason=f"Everything is being closed. {scope.reason}",
        reference_price=price,
        valid_until=now + timedelta(minutes=1),
    )
    order = place(book=position.book, symbol=position.symbol, signal=signal, now=now)
    return order.denial_code != DenialCode.BELOW_MINIMUM


@transaction.atomic
def judge(*, broker_id: int, now: datetime) -> Trip | None:
    """After a reading of the balances: set off the breakers of a broker whose marked equity fell too far,
    and tell its owner. Counts from the start of the day (UTC) or the highest equity, but never from
    before a person last resumed; what has no price is not judged."""
    broker = Broker.objects.get(pk=broker_id)
    scopes = list(_holding(owner_id=broker.owner_id, broker_id=broker_id))
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
    current = RiskState(own.state) if own else RiskState.ACTIVE
    if trip is None or trip.state.severity <= current.severity:
        return None
    set_state(
        owner_id=broker.owner_id,
        broker_id=broker_id,
        state=trip.state,
        reason=trip.reason,
        by=None,
        now=now,
    )
    raise_alert(
        owner_id=broker.owner_id,
        key=_alert_key(broker_id),
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


def _alert_key(broker_id: int) -> str:
    return f"risk-breaker-{broker_id}"
