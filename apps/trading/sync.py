"""The full sweep of one broker: open orders, history since the last sweep, and balances, so that what our
rows say is what the exchange has."""

import logging
import time
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q
from django.db.models.functions import Greatest, Least

from apps.brokers.models import Balance, Broker
from apps.brokers.services import connect, store_balances
from apps.core.alerts import raise_alert, resolve_alert
from apps.core.models import Alert
from apps.core.venues import NotRunning
from apps.domain.environments import Environment, Exchange
from apps.domain.orders import OrderStatus
from apps.exchanges import errors, ports
from apps.exchanges.costs import costs_of
from apps.markets.models import Symbol
from apps.trading import breakers
from apps.trading.amendments import RESTING
from apps.trading.equity import record_balances
from apps.trading.history import Findings, History
from apps.trading.ledger import recompute
from apps.trading.models import BrokerWatch, Order
from apps.trading.reconciliation import Snapshot, count_fills, find_unexplained, reconcile
from apps.trading.selectors import list_unsettled_orders
from apps.trading.settling import names_of, read_resting

logger = logging.getLogger(__name__)

#: Exchanges tell some fills late, so these are read again.
REREAD = timedelta(minutes=30)
TRADED_WITHIN = timedelta(days=30)
#: Of assets that are merely held; what is traded or rests is always asked for.
MOST_HELD = 20
CLOCK_TOLERANCE = timedelta(seconds=5)
#: A sweep goes on at its next turn after so long, so that it keeps no worker from others.
SLICE_SECONDS = 20.0
#: After a change of an order the next full sweep comes, but no sooner than this after the last.
AFTER_CHANGE = timedelta(minutes=1)


def watch_of(broker: Broker) -> BrokerWatch:
    """The monitor's row of a broker, made on first use."""
    return BrokerWatch.objects.get_or_create(broker=broker)[0]


def sweep(*, broker: Broker, client: ports.ExchangeClient, now: datetime) -> bool:
    """Go on with the full sweep that is under way, or begin one; whether it has ended. Each symbol is booked
    when it has been read: whatever stops a sweep, the next call goes on where it was. The cursor that says
    how far all fills are booked moves at the end."""
    started = time.perf_counter()
    watch = watch_of(broker)
    exchange_now = client.get_server_time()
    is_going_on = watch.sweep_began_at is not None
    findings = Findings(**(watch.report or {})) if is_going_on else Findings()
    before = findings.seconds
    history = History(
        broker=broker, client=client, findings=findings, now=now, exchange_now=exchange_now
    )
    if not is_going_on:
        _check_clock(broker, exchange_now, now, findings)
        _begin(watch, history)
    while findings.left:
        if time.perf_counter() - started > SLICE_SECONDS:
            return False
        history.take(findings.left[0], since=_history_start(watch))
        findings.left.pop(0)
        findings.seconds = before + time.perf_counter() - started
        _keep(watch, findings)
    _end(watch, history)
    return True


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


def _begin(watch: BrokerWatch, history: History) -> None:
    broker, findings = history.broker, history.findings
    if watch.fills_until is None:
        # Fills from before there were lots are in our rows already.
        recompute(broker.pk)
    findings.symbols = _list_symbols(broker, resting=history.take_open_orders(), now=history.now)
    is_of_all = costs_of(Exchange(broker.exchange)).history_is_of_all
    findings.left = [None] if is_of_all else [*findings.symbols]
    watch.sweep_began_at = history.exchange_now
    _keep(watch, findings)


def _keep(watch: BrokerWatch, findings: Findings) -> None:
    watch.report = asdict(findings)
    watch.save(update_fields=["sweep_began_at", "report"])


def _history_start(watch: BrokerWatch) -> datetime:
    """From where on, by the exchange's clock, history is read: the first time for as long as its owner
    wanted, so that what he holds has its real cost as far as that tells."""
    assert watch.sweep_began_at is not None  # noqa: S101  a sweep is under way
    if watch.fills_until is None:
        return watch.sweep_began_at - timedelta(days=watch.broker.history_days)
    return min(watch.fills_until, watch.sweep_began_at) - REREAD


