"""What private streams tell of orders, taken over as it comes. They only make the monitor's poll rarer:
whatever a stream leaves open is left to the poll, which remains the truth."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum, auto

from apps.domain.orders import OrderStatus
from apps.exchanges import ports
from apps.trading.models import BrokerWatch, Order
from apps.trading.path import apply_report

#: A stream that has shown no sign of life for so long is taken for dead.
ALIVE_FOR = timedelta(seconds=15)


class Outcome(Enum):
    """What became of a report."""

    TAKEN_OVER = auto()
    #: It does not say all, so the poll was asked to.
    LEFT_TO_POLL = auto()
    PLACED_ELSEWHERE = auto()


def take_report(*, broker_id: int, report: ports.OrderReport, now: datetime) -> Outcome:
    """Book what a stream tells of one of our orders, where it tells all of it; no exchange is asked."""
    order = _find(broker_id, report)
    if order is None:
        return Outcome.PLACED_ELSEWHERE
    if not _is_complete(order, report):
        BrokerWatch.objects.filter(pk=broker_id).update(stream_alive_at=None, next_poll_at=None)
        return Outcome.LEFT_TO_POLL
    apply_report(order_id=order.pk, report=report, now=now)
    return Outcome.TAKEN_OVER


def _find(broker_id: int, report: ports.OrderReport) -> Order | None:
    orders = Order.objects.filter(broker_id=broker_id)
    ours = orders.filter(client_order_id=report.client_order_id or "").first()
    return (
        ours
        or orders.filter(
            symbol__name=report.symbol, exchange_order_id=report.exchange_order_id
        ).first()
    )


def _is_complete(order: Order, report: ports.OrderReport) -> bool:
    """Whether its fills, with those that are booked, are all that it says has filled."""
    if report.status is OrderStatus.UNKNOWN or report.filled_quantity is None:
        return False
    booked = dict(order.fills.values_list("trade_id", "quantity"))
    told = {fill.trade_id: fill.quantity for fill in report.fills}
    return sum((booked | told).values(), Decimal(0)) >= report.filled_quantity


def note_alive(*, whole_since: Mapping[int, datetime], now: datetime) -> None:
    """These brokers' streams miss nothing since that moment; they count where a poll that has begun later
    has found what came before."""
    watches = BrokerWatch.objects.filter(pk__in=whole_since)
    watches.exclude(stream_error="").update(stream_error="")
    alive = [
        broker_id
        for broker_id, polled_at in watches.values_list("pk", "polled_at")
        if polled_at and polled_at >= whole_since[broker_id]
    ]
    BrokerWatch.objects.filter(pk__in=alive).update(stream_alive_at=now)


def note_cut(*, broker_id: int, why: str) -> None:
    """There is no stream now, so the poll goes back to its own pace; its page says why."""
    BrokerWatch.objects.filter(pk=broker_id).update(stream_alive_at=None, stream_error=why)


def request_sweep(*, broker_id: int) -> None:
    """Have everything compared as soon as the sweep's turn comes: an order was placed elsewhere."""
    BrokerWatch.objects.filter(pk=broker_id).update(next_sweep_at=None)
