import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from redis import Redis
from redis.client import PubSub

from apps.core.broadcast import Publisher, Topic, broadcast_on_commit, channel_of

Commit = Callable[..., Any]


@pytest.fixture
def screen() -> Iterator[PubSub]:
    """What user 7 has open."""
    with Redis.from_url(settings.REDIS_URL) as valkey, valkey.pubsub() as subscription:
        subscription.subscribe(channel_of(7))
        subscription.get_message(timeout=1)
        yield subscription


@pytest.mark.django_db
def test_screens_hear_of_ids_after_the_commit(
    screen: PubSub, django_capture_on_commit_callbacks: Commit
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        broadcast_on_commit(7, Topic.ORDERS, order=12)
        assert screen.get_message(timeout=0.05) is None

    message = screen.get_message(timeout=1)
    assert message
    assert json.loads(message["data"]) == {"topic": "orders", "order": 12}


@pytest.mark.django_db
def test_screens_of_others_hear_nothing(
    screen: PubSub, django_capture_on_commit_callbacks: Commit
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        broadcast_on_commit(8, Topic.ORDERS, order=12)

    assert screen.get_message(timeout=0.05) is None


def test_a_valkey_that_is_down_costs_no_order_anything() -> None:
    publisher = Publisher("redis://127.0.0.1:1/0")
    publisher.publish(7, Topic.ORDERS, {})

    started = time.perf_counter()
    for _ in range(100):
        publisher.publish(7, Topic.ORDERS, {})

    assert time.perf_counter() - started < 0.01