def _list_symbols(broker: Broker, *, resting: set[str], now: datetime) -> list[str]:
    """What is traded here, open at the exchange, or held."""
    traded = Order.objects.filter(
        Q(created_at__gte=now - TRADED_WITHIN) | Q(is_settled=False), broker=broker
    ).exclude(status=OrderStatus.DENIED)
    names = set(traded.values_list("symbol__name", flat=True)) | resting
    quotes = {name.partition("/")[2] for name in names} or {"USDT"}
    held = Balance.objects.filter(broker=broker).values_list("asset", flat=True)
    listed = Symbol.objects.filter(
        exchange=broker.exchange,
        environment=broker.environment,
        base__in=list(held),
        quote__in=quotes,
    ).exclude(name__in=names)
    return sorted(names | set(listed.order_by("name").values_list("name", flat=True)[:MOST_HELD]))


def _end(watch: BrokerWatch, history: History) -> None:
    assert watch.sweep_began_at is not None  # noqa: S101  a sweep is under way
    broker, findings = history.broker, history.findings
    snapshot = _take_snapshot(broker, history.client, history.now)
    if findings.is_complete:
        left = reconcile(
            broker_id=broker.pk,
            snapshot=snapshot,
            now=history.now,
            market_now=history.exchange_now,
        )
        findings.differences = [str(difference) for difference in left]
        watch.fills_until = watch.sweep_began_at
    watch.sweep_began_at, watch.swept_at, watch.report = None, history.now, asdict(findings)
    watch.save(update_fields=["sweep_began_at", "swept_at", "fills_until", "report"])
    _tell(broker, findings, history.now)


def _take_snapshot(broker: Broker, client: ports.ExchangeClient, now: datetime) -> Snapshot:
    """The balances, and around them what tells which of our fills they contain; the exchange is asked for
    that only where they are not what they should be."""
    fills_before = count_fills(broker.pk)
    balances = read_balances(broker=broker, client=client, now=now)
    is_odd = bool(find_unexplained(broker_id=broker.pk, balances=balances))
    return Snapshot(
        balances=balances,
        fills_before=fills_before,
        filled_after=_read_filled(broker, client) if is_odd else {},
    )


def _read_filled(broker: Broker, client: ports.ExchangeClient) -> dict[int, Decimal]:
    """How far each of our orders that rest has filled by what the exchange says now."""
    orders = [order for order in list_unsettled_orders(broker.pk) if order.status in RESTING]
    symbols = {order.symbol.name for order in orders}
    told = {
        name: report.filled_quantity
        for report in read_resting(client, symbols, costs_of(Exchange(broker.exchange)))
        for name in names_of(report)
    }
    filled = {}
    for order in orders:
        for name in (order.client_order_id, order.exchange_order_id):
            quantity = told.get((order.symbol.name, name))
            if quantity is not None:
                filled[order.pk] = quantity
    return filled


def refresh_balances(*, broker_id: int, now: datetime) -> None:
    """After a change: read the balances of one broker, unless that was done since, and have its full sweep
    come next. Where the exchange does not tell them now the last ones stay."""
    broker = Broker.objects.get(pk=broker_id)
    changed = Order.objects.filter(broker=broker)
    if broker.balances_as_of and not changed.filter(terminal_at__gt=broker.balances_as_of).exists():
        return
    try:
        read_balances(broker=broker, client=connect(broker), now=now)
    except (errors.ExchangeError, NotRunning) as error:
        logger.warning("broker %s: its balances were not read: %s", broker_id, error)
    swept = BrokerWatch.objects.filter(pk=broker_id, swept_at__isnull=False)
    earliest = Greatest("swept_at", now - AFTER_CHANGE) + AFTER_CHANGE
    swept.update(next_sweep_at=Least("next_sweep_at", earliest))


def read_balances(
    *, broker: Broker, client: ports.ExchangeClient, now: datetime
) -> list[ports.Balance]:
    """Ask for the balances and keep them, with all that follows from them."""
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
