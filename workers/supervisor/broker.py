"""What a killed worker leaves in Valkey, put right before the next one starts."""

import json
from collections.abc import Collection

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError
from redis import Redis, RedisError

from apps.core.health import PREFIX


def forget_signs_of_life() -> None:
    """Remove what the processes of an earlier start said, which would make new ones look ready."""
    with Redis.from_url(settings.REDIS_URL) as valkey:
        for key in valkey.scan_iter(f"{PREFIX}*", count=1000):
            valkey.delete(key)


def restore_unacknowledged(queues: Collection[str]) -> None:
    """Give back the messages of `queues` that a dead worker held; its successor gets them first.

    Only right where nobody else takes from these queues: a delivery doesn't say who holds it. Where
    Valkey doesn't answer nothing is lost: kombu gives them back after its visibility time-out.
    """
    try:
        with current_app.connection_for_write() as connection, connection.channel() as channel:
            deliveries = channel.client.hgetall(channel.unacked_key)
            for tag, delivery in deliveries.items():
                _message, _exchange, routing_key = json.loads(delivery)
                if routing_key in queues:
                    channel.qos.restore_by_tag(tag, leftmost=True)
    except (OperationalError, RedisError, OSError):
        return
