"""The order path: claim, send once, answer. What comes back unclear is settled by the monitor, and
nothing is ever sent a second time."""

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.brokers.services import connect
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.enqueue import enqueue_on_commit
from apps.core.models import Alert
from apps.core.tasks import TaskName
from apps.core.venues import NotRunning
from apps.domain.orders import (
    NEXT_STATUSES,
    OrderPurpose,
    OrderStatus,
    check_transition,
    is_reopening,
)
from apps.exchanges import errors, ports
from apps.exchanges.rounding import fit_to_market
from apps.trading.amendments import RESTING, describe, send_amendment, take_figures
from apps.trading.claims import claim, claim_waiting
from apps.trading.events import link_to, record_event
from apps.trading.ledger import record_fills
from apps.trading.models import Order
from apps.trading.plausibility import find_contradiction
from apps.trading.requests import ref_of, to_request

logger = logging.getLogger(__name__)

#: How many others of its broker are sent side by side before the answer to an order is written down.
SIDE_BY_SIDE = 4
#: For so long one task goes on sending what waits; further orders are left to their own messages.
SUBMITTING_SECONDS = 5.0
#: A cancel does no harm twice, so one that the exchange may not have heard is asked for again.
CANCEL_INTERVAL = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Unclear:
    """Nobody can say yet whether the exchange took the order."""

    message: str


Answer: TypeAlias = ports.OrderReport | errors.ExchangeError | Unclear


def submit_order(*, order_id: int) -> None:
    """Carry an order from created to the exchange's answer. Whoever loses the claim returns, so any
    number of deliveries of the same task send the order once. Writing an answer down takes longer than
    sending an order, so before that whatever else waits at the broker is sent as well; should the writing
    fail, what was sent besides is looked up."""
    order = claim(order_id=order_id)
    if order is None:
        return
    if order.is_amendment:
        _amend(order)
        return
    if order.replaces_id and not _is_worth_sending(order):
        message = "Nothing was left for it that the exchange would take: the order it replaces has filled."
        move(order_id=order_id, status=OrderStatus.CANCELLED, message=message, now=timezone.now())
        return
    answers = deque(_send_all([order]))
    until = time.monotonic() + SUBMITTING_SECONDS
    while answers:
        if time.monotonic() < until:
            waiting = claim_waiting(broker_id=order.broker_id, most=SIDE_BY_SIDE)
            answers += _send_all(waiting)
        _take(*answers.popleft())


def _send_all(orders: Sequence[Order]) -> list[tuple[Order, Answer]]:
    """Each with the answer to it; the requests travel side by side."""
    if len(orders) < 2:
        return [(order, _send(order)) for order in orders]
    with ThreadPoolExecutor(len(orders)) as senders:
        return list(zip(orders, senders.map(_send, orders), strict=True))


def _take(order: Order, answer: Answer) -> None:
    """Write down what the exchange said to an order of ours."""
    now = timezone.now()
    match answer:
        case ports.OrderReport():
            apply_report(order_id=order.pk, report=answer, now=now, asked_at=order.submitted_at)
            if answer.filled_quantity is None:
                # The exchange only took note: what became of it has to be asked.
                enqueue_on_commit(TaskName.POLL_BROKER, broker_id=order.broker_id)
        case errors.ExchangeError():
            move(order_id=order.pk, status=OrderStatus.REJECTED, message=str(answer), now=now)
        case Unclear():
            move(order_id=order.pk, status=OrderStatus.UNKNOWN, message=answer.message, now=now)


def _is_worth_sending(order: Order) -> bool:
    price = order.price or order.trigger_price or order.reference_price
    return order.symbol.to_market().is_sellable(order.quantity or Decimal(0), price)


def _send(order: Order) -> Answer:
    """The one call that places an order. Definite answers come back as values; anything else is unclear."""
    assert order.send_deadline is not None  # noqa: S101  only claimed orders get here
    try:
        request = fit_to_market(to_request(order), order.symbol.to_market())
        return connect(order.broker).place_order(request, deadline=order.send_deadline)
    except errors.OutcomeUnknown as error:
        logger.warning("order %s: outcome unknown: %s", order.client_order_id, error)
        return Unclear(
            f"No clear answer: {error} It is being looked up and will not be sent again."
        )
    except errors.ExchangeError as error:
        return error
    except NotRunning as error:
        return errors.ExchangeUnavailable(str(error))


