"""Many senders and many workers at the same moment, on a real PostgreSQL."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Any

import pytest
from django.test import Client

from apps.trading.models import Order
from apps.trading.tests.test_races import at_once
from apps.webhooks import processing
from apps.webhooks.models import Destination, Webhook
from apps.webhooks.processing import process_webhook
from apps.webhooks.tests.conftest import TOKEN
from apps.webhooks.trading import Outcome

pytestmark = pytest.mark.django_db(transaction=True)
BAR = '{"Action": "BuyMarket", "Symbol": "BTCUSDT", "Prix": 100, "BarTime": "2026-01-01T12:00:00Z"}'
NO_BAR = '{"Action": "BuyMarket", "Symbol": "BTCUSDT", "Prix": 100}'


@pytest.mark.usefixtures("destination", "symbol")
@pytest.mark.parametrize("body", [BAR, NO_BAR])
def test_a_hundred_identical_posts_are_one_order(
    settings: Any, now: datetime, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    settings.ROOT_URLCONF = "aristobot.webhook_urls"
    settings.MIDDLEWARE = []
    monkeypatch.setattr("apps.webhooks.views.timezone.now", lambda: now)

    def send(_number: int) -> int:
        answers = [
            Client().post(f"/webhook/{TOKEN}", body, content_type="application/json")
            for _ in range(10)
        ]
        for answer in answers:
            process_webhook(webhook_id=answer.json()["id"], clock=lambda: now)
        return sum(answer.status_code == 200 for answer in answers)

    assert sum(at_once(10, send)) == 100
    assert Counter(Webhook.objects.values_list("state", flat=True)) == {
        "processed": 1,
        "duplicate": 99,
    }
    assert Webhook.objects.get(state="processed").order == Order.objects.get()
    assert Order.objects.get().status == "created"


def test_of_one_source_and_symbol_one_is_processed_at_a_time(
    destination: Destination,
    make_webhook: Callable[..., Webhook],
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[int] = []
    at_work = Lock()

    def carry_out(webhook: Webhook, _now: datetime) -> Outcome:
        assert at_work.acquire(blocking=False)
        done.append(webhook.pk)
        at_work.release()
        return Outcome(is_done=True, words="done")

    monkeypatch.setattr(processing, "carry_out", carry_out)
    rows = [make_webhook() for _ in range(20)]

    at_once(8, lambda number: process_webhook(webhook_id=rows[number].pk, clock=lambda: now))

    assert done == [row.pk for row in rows]
