"""What became of the orders of one broker: what rests is asked for together, what is unclear one by one,
and what even its name does not find is searched for in all that the exchange tells."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from django.db import DatabaseError

from apps.brokers.models import Broker
from apps.core.alerts import raise_alert
from apps.core.models import Alert
from apps.domain.candles import EPOCH
from apps.domain.environments import Environment, Exchange
from apps.domain.orders import OrderStatus
from apps.exchanges import errors, ports
from apps.exchanges.costs import MonitorCosts, costs_of
from apps.trading.amendments import RESTING
from apps.trading.events import link_to
from apps.trading.models import Order
from apps.trading.path import apply_report, look_up, move, record_absence, with_fills
from apps.trading.selectors import list_unsettled_orders

logger = logging.getLogger(__name__)

#: A submitted order without an answer this long after its deadline: its sender is gone.
ANSWER_GRACE = timedelta(seconds=5)
#: Complete look-ups, this far apart, that have to miss an order before it counts as never arrived.
ABSENCES = 3
ABSENCE_INTERVAL = timedelta(seconds=10)
#: Before its claim, by clocks that may differ, nothing of an order can be in an exchange's history.
HISTORY_SLACK = timedelta(hours=1)
#: More orders than this are looked for together, where one question of history tells of all.
MOST_ONE_BY_ONE = 3


def look_at_orders(*, broker: Broker, client: ports.ExchangeClient, now: datetime) -> None:
    """Ask what rests and compare it with what we think rests. Only orders that were there before the
    question are judged, and of one that is missing from the answer nothing is concluded: it is asked for
    by its id."""
    orders = [
        order
        for order in list_unsettled_orders(broker.pk)
        # Its sender may still be waiting for the answer; the sweep calls it unknown in time.
        if order.status != OrderStatus.SUBMITTED
    ]
    costs = costs_of(Exchange(broker.exchange))
    symbols = {order.symbol.name for order in orders if order.status in RESTING}
    resting = {
        name: report for report in read_resting(client, symbols, costs) for name in names_of(report)
    }
    unclear = []
    for order in orders:
        report = resting.get((order.symbol.name, order.client_order_id)) or resting.get(
            (order.symbol.name, order.exchange_order_id)
        )
        if report is None:
            unclear.append(order)
        elif _differs(order, report):
            _take_over_or_report(order, report, client, now)
    search = _Search(broker=broker, client=client, orders=unclear, now=now)
    if costs.history_is_of_all and len(unclear) > MOST_ONE_BY_ONE:
        unclear = _settle_together(unclear, search, now)
    # Where the budget does not carry all, those come first that have waited longest.
    for order in sorted(unclear, key=lambda order: order.looked_up_at or EPOCH):
        _settle_or_report(order, search, now)


def read_resting(
    client: ports.ExchangeClient, symbols: Iterable[str], costs: MonitorCosts
) -> Iterator[ports.OrderReport]:
    """What rests in these symbols, asked for in the cheapest way."""
    names = sorted(symbols)
    if not names:
        return
    for name in [None] if costs.asks_all(len(names)) else names:
        yield from client.fetch_open_orders(name)


def names_of(report: ports.OrderReport) -> Sequence[tuple[str, str]]:
    """The symbol with each of the ids by which an order is known."""
    ids = (report.client_order_id, report.exchange_order_id)
    return [(report.symbol, name) for name in ids if name]


def _differs(order: Order, report: ports.OrderReport) -> bool:
    filled = report.filled_quantity
    is_further = filled is not None and filled != order.filled_quantity
    return report.status != order.status or is_further


def _take_over_or_report(
    order: Order, report: ports.OrderReport, client: ports.ExchangeClient, now: datetime
) -> None:
    try:
        full = with_fills(report, client)
        apply_report(order_id=order.pk, report=full, now=now, asked_at=now)
    except (errors.ExchangeError, DatabaseError) as error:
        _tell_unless_about_all(order, error, now)


def _settle_together(orders: Sequence[Order], search: "_Search", now: datetime) -> list[Order]:
    """Take over what one question of history tells of all of them, which costs less than asking for each;
    those that it left unsettled."""
    try:
        found = [(order, search.find_listed(order)) for order in orders]
    except errors.RateLimited as error:
        logger.warning("broker %s: one by one instead: %s", search.broker.pk, error)
        return list(orders)
    left = []
    for order, report in found:
        if report is None:
            left.append(order)
        else:
            _take_over_or_report(order, report, search.client, now)
    return left


def _settle_or_report(order: Order, search: "_Search", now: datetime) -> None:
    """What goes wrong concerns this order alone; only an exchange that can't be reached, or wants us to
    wait, ends the round."""
    try:
        _settle(order, search, now)
    except (errors.ExchangeError, DatabaseError) as error:
        _tell_unless_about_all(order, error, now)


def _tell_unless_about_all(order: Order, error: Exception, now: datetime) -> None:
    is_about_all = isinstance(error, errors.ExchangeUnavailable | errors.RateLimited)
    if is_about_all and not isinstance(error, errors.Unreadable):
        raise error
    logger.warning("order %s can't be settled: %s", order.client_order_id, error)
    raise_alert(
        owner_id=order.owner_id,
        key=f"order-unsettled-{order.pk}",
        level=Alert.Level.WARNING,
        message=f"{order}: what became of it can't be found out: {error}",
        advice="It is asked for again by itself. Look at the exchange's own page meanwhile.",
        link=link_to(order),
        now=now,
    )


def _settle(order: Order, search: "_Search", now: datetime) -> None:
    """Look one order up by our own id and take over what the exchange says. Its absence is believed only
    after three complete look-ups, ten seconds apart, all begun when it could no longer arrive."""
    if order.looked_up_at and now - order.looked_up_at < ABSENCE_INTERVAL:
        return
    Order.objects.filter(pk=order.pk).update(looked_up_at=now)
    if order.is_amendment:
        _settle_amendment(order, search, now)
        return
    try:
        look_up(order=order, client=search.client, now=now)
    except errors.OrderNotFound:
        if order.status == OrderStatus.UNKNOWN:
            _look_elsewhere(order, search, now)
        elif record_absence(order_id=order.pk, now=now) >= ABSENCES:
            _tell_of_missing(order, now)


def _settle_amendment(amendment: Order, search: "_Search", now: datetime) -> None:
    """Look whether the order has the wanted figures. That it has not is believed as an absence is: after
    three look-ups, all begun when the change could no longer arrive."""
    assert amendment.replaces and amendment.send_deadline  # noqa: S101, PT018  it changes an order, and was sent
    with suppress(errors.OrderNotFound):
        look_up(order=amendment.replaces, client=search.client, now=now)
    if min(now, search.exchange_now) <= amendment.send_deadline + ANSWER_GRACE:
        return
    if record_absence(order_id=amendment.pk, now=now) >= ABSENCES:
        message = (
            f"Never done: order {amendment.replaces_id} stood as it was in {ABSENCES} look-ups."
        )
        move(order_id=amendment.pk, status=OrderStatus.REJECTED, message=message, now=now)


def _tell_of_missing(order: Order, now: datetime) -> None:
    """The exchange had it, so it can't have been never there: a person has to look."""
    raise_alert(
        owner_id=order.owner_id,
        key=f"order-missing-{order.pk}",
        level=Alert.Level.CRITICAL,
        message=f"{order}: the exchange had it, and does not know it any more.",
        advice="Find it in the exchange's own order history. It is asked for again by itself, and its"
        " status stays as it is until the exchange tells another one.",
        link=link_to(order),
        now=now,
    )


