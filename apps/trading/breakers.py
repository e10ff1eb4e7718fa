"""Breakers: a daily loss or a drawdown of marked equity stops the money that lost it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, Sum

from apps.brokers.models import Broker
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.models import Alert
from apps.domain.environments import Environment
from apps.domain.markets import ZERO
from apps.domain.risk import Limits, Performance, Trip, find_trip
from apps.trading.models import Book, EquitySnapshot, Position, RiskMark, RiskScope
from apps.trading.risk import restrict
from apps.trading.selectors import CURRENCY, last_prices, unrealized_pnl, with_last_price

_LIMITS_PAGE = "/admin/trading/riskscope/"


class _NoPrice(Exception):
    """What is held has no price, so that nobody knows what it is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measure:
    """What money is worth, None where it has no capital of its own, and what trading has earned, in USDT;
    the `members` whose sum it is."""

    equity: Decimal | None
    earned: Decimal
    members: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """Money that is measured together: a book, one broker, or all brokers of a user that hold the same
    kind of it, so that a loss of play money never stops real trading, nor hides a real loss."""

    label: str
    limits: Sequence[Limits]
    brokers: Sequence[Broker] = ()
    book: Book | None = None
    environment: str = ""

    @property
    def key(self) -> dict[str, Any]:
        """The columns by which its mark is found."""
        is_broker = not self.book and not self.environment
        return {
            "environment": self.environment,
            "broker_id": self.brokers[0].pk if is_broker else None,
            "book_id": self.book.pk if self.book else None,
        }

    @property
    def stops(self) -> list[dict[str, int]]:
        """The scopes that its breakers stop."""
        if self.book:
            return [{"book_id": self.book.pk}]
        return [{"broker_id": broker.pk} for broker in self.brokers]

    def measure(self) -> _Measure:
        """Its figures by now; raises where something in it has no price."""
        return _measure_book(self.book) if self.book else _measure_brokers(self.brokers)


@transaction.atomic
def judge(*, broker_id: int, now: datetime) -> None:
    """After a reading of a broker's balances: set off the breakers of its owner, of itself and of its
    books whose marked equity fell too far, and tell him. Counts from the start of the day (UTC) or the
    highest equity, but never from before the limit was set or a person last resumed."""
    broker = Broker.objects.get(pk=broker_id)
    subjects = list(_list_subjects(broker))
    _forget_others(broker, subjects)
    for subject in subjects:
        _judge(subject, owner_id=broker.owner_id, now=now)


def _list_subjects(broker: Broker) -> Iterator[_Subject]:
    """Those with a breaker; a limit of everybody holds for each user by himself."""
    scopes = RiskScope.objects.filter(Q(owner=None) | Q(owner=broker.owner_id)).exclude(
        max_daily_loss=None, max_drawdown=None
    )
    breakers = list(scopes.select_related("book").order_by("pk"))
    whole = [_limits(scope) for scope in breakers if not scope.broker_id and not scope.book_id]
    if whole:
        environment = Environment(broker.environment)
        alike = Broker.objects.filter(
            owner=broker.owner_id, environment=environment, is_active=True
        )
        yield _Subject(
            label=f"All your brokers ({environment.money.lower()})",
            limits=whole,
            brokers=list(alike.order_by("pk")),
            environment=environment,
        )
    for scope in breakers:
        limits = [_limits(scope)]
        if scope.broker_id == broker.pk:
            yield _Subject(label=str(broker), limits=limits, brokers=[broker])
        elif scope.book and scope.book.broker_id == broker.pk:
            yield _Subject(label=str(scope.book), limits=limits, book=scope.book)


def _limits(scope: RiskScope) -> Limits:
    return Limits(max_daily_loss=scope.max_daily_loss, max_drawdown=scope.max_drawdown)


def _forget_others(broker: Broker, subjects: Iterable[_Subject]) -> None:
    """A limit that is taken away and set again later counts from then."""
    asked = [subject.key for subject in subjects]
    about = Q(environment=broker.environment) | Q(broker=broker) | Q(book__broker=broker)
    for mark in RiskMark.objects.filter(about, owner=broker.owner_id):
        if {
            name: getattr(mark, name) for name in ("environment", "broker_id", "book_id")
        } not in asked:
            mark.delete()


