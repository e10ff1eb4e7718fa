"""Writing brokers: saving them, opening paper accounts, keeping what the exchange says of them."""

import logging
import secrets
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from apps.accounts.models import User
from apps.brokers.columns import split_balances, without_nul
from apps.brokers.models import Account, Automation, Balance, Broker, ConnectionTest
from apps.core.broadcast import Topic, broadcast_on_commit
from apps.core.enqueue import enqueue_on_commit
from apps.core.tasks import TaskName
from apps.core.venues import client_options, is_reachable
from apps.domain.environments import Environment, Exchange
from apps.domain.paper import paper_secret
from apps.exchanges import ports
from apps.exchanges.clients import capabilities_of, create_client, create_order_stream
from apps.exchanges.limits import ModestStore

logger = logging.getLogger(__name__)


def open_paper_broker(
    *, owner: User, name: str, exchange: Exchange, environment: Environment
) -> Broker:
    """A broker at the paper exchange with a fresh account, which opens when it is first used."""
    broker = Broker(
        owner=owner,
        name=name,
        exchange=exchange,
        environment=environment,
        automation=Automation.STRATEGIES,
    )
    give_paper_keys(broker)
    broker.save()
    request_connection_test(broker=broker)
    request_symbols(broker=broker)
    return broker


def give_paper_keys(account: Account) -> None:
    """New keys, which open a paper account when they are first used; nothing is saved here."""
    account.api_key = secrets.token_hex(32)
    account.api_secret = paper_secret(account.api_key)
    needs_passphrase = capabilities_of(Exchange(account.exchange)).needs_passphrase
    account.passphrase = secrets.token_hex(16) if needs_passphrase else ""


def save_broker(*, broker: Broker, test: ConnectionTest | None) -> None:
    """Save it and, where its keys are new, what their test has found; its symbols are read then. A new P&L
    method has its profits computed again."""
    before = Broker.objects.filter(pk=broker.pk).values_list("cost_method", flat=True).first()
    broker.save()
    if before not in {None, broker.cost_method}:
        enqueue_on_commit(TaskName.RECOMPUTE_LEDGER, broker_id=broker.pk)
    if test and test.report:
        store_report(
            broker_id=broker.pk, report=test.report, worth=test.worth, as_of=test.created_at
        )
        request_symbols(broker=broker)


def connect(account: Account, *, share: float = 1.0) -> ports.ExchangeClient:
    """A client with this account's own key, built per call, which may spend `share` of the exchange's
    limits; raises NotRunning, as client_options does."""
    exchange = Exchange(account.exchange)
    options = client_options(exchange, Environment(account.environment))
    if share < 1:
        options["limits"] = ModestStore(options["limits"], share)
    return create_client(exchange, _credentials(account), **options)


def connect_stream(account: Account) -> ports.OrderStream:
    """The private stream of this account, not connected yet; raises NotRunning, as client_options does."""
    exchange = Exchange(account.exchange)
    options = client_options(exchange, Environment(account.environment))
    return create_order_stream(exchange, _credentials(account), **options)


def _credentials(account: Account) -> ports.Credentials:
    return ports.Credentials(
        api_key=account.api_key,
        api_secret=account.api_secret,
        passphrase=account.passphrase or None,
    )


@transaction.atomic
def store_report(
    *, broker_id: int, report: ports.ConnectionReport, worth: Decimal | None, as_of: datetime
) -> None:
    """Keep what a connection test found that began at `as_of`; one that began later stays. `worth`
    becomes the initial capital of a broker that has none."""
    older = Broker.objects.filter(pk=broker_id).exclude(connection_checked_at__gt=as_of)
    is_news = older.update(
        connection_ok=report.ok,
        connection_message=without_nul(report.message),
        connection_checked_at=as_of,
    )
    if is_news and report.ok:
        store_balances(broker_id=broker_id, balances=report.balances, as_of=as_of)
        if worth is not None:
            without = Broker.objects.filter(pk=broker_id, initial_capital=None)
            without.update(initial_capital=worth)


def refresh_balances(*, broker_id: int, now: datetime) -> None:
    """Read the balances from the exchange; an ExchangeError leaves the last ones as they are."""
    broker = Broker.objects.get(pk=broker_id)
    if is_reachable(Environment(broker.environment)):
        store_balances(broker_id=broker_id, balances=connect(broker).get_balance(), as_of=now)


@transaction.atomic
def store_balances(*, broker_id: int, balances: Iterable[ports.Balance], as_of: datetime) -> None:
    """Replace the snapshot by one that was asked for at `as_of`; an older one changes nothing. What the
    columns can't hold is left out and logged."""
    broker = Broker.objects.select_for_update().get(pk=broker_id)
    if broker.balances_as_of and broker.balances_as_of > as_of:
        return
    kept, left_out = split_balances(row for row in balances if row.free or row.locked)
    if left_out:
        logger.warning("broker %s: balances that can't be kept: %s", broker_id, left_out)
    rows = [
        Balance(broker_id=broker_id, asset=row.asset, free=row.free, locked=row.locked)
        for row in kept
    ]
    Balance.objects.filter(broker_id=broker_id).delete()
    Balance.objects.bulk_create(rows)
    Broker.objects.filter(pk=broker_id).update(balances_as_of=as_of)
    broadcast_on_commit(broker.owner_id, Topic.BALANCES, broker=broker_id)


def request_connection_test(*, broker: Broker) -> None:
    """Have a worker ask the exchange whether the stored keys work."""
    enqueue_on_commit(TaskName.TEST_BROKER, broker_id=broker.pk)


def request_symbols(*, broker: Broker) -> None:
    """Have a worker read the symbols of the broker's exchange."""
    enqueue_on_commit(
        TaskName.SYNC_SYMBOLS, exchange=broker.exchange, environment=broker.environment
    )
