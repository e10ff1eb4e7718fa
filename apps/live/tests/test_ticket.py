"""The pages of the manual ticket."""

import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.domain.environments import Environment
from apps.markets.models import Candle, Symbol
from apps.trading.models import BrokerWatch, Order

TICKET = "/admin/live/ticket/"


@pytest.fixture
def trader(
    client: Client, alice: User, broker: Broker, add_candle: Callable[..., Candle]
) -> Client:
    """Alice, signed in, with a broker and a price of 100."""
    add_candle()
    client.force_login(alice)
    return client


@pytest.fixture
def fresh(trader: Client) -> None:
    """The market and the broker were looked at a moment ago, as the clock of the pages goes."""
    Candle.objects.update(received_at=timezone.now())
    BrokerWatch.objects.update(polled_at=timezone.now())


def typed(broker: Broker, symbol: Symbol, **values: object) -> dict[str, object]:
    return {
        "broker": broker.pk,
        "symbol": symbol.pk,
        "side": "buy",
        "order_type": "market",
        **values,
    }


def token_of(page: str) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_the_page_shows_the_price_its_time_and_what_is_free(trader: Client) -> None:
    page = trader.get(TICKET).content.decode()

    for words in ("BTC/USDT", "100.00 <small>USDT, ", "Free: 1,000.00 USDT"):
        assert words in page


def test_what_an_order_type_does_not_use_is_not_asked(trader: Client) -> None:
    market = trader.get(TICKET).content.decode()
    stop_limit = trader.get(TICKET, {"order_type": "stop_loss_limit", "side": "sell"})

    names = set(re.findall(r'name="(\w+)"', stop_limit.content.decode()))
    assert {"price", "trigger_price"} <= names
    assert not {"stop_loss", "take_profit"} & names
    assert not {"price", "trigger_price"} & set(re.findall(r'name="(\w+)"', market))


def test_while_a_person_types_the_other_size_is_computed(
    trader: Client, broker: Broker, symbol: Symbol
) -> None:
    page = trader.get(TICKET, typed(broker, symbol, quantity="0.5")).content.decode()

    assert "0.5 BTC &asymp; 50.00 USDT" in page


def test_mistakes_stand_beside_their_fields(trader: Client, broker: Broker, symbol: Symbol) -> None:
    response = trader.post(TICKET, typed(broker, symbol, value="-1", take_profit="x"))

    assert set(response.context["form"].errors) == {"quantity", "value", "take_profit"}
    assert not Order.objects.exists()


@pytest.mark.usefixtures("fresh")
def test_an_order_is_validated_confirmed_and_followed(
    trader: Client, broker: Broker, symbol: Symbol
) -> None:
    summary = trader.post(TICKET, typed(broker, symbol, value="50")).content.decode()
    assert "Buy 0.5 BTC at market for about 50.00 USDT on Paper." in summary
    assert "REAL MONEY" not in summary

    placed = trader.post(reverse("live:execute"), {"token": token_of(summary)})

    order = Order.objects.get()
    assert placed["Location"] == f"{TICKET}?order={order.pk}"
    page = trader.get(placed["Location"]).content.decode()
    assert "It waits for a worker to send it" in page
    assert reverse("live:order", args=[order.pk]) in page


@pytest.mark.usefixtures("fresh")
def test_an_order_is_no_longer_asked_about_once_it_is_settled(
    trader: Client, broker: Broker, symbol: Symbol
) -> None:
    summary = trader.post(TICKET, typed(broker, symbol, value="50")).content.decode()
    trader.post(reverse("live:execute"), {"token": token_of(summary)})
    order = Order.objects.get()
    address = reverse("live:order", args=[order.pk])
    assert f'hx-get="{address}"' in trader.get(address).content.decode()

    Order.objects.update(status="cancelled", is_settled=True)

    assert "hx-get" not in trader.get(address).content.decode()


def test_a_confirmation_that_is_none_says_so(trader: Client) -> None:
    response = trader.post(reverse("live:execute"), {"token": "made up"}, follow=True)

    assert "Nothing was placed." in response.content.decode()


@pytest.mark.usefixtures("fresh")
def test_real_money_is_named_on_the_button(
    trader: Client, broker: Broker, symbol: Symbol, settings: Settings
) -> None:
    for row in (broker, symbol):
        row.environment = Environment.LIVE
        row.save()

    summary = trader.post(TICKET, typed(broker, symbol, value="50")).content.decode()

    assert "REAL MONEY: Buy now" in summary


def test_without_a_broker_the_page_says_what_to_do(client: Client, bob: User) -> None:
    client.force_login(bob)

    assert "Add a broker" in client.get(TICKET).content.decode()


def test_a_foreign_broker_cannot_be_traded_on(
    client: Client, bob: User, broker: Broker, symbol: Symbol
) -> None:
    client.force_login(bob)

    page = client.post(TICKET, typed(broker, symbol, value="50")).content.decode()

    assert 'name="token"' not in page
