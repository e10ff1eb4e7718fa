"""Nobody sees another's rows: every admin address, walked as another user."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.accounts.models import User
from apps.backtests.models import BacktestRun
from apps.bots.models import Activation, Decision, StrategyLog
from apps.brokers.models import Broker
from apps.core.models import Alert, OwnedModel
from apps.markets.models import Candle, Series
from apps.strategies.models import Strategy, StrategyVersion
from apps.trading.models import (
    Book,
    Difference,
    EquitySnapshot,
    Fill,
    Lot,
    Order,
    Position,
    Transfer,
)

admin.autodiscover()

SECRET = "only-for-alice"
OWNED = [model for model in admin.site._registry if issubclass(model, OwnedModel)]


@pytest.fixture
def rows(
    book: Book, series: Series, add_candle: Callable[..., Candle], now: datetime
) -> dict[type, OwnedModel]:
    """One row of everything, all alice's."""
    owner, symbol = book.owner, series.symbol
    book.label = SECRET
    book.save()
    strategy = Strategy.objects.create(owner=owner, name=SECRET)
    version = StrategyVersion.objects.create(
        owner=owner, strategy=strategy, number=1, code=SECRET, code_hash="", class_name="A"
    )
    activation = Activation.objects.create(
        owner=owner, version=version, series=series, book=book, starts_at=now
    )
    position = Position.objects.create(owner=owner, book=book, symbol=symbol, opened_at=now)
    order = Order.objects.create(
        owner=owner,
        book=book,
        broker=book.broker,
        symbol=symbol,
        dedup_key="k",
        source="strategy",
        purpose="entry",
        side="buy",
        order_type="market",
        quantity=1,
        reference_price=1,
        status="filled",
        reason=SECRET,
        valid_until=now,
    )
    fill = Fill.objects.create(
        owner=owner,
        order=order,
        broker=book.broker,
        symbol=symbol,
        trade_id=SECRET,
        side="buy",
        quantity=1,
        price=1,
        fee=Decimal(0),
        fee_asset="BTC",
        is_maker=False,
        executed_at=now,
    )
    decision = Decision.objects.create(
        owner=owner,
        activation=activation,
        version=version,
        candle=add_candle(),
        action="wait",
        reason=SECRET,
        price=1,
    )
    log = StrategyLog.objects.create(
        owner=owner, activation=activation, version=version, level="info", message=SECRET
    )
    alert = Alert.objects.create(
        owner=owner, key="k", level=Alert.Level.CRITICAL, message=SECRET, last_at=now
    )
    coins = {"owner": owner, "asset": SECRET}
    lot = Lot.objects.create(
        **coins,
        book=book,
        origin="bought",
        acquired_at=now,
        quantity=1,
        remaining=1,
        cost_asset="USDT",
    )
    at_broker = {"owner": owner, "broker": book.broker}
    transfer = Transfer.objects.create(**coins, broker=book.broker, quantity=1, at=now)
    difference = Difference.objects.create(
        **coins, broker=book.broker, ours=1, theirs=2, first_seen_at=now, seen_at=now
    )
    equity = EquitySnapshot.objects.create(**at_broker, at=now, equity=1, unpriced=[SECRET])
    backtest = BacktestRun.objects.create(
        owner=owner,
        version=version,
        symbol=symbol,
        timeframe="1m",
        starts_at=now,
        ends_at=now,
        maker_fee=0,
        taker_fee=0,
        error=SECRET,
    )
    made = (
        *(alert, book.broker, strategy, version, activation, position, order, fill, decision),
        *(lot, transfer, difference, equity, log, backtest),
    )
    return {type(row): row for row in made}


def test_every_owned_model_is_walked(rows: dict[type, OwnedModel]) -> None:
    assert set(OWNED) == set(rows)


def url(model: type[OwnedModel], page: str, *args: object) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


@pytest.mark.parametrize("model", OWNED)
def test_the_owner_sees_his_rows(
    client: Client, rows: dict[type, OwnedModel], model: type[OwnedModel]
) -> None:
    client.force_login(rows[model].owner)

    assert client.get(url(model, "changelist")).status_code == 200
    assert client.get(url(model, "change", rows[model].pk)).status_code == 200


@pytest.mark.parametrize("is_superuser", [False, True])
@pytest.mark.parametrize("model", OWNED)
def test_nobody_else_does(
    client: Client,
    rows: dict[type, OwnedModel],
    bob: User,
    model: type[OwnedModel],
    is_superuser: bool,
) -> None:
    bob.is_superuser = is_superuser
    bob.save()
    client.force_login(bob)

    listed = client.get(url(model, "changelist"), {"all": 1})
    assert listed.status_code == 200
    assert SECRET not in listed.content.decode()
    for page in ("change", "history", "delete"):
        response = client.get(url(model, page, rows[model].pk))
        assert response.status_code in {302, 403, 404}, page
        assert SECRET not in response.content.decode()
    deleted = client.post(url(model, "delete", rows[model].pk), {"post": "yes"})
    assert deleted.status_code in {302, 403, 404}
    assert model.objects.filter(pk=rows[model].pk).exists()


