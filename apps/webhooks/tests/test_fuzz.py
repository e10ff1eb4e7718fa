"""Whatever an authentic sender posts is stored and answered, and nothing is traded that does not say so.

WEBHOOK_BODIES=100000 python3 manage.py test apps/webhooks/tests/test_fuzz.py
"""

import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from apps.trading.models import Order
from apps.webhooks.models import Webhook
from apps.webhooks.processing import process_webhook
from apps.webhooks.reading import BadBody, read_fields, read_message
from apps.webhooks.tests.bodies import BODIES
from apps.webhooks.verbs import Verb

MOST = int(os.environ.get("WEBHOOK_BODIES", "100"))
often = settings(
    max_examples=MOST,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.usefixtures("source")
@often
@given(body=BODIES)
def test_whatever_is_posted_is_stored_and_answered(
    post: Callable[..., Any], now: datetime, body: bytes
) -> None:
    answer = post(body)

    webhook = Webhook.objects.get()
    assert answer.status_code == (400 if webhook.state == "error" else 200)
    assert answer.json()["id"] == webhook.pk
    assert bool(webhook.reason) or webhook.state == "received"
    # No symbol is listed: what is read as a wish to trade is refused.
    process_webhook(webhook_id=webhook.pk, clock=lambda: now)
    webhook.refresh_from_db()
    assert webhook.state in {"processed", "error"}
    assert (webhook.state == "processed") == (webhook.action == Verb.PING)
    assert not Order.objects.exists()
    Webhook.objects.all().delete()


@settings(often, max_examples=3 * MOST)
@given(body=BODIES)
def test_what_is_read_was_said(body: bytes) -> None:
    try:
        message = read_message(read_fields(body))
    except BadBody:
        return

    text = body.decode("utf-8-sig").lower()
    assert message.verb.lower() in text
    assert '"action"' in text or "action:" in text.replace(" ", "")
    assert 0 <= message.percent <= 100
    for price in (message.price, message.stop_loss, message.take_profit):
        assert price is None or 0 < price < 10**12
