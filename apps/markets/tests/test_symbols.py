from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from django.conf import LazySettings
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.core.tasks import TaskName
from apps.domain.environments import Environment, Exchange
from apps.domain.markets import Market
from apps.exchanges.errors import ExchangeUnavailable
from apps.markets import symbols
from apps.markets.models import Symbol, SymbolSync
from apps.markets.symbols import request_sync, store_symbols, sync_symbols
from apps.markets.tests.fakes import FakeMarket, market

T = TypeVar("T")
BINANCE = {"exchange": Exchange.BINANCE, "environment": Environment.SIMULATED}
BTC, ETH, LUNA = market("BTC/USDT"), market("ETH/USDT"), market("LUNA/USDT")
MANY = [market(f"COIN{number}/USDT") for number in range(10)]
HUGE, FINE = Decimal(10) ** 18, Decimal("1e-13")


def trading() -> dict[str, bool]:
    return dict(Symbol.objects.values_list("name", "is_trading"))


def test_a_symbol_that_is_no_longer_listed_stops_trading(db: None) -> None:
    store_symbols(**BINANCE, markets=[BTC, LUNA])

    store_symbols(**BINANCE, markets=[BTC])

    assert trading() == {"BTC/USDT": True, "LUNA/USDT": False}


def test_another_exchange_keeps_its_symbols(db: None) -> None:
    store_symbols(exchange=Exchange.KRAKEN, environment=Environment.LIVE, markets=[ETH])

    store_symbols(**BINANCE, markets=[BTC])

    assert trading() == {"BTC/USDT": True, "ETH/USDT": True}


def test_every_rule_is_kept_and_given_back(db: None) -> None:
    rules = {
        name: Decimal(number)
        for number, name in enumerate(
            (
                *("tick_size", "step_size", "min_quantity", "max_quantity", "min_notional"),
                *("max_notional", "market_step_size", "market_min_quantity"),
                *("market_max_quantity", "quote_step"),
            ),
            start=1,
        )
    }
    listed = market("BTC/USDT", **rules, is_trading=False)

    store_symbols(**BINANCE, markets=[listed])

    assert Symbol.objects.get().to_market() == listed


def test_what_changed_is_counted(db: None) -> None:
    store_symbols(**BINANCE, markets=[BTC, ETH, LUNA])
    finer = market("ETH/USDT", tick_size=Decimal("0.001"))

    changes = store_symbols(**BINANCE, markets=[BTC, finer, market("SOL/USDT")])

    assert changes.describe() == "3 listed: 1 added, 1 updated, 1 no longer there."
    assert Symbol.objects.get(name="ETH/USDT").tick_size == finer.tick_size


@pytest.mark.parametrize("rule", ["max_quantity", "max_notional", "market_max_quantity"])
def test_a_maximum_beyond_the_column_is_no_limit(db: None, rule: str) -> None:
    changes = store_symbols(**BINANCE, markets=[market("BTC/USDT", **{rule: HUGE})])

    assert getattr(Symbol.objects.get(), rule) == 0
    assert "too large to keep, taken for no limit: 1." in changes.describe()


@pytest.mark.parametrize(
    "rule",
    [
        {"min_quantity": HUGE},
        {"tick_size": FINE},
        {"step_size": Decimal("NaN")},
        {"base": "B" * 21},
    ],
)
def test_a_market_whose_rules_do_not_fit_is_left_out(db: None, rule: dict[str, object]) -> None:
    store_symbols(**BINANCE, markets=[BTC, ETH])

    changes = store_symbols(**BINANCE, markets=[market("BTC/USDT", **rule), ETH])

    assert trading() == {"BTC/USDT": False, "ETH/USDT": True}
    assert "kept as they are: 1." in changes.describe()


def test_zeros_at_the_end_are_no_digits(db: None) -> None:
    listed = market("BTC/USDT", tick_size=Decimal("0.0100000000000000"))

    counts = [store_symbols(**BINANCE, markets=[listed]).describe() for _ in range(2)]

    assert counts[1] == "1 listed: 0 added, 0 updated, 0 no longer there."


