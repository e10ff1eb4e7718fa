"""The kill switch on every page, and the page of limits."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import User
from apps.brokers.models import Broker
from apps.domain.risk import RiskState
from apps.live.risk import read_status
from apps.trading.models import Book, RiskScope
from apps.trading.risk import set_state, state_for

SWITCH = "/admin/live/risk/"
LIMITS = "/admin/trading/riskscope/"
HALTED = RiskState.HALTED


@pytest.fixture
def trader(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def page_of(client: Client) -> str:
    return client.get("/admin/").content.decode()


def halt(owner: User | None, now: datetime, **scope: Any) -> None:
    set_state(
        owner_id=owner.pk if owner else None,
        state=HALTED,
        reason="A bad day.",
        by=owner,
        now=now,
        **scope,
    )


@pytest.mark.parametrize(
    "page", ["/admin/", LIMITS, "/admin/trading/order/", "/admin/live/ticket/"]
)
def test_state_and_switch_are_on_every_page(trader: Client, page: str) -> None:
    shown = trader.get(page).content.decode()

    assert '<span class="dot"></span>Trading</span>' in shown
    assert f'hx-get="{SWITCH}"' in shown


def test_the_dialog_says_what_each_choice_does(trader: Client) -> None:
    dialog = trader.get(SWITCH).content.decode()

    for words in ("No new entries.", "entries that were not sent yet", "sold at market now"):
        assert words in dialog


@pytest.mark.parametrize("state", [state for state in RiskState if state is not RiskState.ACTIVE])
def test_one_click_stops_all_of_the_user_s_trading(
    trader: Client, alice: User, state: RiskState
) -> None:
    trader.post(SWITCH, {"scope": "me", "state": state})

    assert state_for(owner_id=alice.pk) is state
    assert "Trading</span>" not in page_of(trader)


def test_one_broker_or_strategy_is_stopped_alone(
    trader: Client, alice: User, broker: Broker, book: Book
) -> None:
    trader.post(SWITCH, {"scope": f"broker-{broker.pk}", "state": "reduce_only"})
    trader.post(SWITCH, {"scope": f"book-{book.pk}", "state": "halted", "reason": "It loses."})

    assert state_for(owner_id=alice.pk) is RiskState.ACTIVE
    assert state_for(owner_id=alice.pk, broker_id=broker.pk) is RiskState.REDUCE_ONLY
    assert RiskScope.objects.get(book=book).reason == "It loses."
    assert "2 stopped" in page_of(trader)


def test_what_is_stopped_is_resumed_in_the_dialog(
    trader: Client, alice: User, now: datetime
) -> None:
    halt(alice, now)
    assert "A bad day." in trader.get(SWITCH).content.decode()

    trader.post(SWITCH, {"scope": "me", "state": "active"})

    assert state_for(owner_id=alice.pk) is RiskState.ACTIVE


@pytest.mark.parametrize("scope", ["everybody", "broker", "book"])
def test_a_stranger_can_stop_nobody_else(client: Client, bob: User, book: Book, scope: str) -> None:
    client.force_login(bob)
    key = {"broker": f"broker-{book.broker_id}", "book": f"book-{book.pk}"}.get(scope, scope)

    dialog = client.post(SWITCH, {"scope": key, "state": "halted"}).content.decode()

    assert "Select a valid choice" in dialog
    assert not RiskScope.objects.exclude(state="active").exists()


def test_the_stop_of_another_user_is_not_shown(
    client: Client, alice: User, bob: User, now: datetime
) -> None:
    halt(alice, now)
    client.force_login(bob)

    assert "Trading</span>" in page_of(client)


def test_an_administrator_stops_everybody(client: Client, alice: User, bob: User) -> None:
    bob.is_superuser = True
    bob.save()
    client.force_login(bob)

    client.post(SWITCH, {"scope": "everybody", "state": "halted"})

    assert state_for(owner_id=alice.pk) is HALTED


def test_only_an_administrator_resumes_everybody(trader: Client, now: datetime) -> None:
    halt(None, now)

    assert "Only an administrator can resume this." in trader.get(SWITCH).content.decode()


def test_the_state_costs_a_page_one_query(
    alice: User, book: Book, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    halt(alice, now)
    halt(alice, now, book_id=book.pk)

    with django_assert_num_queries(1):
        labels = [stopped.label for stopped in read_status(alice).stopped]

    assert labels == ["All your trading", "EMA cross"]


def limits(**values: object) -> dict[str, object]:
    inline = {"changes-TOTAL_FORMS": 0, "changes-INITIAL_FORMS": 0}
    return {"broker": "", "book": "", **inline, **values}


def test_limits_are_saved_for_whom_they_are_meant(
    trader: Client, alice: User, broker: Broker
) -> None:
    trader.post(f"{LIMITS}add/", limits(broker=broker.pk, max_order_value="100"))

    scope = RiskScope.objects.get(owner=alice)
    assert (scope.broker, scope.max_order_value, scope.state) == (broker, 100, "active")


def test_the_list_tells_the_limits_in_words(trader: Client, alice: User) -> None:
    RiskScope.objects.create(owner=alice, max_order_value=2000, max_drawdown=Decimal("0.2"))

    page = trader.get(LIMITS).content.decode()

    assert "an order: 2,000<br>drawdown: 20 %" in page


def test_a_new_limit_has_no_state_and_no_past(trader: Client) -> None:
    page = trader.get(f"{LIMITS}add/").content.decode()

    assert "Why it is not active" not in page
    assert "changes-TOTAL_FORMS" not in page


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_order_value", "0"), ("max_open_positions", "0"), ("max_drawdown", "20")],
)
def test_limits_that_make_no_sense_are_refused(trader: Client, name: str, value: str) -> None:
    page = trader.post(f"{LIMITS}add/", limits(**{name: value}))

    assert page.context["errors"]
    assert not RiskScope.objects.filter(owner__isnull=False).exists()


def test_a_drawdown_needs_a_capital_of_its_own(trader: Client, book: Book) -> None:
    page = trader.post(f"{LIMITS}add/", limits(book=book.pk, max_drawdown="0.2"))

    assert "this one has none" in page.content.decode()


def test_a_strategy_has_a_daily_loss(trader: Client, book: Book) -> None:
    trader.post(f"{LIMITS}add/", limits(book=book.pk, max_daily_loss="5"))

    assert RiskScope.objects.get(book=book).max_daily_loss == 5


def test_nobody_limits_the_money_of_another(client: Client, bob: User, broker: Broker) -> None:
    client.force_login(bob)

    page = client.post(f"{LIMITS}add/", limits(broker=broker.pk, max_order_value="1"))

    assert page.context["errors"]


@pytest.mark.parametrize("is_superuser", [False, True])
def test_nobody_sees_or_changes_the_limits_of_another(
    client: Client, alice: User, bob: User, is_superuser: bool
) -> None:
    scope = RiskScope.objects.create(owner=alice, reason="only-for-alice")
    bob.is_superuser = is_superuser
    bob.save()
    client.force_login(bob)

    assert "only-for-alice" not in client.get(LIMITS).content.decode()
    for page in ("change", "history", "delete"):
        assert client.get(f"{LIMITS}{scope.pk}/{page}/").status_code in {302, 403, 404}
    client.post(f"{LIMITS}{scope.pk}/change/", limits(max_order_value="1"))
    scope.refresh_from_db()
    assert scope.max_order_value is None


@pytest.mark.parametrize("is_superuser", [False, True])
def test_limits_for_each_user_are_the_administrator_s(
    client: Client, alice: User, is_superuser: bool
) -> None:
    alice.is_superuser = is_superuser
    alice.save()
    client.force_login(alice)
    scope, _created = RiskScope.objects.get_or_create(owner=None)

    client.post(f"{LIMITS}{scope.pk}/change/", limits(max_open_positions="5"))

    scope.refresh_from_db()
    assert scope.max_open_positions == (5 if is_superuser else None)
    assert scope.owner is None
    assert ("Each user" in client.get(LIMITS).content.decode()) == is_superuser


def test_no_scope_is_deleted_and_so_resumed(trader: Client, alice: User, now: datetime) -> None:
    halt(alice, now)
    scope = RiskScope.objects.get(owner=alice)

    assert trader.post(f"{LIMITS}{scope.pk}/delete/", {"post": "yes"}).status_code == 403
