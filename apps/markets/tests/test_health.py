from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.domain.environments import Environment, Exchange
from apps.exchanges.errors import ExchangeUnavailable, RateLimited
from apps.exchanges.limits import MemoryLimitStore
from apps.markets import health
from apps.markets.models import ExchangeHealth
from apps.markets.selectors import list_exchange_health
from apps.markets.tests.fakes import FakeMarket

WHERE = {"exchange": Exchange.BINANCE, "environment": Environment.LIVE}
pytestmark = pytest.mark.django_db


def check(now: datetime) -> ExchangeHealth:
    health.check_exchange(**WHERE, now=now)
    return ExchangeHealth.objects.get()


def test_an_exchange_that_answers_is_connected(exchange: FakeMarket, now: datetime) -> None:
    row = check(now)

    assert (row.state, row.calls, row.failures, row.mean_ms) == ("connected", 1, 0, 100)
    assert (row.checked_at, row.message) == (now, "")


def test_only_calls_since_the_last_check_count(exchange: FakeMarket, now: datetime) -> None:
    for _call in range(10):
        exchange.record(is_ok=False)
    check(now)

    row = check(now + timedelta(minutes=1))

    assert (row.state, row.calls, row.failures) == ("connected", 1, 0)


@pytest.mark.parametrize(
    ("failures", "state"), [(0, "connected"), (1, "degraded"), (5, "degraded")]
)
def test_a_tenth_of_failures_is_degraded(
    exchange: FakeMarket, now: datetime, failures: int, state: str
) -> None:
    for number in range(9):
        exchange.record(is_ok=number >= failures)

    assert check(now).state == state


def test_slow_answers_are_degraded(exchange: FakeMarket, now: datetime) -> None:
    exchange.seconds = 2.5

    row = check(now)

    assert (row.state, row.message) == ("degraded", "An answer took 2.5 s on average.")


def test_no_answer_is_down_and_keeps_the_last_success(exchange: FakeMarket, now: datetime) -> None:
    last = check(now).last_success_at
    exchange.error = ExchangeUnavailable("No answer.")

    row = check(now + timedelta(minutes=1))

    assert (row.state, row.message, row.last_success_at) == ("down", "No answer.", last)


def test_it_comes_back(exchange: FakeMarket, now: datetime) -> None:
    exchange.error = ExchangeUnavailable("No answer.")
    check(now)
    exchange.error = None

    assert check(now + timedelta(minutes=1)).state == "connected"


def test_somebody_elses_success_counts(exchange: FakeMarket, now: datetime) -> None:
    exchange.limits = MemoryLimitStore(now=lambda: 1e9)
    exchange.record()
    exchange.error = ExchangeUnavailable("No answer.")

    assert check(now).last_success_at == datetime.fromtimestamp(1e9, UTC)


def test_a_rate_limit_is_not_a_failure_of_the_exchange(exchange: FakeMarket, now: datetime) -> None:
    exchange.error = RateLimited("Wait.")

    assert check(now).state == "degraded"


def test_counters_that_were_lost_begin_again(exchange: FakeMarket, now: datetime) -> None:
    for _call in range(5):
        exchange.record()
    check(now)
    exchange.limits = MemoryLimitStore()

    row = check(now + timedelta(minutes=1))

    assert (row.calls, row.counted_calls, row.mean_ms) == (1, 1, 100)


def test_who_is_no_longer_watched_is_left_out(exchange: FakeMarket, now: datetime) -> None:
    check(now)

    listed = [list_exchange_health(now=now + timedelta(minutes=m)) for m in (1, 5)]

    assert [len(rows) for rows in listed] == [1, 0]


def test_the_page_says_the_state_in_words(
    client: Client, alice: User, exchange: FakeMarket, now: datetime
) -> None:
    check(datetime.now(UTC))  # noqa: TID251  the page compares with the clock
    check_down = {"environment": "testnet", "state": "down", "checked_at": now}
    ExchangeHealth.objects.create(exchange="binance", **check_down)
    client.force_login(alice)

    page = client.get(reverse("admin:markets_exchangehealth_changelist")).content.decode()

    assert "connected" in page
    assert "not watched now" in page
