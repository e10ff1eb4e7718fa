from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from apps.brokers.models import Broker
from apps.trading.models import Book
from apps.webhooks import processing, receiving
from apps.webhooks.floods import Floods
from apps.webhooks.models import Destination, Webhook, WebhookSource
from apps.webhooks.tokens import hash_token, make_token

TOKEN = make_token()


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has its own memory of wrong tokens, and what is enqueued is not sent."""
    monkeypatch.setattr(receiving, "floods", Floods(receiving._list_tokens))
    monkeypatch.setattr(receiving.messenger, "hand_over", lambda _wish: None)
    monkeypatch.setattr(processing, "send", lambda *_a, **_k: None)
    for module in ("apps.trading.gate", "apps.trading.path"):
        monkeypatch.setattr(f"{module}.enqueue_on_commit", lambda *_a, **_k: None)


@pytest.fixture
def destination(broker: Broker) -> Destination:
    """Alice's one source may trade on her paper account."""
    Broker.objects.filter(pk=broker.pk).update(automation="webhooks")
    broker.refresh_from_db()
    source = WebhookSource.objects.create(
        owner=broker.owner, name="RSI", token_hash=hash_token(TOKEN)
    )
    return add_destination(source, broker)


@pytest.fixture
def source(destination: Destination) -> WebhookSource:
    """Alice's."""
    return destination.source


def add_destination(source: WebhookSource, broker: Broker) -> Destination:
    book = Book.objects.create(owner=broker.owner, broker=broker, kind="webhook", label=source.name)
    return Destination.objects.create(owner=broker.owner, source=source, broker=broker, book=book)


@pytest.fixture
def make_webhook(destination: Destination, now: datetime) -> Callable[..., Webhook]:
    """A stored webhook that waits: `make_webhook(action="MAJ", stop_loss_price=95)`."""

    def make(**values: Any) -> Webhook:
        row = {
            "owner": destination.owner,
            "source": destination.source,
            "destination": destination,
            "action": "BuyMarket",
            "symbol_name": "BTCUSDT",
            "percent": 100,
            "received_at": now,
            "trace_id": "a" * 32,
        }
        return Webhook.objects.create(**{**row, **values})

    return make


@pytest.fixture
def post(client: Client, settings: Any) -> Callable[..., Any]:
    """Sends a body to the webhook server: `post('{"Action": "PING"}')`."""
    settings.ROOT_URLCONF = "aristobot.webhook_urls"
    settings.MIDDLEWARE = []

    def send(body: str | bytes, path: str = f"/webhook/{TOKEN}", **headers: str) -> Any:
        return client.post(path, body, content_type="application/json", headers=headers)

    return send
