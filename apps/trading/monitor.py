"""The monitor: asks the exchange what became of every order that is not settled, and settles it."""

import logging
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.db.models import Q

from apps.brokers.models import Broker
from apps.brokers.services import connect, refresh_balances
from apps.core.enqueue import enqueue_on_commit, send
from apps.core.locks import advisory_lock
from apps.core.tasks import TaskName
from apps.core.venues import is_reachable
from apps.domain.environments import Environment
from apps.domain.orders import OrderPurpose, OrderStatus
from apps.exchanges import errors, ports
from apps.trading.models import Order
from apps.trading.path import CANCEL_INTERVAL, look_up, move, record_absence
from apps.trading.protection import guard_broker
from apps.trading.selectors import (
    list_uncancelled_orders,
    list_unsettled_orders,
    list_waiting_orders,
)

logger = logging.getLogger(__name__)

#: A created order that waits longer than this has probably lost its message.
MESSAGE_GRACE = timedelta(seconds=2)
#: A submitted order without an answer this long after its deadline: its sender is gone.
ANSWER_GRACE = timedelta(seconds=5)
#: Complete look-ups, this far apart, that have to miss an order before it counts as never arrived.
ABSENCES = 3
ABSENCE_INTERVAL = timedelta(seconds=10)
BALANCE_AGE = timedelta(minutes=5)


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


def poll_brokers() -> None:
    """One task for each broker there is something to ask about, so that none waits for another."""
    busy = Q(orders__is_settled=False) | Q(is_active=True)
    for broker_id in Broker.objects.filter(busy).distinct().values_list("pk", flat=True):
        enqueue_on_commit(TaskName.POLL_BROKER, broker_id=broker_id)


def poll_broker(*, broker_id: int, now: datetime) -> None:
    """Settle what can be settled of one broker; never two at once."""
    with advisory_lock(f"poll-broker-{broker_id}") as held:
        broker = Broker.objects.get(pk=broker_id)
        if not held or not is_reachable(Environment(broker.environment)):
            return
        try:
            client = connect(broker)
            for order in list_unsettled_orders(broker_id):
                _settle_or_report(order, client, now)
            if broker.balances_as_of is None or now - broker.balances_as_of > BALANCE_AGE:
                refresh_balances(broker_id=broker_id, now=now)
        except errors.ExchangeError as error:
            logger.warning("broker %s was not polled: %s", broker_id, error)
        guard_broker(broker_id=broker_id, now=now)


def _settle_or_report(order: Order, client: ports.ExchangeClient, now: datetime) -> None:
    """What goes wrong concerns this order alone; only an exchange that can't be reached, or wants us to
    wait, ends the round."""
    try:
        settle_order(order=order, client=client, now=now)
    except (errors.ExchangeError, DatabaseError) as error:
        is_about_all = isinstance(error, errors.ExchangeUnavailable | errors.RateLimited)
        if is_about_all and not isinstance(error, errors.Unreadable):
            raise
        logger.warning("order %s can't be settled: %s", order.client_order_id, error)


def settle_order(*, order: Order, client: ports.ExchangeClient, now: datetime) -> None:
    """Look one order up by our own id and take over what the exchange says; its absence is believed
    only after three complete look-ups, ten seconds apart, all begun when it could no longer arrive."""
    assert order.send_deadline is not None  # noqa: S101  only claimed orders are unsettled here
    if order.status == OrderStatus.SUBMITTED:
        return  # its sender may still be waiting for the answer; the sweep calls it unknown in time
    if order.looked_up_at and now - order.looked_up_at < ABSENCE_INTERVAL:
        return
    try:
        look_up(order=order, client=client, now=now)
    except errors.OrderNotFound:
        _count_absence(order, now)


def _count_absence(order: Order, now: datetime) -> None:
    assert order.send_deadline is not None  # noqa: S101  as above
    if order.status != OrderStatus.UNKNOWN or now <= order.send_deadline + ANSWER_GRACE:
        return
    if record_absence(order_id=order.pk, now=now) >= ABSENCES:
        message = f"Never arrived: the exchange did not know it in {ABSENCES} look-ups."
        move(order_id=order.pk, status=OrderStatus.REJECTED, message=message, now=now)