@transaction.atomic
def apply_report(
    *,
    order_id: int,
    report: ports.OrderReport,
    now: datetime,
    asked_at: datetime | None = None,
) -> Order:
    """Move our order to what the exchange reports. Repeating a report, or getting an older one late,
    changes nothing; one that can't be true is kept on the order, told to its owner, and changes nothing
    either. `asked_at` is when the question left, None for news that nobody asked for. Locks the order's
    row."""
    order = lock_order(order_id)
    amendment = take_figures(order, report)
    if why := find_contradiction(order, report):
        _flag(order, why, report, now)
        return order
    new_fills = record_fills(order=order, fills=_each_once(report.fills))
    was_settled, before = order.is_settled, (order.status, order.filled_quantity)
    if report.filled_quantity is None or report.filled_quantity >= order.filled_quantity:
        _take_over(order, report, now=now, asked_at=asked_at)
    order.is_settled = _is_settled(order)
    order.save()
    if amendment:
        _conclude(amendment, order, report, now)
    if (order.status, order.filled_quantity) != before or order.is_settled != was_settled:
        record_event(order, at=now, message=_describe(order), raw=report.raw)
        _call_who_waits(order)
    elif new_fills:
        _call_who_waits(order)
    return order


def lock_order(order_id: int) -> Order:
    """The order, ours alone to change until the transaction ends."""
    # Of its key nothing changes: the gate, which is behind us in the queue, may point at the order meanwhile.
    rows = Order.objects.select_for_update(of=("self",), no_key=True).select_related(
        "symbol", "broker"
    )
    return rows.get(pk=order_id)


def _each_once(fills: Sequence[ports.Fill]) -> list[ports.Fill]:
    return list({fill.trade_id: fill for fill in fills}.values())


def _flag(order: Order, why: str, report: ports.OrderReport, now: datetime) -> None:
    message = f"The exchange told something that can't be true: {why}. It was not taken over."
    logger.error("order %s: %s", order.client_order_id, message)
    newest = order.events.order_by("-pk").values_list("message", flat=True).first()
    if newest != message:
        record_event(order, at=now, message=message, raw=report.raw)
    raise_alert(
        owner_id=order.owner_id,
        key=f"order-odd-{order.pk}",
        level=Alert.Level.WARNING,
        message=f"{order}: {message}",
        advice="Compare the order with the exchange's own page. It is asked for again by itself.",
        link=link_to(order),
        now=now,
    )


def _take_over(
    order: Order, report: ports.OrderReport, *, now: datetime, asked_at: datetime | None
) -> None:
    """Copy what the exchange says, unless the report is older than what we know."""
    order.absences = 0
    order.exchange_order_id = report.exchange_order_id
    if report.filled_quantity is not None:
        order.filled_quantity = report.filled_quantity
    if report.filled_quote is not None:
        order.filled_quote = report.filled_quote
    current = OrderStatus(order.status)
    if report.status not in NEXT_STATUSES[current] or _is_late(order, report, asked_at):
        return
    order.exchange_status = report.exchange_status
    _change_status(order, report.status, now)
    if is_reopening(current, report.status):
        _tell_of_reopening(order, current, now)
        if not report.status.is_terminal and _is_succeeded(order):
            order.cancel_requested_at = now


def _is_succeeded(order: Order) -> bool:
    """Whether another exit or leg has taken its place, of which a position has one of each kind."""
    if not OrderPurpose(order.purpose).reduces or not order.position_id:
        return False
    others = Order.objects.filter(position=order.position_id, purpose=order.purpose, amends_to=None)
    return others.filter(is_settled=False).exclude(pk=order.pk).exists()


def _is_late(order: Order, report: ports.OrderReport, asked_at: datetime | None) -> bool:
    """Whether the exchange may have said that the order lives before it said that it ended. Where absence
    alone had ended it, any sign of life counts."""
    if report.status.is_terminal or order.status == OrderStatus.REJECTED:
        return False
    return order.terminal_at is not None and (asked_at is None or asked_at <= order.terminal_at)


