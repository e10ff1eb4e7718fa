import hashlib
from typing import Any

import pytest
import requests
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.brokers.services import open_paper_broker
from apps.domain.environments import Environment, Exchange
from apps.live.paper import read_paper_exchange

URL = "http://127.0.0.1:1"


class Reply:
    """What a paper exchange answers."""

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    def __enter__(self) -> "Reply":
        return self

    def __exit__(self, *_reason: object) -> None:
        pass

    def raise_for_status(self) -> None:
        pass

    def json(self) -> dict[str, Any]:
        return self._state


def account(key: str) -> dict[str, Any]:
    return {
        "account": f"{key[:6]}...",
        "id": hashlib.sha256(key.encode()).hexdigest()[:16],
        "orders": 3,
        "open_orders": 1,
        "fills": 2,
        "balances": {"USDT": {"free": "9000", "locked": "1000"}},
    }


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> dict[str, Any]:
    settings.PAPER_EXCHANGE_URLS = {"binance": URL}
    state: dict[str, Any] = {
        "market": "simulated",
        "speed": 60.0,
        "market_time_ms": 1_700_000_000_000,
        "symbols": {"BTC/USDT": {"last_price": "64000.00", "is_open": True}},
        "accounts": 2,
        "open_orders": 1,
        "account_list": [account("somebody else")],
        "faults": [{"fault": "latency", "seconds": 2.0, "chance": 0.5, "hits": 7, "path": "*"}],
        "lockstep": None,
    }
    monkeypatch.setattr(requests, "get", lambda *_address, **_options: Reply(state))
    return state


@pytest.mark.django_db
def test_the_page_shows_market_faults_and_the_user_s_own_accounts(
    client: Client, alice: User, state: dict[str, Any]
) -> None:
    broker = open_paper_broker(
        owner=alice, name="Mine", exchange=Exchange.BINANCE, environment=Environment.SIMULATED
    )
    state["account_list"].append(account(broker.api_key))
    client.force_login(alice)

    page = client.get(reverse("live:paper_exchanges")).content.decode()

    for words in ("Simulated market, speed 60", "64000.00", "latency", "USDT 9,000 + 1,000 locked"):
        assert words in page
    assert "Mine" in page
    assert "somebo..." not in page


@pytest.mark.django_db
def test_an_administrator_sees_all_accounts(alice: User, state: dict[str, Any]) -> None:
    alice.is_superuser = True

    shown = read_paper_exchange("binance", URL, alice)

    assert [row["account"] for row in shown["account_list"]] == ["somebo..."]


@pytest.mark.django_db
def test_an_exchange_that_does_not_answer_is_named(
    client: Client, alice: User, settings: LazySettings
) -> None:
    settings.PAPER_EXCHANGE_URLS = {"binance": URL}
    client.force_login(alice)

    page = client.get(reverse("live:paper_exchanges")).content.decode()

    assert "No answer: ConnectionError" in page


def test_a_visitor_is_sent_to_the_login(client: Client) -> None:
    assert client.get(reverse("live:paper_exchanges")).status_code == 302
