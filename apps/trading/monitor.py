"""The monitor: asks each exchange what became of our orders, takes over what it says, and repairs what
got lost on the way. The poll is the truth; whatever else tells of an order only tells it sooner."""

import logging
from contextlib import ExitStack
from datetime import datetime, timedelta

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from apps.brokers.models import Broker
from apps.brokers.services import connect
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.enqueue import send
from apps.core.locks import advisory_lock
from apps.core.models import Alert
from apps.core.tasks import TaskName
from apps.core.venues import NotRunning, is_reachable
from apps.domain.environments import Environment, Exchange
from apps.domain.orders import OrderPurpose, OrderStatus
from apps.exchanges import errors
from apps.exchanges.costs import costs_of
from apps.exchanges.limits import SWEEP_SHARE
from apps.trading.amendments import RESTING
from apps.trading.gate import POLL_AGE
from apps.trading.models import BrokerWatch, Difference, Order
from apps.trading.pacing import Pace, next_turn, plan_pace
from apps.trading.path import CANCEL_INTERVAL, move
from apps.trading.reconciliation import SEEN_AGAIN
from apps.trading.selectors import list_uncancelled_orders, list_waiting_orders
from apps.trading.settling import ANSWER_GRACE, look_at_orders
from apps.trading.streams import ALIVE_FOR
from apps.trading.sync import read_balances, sweep, watch_of

logger = logging.getLogger(__name__)

#: A created order that waits longer than this has probably lost its message.
MESSAGE_GRACE = timedelta(seconds=2)
#: How often a broker is polled whose private stream tells of every change by itself.
STREAMED_INTERVAL = timedelta(seconds=60)
#: A full sweep that did not end goes on after so long, where no limit says otherwise.
SWEEP_AGAIN = timedelta(seconds=10)
#: An exchange that does not answer is asked less and less often, and its owner is told after a while.
LONGEST_BACK_OFF = timedelta(seconds=60)
TELL_AFTER = timedelta(seconds=60)


def sweep_orders(*, now: datetime) -> None:
    """What no exchange is needed for: expire what nobody sent in time, send again the messages (never the
    orders) of what still waits, and call unknown what was claimed and never answered."""
    for order in list_waiting_orders(created_before=now - MESSAGE_GRACE):
        if order.valid_until <= now and not OrderPurpose(order.purpose).reduces:
            message = "Not sent in time, so not sent at all. The next signal counts."
            move(order_id=order.pk, status=OrderStatus.EXPIRED, message=message, now=now)
        elif order.broker.is_active or OrderPurpose(order.purpose).reduces:
            send(TaskName.SUBMIT_ORDER, order_id=order.pk)
    for order_id in list_uncancelled_orders(asked_before=now - CANCEL_INTERVAL):
        send(TaskName.CANCEL_ORDER, order_id=order_id)
    unanswered = Order.objects.filter(
        status=OrderStatus.SUBMITTED, send_deadline__lt=now - ANSWER_GRACE
    )
    for order_id in unanswered.values_list("pk", flat=True):
        message = "Claimed but never answered: whoever sent it is gone. It is being looked up."
        move(order_id=order_id, status=OrderStatus.UNKNOWN, message=message, now=now)


def forget_reconciliations() -> None:
    """The installation has started: what the rows say of orders and money may be old, so every broker is
    looked at at once, and none takes entries before that; full sweeps follow."""
    BrokerWatch.objects.update(reconciled_at=None, next_poll_at=None, next_sweep_at=None)


def resume_watching(*, now: datetime) -> None:
    """The monitor has started, alone perhaps. It remembers nothing that the rows don't, so only brokers that
    neither a poll nor a stream has seen lately enough for entries have to be reconciled before they take
    any; all are polled at once."""
    seen = Q(polled_at__gt=now - POLL_AGE) | Q(stream_alive_at__gt=now - POLL_AGE)
    unseen = BrokerWatch.objects.exclude(seen)
    unseen.update(reconciled_at=None, next_sweep_at=None)
    BrokerWatch.objects.update(next_poll_at=None)


