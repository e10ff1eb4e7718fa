"""TradingView end to end: a webhook posted to our server is traded at a paper exchange whose price a test
sets, the same for every dialect."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.brokers.models import Broker
from apps.core.tasks import TaskName
from apps.domain.orders import OrderPurpose
from apps.exchanges.ports import OrderReport
from apps.trading.models import Book, Order, Position
from apps.webhooks.messenger import messenger
from apps.webhooks.models import Destination, Webhook, WebhookSource
from apps.webhooks.tokens import hash_token, make_token
from workers.tests.test_protection import Desk, desk

__all__ = ["desk"]
pytestmark = pytest.mark.django_db(transaction=True)
Alert = Callable[..., Webhook]


@pytest.fixture
def alert(desk: Desk, client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Alert:
    """Posts as TradingView does, and all that follows from it: `alert("BuyMarket", PourCent=10)`."""
    monkeypatch.setattr(messenger, "hand_over", lambda _wish: None)
    settings.ROOT_URLCONF = "aristobot.webhook_urls"
    settings.MIDDLEWARE = []
    Broker.objects.update(automation="webhooks")
    desk.broker.refresh_from_db()
    token = make_token()
    source = WebhookSource.objects.create(
        owner=desk.broker.owner, name="RSI", token_hash=hash_token(token)
    )
    book = Book.objects.create(owner=source.owner, broker=desk.broker, kind="webhook", label="RSI")
    Destination.objects.create(owner=source.owner, source=source, broker=desk.broker, book=book)

    def post(verb: str, **fields: Any) -> Webhook:
        body = {"Token": token, "Symbol": "BTCUSDT", "Close": 64_000, "Action": verb, **fields}
        answer = client.post("/webhook/", json.dumps(body), content_type="application/json")
        assert answer.status_code == 200, answer.content
        desk.messages.append((TaskName.PROCESS_WEBHOOK, {"webhook_id": answer.json()["id"]}))
        desk.deliver()
        return Webhook.objects.select_related("order").get(pk=answer.json()["id"])

    return post


def held_by_source() -> Position:
    """What the source bought last."""
    return Position.objects.filter(book__kind="webhook").latest("pk")


def resting_of_source(desk: Desk) -> list[OrderReport]:
    """What the exchange has of it."""
    ours = Order.objects.filter(book__kind="webhook").values_list("client_order_id", flat=True)
    return [report for report in desk.resting() if report.client_order_id in set(ours)]


def test_from_buying_to_flat(desk: Desk, alert: Alert) -> None:
    bought = alert("BuyMarket", PourCent=10, PrixSL=62_000, PrixTP=70_000)

    assert (bought.state, bought.order and bought.order.status) == ("processed", "filled")
    assert held_by_source().stop_loss_price == 62_000
    assert held_by_source().take_profit_price == 70_000
    (stop,) = resting_of_source(desk)
    assert stop.trigger_price == 62_000

    alert("MAJ", PrixSL=63_000)

    (stop,) = resting_of_source(desk)
    assert stop.trigger_price == 63_000
    assert held_by_source().take_profit_price == 70_000

    before = held_by_source().quantity
    half = alert("SellMarket", PourCent=50)

    assert half.order is not None
    assert half.order.status == "filled"
    assert abs(held_by_source().quantity - before / 2) < Decimal("0.0001")
    (stop,) = resting_of_source(desk)
    market = desk.symbol.to_market()
    assert stop.quantity == market.round_quantity(held_by_source().quantity)

    rest = alert("SellMarket")

    assert (rest.state, held_by_source().is_open) == ("processed", False)
    assert resting_of_source(desk) == []
    assert desk.position.book.kind == "webhook"
    assert Position.objects.get(book=desk.book).is_open


def test_limit_orders_rest_until_the_price_comes(desk: Desk, alert: Alert) -> None:
    bought = alert("BuyLimit", Prix=63_500, PourCent=10, PrixSL=60_000)

    assert bought.order is not None
    assert (bought.order.status, bought.order.price) == ("open", 63_500)
    desk.feed.set_price(63_400.0)
    desk.pass_time()
    bought.order.refresh_from_db()
    assert bought.order.status == "filled"
    assert held_by_source().stop_loss_price == 60_000

    sold = alert("SellLimit", Prix=64_500)

    assert sold.order is not None
    sold.order.refresh_from_db()
    assert (sold.order.status, sold.order.purpose) == ("open", OrderPurpose.EXIT)
    desk.feed.set_price(64_600.0)
    desk.pass_time()
    assert not held_by_source().is_open
    assert resting_of_source(desk) == []


def test_a_sale_at_market_overtakes_one_that_rests(desk: Desk, alert: Alert) -> None:
    alert("BuyMarket", PourCent=10)
    resting = alert("SellLimit", Prix=69_000)

    sold = alert("SellMarket")

    assert sold.order is not None
    assert resting.order is not None
    resting.order.refresh_from_db()
    assert (resting.order.status, sold.order.replaces) == ("cancelled", resting.order)
    assert not held_by_source().is_open
    assert resting_of_source(desk) == []
