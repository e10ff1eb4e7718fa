"""The full sweep of one broker: fills since the last one, ended orders, orders placed elsewhere and
balances, so that what our rows say is what the exchange has."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Q

from apps.brokers.models import Balance, Broker
from apps.brokers.services import connect, store_balances
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.models import Alert
from apps.core.venues import NotRunning
from apps.domain.environments import Environment, Exchange
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderStatus, OrderType
from apps.exchanges import errors, ports
from apps.exchanges.costs import costs_of
from apps.markets.models import Symbol
from apps.trading import breakers
from apps.trading.booking import unassigned_book
from apps.trading.equity import record_balances
from apps.trading.events import record_event
from apps.trading.ledger import recompute, reconcile
from apps.trading.models import BrokerWatch, Fill, Order
from apps.trading.path import apply_report

logger = logging.getLogger(__name__)

#: Exchanges tell some fills late, so these are read again.
REREAD = timedelta(minutes=30)
#: A conditional order of ours that has just fired may be told under a new id: nothing is taken for
#: somebody else's before our own orders have been looked up.
IMPORT_AGE = timedelta(seconds=15)
TRADED_WITHIN = timedelta(days=30)
#: Of assets that are merely held; what is traded or rests is always asked for.
MOST_HELD = 20
CLOCK_TOLERANCE = timedelta(seconds=5)
IMPORTED = "imported by the order monitor"

_Name = tuple[str, str]


@dataclass(slots=True)
class Findings:
    """What a full sweep saw and did; `odd` says in words what a person should look at."""

    symbols: list[str] = field(default_factory=list)
    open_orders: int = 0
    new_fills: int = 0
    imported: int = 0
    differences: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    is_complete: bool = True
    seconds: float = 0.0

    def to_report(self) -> dict[str, Any]:
        """As the watch keeps it."""
        return {
            "symbols": self.symbols,
            "open_orders": self.open_orders,
            "new_fills": self.new_fills,
            "imported": self.imported,
            "differences": self.differences,
            "odd": self.odd,
            "is_complete": self.is_complete,
            "seconds": round(self.seconds, 2),
        }


@dataclass(slots=True)
class _Told:
    """What the exchange said of all orders it was asked about."""

    reports: dict[_Name, ports.OrderReport] = field(default_factory=dict)
    fills: dict[_Name, list[ports.Fill]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reports: Iterable[ports.OrderReport], fills: Iterable[ports.Fill] = ()) -> None:
        self.reports |= {(report.symbol, report.exchange_order_id): report for report in reports}
        for fill in fills:
            self.fills[fill.symbol, fill.exchange_order_id].append(fill)


def watch_of(broker: Broker) -> BrokerWatch:
    """The monitor's row of a broker, made on first use."""
    return BrokerWatch.objects.get_or_create(broker=broker)[0]


def sweep(*, broker: Broker, client: ports.ExchangeClient, now: datetime) -> Findings:
    """Compare everything with the exchange and take over what it says. Nothing is booked before all has
    been read; then fills and the cursor that says how far they reach are one transaction."""
    started = time.perf_counter()
    findings = Findings()
    exchange_now = client.get_server_time()
    _check_clock(broker, exchange_now, now, findings)
    watch = watch_of(broker)
    if watch.fills_until is None:
        # Fills from before there were lots are in our rows already.
        recompute(broker.pk)
    since = _begin(watch, broker, exchange_now, now)
    told = _Told()
    told.add(client.fetch_open_orders())
    findings.open_orders = len(told.reports)
    _read_history(broker, client, since, told, findings, now)
    reports = _complete(broker, client, told, exchange_now, findings)
    with transaction.atomic():
        for order, report in reports:
            _take_over(broker, order, report, findings, now)
        if findings.is_complete:
            BrokerWatch.objects.filter(broker=broker).update(fills_until=exchange_now)
    balances = _read_balances(broker, client, now)
    if findings.is_complete:
        left = reconcile(broker_id=broker.pk, balances=balances, now=now, market_now=exchange_now)
        findings.differences = [str(difference) for difference in left]
    findings.seconds = time.perf_counter() - started
    _tell(broker, findings, now)
    return findings


