from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.brokers import services
from apps.brokers.models import Balance, Broker
from apps.brokers.tests.fakes import REAL, FakeWorker, balance, save
from apps.domain.paper import paper_secret


def test_a_snapshot_replaces_the_one_before(broker: Broker, now: datetime) -> None:
    later = now + timedelta(seconds=1)

    services.store_balances(
        broker_id=broker.pk, balances=[balance("BTC", 1), balance("ETH", 0)], as_of=later
    )

    assert [(row.asset, row.free) for row in broker.balances.all()] == [("BTC", 1)]


def test_a_snapshot_is_kept_without_what_no_column_holds(broker: Broker, now: datetime) -> None:
    told = [balance("BTC", 1), balance("A" * 21, 1), balance("ETH", "1e18")]

    services.store_balances(broker_id=broker.pk, balances=told, as_of=now)

    assert [(row.asset, row.free) for row in broker.balances.all()] == [("BTC", 1)]


def test_an_older_snapshot_changes_nothing(broker: Broker, now: datetime) -> None:
    services.store_balances(
        broker_id=broker.pk, balances=[balance("BTC", 1)], as_of=now - timedelta(seconds=1)
    )

    assert Balance.objects.get().asset == "USDT"


def test_a_paper_broker_gets_its_own_keys(client: Client, alice: User) -> None:
    assert save(client, alice) == "saved"

    broker = Broker.objects.get(name="New")
    assert broker.api_secret == paper_secret(broker.api_key)


def test_a_passphrase_is_asked_for_where_keys_have_one(client: Client, alice: User) -> None:
    assert "Bitget needs the passphrase" in save(client, alice, **{**REAL, "exchange": "bitget"})


def test_a_passphrase_reaches_the_exchange_that_has_them(
    client: Client, alice: User, worker: FakeWorker
) -> None:
    typed = {**REAL, "exchange": "bitget", "passphrase": "opensesame"}

    assert save(client, alice, **typed) == "saved"

    assert worker.accounts[0].passphrase == Broker.objects.get().passphrase == "opensesame"


def test_a_passphrase_that_no_key_has_is_not_kept(client: Client, alice: User) -> None:
    assert save(client, alice, **REAL, passphrase="opensesame") == "saved"

    assert Broker.objects.get().passphrase == ""


@pytest.mark.parametrize(
    ("exchange", "environment", "words"),
    [
        ("kraken", "testnet", "Kraken has no testnet"),
        ("kraken", "simulated", "Paper accounts are there for Binance only"),
    ],
)
def test_what_can_not_work_can_not_be_chosen(
    client: Client,
    alice: User,
    settings: LazySettings,
    exchange: str,
    environment: str,
    words: str,
) -> None:
    settings.PAPER_EXCHANGE_URLS = {"binance": "http://127.0.0.1:9001"}
    page = save(client, alice, **{**REAL, "exchange": exchange, "environment": environment})

    assert words in page


def test_a_real_broker_needs_its_keys(client: Client, alice: User) -> None:
    assert "needs an API key and its secret" in save(client, alice, environment="live")


def test_a_key_without_its_secret_is_refused(client: Client, alice: User) -> None:
    assert "together" in save(client, alice, api_key="abc")


def test_an_empty_key_field_keeps_the_stored_key(client: Client, broker: Broker) -> None:
    assert save(client, broker.owner, broker, name="Renamed") == "saved"

    changed = Broker.objects.get()
    assert (changed.name, changed.api_key) == ("Renamed", broker.api_key)


def test_other_fields_are_saved_without_a_question(
    client: Client, broker: Broker, worker: FakeWorker
) -> None:
    assert save(client, broker.owner, broker, initial_capital="2500.5") == "saved"

    assert (Broker.objects.get().initial_capital, worker.messages) == (Decimal("2500.5"), [])


def test_no_capital_is_below_zero(client: Client, broker: Broker) -> None:
    assert "greater than or equal to 0" in save(client, broker.owner, broker, initial_capital="-1")


@pytest.mark.parametrize(
    ("is_ok", "words"), [(True, "works"), (False, "failed"), (None, "not tested")]
)
def test_the_list_says_how_the_connection_is(
    client: Client, broker: Broker, is_ok: bool | None, words: str, now: datetime
) -> None:
    Broker.objects.update(connection_ok=is_ok, connection_checked_at=now)
    client.force_login(broker.owner)

    page = client.get(reverse("admin:brokers_broker_changelist")).content.decode()

    assert f"</span>{words} " in page
    assert "2026-01-01 12:00 UTC" in page


def test_keys_never_come_back_in_a_page(client: Client, broker: Broker) -> None:
    client.force_login(broker.owner)

    page = client.get(reverse("admin:brokers_broker_change", args=[broker.pk])).content.decode()

    assert broker.api_key not in page
    assert broker.api_secret not in page


def test_a_name_is_used_once(client: Client, broker: Broker) -> None:
    assert "with this name already" in save(client, broker.owner, name=broker.name)
