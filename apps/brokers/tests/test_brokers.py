from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.brokers import services
from apps.brokers.models import Balance, Broker
from apps.domain.paper import paper_secret
from apps.exchanges import ports


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.brokers.services.enqueue_on_commit", lambda *_args, **_kwargs: None)


def balance(asset: str, free: int) -> ports.Balance:
    return ports.Balance(asset=asset, free=Decimal(free), locked=Decimal(0))


def test_a_snapshot_replaces_the_one_before(broker: Broker, now: datetime) -> None:
    later = now + timedelta(seconds=1)

    services.store_balances(
        broker_id=broker.pk, balances=[balance("BTC", 1), balance("ETH", 0)], as_of=later
    )

    assert [(row.asset, row.free) for row in broker.balances.all()] == [("BTC", 1)]


def test_an_older_snapshot_changes_nothing(broker: Broker, now: datetime) -> None:
    services.store_balances(
        broker_id=broker.pk, balances=[balance("BTC", 1)], as_of=now - timedelta(seconds=1)
    )

    assert Balance.objects.get().asset == "USDT"


def test_a_failed_connection_test_keeps_its_words(
    broker: Broker, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def test_connection(self) -> ports.ConnectionReport:
            return ports.ConnectionReport(ok=False, message="The secret is wrong.")

    monkeypatch.setattr("apps.brokers.services.connect", lambda _broker: Refusing())

    services.test_connection(broker_id=broker.pk, now=now)

    broker.refresh_from_db()
    assert (broker.connection_ok, broker.connection_message) == (False, "The secret is wrong.")


def test_a_market_that_is_not_running_is_said(broker: Broker, now: datetime) -> None:
    Broker.objects.update(environment="replay")

    services.test_connection(broker_id=broker.pk, now=now)

    broker.refresh_from_db()
    assert "runs with a simulated one" in broker.connection_message


FORM = {
    "name": "New",
    "exchange": "binance",
    "environment": "simulated",
    "is_active": "on",
    "automation": "strategies",
    "balances-TOTAL_FORMS": 0,
    "balances-INITIAL_FORMS": 0,
}


def save(client: Client, user: User, broker: Broker | None = None, **values: object) -> str:
    client.force_login(user)
    where = (
        reverse("admin:brokers_broker_change", args=[broker.pk])
        if broker
        else reverse("admin:brokers_broker_add")
    )
    response = client.post(where, {**FORM, **values})
    return "saved" if response.status_code == 302 else response.content.decode()


def test_a_paper_broker_gets_its_own_keys(client: Client, alice: User) -> None:
    assert save(client, alice) == "saved"

    broker = Broker.objects.get(name="New")
    assert broker.api_secret == paper_secret(broker.api_key)


def test_a_real_broker_needs_its_keys(client: Client, alice: User) -> None:
    assert "needs an API key and its secret" in save(client, alice, environment="live")


def test_a_key_without_its_secret_is_refused(client: Client, alice: User) -> None:
    assert "together" in save(client, alice, api_key="abc")


def test_an_empty_key_field_keeps_the_stored_key(client: Client, broker: Broker) -> None:
    assert save(client, broker.owner, broker, name="Renamed") == "saved"

    changed = Broker.objects.get()
    assert (changed.name, changed.api_key) == ("Renamed", broker.api_key)


def test_keys_never_come_back_in_a_page(client: Client, broker: Broker) -> None:
    client.force_login(broker.owner)

    page = client.get(reverse("admin:brokers_broker_change", args=[broker.pk])).content.decode()

    assert broker.api_key not in page
    assert broker.api_secret not in page


def test_a_name_is_used_once(client: Client, broker: Broker) -> None:
    assert "with this name already" in save(client, broker.owner, name=broker.name)