def _look_elsewhere(order: Order, search: "_Search", now: datetime) -> None:
    """A look-up is complete when neither its name, nor the open orders, nor history, nor fills show it."""
    assert order.send_deadline is not None  # noqa: S101  only sent orders are unknown
    if min(now, search.exchange_now) <= order.send_deadline + ANSWER_GRACE:
        return
    report = search.find(order)
    if report is not None:
        full = with_fills(report, search.client)
        apply_report(order_id=order.pk, report=full, now=now, asked_at=now)
    elif record_absence(order_id=order.pk, now=now) >= ABSENCES:
        message = f"Never arrived: the exchange did not know it in {ABSENCES} look-ups."
        move(order_id=order.pk, status=OrderStatus.REJECTED, message=message, now=now)


@dataclass(kw_only=True)
class _Search:
    """All that the exchange tells in one round about `orders` that their names do not find. Each question
    is asked once, when it is first needed: of one symbol, or of all where history is told of all."""

    broker: Broker
    client: ports.ExchangeClient
    orders: Sequence[Order]
    now: datetime
    _listed: dict[str | None, list[ports.OrderReport]] = field(default_factory=dict)
    _filled: dict[str | None, list[ports.OrderReport]] = field(default_factory=dict)

    @cached_property
    def exchange_now(self) -> datetime:
        """The exchange decides by its clock whether an order comes too late. That of a paper exchange,
        which shows its market's time, is this machine's."""
        is_paper = Environment(self.broker.environment).is_paper
        return self.now if is_paper else self.client.get_server_time()

    @cached_property
    def since(self) -> datetime:
        """Before this, by the exchange's clock, none of the unknown orders can be in its history."""
        deadlines = [
            order.send_deadline
            for order in self.orders
            if order.status == OrderStatus.UNKNOWN and order.send_deadline
        ]
        return self.exchange_now - (self.now - min(deadlines, default=self.now)) - HISTORY_SLACK

    def find(self, order: Order) -> ports.OrderReport | None:
        """The order by our own name, wherever it is."""
        return self.find_listed(order) or self._find_filled(order)

    def find_listed(self, order: Order) -> ports.OrderReport | None:
        """The order among those that are open, and those that have ended."""
        symbol = self._symbol_of(order)
        if symbol not in self._listed:
            # In this sequence, which is how orders move.
            self._listed[symbol] = [
                *self.client.fetch_open_orders(symbol),
                *self.client.fetch_closed_orders(symbol, since=self.since),
            ]
        names = {(order.symbol.name, order.client_order_id)}
        if order.exchange_order_id:
            names.add((order.symbol.name, order.exchange_order_id))
        return next((row for row in self._listed[symbol] if names & set(names_of(row))), None)

    def _find_filled(self, order: Order) -> ports.OrderReport | None:
        symbol = self._symbol_of(order)
        if symbol not in self._filled:
            self._filled[symbol] = list(self._read_filled(symbol))
        wanted = (order.symbol.name, order.client_order_id)
        return next((row for row in self._filled[symbol] if wanted in names_of(row)), None)

    def _read_filled(self, symbol: str | None) -> Iterator[ports.OrderReport]:
        """Orders that only a fill tells of."""
        fills = self.client.fetch_fills(symbol, since=self.since)
        told = {(fill.symbol, fill.exchange_order_id) for fill in fills}
        told -= {(row.symbol, row.exchange_order_id) for row in self._listed[symbol]}
        ids = {exchange_id for _symbol, exchange_id in told}
        known = Order.objects.filter(broker=self.broker, exchange_order_id__in=ids)
        told -= set(known.values_list("symbol__name", "exchange_order_id"))
        for name, exchange_id in sorted(told):
            ref = ports.OrderRef(symbol=name, exchange_order_id=exchange_id)
            yield self.client.fetch_order(ref)

    def _symbol_of(self, order: Order) -> str | None:
        is_of_all = costs_of(Exchange(self.broker.exchange)).history_is_of_all
        return None if is_of_all else order.symbol.name