def poll_brokers(*, now: datetime) -> None:
    """One task for each broker whose turn it is, so that none waits for another, and one for a full sweep.
    A message that gets lost costs one turn. A private stream that is whole makes turns rarer, unless one is
    asked for."""
    unsettled = Order.objects.filter(broker=OuterRef("pk"), is_settled=False)
    busy = Broker.objects.filter(Q(is_active=True) | Exists(unsettled))
    for broker in busy.filter(watch=None):
        watch_of(broker)
    due = Q(next_poll_at=None) | Q(next_poll_at__lte=now) & ~_is_streamed(unsettled, now)
    for watch in BrokerWatch.objects.filter(due, broker__in=busy):
        interval = timedelta(seconds=watch.interval_seconds)
        watch.next_poll_at = next_turn(broker_id=watch.pk, after=now, interval=interval)
        watch.save(update_fields=["next_poll_at"])
        send(TaskName.POLL_BROKER, broker_id=watch.pk)
    _send_sweep(busy, now)


def _send_sweep(busy: QuerySet[Broker], now: datetime) -> None:
    """Whoever waits longest for a full sweep goes on with it: where brokers share a budget none starves."""
    due = BrokerWatch.objects.filter(
        Q(next_sweep_at=None) | Q(next_sweep_at__lte=now),
        broker__in=busy,
        reconciled_at__isnull=False,
        failing_since=None,
    )
    watch = due.order_by(F("swept_at").asc(nulls_first=True), "pk").first()
    if watch is not None:
        watch.next_sweep_at = now + SWEEP_AGAIN
        watch.save(update_fields=["next_sweep_at"])
        send(TaskName.SWEEP_BROKER, broker_id=watch.pk)


def _is_streamed(unsettled: QuerySet[Order], now: datetime) -> Q:
    """Brokers with nothing to be found out that their streams would not tell."""
    unclear = unsettled.exclude(status__in=(OrderStatus.CREATED, *RESTING))
    return ~Exists(unclear) & Q(
        stream_alive_at__gt=now - ALIVE_FOR,
        polled_at__gt=now - STREAMED_INTERVAL,
        reconciled_at__isnull=False,
    )


def poll_broker(*, broker_id: int, now: datetime) -> None:
    """Look at the orders of one broker and, where entries wait for that, at its balances; never two at once.
    Of all exchanges that do not answer one is asked at a time, so that no worker is kept from the others."""
    with ExitStack() as locks:
        if not locks.enter_context(advisory_lock(f"poll-broker-{broker_id}")):
            return
        broker = Broker.objects.get(pk=broker_id)
        if not is_reachable(Environment(broker.environment)):
            return
        watch = watch_of(broker)
        if _is_doubtful(broker) and not locks.enter_context(advisory_lock("poll-doubtful")):
            return
        try:
            client = connect(broker)
            look_at_orders(broker=broker, client=client, now=now)
            watch.polled_at = now
            if watch.reconciled_at is None:
                read_balances(broker=broker, client=client, now=now)
                BrokerWatch.objects.filter(pk=broker_id).update(reconciled_at=now)
            _note_success(broker, watch, now)
        except errors.RateLimited as error:
            # Nothing is wrong: others have spent what reads may, and this one waits.
            _note_wait(watch, error, now)
        except (errors.ExchangeError, NotRunning) as error:
            _note_failure(broker, watch, error, now)


def sweep_broker(*, broker_id: int, now: datetime) -> None:
    """Go on with the full sweep of one broker as far as its part of the budget carries. One is swept at a
    time, so that polls always find a worker."""
    with advisory_lock("sweep-broker") as is_ours:
        broker = Broker.objects.get(pk=broker_id)
        if not is_ours or not is_reachable(Environment(broker.environment)):
            return
        again = now + SWEEP_AGAIN
        try:
            client = connect(broker, share=SWEEP_SHARE)
            if sweep(broker=broker, client=client, now=now):
                again = _next_sweep(broker, now)
            resolve_alert(owner_id=broker.owner_id, key=f"sweep-failing-{broker_id}", now=now)
        except errors.RateLimited as error:
            again = now + timedelta(seconds=max(1, error.retry_after or 0))
        except (errors.ExchangeError, NotRunning) as error:
            logger.warning("broker %s was not swept: %s", broker_id, error)
            again = now + LONGEST_BACK_OFF
            # An exchange that does not answer is the poll's to tell of.
            if not isinstance(error, errors.ExchangeUnavailable):
                _tell_of_sweep(broker, error, now)
        BrokerWatch.objects.filter(pk=broker_id).update(next_sweep_at=again)