def _judge(subject: _Subject, *, owner_id: int, now: datetime) -> None:
    unmeasured = f"risk-unmeasured-{RiskMark(**subject.key).name}"
    try:
        measure = subject.measure()
    except _NoPrice as error:
        raise_alert(
            owner_id=owner_id,
            key=unmeasured,
            level=Alert.Level.WARNING,
            message=f"{subject.label}: the daily loss and the drawdown can't be measured. {error}",
            advice="Until it has a price these limits stop nothing. Sell it, or have its market followed:"
            " a strategy or an order in it does that.",
            link=_LIMITS_PAGE,
            now=now,
        )
        return
    resolve_alert(owner_id=owner_id, key=unmeasured, now=now)
    mark, performance = _mark(subject, measure, owner_id=owner_id, now=now)
    trips = [trip for limits in subject.limits if (trip := find_trip(limits, performance))]
    if trips:
        strictest = max(trips, key=lambda trip: trip.state.severity)
        _trip(subject, strictest, mark=mark, now=now)


def _mark(
    subject: _Subject, measure: _Measure, *, owner_id: int, now: datetime
) -> tuple[RiskMark, Performance]:
    """Bring the mark of a subject up to now. The day starts with what was measured last before it; what
    the coming or going of a broker changes is neither a gain nor a loss."""
    earned = measure.earned
    mark, _created = RiskMark.objects.select_for_update().get_or_create(
        owner_id=owner_id,
        **subject.key,
        defaults={
            "members": measure.members,
            "at": now,
            "earned": earned,
            "earned_at_day_start": earned,
            "earned_at_peak": earned,
        },
    )
    if mark.members != measure.members:
        moved = earned - mark.earned
        mark.earned += moved
        mark.earned_at_day_start += moved
        mark.earned_at_peak += moved
    if mark.at.date() < now.date():
        mark.earned_at_day_start = mark.earned
    mark.earned_at_peak = max(mark.earned_at_peak, earned)
    mark.members, mark.earned, mark.at = measure.members, earned, now
    mark.save()
    return mark, Performance(
        equity=measure.equity,
        earned=earned,
        earned_at_day_start=mark.earned_at_day_start,
        earned_at_peak=mark.earned_at_peak,
    )


def _trip(subject: _Subject, trip: Trip, *, mark: RiskMark, now: datetime) -> None:
    reason = f"{subject.label}: {trip.reason}" if subject.environment else trip.reason
    changed = [
        restrict(owner_id=mark.owner_id, state=trip.state, reason=reason, now=now, **scope)
        for scope in subject.stops
    ]
    if any(changed):
        raise_alert(
            owner_id=mark.owner_id,
            key=mark.alert_key,
            level=Alert.Level.CRITICAL,
            message=f"{subject.label}: {trip.state.words}. {trip.reason}",
            advice="Look at what happened. Only you can resume: by the switch at the top of every page.",
            now=now,
            link=_LIMITS_PAGE,
        )


def _measure_brokers(brokers: Iterable[Broker]) -> _Measure:
    """By their last snapshots; one that was never read is left out."""
    latest = [EquitySnapshot.objects.filter(broker=broker).first() for broker in brokers]
    snapshots = [snapshot for snapshot in latest if snapshot]
    for snapshot in snapshots:
        if snapshot.unpriced:
            raise _NoPrice(
                f"No price is known of {', '.join(snapshot.unpriced)} at {snapshot.broker}."
            )
    return _Measure(
        equity=sum((snapshot.equity for snapshot in snapshots), ZERO),
        earned=sum((snapshot.equity - snapshot.transferred for snapshot in snapshots), ZERO),
        members=[snapshot.broker_id for snapshot in snapshots],
    )


def _measure_book(book: Book) -> _Measure:
    """By its positions; what it is worth is known of a book with capital in one quote currency."""
    positions = Position.objects.filter(book=book).order_by()
    realized = positions.values_list("symbol__quote").annotate(Sum("realized_pnl"))
    earned: dict[str, Decimal] = dict(realized)
    for position in with_last_price(positions.filter(closed_at=None).select_related("symbol")):
        unrealized = unrealized_pnl(position)
        if unrealized is None:
            raise _NoPrice(f"No price is known of {position.symbol}.")
        earned[position.symbol.quote] += unrealized
    rates = last_prices(book.broker)
    if unpriced := sorted(earned.keys() - rates.keys()):
        raise _NoPrice(f"No price in {CURRENCY} is known of {', '.join(unpriced)}.")
    total = sum((amount * rates[quote] for quote, amount in earned.items()), ZERO)
    is_known = book.capital is not None and len(earned) == 1
    return _Measure(
        equity=book.capital * rates[next(iter(earned))] + total if is_known else None,
        earned=total,
        members=[],
    )
