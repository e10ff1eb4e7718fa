"""The notice above a list that something has changed since it was shown."""

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.live.selectors import newest_change
from apps.markets.models import Symbol
from apps.trading.events import record_event
from apps.trading.models import Book, Order


@pytest.fixture
def order(book: Book, symbol: Symbol, now: datetime) -> Order:
    """One of alice's."""
    return Order.objects.create(
        owner=book.owner,
        book=book,
        broker=book.broker,
        symbol=symbol,
        dedup_key="a",
        source="manual",
        purpose="entry",
        side="buy",
        order_type="market",
        quantity=1,
        reference_price=100,
        status="open",
        valid_until=now,
    )


def show(client: Client, user: User, **query: object) -> str:
    client.force_login(user)
    return client.get(reverse("live:changes"), query).content.decode()


def test_one_order_counts_once_however_much_happens_to_it(
    client: Client, alice: User, order: Order, now: datetime
) -> None:
    since = newest_change()
    for _ in range(2):
        record_event(order, at=now, message="Something.")

    assert "1 order changed since" in show(client, alice, since=since)


def test_nothing_has_changed_since_a_list_that_was_just_shown(
    client: Client, alice: User, order: Order, now: datetime
) -> None:
    record_event(order, at=now, message="Something.")

    assert "changed since" not in show(client, alice)


def test_changes_of_others_are_not_counted(
    client: Client, bob: User, order: Order, now: datetime
) -> None:
    record_event(order, at=now, message="Something.")

    assert "changed since" not in show(client, bob, since=0)


@pytest.mark.parametrize("junk", ["-1", "x", "9" * 30])
def test_junk_counts_from_now(client: Client, alice: User, order: Order, junk: str) -> None:
    assert "changed since" not in show(client, alice, since=junk)
