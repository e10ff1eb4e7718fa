from datetime import datetime
from decimal import Decimal

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from apps.bots.models import Activation
from apps.brokers.models import Broker
from apps.markets.models import Series, Symbol
from apps.strategies.models import Strategy, StrategyVersion

PARAMETERS = {
    "fast": {"default": 10, "min": 2, "max": 100, "step": 1, "type": "int", "label": "Fast"}
}


@pytest.fixture
def version(broker: Broker, now: datetime) -> StrategyVersion:
    """A strategy with one parameter."""
    strategy = Strategy.objects.create(owner=broker.owner, name="EMA cross")
    return StrategyVersion.objects.create(
        owner=broker.owner,
        strategy=strategy,
        number=1,
        code="...",
        code_hash="",
        class_name="E",
        parameters=PARAMETERS,
        validated_at=now,
    )


def activate(client: Client, version: StrategyVersion, broker: Broker, **values: object) -> str:
    client.force_login(broker.owner)
    data = {
        "version": version.pk,
        "broker": broker.pk,
        "symbol": "BTC/USDT",
        "timeframe": "5m",
        "parameters": "{}",
    }
    response = client.post(reverse("admin:bots_activation_add"), {**data, **values})
    return "saved" if response.status_code == 302 else response.content.decode()


def test_an_activation_gets_its_own_series_and_book(
    client: Client, version: StrategyVersion, broker: Broker, symbol: Symbol
) -> None:
    assert activate(client, version, broker, parameters='{"fast": 5}') == "saved"

    made = Activation.objects.get()
    assert (str(made.series), made.book.broker, made.parameters) == (
        "BTC/USDT 5m",
        broker,
        {"fast": 5},
    )


def test_an_activation_may_have_capital_of_its_own(
    client: Client, version: StrategyVersion, broker: Broker, symbol: Symbol
) -> None:
    assert activate(client, version, broker, capital="250.5") == "saved"
    assert "greater than or equal" in activate(client, version, broker, capital="-1")

    assert Activation.objects.get().book.capital == Decimal("250.5")


def test_a_symbol_that_the_exchange_does_not_list_is_refused(
    client: Client, version: StrategyVersion, broker: Broker, symbol: Symbol
) -> None:
    page = activate(client, version, broker, symbol="XYZ/USDT")

    assert "can&#x27;t be traded there" in page
    assert not Activation.objects.exists()


@pytest.mark.parametrize("parameters", ['{"slow": 5}', '{"fast": 1000}', "[1]", "{"])
def test_parameters_that_the_strategy_cannot_take_are_refused(
    client: Client, version: StrategyVersion, broker: Broker, symbol: Symbol, parameters: str
) -> None:
    assert activate(client, version, broker, parameters=parameters) != "saved"
    assert not Activation.objects.exists()


def test_real_money_is_confirmed_the_first_time_and_only_then(
    client: Client,
    version: StrategyVersion,
    broker: Broker,
    symbol: Symbol,
    settings: LazySettings,
) -> None:
    settings.PROMOTION_DAYS = 0
    Broker.objects.update(environment="live")
    Symbol.objects.update(environment="live")

    assert "trades with real money" in activate(client, version, broker)
    assert activate(client, version, broker, confirmation="REAL MONEY") == "saved"
    assert activate(client, version, broker, timeframe="1m") == "saved"


def test_the_switch_asks_and_then_switches(
    client: Client, version: StrategyVersion, broker: Broker, series: Series
) -> None:
    activate(client, version, broker)
    made = Activation.objects.get()
    address = reverse("admin:bots_activation_switch", args=[made.pk])

    client.get(address)
    assert Activation.objects.get().is_active
    client.post(address, {"_form_submitted": "on"})
    assert not Activation.objects.get().is_active
