"""What the judge of `manage.py bench chaos` says of an order and the exchange's own book."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.markets.models import Symbol
from apps.trading.models import Book, Order
from workers.bench.chaos.judge import judge
from workers.paper_exchange import orders as paper
from workers.paper_exchange.journal import compact_journal
from workers.paper_exchange.state import State
from workers.supervisor.table import paper_state_file

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MakeOrder = Callable[..., Order]
Tell = Callable[..., None]


@pytest.fixture
def book(db: None) -> Book:
    """The money of somebody at a paper exchange."""
    owner = User.objects.create_user("alice", is_staff=True)
    broker = Broker.objects.create(
        owner=owner,
        name="Paper",
        exchange="binance",
        environment="simulated",
        api_key="k" * 64,
        api_secret="s" * 64,
    )
    return Book.objects.create(owner=owner, broker=broker, kind="activation", label="Book 1")


@pytest.fixture
def make_order(book: Book) -> MakeOrder:
    """A limit for one bitcoin, cancelled by now."""
    symbol = Symbol.objects.create(
        exchange="binance",
        environment="simulated",
        name="BTC/USDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        step_size=Decimal("0.00001"),
        min_quantity=Decimal("0.00001"),
        max_quantity=Decimal(9000),
        min_notional=Decimal(5),
    )

    def make(name: str, **values: object) -> Order:
        row = {
            "client_order_id": name * 32,
            "dedup_key": name,
            "source": "manual",
            "purpose": "entry",
            "side": "buy",
            "order_type": "limit",
            "quantity": Decimal(1),
            "price": Decimal(100),
            "reference_price": Decimal(100),
            "status": "cancelled",
            "is_settled": True,
            "submitted_at": NOW,
            "valid_until": NOW,
        }
        mine = {"owner": book.owner, "book": book, "broker": book.broker, "symbol": symbol}
        return Order.objects.create(**{**row, **mine, **values})

    return make


@pytest.fixture
def exchange_has(book: Book, tmp_path: Path, settings: LazySettings) -> Tell:
    """Writes the book of the exchange: names, and in what an order is unlike one of ours."""
    settings.VAR_DIR, settings.PAPER_MARKET = tmp_path, "simulated"

    def tell(**orders: dict[str, Any]) -> None:
        account = paper.Account(key=book.broker.api_key, opened_ms=0, updated_ms=0)
        for number, (name, values) in enumerate(orders.items(), start=1):
            row = {
                "order_id": number,
                "client_order_id": name * 32,
                "symbol": "BTC/USDT",
                "side": "buy",
                "order_type": "limit",
                "time_in_force": "gtc",
                "quantity": Decimal(1),
                "price": Decimal(100),
                "quote_amount": Decimal(0),
                "status": "cancelled",
                "created_ms": 1000 * number,
                "updated_ms": 1000 * number + 500,
            }
            account.orders[number] = paper.Order(**{**row, **values})
        state = State(market="", origin_ms=0, clock_ms=0, accounts={account.key: account})
        compact_journal(paper_state_file("binance", "simulated"), state)

    return tell


def kinds() -> list[str]:
    """The kinds of all violations."""
    return [violation.kind for violation in judge()]


def test_books_that_agree_are_no_violation(make_order: MakeOrder, exchange_has: Tell) -> None:
    make_order("b", replaces=make_order("a"))

    exchange_has(a={}, b={})

    assert kinds() == []


def test_an_order_that_only_the_exchange_knows_is_an_orphan(exchange_has: Tell) -> None:
    exchange_has(a={})

    assert kinds() == ["orphan"]


def test_an_order_that_never_arrived_is_lost(make_order: MakeOrder, exchange_has: Tell) -> None:
    make_order("a")

    exchange_has()

    assert kinds() == ["lost"]


def test_an_edit_with_nothing_left_to_send_is_not_lost(
    make_order: MakeOrder, exchange_has: Tell
) -> None:
    make_order("b", replaces=make_order("a"), quantity=Decimal(0))

    exchange_has(a={})

    assert kinds() == []


@pytest.mark.parametrize("before", [{"updated_ms": 2001}, {"phase": "book"}])
def test_an_edit_beside_what_it_replaces_is_a_violation(
    make_order: MakeOrder, exchange_has: Tell, before: dict[str, Any]
) -> None:
    make_order("b", replaces=make_order("a"))

    exchange_has(a=before, b={})

    assert "edit" in kinds()


def test_an_edit_for_more_than_was_left_is_a_violation(
    make_order: MakeOrder, exchange_has: Tell
) -> None:
    make_order("b", replaces=make_order("a", filled_quantity=Decimal("0.5")))

    exchange_has(a={"filled_quantity": Decimal("0.5")}, b={"quantity": Decimal("0.50001")})

    assert "edit" in kinds()


def test_a_change_in_place_is_no_order_of_its_own(
    make_order: MakeOrder, exchange_has: Tell
) -> None:
    make_order("b", replaces=make_order("a"), amends_to=Decimal(1))

    exchange_has(a={})

    assert kinds() == []


@pytest.mark.parametrize("stands", [{"price": Decimal(99)}, {"quantity": Decimal(2)}])
def test_what_stands_after_a_change_in_place_is_what_our_row_says(
    make_order: MakeOrder, exchange_has: Tell, stands: dict[str, Any]
) -> None:
    make_order("b", replaces=make_order("a"), amends_to=Decimal(1))

    exchange_has(a=stands)

    assert kinds() == ["edit"]


def test_a_change_in_place_that_was_placed_as_an_order_is_a_violation(
    make_order: MakeOrder, exchange_has: Tell
) -> None:
    make_order("b", replaces=make_order("a"), amends_to=Decimal(1))

    exchange_has(a={}, b={})

    assert kinds() == ["edit"]
