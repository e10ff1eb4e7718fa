"""Writing brokers: opening paper accounts, testing connections, reading balances."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from apps.accounts.models import User
from apps.brokers.models import Automation, Balance, Broker
from apps.core.enqueue import enqueue_on_commit
from apps.core.tasks import TaskName
from apps.core.venues import NotRunning, client_options, is_reachable
from apps.domain.environments import Environment, Exchange
from apps.domain.paper import paper_secret
from apps.exchanges import ports
from apps.exchanges.clients import create_client


def open_paper_broker(
    *, owner: User, name: str, exchange: Exchange, environment: Environment
) -> Broker:
    """A broker at the paper exchange with a fresh account, which opens when it is first used."""
    api_key = secrets.token_hex(32)
    broker = Broker.objects.create(
        owner=owner,
        name=name,
        exchange=exchange,
        environment=environment,
        api_key=api_key,
        api_secret=paper_secret(api_key),
        automation=Automation.STRATEGIES,
    )
    request_connection_test(broker=broker)
    return broker


def give_paper_keys(broker: Broker) -> None:
    """Fill in the keys of a paper broker that has none; nothing is saved here."""
    if Environment(broker.environment).is_paper and not broker.api_key:
        broker.api_key = secrets.token_hex(32)
        broker.api_secret = paper_secret(broker.api_key)


def connect(broker: Broker) -> ports.ExchangeClient:
    """A client with this broker's own keys, built per call; raises NotRunning, as client_options does."""
    return create_client(
        Exchange(broker.exchange),
        ports.Credentials(api_key=broker.api_key, api_secret=broker.api_secret),
        **client_options(Exchange(broker.exchange), Environment(broker.environment)),
    )


def test_connection(*, broker_id: int, now: datetime) -> None:
    """Ask the exchange whether the keys work and keep its answer, with the balances, on the broker."""
    broker = Broker.objects.get(pk=broker_id)
    try:
        report = connect(broker).test_connection()
    except NotRunning as error:
        ok, message = False, str(error)
    else:
        ok, message = report.ok, report.message
        if ok:
            store_balances(broker_id=broker_id, balances=report.balances, as_of=now)
    Broker.objects.filter(pk=broker_id).update(
        connection_ok=ok, connection_message=message, connection_checked_at=now
    )


def refresh_balances(*, broker_id: int, now: datetime) -> None:
    """Read the balances from the exchange; an ExchangeError leaves the last ones as they are."""
    broker = Broker.objects.get(pk=broker_id)
    if is_reachable(Environment(broker.environment)):
        store_balances(broker_id=broker_id, balances=connect(broker).get_balance(), as_of=now)


@transaction.atomic
def store_balances(*, broker_id: int, balances: Iterable[ports.Balance], as_of: datetime) -> None:
    """Replace the snapshot by one that was asked for at `as_of`; an older one changes nothing."""
    broker = Broker.objects.select_for_update().get(pk=broker_id)
    if broker.balances_as_of and broker.balances_as_of > as_of:
        return
    rows = [
        Balance(broker_id=broker_id, asset=row.asset, free=row.free, locked=row.locked)
        for row in balances
        if row.free or row.locked
    ]
    Balance.objects.filter(broker_id=broker_id).delete()
    Balance.objects.bulk_create(rows)
    Broker.objects.filter(pk=broker_id).update(balances_as_of=as_of)


def request_connection_test(*, broker: Broker) -> None:
    """Ask the exchange in a worker, and for its list of symbols with it."""
    enqueue_on_commit(TaskName.TEST_CONNECTION, broker_id=broker.pk)
    enqueue_on_commit(
        TaskName.REFRESH_SYMBOLS, exchange=broker.exchange, environment=broker.environment
    )