def test_a_reading_tells_how_it_went(db: None, exchange: FakeMarket) -> None:
    exchange.markets = [BTC, ETH]

    assert sync_symbols(**BINANCE)

    sync = SymbolSync.objects.get()
    assert (sync.state, sync.done, sync.total, sync.added) == ("done", 2, 2, 2)
    assert sync.message == "2 listed: 2 added, 0 updated, 0 no longer there."
    assert sync.started_at
    assert sync.finished_at


def test_a_failure_leaves_the_old_symbols(db: None, exchange: FakeMarket) -> None:
    store_symbols(**BINANCE, markets=[BTC])
    exchange.error = ExchangeUnavailable("No answer.")

    with pytest.raises(ExchangeUnavailable):
        sync_symbols(**BINANCE)

    sync = SymbolSync.objects.get()
    assert (sync.state, sync.message, trading()) == ("failed", "No answer.", {"BTC/USDT": True})


@pytest.mark.parametrize(
    "told",
    [
        [],
        MANY[:7],
        [*MANY[:7], *(replace(halted, is_trading=False) for halted in MANY[7:])],
        [*MANY[:7], *(replace(odd, min_quantity=HUGE) for odd in MANY[7:])],
    ],
)
def test_a_reading_that_would_stop_many_symbols_changes_nothing(
    db: None, exchange: FakeMarket, told: list[Market]
) -> None:
    store_symbols(**BINANCE, markets=MANY)
    exchange.markets = told
    words = f"Binance told only {7 if told else 0} of 10 trading markets: nothing was changed."

    with pytest.raises(ExchangeUnavailable, match=words):
        sync_symbols(**BINANCE)

    sync = SymbolSync.objects.get()
    assert (sync.state, words in sync.message) == ("failed", True)
    assert trading() == {listed.symbol: True for listed in MANY}


def test_an_exchange_without_any_market_is_not_believed(db: None, exchange: FakeMarket) -> None:
    store_symbols(**BINANCE, markets=[BTC])

    with pytest.raises(ExchangeUnavailable, match="told only 0 of 1"):
        sync_symbols(**BINANCE)

    assert trading() == {"BTC/USDT": True}


def test_a_fifth_of_the_symbols_may_stop_at_once(db: None, exchange: FakeMarket) -> None:
    store_symbols(**BINANCE, markets=MANY)
    exchange.markets = MANY[:8]

    assert sync_symbols(**BINANCE)

    assert sum(trading().values()) == 8


@pytest.mark.parametrize(
    ("minutes", "before", "is_believed"), [(59, 5, True), (61, 5, False), (1, 4, False)]
)
def test_the_same_answer_twice_within_an_hour_is_believed(
    db: None, exchange: FakeMarket, minutes: int, before: int, is_believed: bool
) -> None:
    store_symbols(**BINANCE, markets=MANY)
    exchange.markets = MANY[:before]
    with pytest.raises(ExchangeUnavailable):
        sync_symbols(**BINANCE)
    SymbolSync.objects.update(finished_at=Now() - timedelta(minutes=minutes))
    exchange.markets = MANY[:5]

    with nullcontext() if is_believed else pytest.raises(ExchangeUnavailable):
        sync_symbols(**BINANCE)

    assert sum(trading().values()) == (5 if is_believed else 10)


