"""What an exchange tells of the past of an account, taken over: fills, orders that ended, and orders placed
elsewhere."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import DatabaseError, transaction
from django.db.models import Q

from apps.brokers.models import Broker
from apps.domain.candles import EPOCH
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderStatus, OrderType
from apps.exchanges import errors, ports
from apps.markets.models import Symbol
from apps.trading.booking import unassigned_book
from apps.trading.events import record_event
from apps.trading.models import Fill, Order
from apps.trading.path import apply_report, with_fills

logger = logging.getLogger(__name__)

#: A conditional order of ours that has just fired may be told under a new id: nothing is taken for
#: somebody else's before our own orders have been looked up.
IMPORT_AGE = timedelta(seconds=15)
IMPORTED = "imported by the order monitor"
#: So many orders are one transaction: what a long history has booked stays when its task is cut.
_TOGETHER = 100

_Name = tuple[str, str]
_News = tuple[Order | None, ports.OrderReport]


@dataclass(slots=True)
class Findings:
    """What a full sweep saw and did; `left` are the symbols whose history is still to be read (None: all of
    them at once), `odd` says in words what a person should look at."""

    symbols: list[str] = field(default_factory=list)
    left: list[str | None] = field(default_factory=list)
    open_orders: int = 0
    new_fills: int = 0
    imported: int = 0
    differences: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    is_complete: bool = True
    seconds: float = 0.0


@dataclass(slots=True)
class _Told:
    """What the exchange said of all orders it was asked about."""

    reports: dict[_Name, ports.OrderReport] = field(default_factory=dict)
    fills: dict[_Name, list[ports.Fill]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reports: Iterable[ports.OrderReport], fills: Iterable[ports.Fill] = ()) -> None:
        self.reports |= {(report.symbol, report.exchange_order_id): report for report in reports}
        for fill in fills:
            self.fills[fill.symbol, fill.exchange_order_id].append(fill)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The account of one broker as its exchange tells it, and what was found so far."""

    broker: Broker
    client: ports.ExchangeClient
    findings: Findings
    now: datetime
    exchange_now: datetime

    def take_open_orders(self) -> set[str]:
        """Import what rests and was placed elsewhere; the symbols in which anything rests. Our own orders
        are the poll's."""
        told = _Told()
        told.add(self.client.fetch_open_orders())
        self.findings.open_orders = len(told.reports)
        known = self._known_orders(told)
        for name, report in told.reports.items():
            if name not in known and self._is_importable(report):
                self._import_with_fills(report)
        return {symbol for symbol, _id in told.reports}

    def take(self, symbol: str | None, *, since: datetime) -> None:
        """Book what one symbol's history, or that of all, tells since then, oldest first. Doing it again
        books nothing twice."""
        told = _Told()
        try:
            told.add(
                self.client.fetch_closed_orders(symbol, since=since),
                self.client.fetch_fills(symbol, since=since),
            )
        except errors.Unreadable as error:
            self.findings.is_complete = False
            self.findings.odd.append(f"{symbol or 'History'} could not be read: {error}")
            return
        except errors.Rejected as error:
            # Delisted, or closed to this account: it must not keep the others from being read.
            self.findings.odd.append(f"{symbol or 'History'} is not told any more: {error}")
            return
        news = sorted(self._complete(told), key=_time_of)
        for first in range(0, len(news), _TOGETHER):
            with transaction.atomic():
                for order, report in news[first : first + _TOGETHER]:
                    self._take_over(order, report)

    def _complete(self, told: _Told) -> list[_News]:
        """A report with fills for each of our orders that there is news of, and for each order placed
        elsewhere; those of which only a fill was told are asked for by id."""
        known = self._known_orders(told)
        booked = set(
            Fill.objects.filter(
                broker=self.broker,
                trade_id__in=[fill.trade_id for fills in told.fills.values() for fill in fills],
            ).values_list("symbol__name", "trade_id")
        )
        news: list[_News] = []
        for name in told.reports.keys() | told.fills.keys():
            order: Order | None = known.get(name)
            report = told.reports.get(name)
            fills = told.fills.get(name, [])
            has_new_fills = any((name[0], fill.trade_id) not in booked for fill in fills)
            if not has_new_fills and (report is None or (order and not _is_news(order, report))):
                continue
            if report is None:
                report = self._ask(name, order)
                if report is None:
                    continue
                order = order or self._find_ours(report)
            if order or self._is_importable(report):
                news.append((order, replace(report, fills=tuple(fills))))
        return news

    def _known_orders(self, told: _Told) -> dict[_Name, Order]:
        """Our orders by what the exchange calls them, and by our own ids."""
        ids = {exchange_id for _symbol, exchange_id in told.reports.keys() | told.fills.keys()}
        ours = {
            report.client_order_id for report in told.reports.values() if report.client_order_id
        }
        rows = Order.objects.select_related("symbol").filter(
            Q(exchange_order_id__in=ids) | Q(client_order_id__in=ours), broker=self.broker
        )
        known: dict[_Name, Order] = {}
        for order in rows:
            known[order.symbol.name, order.client_order_id] = order
            if order.exchange_order_id:
                known[order.symbol.name, order.exchange_order_id] = order
        for name, report in told.reports.items():
            ours_by_name = (name[0], report.client_order_id or "")
            if ours_by_name in known:
                known[name] = known[ours_by_name]
        return known

    def _find_ours(self, report: ports.OrderReport) -> Order | None:
        name = report.client_order_id or ""
        return Order.objects.filter(broker=self.broker, client_order_id=name).first()

    def _ask(self, name: _Name, order: Order | None) -> ports.OrderReport | None:
        symbol, exchange_id = name
        order_type = OrderType(order.order_type) if order else None
        ref = ports.OrderRef(symbol=symbol, exchange_order_id=exchange_id, order_type=order_type)
        try:
            return self.client.fetch_order(ref)
        except errors.Rejected as error:
            self.findings.odd.append(f"A fill of order {exchange_id} in {symbol}, but: {error}")
            return None

    def _is_importable(self, report: ports.OrderReport) -> bool:
        return report.created_at is None or report.created_at <= self.exchange_now - IMPORT_AGE

    def _import_with_fills(self, report: ports.OrderReport) -> None:
        try:
            self._take_over(None, with_fills(report, self.client))
        except errors.Rejected as error:
            self.findings.odd.append(
                f"The fills of order {report.exchange_order_id} in {report.symbol}: {error}"
            )

    def _take_over(self, order: Order | None, report: ports.OrderReport) -> None:
        """One bad row is told and left out; it takes back nothing of the others."""
        try:
            with transaction.atomic():
                is_new = order is None
                order = order or self._import(report)
                before = order.fills.count()
                after = apply_report(
                    order_id=order.pk, report=report, now=self.now, asked_at=self.now
                )
                if is_new:
                    _date_back(after, report)
                self.findings.imported += is_new
                self.findings.new_fills += after.fills.count() - before
        except (DatabaseError, Symbol.DoesNotExist, ValueError) as error:
            logger.warning(
                "broker %s: order %s: %s", self.broker.pk, report.exchange_order_id, error
            )
            self.findings.odd.append(
                f"Order {report.exchange_order_id} in {report.symbol} could not be taken over: {error}"
            )

    def _import(self, report: ports.OrderReport) -> Order:
        """A row for an order that was placed elsewhere, in the broker's unassigned book."""
        broker, now = self.broker, self.now
        symbol = Symbol.objects.get(
            exchange=broker.exchange, environment=broker.environment, name=report.symbol
        )
        quantity = report.quantity or (None if report.quote_amount else report.filled_quantity)
        if not (quantity or report.quote_amount):
            raise ValueError("the exchange does not tell its size")
        is_buy = report.side is OrderSide.BUY
        order = Order.objects.create(
            owner_id=broker.owner_id,
            book=unassigned_book(broker),
            broker=broker,
            symbol=symbol,
            exchange_order_id=report.exchange_order_id,
            dedup_key=f"external-{broker.pk}-{symbol.pk}-{report.exchange_order_id}",
            source=OrderSource.EXTERNAL,
            purpose=OrderPurpose.ENTRY if is_buy else OrderPurpose.EXIT,
            side=report.side,
            order_type=report.order_type or (OrderType.LIMIT if report.price else OrderType.MARKET),
            quantity=quantity,
            quote_amount=report.quote_amount,
            price=report.price,
            trigger_price=report.trigger_price,
            reference_price=report.average_price
            or report.price
            or report.trigger_price
            or Decimal(0),
            status=OrderStatus.SUBMITTED,
            reason=IMPORTED,
            valid_until=now,
            submitted_at=now,
            send_deadline=now,
        )
        record_event(order, at=now, message=f"Placed elsewhere, {IMPORTED}.", raw=report.raw)
        return order


def _date_back(order: Order, report: ports.OrderReport) -> None:
    """What ended long ago is in every balance: nothing of it may be claimed as if it ended now."""
    ended = Order.objects.filter(pk=order.pk, terminal_at__gt=report.updated_at)
    ended.update(terminal_at=report.updated_at)


def _is_news(order: Order, report: ports.OrderReport) -> bool:
    filled = report.filled_quantity
    return (report.status, filled if filled is not None else order.filled_quantity) != (
        order.status,
        order.filled_quantity,
    )


def _time_of(news: _News) -> tuple[datetime, str]:
    """When it happened: in another sequence each fill would have those after it booked again."""
    _order, report = news
    told = report.updated_at or report.created_at or EPOCH
    return min((fill.executed_at for fill in report.fills), default=told), report.exchange_order_id
