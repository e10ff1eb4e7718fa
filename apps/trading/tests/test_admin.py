"""What a person can do about orders and positions, and how the pages stay fast."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import User
from apps.core.admin import BoundedPaginator
from apps.markets.models import Candle, Symbol
from apps.trading.gate import Signal, place
from apps.trading.models import Book, Fill, Order, Position

admin.autodiscover()

MakeOrder = Callable[..., Order]
RESTING = {
    "status": "open",
    "order_type": "limit",
    "quantity": Decimal(1),
    "quote_amount": None,
    "price": Decimal(90),
    "source": "manual",
}


@pytest.fixture
def trader(client: Client, alice: User) -> Client:
    """Alice, signed in."""
    client.force_login(alice)
    return client


def page(client: Client, name: str, *args: object, **query: object) -> str:
    response = client.get(reverse(f"admin:trading_{name}", args=args), query)
    assert response.status_code == 200
    return response.content.decode()


def send(client: Client, name: str, pk: int, **data: object) -> Any:
    address = reverse(f"admin:trading_{name}", args=[pk])
    return client.post(address, {"_form_submitted": "on", **data})


def test_an_order_that_rests_can_be_cancelled(trader: Client, make_order: MakeOrder) -> None:
    order = make_order(**RESTING)
    assert "Cancel this order?" in page(trader, "order_cancel", order.pk)

    send(trader, "order_cancel", order.pk)

    order.refresh_from_db()
    assert order.cancel_requested_at
    assert "being cancelled" in page(trader, "order_changelist")


def test_an_order_that_rests_can_be_edited(trader: Client, make_order: MakeOrder) -> None:
    order = make_order(**RESTING)
    assert 'value="90"' in page(trader, "order_edit", order.pk)

    send(trader, "order_edit", order.pk, quantity="2", price="80")

    replacement = Order.objects.get(replaces=order)
    assert (replacement.quantity, replacement.price) == (Decimal(2), Decimal(80))


@pytest.mark.parametrize(
    ("values", "offered"),
    [
        (RESTING, {"cancel", "edit"}),
        ({"status": "open"}, {"cancel"}),
        ({"status": "filled"}, set()),
        ({**RESTING, "source": "external"}, {"cancel"}),
    ],
)
def test_only_what_is_possible_is_offered(
    trader: Client, make_order: MakeOrder, values: dict[str, object], offered: set[str]
) -> None:
    order = make_order(**values)

    listed, shown = page(trader, "order_changelist"), page(trader, "order_change", order.pk)

    for name in ("cancel", "edit"):
        address = reverse(f"admin:trading_order_{name}", args=[order.pk])
        assert (address in listed, address in shown) == (name in offered, name in offered)


def test_open_orders_are_a_filter_away(trader: Client, make_order: MakeOrder) -> None:
    rests, ended = make_order(**RESTING), make_order(status="filled")

    shown = page(trader, "order_changelist", state="open")

    assert reverse("admin:trading_order_change", args=[rests.pk]) in shown
    assert reverse("admin:trading_order_change", args=[ended.pk]) not in shown


@pytest.mark.parametrize("term", ["7001", "BTC", "client"])
def test_an_order_is_found_by_its_symbol_and_its_ids(
    trader: Client, make_order: MakeOrder, term: str
) -> None:
    order = make_order(status="filled", exchange_order_id="7001", client_order_id="client")

    assert reverse("admin:trading_order_change", args=[order.pk]) in page(
        trader, "order_changelist", q=term
    )
    assert reverse("admin:trading_order_change", args=[order.pk]) not in page(
        trader, "order_changelist", q="nothing"
    )


def test_a_denied_order_says_what_to_do(
    trader: Client, book: Book, symbol: Symbol, make_signal: Callable[..., Signal], now: datetime
) -> None:
    order = place(book=book, symbol=symbol, signal=make_signal(amount="1"), now=now)

    assert "Make it larger." in page(trader, "order_change", order.pk)


def test_an_unknown_order_says_what_to_do(trader: Client, make_order: MakeOrder) -> None:
    order = make_order(status="unknown")

    assert "never sent again" in page(trader, "order_change", order.pk)


def test_an_open_position_can_be_closed_once(
    trader: Client, position: Position, add_candle: Callable[..., Candle]
) -> None:
    add_candle()
    assert "Sell all of it now?" in page(trader, "position_close", position.pk)

    for _ in range(2):
        send(trader, "position_close", position.pk, key="a")

    assert Order.objects.get().quantity == Decimal(1)


def test_the_exits_of_a_position_are_moved(trader: Client, position: Position) -> None:
    send(trader, "position_change_exits", position.pk, stop_loss="95.5")

    position.refresh_from_db()
    assert (position.stop_loss_price, position.take_profit_price) == (Decimal("95.5"), None)


def test_an_exit_that_is_emptied_is_removed(trader: Client, position: Position) -> None:
    Position.objects.update(stop_loss_price=95, take_profit_price=110)

    send(trader, "position_change_exits", position.pk, stop_loss="", take_profit="110")

    position.refresh_from_db()
    assert (position.stop_loss_price, position.take_profit_price) == (None, 110)


def test_an_exit_on_the_wrong_side_of_the_market_is_refused(
    trader: Client, position: Position, add_candle: Callable[..., Candle]
) -> None:
    add_candle(close=100.0)

    shown = send(
        trader, "position_change_exits", position.pk, stop_loss="101", take_profit="99"
    ).content.decode()

    assert "below the last price, 100.00" in shown
    assert "above the last price, 100.00" in shown


def test_a_closed_position_offers_nothing(
    trader: Client, position: Position, now: datetime
) -> None:
    Position.objects.update(closed_at=now)

    address = reverse("admin:trading_position_close", args=[position.pk])
    assert address not in page(trader, "position_changelist")
    assert trader.get(address).status_code == 403


@pytest.mark.parametrize(
    "name", ["order_cancel", "order_edit", "position_close", "position_change_exits"]
)
def test_nobody_changes_the_orders_of_another(
    client: Client, bob: User, make_order: MakeOrder, position: Position, name: str
) -> None:
    pk = position.pk if name.startswith("position") else make_order(**RESTING).pk
    client.force_login(bob)

    assert client.get(reverse(f"admin:trading_{name}", args=[pk])).status_code == 403
    assert send(client, name, pk, key="a", price="1").status_code == 403
    assert not Order.objects.filter(cancel_requested_at__isnull=False).exists()
    assert not Order.objects.exclude(status="open").exists()


@pytest.mark.parametrize("name", ["order_changelist", "position_changelist", "fill_changelist"])
def test_a_longer_list_takes_no_more_queries(
    trader: Client,
    make_order: MakeOrder,
    add_candle: Callable[..., Candle],
    now: datetime,
    name: str,
) -> None:
    add_candle()
    counts = []
    for count in (1, 20):
        for _ in range(count):
            add_rows(make_order(status="filled"), now)
        page(trader, name)
        with CaptureQueriesContext(connection) as queries:
            page(trader, name)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 12


def add_rows(order: Order, now: datetime) -> None:
    """A fill of the order and a position that is over."""
    owner, symbol = order.owner, order.symbol
    Position.objects.create(
        owner=owner, book=order.book, symbol=symbol, opened_at=now, closed_at=now
    )
    Fill.objects.create(
        owner=owner,
        order=order,
        broker=order.broker,
        symbol=symbol,
        trade_id=str(order.pk),
        side="buy",
        quantity=1,
        price=1,
        fee=0,
        fee_asset="BTC",
        is_maker=False,
        executed_at=now,
    )


def test_pages_are_counted_no_further_than_anybody_turns_them(
    make_order: MakeOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedPaginator, "LIMIT", 2)
    for _ in range(3):
        make_order(status="filled")

    assert BoundedPaginator(Order.objects.all(), 1).count == 2