def test_a_reading_that_was_asked_for_waits(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    monkeypatch.setattr(
        "apps.markets.symbols.enqueue_on_commit", lambda task, **kwargs: sent.append((task, kwargs))
    )

    request_sync(**BINANCE)

    assert SymbolSync.objects.get().progress == "Waiting for a worker"
    assert sent == [(TaskName.SYNC_SYMBOLS, BINANCE)]


@pytest.mark.parametrize(("minutes_ago", "state"), [(0, "running"), (5, "waiting")])
def test_a_running_one_goes_on_unless_it_has_died(
    db: None, minutes_ago: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.markets.symbols.enqueue_on_commit", lambda *_a, **_k: None)
    started_at = Now() - timedelta(minutes=minutes_ago)
    SymbolSync.objects.create(**BINANCE, state="running", started_at=started_at)

    request_sync(**BINANCE)

    assert SymbolSync.objects.get().state == state


@pytest.mark.parametrize(
    ("done", "total", "words"), [(0, 0, "Asking Binance"), (583, 1247, "47 %, 583 of 1,247")]
)
def test_progress_in_words(done: int, total: int, words: str) -> None:
    sync = SymbolSync(exchange="binance", state="running", done=done, total=total)

    assert sync.progress == words


def elsewhere(act: Callable[[], T]) -> T:
    """What another process gets at this moment."""

    def run() -> T:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


@pytest.mark.django_db(transaction=True)
def test_others_see_the_progress_and_until_the_end_only_old_rules(
    exchange: FakeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_symbols(**BINANCE, markets=[BTC, LUNA])
    exchange.markets = [market("BTC/USDT", tick_size=Decimal(1)), ETH]
    monkeypatch.setattr("apps.markets.symbols._CHUNK", 1)
    store_rows, seen = symbols._store_rows, []

    def look() -> tuple[str, list[tuple[str, Decimal, bool]]]:
        rules = Symbol.objects.values_list("name", "tick_size", "is_trading")
        return SymbolSync.objects.get().progress, list(rules)

    def store_rows_and_look(*args: Any) -> set[str]:
        kept = store_rows(*args)
        seen.append(elsewhere(look))
        return kept

    monkeypatch.setattr("apps.markets.symbols._store_rows", store_rows_and_look)

    sync_symbols(**BINANCE)

    old = [("BTC/USDT", BTC.tick_size, True), ("LUNA/USDT", LUNA.tick_size, True)]
    assert seen == [("0 %, 0 of 2", old), ("50 %, 1 of 2", old)]
    assert trading() == {"BTC/USDT": True, "ETH/USDT": True, "LUNA/USDT": False}
    assert Symbol.objects.get(name="BTC/USDT").tick_size == 1


@pytest.mark.django_db(transaction=True)
def test_never_two_at_once(exchange: FakeMarket) -> None:
    results: list[bool] = []

    def ask_again() -> None:
        exchange.meanwhile = bool
        results.append(elsewhere(lambda: sync_symbols(**BINANCE)))

    exchange.meanwhile = ask_again
    exchange.markets = [BTC]

    results.append(sync_symbols(**BINANCE))

    assert results == [False, True]
    assert SymbolSync.objects.get().state == "done"


@pytest.mark.django_db(transaction=True)
def test_a_database_error_is_said_and_changes_nothing(
    exchange: FakeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> set[str]:
        raise DatabaseError("The disk is full.")

    monkeypatch.setattr("apps.markets.symbols._store_rows", fail)
    exchange.markets = [BTC]

    with pytest.raises(DatabaseError):
        sync_symbols(**BINANCE)

    sync = SymbolSync.objects.get()
    assert (sync.state, sync.message, trading()) == ("failed", "The disk is full.", {})


ADDRESS = "admin:markets_symbol_sync"


def test_the_button_starts_a_reading_that_the_page_follows(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.markets.symbols.enqueue_on_commit", lambda *_a, **_k: None)
    client.force_login(alice)
    address = reverse(ADDRESS, args=BINANCE.values())

    before = client.get(address).content.decode()
    after = client.post(address).content.decode()

    assert "Never read" in before
    assert "every 1s" not in before
    assert "Waiting for a worker" in after
    assert "every 1s" in after


def test_the_symbols_page_shows_the_final_notice(
    client: Client, alice: User, exchange: FakeMarket
) -> None:
    exchange.markets = [BTC]
    sync_symbols(**BINANCE)
    client.force_login(alice)

    page = client.get(reverse("admin:markets_symbol_changelist")).content.decode()

    assert "1 listed: 1 added, 0 updated, 0 no longer there." in page


@pytest.mark.parametrize("where", [("ftx", "live"), ("binance", "moon"), ("kraken", "simulated")])
def test_an_exchange_that_is_not_there_has_no_symbols(
    client: Client, alice: User, settings: LazySettings, where: tuple[str, str]
) -> None:
    settings.PAPER_EXCHANGE_URLS = {"binance": "http://127.0.0.1:9001"}
    client.force_login(alice)

    assert client.post(reverse(ADDRESS, args=where)).status_code == 404
    assert not SymbolSync.objects.exists()


def test_strangers_start_nothing(client: Client, db: None) -> None:
    assert client.post(reverse(ADDRESS, args=BINANCE.values())).status_code == 302
    assert not SymbolSync.objects.exists()