def _next_sweep(broker: Broker, now: datetime) -> datetime:
    """In its turn, or as soon as a difference that was left can be judged."""
    if Difference.objects.filter(broker=broker).exists():
        return now + SEEN_AGAIN
    interval = _plan(broker).sweep_every
    return next_turn(broker_id=broker.pk, after=now, interval=interval)


def _tell_of_sweep(broker: Broker, error: Exception, now: datetime) -> None:
    raise_alert(
        owner_id=broker.owner_id,
        key=f"sweep-failing-{broker.pk}",
        level=Alert.Level.WARNING,
        message=f"{broker}: history and balances can't be compared: {error}",
        advice="Orders are followed meanwhile, deposits and orders placed elsewhere are not. Check what the"
        " broker's key may do.",
        link=f"/admin/trading/brokerwatch/{broker.pk}/change/",
        now=now,
    )


def _is_doubtful(broker: Broker) -> bool:
    """Whether its exchange did not answer lately, for whichever key."""
    failing = BrokerWatch.objects.filter(failing_since__isnull=False)
    same_venue = Q(broker__exchange=broker.exchange, broker__environment=broker.environment)
    return failing.filter(same_venue).exists()


def _plan(broker: Broker) -> Pace:
    """The pace for a broker beside all that share its budget with it."""
    costs = costs_of(Exchange(broker.exchange))
    sharing = Broker.objects.filter(pk=broker.pk)
    if not costs.is_per_key:
        sharing = Broker.objects.filter(
            exchange=broker.exchange, environment=broker.environment, is_active=True
        )
    live = Q(orders__status__in=RESTING)
    watched = sharing.annotate(symbols=Count("orders__symbol", filter=live, distinct=True))
    counts = list(watched.values_list("symbols", flat=True))
    swept = BrokerWatch.objects.filter(broker__in=sharing).values_list("report__symbols", flat=True)
    traded = [len(symbols or ()) for symbols in swept]
    return plan_pace(costs, watched=counts, traded=traded)


def _note_success(broker: Broker, watch: BrokerWatch, now: datetime) -> None:
    pace = _plan(broker)
    was_failing = bool(watch.failing_since or watch.error)
    watch.interval_seconds = pace.poll_every.total_seconds()
    watch.next_poll_at = next_turn(broker_id=broker.pk, after=now, interval=pace.poll_every)
    watch.failing_since, watch.error = None, ""
    watch.save(
        update_fields=["polled_at", "interval_seconds", "next_poll_at", "failing_since", "error"]
    )
    if was_failing:
        resolve_alert(owner_id=broker.owner_id, key=f"broker-failing-{broker.pk}", now=now)


def _note_wait(watch: BrokerWatch, error: errors.RateLimited, now: datetime) -> None:
    logger.warning("broker %s has to wait: %s", watch.pk, error)
    watch.error = str(error)
    watch.next_poll_at = now + timedelta(
        seconds=max(error.retry_after or 0, watch.interval_seconds)
    )
    watch.save(update_fields=["polled_at", "error", "next_poll_at"])


def _note_failure(broker: Broker, watch: BrokerWatch, error: Exception, now: datetime) -> None:
    """Wait longer the longer it lasts: ten seconds at first, a minute at most."""
    logger.warning("broker %s was not polled: %s", broker.pk, error)
    is_outage = isinstance(error, errors.ExchangeUnavailable)
    if is_outage:
        watch.failing_since = watch.failing_since or now
    lasted = now - (watch.failing_since or now)
    shortest = timedelta(seconds=watch.interval_seconds) if is_outage else LONGEST_BACK_OFF
    watch.error = str(error)
    watch.next_poll_at = now + max(shortest, min(lasted, LONGEST_BACK_OFF))
    watch.save(update_fields=["polled_at", "failing_since", "error", "next_poll_at"])
    if is_outage and lasted < TELL_AFTER:
        return
    raise_alert(
        owner_id=broker.owner_id,
        key=f"broker-failing-{broker.pk}",
        level=Alert.Level.CRITICAL,
        message=f"{broker} can't be watched: {error}",
        advice="Orders there are not followed meanwhile, and no entries are made. Check the exchange's"
        " status page, this machine's network, and the broker's key.",
        link=f"/admin/trading/brokerwatch/{broker.pk}/change/",
        now=now,
    )
