"""What open screens are told: that rows of their user have changed. A broadcast may be lost, so no work
ever waits for one."""

import json
import logging
import os
import time
from enum import StrEnum
from functools import partial

from django.conf import settings
from django.db import transaction
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

#: Longer than a working Valkey ever takes, short enough for the order path.
TIMEOUT_SECONDS = 0.1
#: After a failure nothing is told for so long: a Valkey that hangs must not slow every order down.
SILENCE_SECONDS = 5.0


class Topic(StrEnum):
    """Which of a user's rows have changed."""

    ORDERS = "orders"
    POSITIONS = "positions"
    BALANCES = "balances"
    ALERTS = "alerts"


def channel_of(owner_id: int) -> str:
    """Where everything for one user's screens is published."""
    return f"screens:{owner_id}"


def broadcast_on_commit(owner_id: int, topic: Topic, **ids: int) -> None:
    """Tell the owner's open screens, once the surrounding transaction has committed, which rows to read
    again; never raises."""
    transaction.on_commit(partial(_publisher().publish, owner_id, topic, ids))


class Publisher:
    """The connection of one process; it connects when it first publishes."""

    def __init__(self, url: str) -> None:
        self._valkey = Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._silent_until = 0.0

    def publish(self, owner_id: int, topic: Topic, ids: dict[str, int]) -> None:
        """Ids only: whoever listens reads the rows himself, as their owner."""
        if time.monotonic() < self._silent_until:
            return
        try:
            self._valkey.publish(channel_of(owner_id), json.dumps({"topic": topic, **ids}))
        except RedisError as error:
            self._silent_until = time.monotonic() + SILENCE_SECONDS
            logger.warning("Screens are not told of changes for a moment: %s", error)


_publishers: dict[tuple[int, str], Publisher] = {}


def _publisher() -> Publisher:
    # A forked child must not speak on its parent's socket, so a publisher belongs to a process.
    key = (os.getpid(), settings.REDIS_URL)
    if key not in _publishers:
        _publishers[key] = Publisher(settings.REDIS_URL)
    return _publishers[key]