def _tell_of_reopening(order: Order, before: OrderStatus, now: datetime) -> None:
    raise_alert(
        owner_id=order.owner_id,
        key=f"order-reopened-{order.pk}",
        level=Alert.Level.CRITICAL,
        message=f"{order}: it was taken for {before}, and the exchange has it after all.",
        advice="Check that the position is what you want it to be; cancel the order if it is not.",
        link=link_to(order),
        now=now,
    )


def _call_who_waits(order: Order) -> None:
    """Have those run for whom a change of this order may be what they wait for."""
    if order.position_id:
        enqueue_on_commit(TaskName.GUARD_POSITION, position_id=order.position_id)
    if order.cancel_requested_at and order.status in RESTING:
        enqueue_on_commit(TaskName.CANCEL_ORDER, order_id=order.pk)
    if not order.is_settled:
        return
    waiting = order.replacements.filter(status=OrderStatus.CREATED)
    for replacement_id in waiting.values_list("pk", flat=True):
        enqueue_on_commit(TaskName.SUBMIT_ORDER, order_id=replacement_id)
    if order.filled_quantity:
        enqueue_on_commit(TaskName.REFRESH_BALANCES, broker_id=order.broker_id)


def _is_settled(order: Order) -> bool:
    if not OrderStatus(order.status).is_terminal:
        return False
    filled = sum((fill.quantity for fill in order.fills.all()), Decimal(0))
    return bool(filled >= order.filled_quantity)


def _change_status(order: Order, status: OrderStatus, now: datetime) -> None:
    check_transition(OrderStatus(order.status), status)
    if OrderStatus.UNKNOWN in {order.status, status}:
        _tell_whether_known(order, now, is_known=status is not OrderStatus.UNKNOWN)
    order.status = status
    order.terminal_at = now if status.is_terminal else None


def _tell_whether_known(order: Order, now: datetime, *, is_known: bool) -> None:
    key = f"order-unknown-{order.pk}"
    if is_known:
        resolve_alert(owner_id=order.owner_id, key=key, now=now)
        return
    raise_alert(
        owner_id=order.owner_id,
        key=key,
        level=Alert.Level.WARNING,
        message=f"{order.side} {order.symbol} at {order.broker}: nobody knows yet whether it arrived.",
        advice="It is being looked up and will not be sent again. Don't place it a second time by hand:"
        " within a minute it is found, or known never to have arrived.",
        link=link_to(order),
        now=now,
    )


def _describe(order: Order) -> str:
    if not order.filled_quantity:
        return f"The exchange says {order.exchange_status or order.status}."
    return (
        f"Filled {order.filled_quantity.normalize():f} {order.symbol.base} "
        f"at {order.average_price:.8g} {order.symbol.quote} on average."
    )


@transaction.atomic
def move(
    *,
    order_id: int,
    status: OrderStatus,
    message: str,
    now: datetime,
    raw: Mapping[str, Any] | None = None,
) -> bool:
    """Change the status for a reason that carries no fills; False when the order has moved on already."""
    order = lock_order(order_id)
    current = OrderStatus(order.status)
    if current == status or current in RESTING or current.is_terminal:
        return False
    _change_status(order, status, now)
    order.is_settled = status.is_terminal
    order.save(update_fields=["status", "terminal_at", "is_settled"])
    record_event(order, at=now, message=message, raw=raw)
    _call_who_waits(order)
    return True


def _amend(amendment: Order) -> None:
    """Ask the exchange once to change the order, then look what it has: no answer says that it was done."""
    order = Order.objects.select_related("symbol", "broker").get(replacements=amendment.pk)
    if order.status not in RESTING or order.cancel_requested_at:
        message = f"Not sent: order {order.pk} rests no more, or is being cancelled."
        move(
            order_id=amendment.pk,
            status=OrderStatus.CANCELLED,
            message=message,
            now=timezone.now(),
        )
        return
    status, message = OrderStatus.UNKNOWN, "The order does not show it yet. It is being looked up."
    try:
        client = connect(order.broker)
        send_amendment(amendment, order, client)
        with suppress(errors.ExchangeError):
            look_up(order=order, client=client, now=timezone.now())
    except errors.OutcomeUnknown as error:
        message = f"No clear answer: {error} It is being looked up and will not be asked again."
    except (errors.ExchangeError, NotRunning) as error:
        status, message = OrderStatus.REJECTED, f"Order {order.pk} stands as it was: {error}"
    # Where the look-up has shown it, it has moved on already.
    move(order_id=amendment.pk, status=status, message=message, now=timezone.now())


