"""What strategies hold, grouped by strategy."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.bots.holdings import list_holdings
from apps.bots.models import Activation
from apps.brokers.models import Broker
from apps.markets.models import Candle, Series
from apps.strategies.models import Strategy, StrategyVersion
from apps.trading.models import Position

Hold = Callable[..., Position]


@pytest.fixture
def hold(
    make_activation: Callable[..., Activation],
    add_candle: Callable[..., Candle],
    broker: Broker,
    series: Series,
    now: datetime,
) -> Hold:
    """One bitcoin, now at 110, that cost so much: `hold(strategy="Mine", cost=100)`."""
    add_candle(close=110.0)

    def make(*, strategy: str = "Mine", cost: int = 100) -> Position:
        mine, _created = Strategy.objects.get_or_create(owner=broker.owner, name=strategy)
        number = mine.versions.count() + 1
        version = StrategyVersion.objects.create(
            owner=broker.owner, strategy=mine, number=number, code="", validated_at=now
        )
        return Position.objects.create(
            owner=broker.owner,
            book=make_activation(version=version).book,
            symbol=series.symbol,
            quantity=1,
            cost=cost,
            stop_loss_price=98,
            opened_at=now - timedelta(hours=3),
        )

    return make


def test_each_strategy_has_its_subtotal_the_best_first(hold: Hold, alice: User) -> None:
    for strategy, cost in (("Slow", 105), ("Fast", 100), ("Fast", 80), ("Fast", 120)):
        hold(strategy=strategy, cost=cost)

    fast, slow = list_holdings(alice)
    assert (fast.strategy.name, fast.pnl, fast.share) == ("Fast", 30, Decimal("0.1"))
    assert [one.pnl for one in fast.holdings] == [30, 10, -10]
    assert (slow.strategy.name, slow.pnl) == ("Slow", 5)


def test_what_has_no_price_is_not_known(hold: Hold, alice: User) -> None:
    hold()
    Candle.objects.all().delete()

    (group,) = list_holdings(alice)
    assert (group.pnl, group.share, group.holdings[0].pnl) == (None, None, None)


def test_kinds_of_money_are_not_added_up(hold: Hold, alice: User, broker: Broker) -> None:
    hold()
    book = hold().book
    broker.pk, broker.name, broker.environment = None, "Elsewhere", "testnet"
    broker.save()
    book.broker = broker
    book.save()

    assert {group.money for group in list_holdings(alice)} == {
        "Testnet",
        "Paper money, simulated prices",
    }


@pytest.mark.parametrize("count", [1, 6])
def test_however_many_there_are_they_take_the_same_queries(
    hold: Hold,
    client: Client,
    alice: User,
    count: int,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(count):
        hold()
    client.force_login(alice)

    with django_assert_num_queries(3):
        page = client.get(reverse("bots:position_rows")).content.decode()

    assert page.count("<td>long</td>") == count
    assert page.count("+10.00 %") == count + 1


def test_the_page_shows_the_exits_and_follows_what_happens(
    hold: Hold, client: Client, alice: User
) -> None:
    hold()
    client.force_login(alice)

    page = client.get(reverse("bots:positions")).content.decode()

    assert "<td>98.00</td>" in page
    assert "live-positions from:body" in page


def test_nobody_sees_what_another_holds(hold: Hold, client: Client, bob: User) -> None:
    hold()
    client.force_login(bob)

    assert "No strategy holds anything." in client.get(reverse("bots:positions")).content.decode()