def _check_clock(broker: Broker, exchange_now: datetime, now: datetime, findings: Findings) -> None:
    # A paper exchange runs on the time of its market.
    if Environment(broker.environment).is_paper:
        return
    offset = exchange_now - now
    if abs(offset) > CLOCK_TOLERANCE:
        findings.odd.append(
            f"The exchange's clock is {offset.total_seconds():+.0f} s from this machine's."
            " Set this machine's clock by NTP."
        )


def _begin(watch: BrokerWatch, broker: Broker, exchange_now: datetime, now: datetime) -> datetime:
    """From where on, by the exchange's clock, fills and orders are read: what came before the broker was
    added is in its balances."""
    if watch.fills_until is None:
        return exchange_now - max(now - broker.created_at, REREAD)
    return min(watch.fills_until, exchange_now) - REREAD


def _read_history(
    broker: Broker,
    client: ports.ExchangeClient,
    since: datetime,
    told: _Told,
    findings: Findings,
    now: datetime,
) -> None:
    findings.symbols = _list_symbols(broker, told, now)
    of_all = costs_of(Exchange(broker.exchange)).history_is_of_all
    for symbol in [None] if of_all else findings.symbols:
        try:
            told.add(
                client.fetch_closed_orders(symbol, since=since),
                client.fetch_fills(symbol, since=since),
            )
        except errors.Unreadable as error:
            findings.is_complete = False
            findings.odd.append(f"{symbol or 'History'} could not be read: {error}")
        except errors.Rejected as error:
            # Delisted, or closed to this account: it must not keep the others from being read.
            findings.odd.append(f"{symbol or 'History'} is not told any more: {error}")


def _list_symbols(broker: Broker, told: _Told, now: datetime) -> list[str]:
    """What is traded here, open at the exchange, or held."""
    traded = Order.objects.filter(
        Q(created_at__gte=now - TRADED_WITHIN) | Q(is_settled=False), broker=broker
    ).exclude(status=OrderStatus.DENIED)
    names = set(traded.values_list("symbol__name", flat=True)) | {name for name, _ in told.reports}
    quotes = {name.partition("/")[2] for name in names} or {"USDT"}
    held = Balance.objects.filter(broker=broker).values_list("asset", flat=True)
    listed = Symbol.objects.filter(
        exchange=broker.exchange,
        environment=broker.environment,
        base__in=list(held),
        quote__in=quotes,
    ).exclude(name__in=names)
    return sorted(names | set(listed.order_by("name").values_list("name", flat=True)[:MOST_HELD]))


def _complete(
    broker: Broker,
    client: ports.ExchangeClient,
    told: _Told,
    exchange_now: datetime,
    findings: Findings,
) -> list[tuple[Order | None, ports.OrderReport]]:
    """A report with fills for each of our orders that there is news of, and for each order placed
    elsewhere; those of which only a fill was told are asked for by id."""
    known = _known_orders(broker, told)
    booked = set(
        Fill.objects.filter(
            broker=broker,
            trade_id__in=[fill.trade_id for fills in told.fills.values() for fill in fills],
        ).values_list("symbol__name", "trade_id")
    )
    news: list[tuple[Order | None, ports.OrderReport]] = []
    for name in sorted(told.reports.keys() | told.fills.keys()):
        order: Order | None = known.get(name)
        report = told.reports.get(name)
        fills = told.fills.get(name, [])
        has_new_fills = any((name[0], fill.trade_id) not in booked for fill in fills)
        if not has_new_fills and (report is None or (order and not _is_news(order, report))):
            continue
        if report is None:
            report = _ask(client, name, order, findings)
            if report is None:
                continue
            order = order or _find_ours(broker, report)
        if order or _is_importable(report, exchange_now):
            news.append((order, replace(report, fills=tuple(fills))))
    return news


def _find_ours(broker: Broker, report: ports.OrderReport) -> Order | None:
    name = report.client_order_id or ""
    return Order.objects.filter(broker=broker, client_order_id=name).first()


