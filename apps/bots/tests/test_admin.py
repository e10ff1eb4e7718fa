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
from apps.trading.models import Order, Position

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
    }
    response = client.post(reverse("admin:bots_activation_add"), {**data, **values})
    return "saved" if response.status_code == 302 else response.content.decode()


def test_an_activation_gets_its_own_series_and_book(
    client: Client, version: StrategyVersion, broker: Broker, symbol: Symbol
) -> None:
    assert activate(client, version, broker, parameter_fast="5") == "saved"

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


def test_an_activation_shows_what_was_given_and_has_nothing_to_save(
    client: Client, activation: Activation
) -> None:
    client.force_login(activation.owner)

    address = reverse("admin:bots_activation_change", args=[activation.pk])
    page = client.get(address).content.decode()

    assert "fast = 5" in page
    assert 'name="_save"' not in page


@pytest.mark.parametrize("fast", ["5.5", "1000", "many"])
def test_parameters_that_the_strategy_cannot_take_are_refused(
    client: Client, version: StrategyVersion, broker: Broker, symbol: Symbol, fast: str
) -> None:
    assert activate(client, version, broker, parameter_fast=fast) != "saved"
    assert not Activation.objects.exists()


def test_each_parameter_of_the_chosen_version_has_a_field(
    client: Client, version: StrategyVersion, broker: Broker
) -> None:
    client.force_login(broker.owner)

    page = client.get(reverse("admin:bots_activation_add"), {"version": version.pk})

    assert 'name="parameter_fast"' in page.content.decode()
    assert "From 2 to 100 (default 10)" in page.content.decode()


def test_without_a_timeframe_it_takes_its_strategys(
    client: Client, version: StrategyVersion, broker: Broker, symbol: Symbol
) -> None:
    assert activate(client, version, broker, timeframe="") == "saved"

    assert Activation.objects.get().series.timeframe == "15m"


def test_a_version_that_was_not_found_valid_cannot_be_chosen(
    client: Client, version: StrategyVersion, broker: Broker, symbol: Symbol
) -> None:
    StrategyVersion.objects.update(validated_at=None)

    assert "Select a valid choice" in activate(client, version, broker)


def test_the_form_says_when_no_place_is_free(
    client: Client,
    version: StrategyVersion,
    broker: Broker,
    symbol: Symbol,
    settings: LazySettings,
) -> None:
    settings.MAX_ACTIVE_STRATEGIES = 0

    assert "which is the limit of this installation" in activate(client, version, broker)


def test_a_step_to_real_money_is_skipped_with_a_reason_that_its_page_shows(
    client: Client, version: StrategyVersion, broker: Broker, symbol: Symbol
) -> None:
    Broker.objects.update(environment="live")
    Symbol.objects.update(environment="live")
    real = {"confirmation": "REAL MONEY", "capital": "50"}

    refused = activate(client, version, broker, **real)
    assert "7 are asked for" in refused
    assert (
        f'/admin/backtests/backtestrun/add/?version={version.pk}&amp;symbol_name=BTC%2FUSDT&amp;timeframe=5m">'
        "Backtest it</a>"
    ) in refused
    assert activate(client, version, broker, **real, waiver="I know it") == "saved"
    made = Activation.objects.get()
    page = client.get(reverse("admin:bots_activation_change", args=[made.pk])).content.decode()
    assert "backtested skipped" in page
    assert "paper skipped" in page
    assert "I know it" in page


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

    waived = {"waiver": "I know it"}

    assert "trades with real money" in activate(client, version, broker, **waived)
    assert activate(client, version, broker, **waived, confirmation="REAL MONEY") == "saved"
    assert activate(client, version, broker, **waived, timeframe="1m") == "saved"


def test_suspending_asks_first_and_resuming_goes_on(
    client: Client, version: StrategyVersion, broker: Broker, series: Series
) -> None:
    activate(client, version, broker)
    made = Activation.objects.get()

    def press(name: str, **values: str) -> bool:
        address = reverse(f"admin:bots_activation_{name}", args=[made.pk])
        client.post(address, values)
        return Activation.objects.get().is_active

    assert press("suspend")
    assert not press("suspend", _form_submitted="on")
    assert press("resume", _form_submitted="on")


def test_a_stop_with_a_position_open_asks_what_becomes_of_it(
    client: Client, holding: Position
) -> None:
    client.force_login(holding.owner)
    made = Activation.objects.get()
    address = reverse("admin:bots_activation_stop", args=[made.pk])
    sent = {"_form_submitted": "on", "key": "k"}

    client.post(address, sent)
    assert Activation.objects.get().stopped_at is None
    client.post(address, {**sent, "position": "sell"})

    assert Activation.objects.get().stopped_at
    assert (Order.objects.get().purpose, Order.objects.get().position) == ("exit", holding)