def _conclude(amendment: Order, order: Order, report: ports.OrderReport, now: datetime) -> None:
    """The exchange has made the change."""
    figures = describe(order)
    record_event(order, at=now, message=f"Changed in place to {figures}.", raw=report.raw)
    amendment = lock_order(amendment.pk)
    _change_status(amendment, OrderStatus.CANCELLED, now)
    amendment.is_settled = True
    amendment.save(update_fields=["status", "terminal_at", "is_settled"])
    message = f"Done: order {order.pk} is now of {figures}."
    record_event(amendment, at=now, message=message)


@transaction.atomic
def record_absence(*, order_id: int, now: datetime) -> int:
    """Count one complete look-up that did not find the order; how many in a row there are now."""
    Order.objects.filter(pk=order_id).update(absences=F("absences") + 1, looked_up_at=now)
    return Order.objects.values_list("absences", flat=True).get(pk=order_id)


@transaction.atomic
def request_cancel(*, order_id: int, now: datetime, reason: str) -> None:
    """Wish an order gone. What was not sent yet is cancelled at once; otherwise the exchange is asked, and
    asked again, until the order is seen to have ended. Wishing twice, or too late, changes nothing."""
    order = lock_order(order_id)
    if order.status == OrderStatus.CREATED:
        message = f"Cancelled before it was sent: {reason}"
        move(order_id=order_id, status=OrderStatus.CANCELLED, message=message, now=now)
    elif not OrderStatus(order.status).is_terminal and order.cancel_requested_at is None:
        order.cancel_requested_at = now
        order.save(update_fields=["cancel_requested_at"])
        record_event(order, at=now, message=f"To be cancelled: {reason}")
        # One whose outcome is unknown has to be found before it can be cancelled.
        if order.status in RESTING:
            enqueue_on_commit(TaskName.CANCEL_ORDER, order_id=order_id)


def cancel_order(*, order_id: int, now: datetime) -> None:
    """Ask the exchange once to cancel an order that is to go, and look what became of it; whoever comes
    within ten seconds of another asks nothing. No answer to a cancel says that the order has ended: only
    what a look-up shows counts."""
    due = Q(cancel_sent_at=None) | Q(cancel_sent_at__lte=now - CANCEL_INTERVAL)
    wished = Order.objects.filter(
        due, pk=order_id, status__in=RESTING, cancel_requested_at__isnull=False
    )
    if not wished.update(cancel_sent_at=now):
        return
    order = Order.objects.select_related("symbol", "broker").get(pk=order_id)
    try:
        client = connect(order.broker)
        with suppress(errors.OutcomeUnknown):
            client.cancel_order(ref_of(order))
        look_up(order=order, client=client, now=now)
    except errors.Rejected as error:
        if not isinstance(error, errors.OrderNotFound):
            _tell_of_refused_cancel(order, error, now)
    except (errors.ExchangeError, NotRunning) as error:
        # Its wish stays on the row, and the sweep asks again.
        logger.warning("order %s was not cancelled: %s", order.client_order_id, error)


def _tell_of_refused_cancel(order: Order, error: errors.Rejected, now: datetime) -> None:
    raise_alert(
        owner_id=order.owner_id,
        key=f"order-cancel-{order.pk}",
        level=Alert.Level.CRITICAL,
        message=f"{order}: the exchange does not cancel it: {error}",
        advice="It is asked again by itself. Cancel it on the exchange's own page if that is urgent.",
        link=link_to(order),
        now=now,
    )


def look_up(*, order: Order, client: ports.ExchangeClient, now: datetime) -> Order:
    """Ask for one order with its fills and take over what the exchange says; raises OrderNotFound. Where
    the fills can't be had, what was told of the order is kept: the next look-up has less to ask."""
    report = client.fetch_order(ref_of(order))
    try:
        report = with_fills(report, client)
    finally:
        order = apply_report(order_id=order.pk, report=report, now=now, asked_at=now)
    return order


def with_fills(report: ports.OrderReport, client: ports.ExchangeClient) -> ports.OrderReport:
    """The report with all its fills, which are asked for where there are any."""
    if not report.filled_quantity:
        return report
    fills = client.fetch_fills(report.symbol, exchange_order_id=report.exchange_order_id)
    return replace(report, fills=tuple(fills))
