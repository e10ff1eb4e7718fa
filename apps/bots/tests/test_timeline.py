"""The page that tells why an activation did, or did not, trade."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.bots.evaluation import evaluate_candle
from apps.bots.models import Activation, Decision
from apps.bots.tests.fakes import FakeSandbox, answer
from apps.bots.timeline import read_chart, read_page
from apps.brokers.models import Broker
from apps.markets.models import Candle, Series


@pytest.fixture
def make_history(
    activation: Activation, series: Series, now: datetime
) -> Callable[[int], Activation]:
    """It has decided so many times, and failed the first time: `make_history(120)`."""

    def make(count: int) -> Activation:
        candles = Candle.objects.bulk_create(
            Candle(
                series=series,
                opened_at=now - timedelta(minutes=count - 1 - minute),
                **dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0),
                received_at=now,
            )
            for minute in range(count)
        )
        Decision.objects.bulk_create(
            Decision(
                owner=activation.owner,
                activation=activation,
                version=activation.version,
                candle=candle,
                action="failed" if candle is candles[0] else "wait",
                reason="no",
                price=1,
            )
            for candle in candles
        )
        return activation

    return make


@pytest.fixture
def many(make_history: Callable[[int], Activation]) -> Activation:
    """With two full pages of decisions, and more."""
    return make_history(120)


@pytest.mark.parametrize("count", [60, 600])
def test_however_many_decisions_there_are_a_page_takes_the_same_few_queries(
    make_history: Callable[[int], Activation],
    client: Client,
    django_assert_max_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    activation = make_history(count)
    client.force_login(activation.owner)

    with django_assert_max_num_queries(12):
        page = client.get(reverse("bots:timeline", args=[activation.pk])).content.decode()

    assert page.count("/admin/bots/decision/") >= 50
    assert "Older decisions" in page


def test_a_page_goes_on_where_the_one_before_ended(many: Activation) -> None:
    first = read_page(many)
    second = read_page(many, until=first.older)

    assert len(first.decisions) == len(second.decisions) == 50
    assert first.decisions[-1].candle.opened_at - timedelta(minutes=1) == first.older
    assert second.decisions[0].candle.opened_at == first.older


def test_it_shows_only_where_something_happened(many: Activation) -> None:
    page = read_page(many, only_events=True)

    assert [decision.action for decision in page.decisions] == ["failed"]
    assert page.older is None


def test_what_the_gate_denied_is_marked_and_says_why(
    activation: Activation, add_candle: Callable[..., Candle], now: datetime
) -> None:
    Broker.objects.update(automation="off")
    candle = add_candle()
    evaluate_candle(candle_id=candle.pk, sandbox=FakeSandbox(answer(long=True)), now=now)

    assert "The broker's automation" in read_page(activation).decisions[0].reason
    assert read_chart(activation)["markers"] == [
        {"time": int(candle.opened_at.timestamp()), "what": "denied"}
    ]


@pytest.mark.parametrize("until", ["yesterday", "", "2026-99-99"])
def test_a_moment_that_is_none_shows_the_newest(
    activation: Activation, client: Client, until: str
) -> None:
    client.force_login(activation.owner)

    assert (
        client.get(reverse("bots:timeline", args=[activation.pk]), {"until": until}).status_code
        == 200
    )