@pytest.mark.parametrize("action", ["sell", "suspend", "resume", "switch_version", "stop"])
def test_nobody_acts_on_a_foreign_activation(
    client: Client, rows: dict[type, OwnedModel], bob: User, action: str
) -> None:
    client.force_login(bob)
    before = Activation.objects.values().get()

    response = client.post(
        url(Activation, action, rows[Activation].pk),
        {"_form_submitted": "on", "key": "k", "position": "sell"},
    )

    assert response.status_code in {302, 403, 404}
    assert SECRET not in response.content.decode()
    assert Activation.objects.values().get() == before


@pytest.mark.parametrize("page", ["timeline", "chart"])
def test_the_timeline_is_of_own_activations_only(
    client: Client, rows: dict[type, OwnedModel], bob: User, page: str
) -> None:
    address = reverse(f"bots:{page}", args=[rows[Activation].pk])

    for user, status in ((bob, 404), (rows[Activation].owner, 200)):
        client.force_login(user)
        assert client.get(address).status_code == status


def test_a_filter_by_a_foreign_broker_shows_nothing(
    client: Client, rows: dict[type, OwnedModel], bob: User
) -> None:
    client.force_login(bob)

    page = client.get(url(Order, "changelist"), {"broker__id__exact": rows[Order].broker_id})  # type: ignore[attr-defined]

    assert SECRET not in page.content.decode()


@pytest.mark.parametrize(
    ("model", "action"), [(Activation, "suspend"), (Broker, "test_connection")]
)
def test_actions_on_foreign_rows_do_nothing(
    client: Client,
    rows: dict[type, OwnedModel],
    bob: User,
    monkeypatch: pytest.MonkeyPatch,
    model: type[OwnedModel],
    action: str,
) -> None:
    done: list[object] = []
    for service in (
        "bots.services.suspend",
        "brokers.admin.request_connection_test",
    ):
        monkeypatch.setattr(f"apps.{service}", lambda **row: done.append(row))

    for user, expected in ((bob, 0), (rows[model].owner, 1)):
        client.force_login(user)
        client.post(url(model, action, rows[model].pk), {"_form_submitted": "on"})
        assert len(done) == expected


def test_the_dashboard_and_its_chart_show_own_rows_only(
    client: Client, rows: dict[type, OwnedModel], bob: User
) -> None:
    client.force_login(bob)

    assert SECRET not in client.get(reverse("admin:index")).content.decode()
    assert SECRET not in client.get(reverse("live:dashboard")).content.decode()
    assert client.get(reverse("live:alert_count")).content == b""
    assert client.get(reverse("live:chart", args=[rows[Activation].pk])).status_code == 404


def test_the_ticket_knows_own_brokers_and_orders_only(
    client: Client, rows: dict[type, OwnedModel], bob: User
) -> None:
    order = rows[Order]
    client.force_login(bob)

    assert client.get(reverse("live:order", args=[order.pk])).status_code == 404
    page = client.get(
        reverse("live:ticket"),
        {"order": order.pk, "broker": order.broker_id},  # type: ignore[attr-defined]  # an Order
    ).content.decode()
    assert SECRET not in page
    assert "No broker to trade on" in page


def test_a_new_row_cannot_use_a_foreign_broker_or_version(
    client: Client, rows: dict[type, OwnedModel], bob: User
) -> None:
    client.force_login(bob)
    data = {
        "version": rows[StrategyVersion].pk,
        "broker": rows[Order].broker_id,  # type: ignore[attr-defined]
        "symbol": "BTC/USDT",
        "timeframe": "1m",
    }

    response = client.post(url(Activation, "add"), data)

    assert response.status_code == 200
    assert Activation.objects.count() == 1


def test_forms_of_two_users_at_the_same_time_offer_each_his_own(
    rows: dict[type, OwnedModel], bob: User, rf: RequestFactory
) -> None:
    def make_form(user: User) -> Any:
        request = rf.get("/")
        request.user = user
        return admin.site._registry[Activation].get_form(request)

    hers, his = make_form(rows[Activation].owner), make_form(bob)

    assert list(hers().fields["broker"].queryset) == [rows[Broker]]
    assert list(his().fields["broker"].queryset) == []
    assert list(hers().fields["broker"].queryset) == [rows[Broker]]


@pytest.mark.parametrize("name", ["admin:index", "live:dashboard", "live:ticket", "events"])
def test_strangers_are_asked_to_log_in(client: Client, db: None, name: str) -> None:
    response = client.get(reverse(name))

    assert response.status_code == 302
    assert "/login/" in response["Location"]


@pytest.mark.parametrize("path", ["/flower/", "/admin/tasks/", "/admin/accounts/user/"])
def test_what_is_for_administrators(client: Client, alice: AbstractBaseUser, path: str) -> None:
    assert client.get(path).status_code == 302

    client.force_login(alice)
    assert client.get(path).status_code == 403


def test_statements_and_equity_are_of_own_brokers_only(
    client: Client, rows: dict[type, OwnedModel], bob: User
) -> None:
    client.force_login(bob)
    broker = rows[Broker]

    page = client.get(
        reverse("trading:statement"), {"broker": broker.pk, "year": 2026, "method": "fifo"}
    )

    assert page["Content-Type"].startswith("text/html")
    assert f">{broker}</option>" not in page.content.decode()
    assert client.get(reverse("trading:equity")).json() == {"lines": []}
