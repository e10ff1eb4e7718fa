"""The demo user is given what is missing, and nothing twice."""

from io import StringIO

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command

from apps.accounts.models import User
from apps.bots.models import Activation
from apps.brokers.models import Broker
from apps.domain.environments import Environment, Exchange
from apps.markets.models import Symbol
from apps.strategies.sandbox import StrategyInfo
from apps.strategies.validation import Report

COMMAND = "workers.management.commands.seed_demo"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Exchange]:
    """Whose symbols were read; each exchange lists one."""
    asked: list[Exchange] = []

    def sync(*, exchange: Exchange, environment: Environment) -> None:
        asked.append(exchange)
        Symbol.objects.get_or_create(
            exchange=exchange,
            environment=environment,
            name="BTC/USDT",
            defaults={
                "base": "BTC",
                "quote": "USDT",
                "tick_size": "0.01",
                "step_size": "0.00001",
                "min_quantity": "0.00001",
                "max_quantity": 9000,
                "min_notional": 5,
            },
        )

    info = StrategyInfo(class_name="EmaCross", parameters={}, lookback=100)
    monkeypatch.setattr(f"{COMMAND}.sync_symbols", sync)
    report = Report(problems=(), info=info)
    monkeypatch.setattr(f"{COMMAND}.validate_sample", lambda _sample: report)
    return asked


def seed() -> str:
    said = StringIO()
    call_command("seed_demo", stdout=said)
    return said.getvalue()


def places() -> list[str]:
    """Where the demo's strategies are at work."""
    return sorted(Activation.objects.values_list("book__broker__exchange", flat=True))


def test_the_demo_trades_at_each_paper_exchange() -> None:
    assert "password" in seed()

    assert places() == sorted(Exchange)


def test_a_demo_of_before_gets_the_exchanges_that_it_lacks(
    settings: LazySettings, synced: list[Exchange]
) -> None:
    urls = settings.PAPER_EXCHANGE_URLS
    settings.PAPER_EXCHANGE_URLS = {Exchange.BINANCE: urls[Exchange.BINANCE]}
    seed()
    settings.PAPER_EXCHANGE_URLS = urls
    synced.clear()

    assert seed() == ""

    assert (places(), synced) == (sorted(Exchange), [Exchange.BITGET, Exchange.KRAKEN])


def test_a_complete_demo_is_left_alone(synced: list[Exchange]) -> None:
    seed()
    synced.clear()

    seed()

    assert (len(places()), synced) == (len(Exchange), [])


def test_where_no_more_users_may_log_in_it_says_so(settings: LazySettings) -> None:
    settings.MAX_USERS = 0

    with pytest.raises(CommandError, match="The demo could not be set up: 0 users may log in"):
        seed()


def test_a_demo_that_was_deleted_stays_away() -> None:
    User.objects.create_user(username="alice")

    assert seed() == ""
    assert not Broker.objects.exists()
