from dataclasses import asdict

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.trading.history import Findings
from apps.trading.models import BrokerWatch
from apps.trading.watch_admin import describe_history, describe_report


def test_a_report_in_words() -> None:
    findings = Findings(symbols=["BTC/USDT"], new_fills=2, odd=["Odd."], is_complete=False)

    assert describe_report(asdict(findings)) == (
        "1 symbols read in 0.0 s: 0 open orders, 2 new fills, 0 orders placed elsewhere. Odd."
        " Not everything could be read; it is read again at the next sweep."
    )


def test_the_first_reading_of_history_tells_how_far_it_is(broker: Broker) -> None:
    findings = Findings(symbols=["BTC/USDT", "ETH/USDT"], left=["ETH/USDT"], imported=7)
    watch = BrokerWatch(broker=broker, sweep_began_at=timezone.now(), report=asdict(findings))

    assert describe_history(watch).startswith(
        "The last 30 days are being read. Under way: of 2 symbols 1 are still to be read."
    )


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({}, "watching"),
        ({"reconciled_at": None}, "reconciling"),
        ({"error": "wait"}, "waiting"),
        ({"stream_alive_at": timezone.now()}, "live"),
    ],
)
def test_its_owner_sees_how_it_stands(
    client: Client, broker: Broker, values: dict[str, object], word: str
) -> None:
    BrokerWatch.objects.update(**values)
    client.force_login(broker.owner)

    page = client.get(reverse("admin:trading_brokerwatch_changelist")).content.decode()

    assert "Order monitor" in page
    assert word in page


def test_nobody_else_sees_it(client: Client, broker: Broker, bob: User) -> None:
    client.force_login(bob)
    one = reverse("admin:trading_brokerwatch_change", args=[broker.pk])

    listing = client.get(reverse("admin:trading_brokerwatch_changelist")).content.decode()

    assert "watching" not in listing
    assert client.get(one).status_code == 302


def test_its_owner_opens_it(client: Client, broker: Broker) -> None:
    client.force_login(broker.owner)

    page = client.get(reverse("admin:trading_brokerwatch_change", args=[broker.pk]))

    assert page.status_code == 200
