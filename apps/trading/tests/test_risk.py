from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.domain.risk import RiskState
from apps.trading.claims import claim
from apps.trading.flattening import flatten
from apps.trading.models import Book, Order, Position, RiskScope
from apps.trading.risk import OnlyAPersonResumes, set_state, state_for

ACTIVE, REDUCE_ONLY, HALTED, FLATTEN = RiskState


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Tasks that would go out."""
    names: list[str] = []
    for module in ("gate", "path", "risk"):
        monkeypatch.setattr(
            f"apps.trading.{module}.enqueue_on_commit", lambda task, **_ids: names.append(task)
        )
    return names


def put(owner: User | None, state: RiskState, now: datetime, **scope: Any) -> RiskScope:
    return set_state(
        owner_id=owner.pk if owner else None,
        state=state,
        reason="A bad day.",
        by=owner,
        now=now,
        **scope,
    )


def test_without_a_scope_trading_is_active(alice: User) -> None:
    assert state_for(owner_id=alice.pk) is ACTIVE


def test_the_strictest_scope_counts(book: Book, now: datetime) -> None:
    put(book.owner, REDUCE_ONLY, now)
    put(book.owner, HALTED, now, book_id=book.pk)

    assert state_for(owner_id=book.owner_id) is REDUCE_ONLY
    assert state_for(owner_id=book.owner_id, broker_id=book.broker_id) is REDUCE_ONLY
    assert state_for(owner_id=book.owner_id, broker_id=book.broker_id, book_id=book.pk) is HALTED


def test_the_scope_of_everybody_holds_for_each(alice: User, bob: User, now: datetime) -> None:
    put(None, HALTED, now)

    assert {state_for(owner_id=user.pk) for user in (alice, bob)} == {HALTED}


def test_two_users_don_t_touch_each_other_s(alice: User, bob: User, now: datetime) -> None:
    put(alice, HALTED, now)

    assert state_for(owner_id=bob.pk) is ACTIVE


def test_every_change_is_written_down(alice: User, now: datetime) -> None:
    put(alice, HALTED, now)
    scope = put(alice, ACTIVE, now + timedelta(minutes=1))

    assert [(change.state, change.by, change.reason) for change in scope.changes.all()] == [
        ("active", alice, "A bad day."),
        ("halted", alice, "A bad day."),
    ]


def test_only_a_person_resumes(alice: User, now: datetime) -> None:
    put(alice, HALTED, now)

    with pytest.raises(OnlyAPersonResumes):
        set_state(owner_id=alice.pk, state=ACTIVE, reason="", by=None, now=now)

    assert state_for(owner_id=alice.pk) is HALTED


@pytest.mark.parametrize("scope", ["everybody", "owner", "broker", "book"])
def test_a_halted_entry_is_not_sent_any_more(
    make_order: Callable[..., Order], book: Book, now: datetime, scope: str
) -> None:
    order = make_order()
    parts = {"broker": {"broker_id": book.broker_id}, "book": {"book_id": book.pk}}
    put(None if scope == "everybody" else book.owner, HALTED, now, **parts.get(scope, {}))

    assert claim(order_id=order.pk) is None


def test_an_exit_is_sent_whatever_the_state(
    make_order: Callable[..., Order], position: Position, now: datetime
) -> None:
    order = make_order(purpose="exit", side="sell", quantity=1, position=position)
    put(position.owner, HALTED, now)

    assert claim(order_id=order.pk)


def test_the_halt_of_another_user_stops_nothing(
    make_order: Callable[..., Order], bob: User, now: datetime
) -> None:
    put(bob, HALTED, now)

    assert claim(order_id=make_order().pk)


def test_flatten_cancels_entries_and_sells_positions(
    make_order: Callable[..., Order], position: Position, now: datetime, sent: list[str]
) -> None:
    entry = make_order()
    put(position.owner, FLATTEN, now)

    flatten(now=now)

    entry.refresh_from_db()
    assert entry.status == "cancelled"
    exit_order = Order.objects.get(purpose="exit")
    assert (exit_order.order_type, exit_order.quantity, exit_order.status) == (
        "market",
        1,
        "created",
    )
    assert state_for(owner_id=position.owner_id) is FLATTEN
    assert sent == ["orders.flatten", "orders.submit_order"]


def test_flatten_sells_once_at_a_time_and_again_after_a_refusal(
    position: Position, now: datetime
) -> None:
    put(position.owner, FLATTEN, now)

    flatten(now=now)
    flatten(now=now)
    assert Order.objects.count() == 1
    Order.objects.update(status="rejected", is_settled=True)
    flatten(now=now)

    assert Order.objects.count() == 2


def test_flatten_ends_in_halted(position: Position, now: datetime) -> None:
    put(position.owner, FLATTEN, now)
    flatten(now=now)
    Order.objects.update(status="filled", is_settled=True)
    Position.objects.update(closed_at=now)

    flatten(now=now)

    assert state_for(owner_id=position.owner_id) is HALTED


def test_flatten_does_not_wait_for_what_is_too_little_to_sell(
    position: Position, now: datetime
) -> None:
    Position.objects.update(quantity=Decimal("0.01"), cost=1)
    put(position.owner, FLATTEN, now)

    flatten(now=now)

    assert state_for(owner_id=position.owner_id) is HALTED


def test_flatten_of_one_broker_leaves_the_others(
    position: Position, make_order: Callable[..., Order], now: datetime
) -> None:
    other = Broker.objects.create(
        owner=position.owner, name="Other", exchange="binance", environment="simulated"
    )
    put(position.owner, FLATTEN, now, broker_id=other.pk)

    flatten(now=now)

    assert not Order.objects.exists()