def _known_orders(broker: Broker, told: _Told) -> dict[_Name, Order]:
    """Our orders by what the exchange calls them, and by our own ids."""
    ids = {exchange_id for _symbol, exchange_id in told.reports.keys() | told.fills.keys()}
    ours = {report.client_order_id for report in told.reports.values() if report.client_order_id}
    rows = Order.objects.select_related("symbol").filter(
        Q(exchange_order_id__in=ids) | Q(client_order_id__in=ours), broker=broker
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


def _is_news(order: Order, report: ports.OrderReport) -> bool:
    filled = report.filled_quantity
    return (report.status, filled if filled is not None else order.filled_quantity) != (
        order.status,
        order.filled_quantity,
    )


def _ask(
    client: ports.ExchangeClient, name: _Name, order: Order | None, findings: Findings
) -> ports.OrderReport | None:
    symbol, exchange_id = name
    order_type = OrderType(order.order_type) if order else None
    try:
        return client.fetch_order(
            ports.OrderRef(symbol=symbol, exchange_order_id=exchange_id, order_type=order_type)
        )
    except errors.Rejected as error:
        findings.odd.append(f"A fill of order {exchange_id} in {symbol}, but: {error}")
        return None


def _is_importable(report: ports.OrderReport, exchange_now: datetime) -> bool:
    return report.created_at is None or report.created_at <= exchange_now - IMPORT_AGE


def _take_over(
    broker: Broker,
    order: Order | None,
    report: ports.OrderReport,
    findings: Findings,
    now: datetime,
) -> None:
    """One bad row is told and left out; it takes back nothing of the others."""
    try:
        with transaction.atomic():
            if order is None:
                order = _import(broker, report, now)
                findings.imported += 1
            before = order.fills.count()
            after = apply_report(order_id=order.pk, report=report, now=now, asked_at=now)
            findings.new_fills += after.fills.count() - before
    except (DatabaseError, Symbol.DoesNotExist, ValueError) as error:
        logger.warning("broker %s: order %s: %s", broker.pk, report.exchange_order_id, error)
        findings.odd.append(
            f"Order {report.exchange_order_id} in {report.symbol} could not be taken over: {error}"
        )


def _import(broker: Broker, report: ports.OrderReport, now: datetime) -> Order:
    """A row for an order that was placed elsewhere, in the broker's unassigned book."""
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
        reference_price=report.average_price or report.price or report.trigger_price or Decimal(0),
        status=OrderStatus.SUBMITTED,
        reason=IMPORTED,
        valid_until=now,
        submitted_at=now,
        send_deadline=now,
    )
    record_event(order, at=now, message=f"Placed elsewhere, {IMPORTED}.", raw=report.raw)
    return order


def read_balances(*, broker_id: int, now: datetime) -> None:
    """Read the balances of one broker, with all that follows from them; where the exchange does not tell
    them now the last ones stay, and the next full sweep asks again."""
    broker = Broker.objects.get(pk=broker_id)
    try:
        _read_balances(broker, connect(broker), now)
    except (errors.ExchangeError, NotRunning) as error:
        logger.warning("broker %s: its balances were not read: %s", broker_id, error)


def _read_balances(
    broker: Broker, client: ports.ExchangeClient, now: datetime
) -> list[ports.Balance]:
    balances = client.get_balance()
    store_balances(broker_id=broker.pk, balances=balances, as_of=now)
    if record_balances(broker_id=broker.pk, balances=balances, now=now):
        breakers.judge(broker_id=broker.pk, now=now)
    return balances


def _tell(broker: Broker, findings: Findings, now: datetime) -> None:
    key = f"sweep-odd-{broker.pk}"
    if not findings.odd:
        resolve_alert(owner_id=broker.owner_id, key=key, now=now)
        return
    raise_alert(
        owner_id=broker.owner_id,
        key=key,
        level=Alert.Level.WARNING,
        message=f"{broker}: the order monitor found what it can't explain. {' '.join(findings.odd)}",
        advice="Compare with the exchange's own pages. The monitor looks again at its next full sweep.",
        link=f"/admin/trading/brokerwatch/{broker.pk}/change/",
        now=now,
    )
