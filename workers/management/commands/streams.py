"""`manage.py streams`: what exchanges tell of our orders by themselves."""

import signal
import threading
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections
from django.utils import timezone

from apps.brokers.selectors import list_active_brokers
from apps.core.health import announce
from apps.core.venues import is_reachable
from apps.domain.environments import Environment
from apps.trading import streams
from workers.streams.follower import Follower

#: From the first order that was placed elsewhere to the sweep that imports it and those after it: long
#: enough for our own that have fired under another name, and no more often than budgets carry.
SWEEP_AFTER = timedelta(seconds=60)


class Command(BaseCommand):
    """One follower for each active broker."""

    requires_system_checks = ()
    help = "Follow the private stream of every active broker, so that changes are known at once."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run until SIGTERM or SIGINT; look every 5 s which brokers there are, and with which keys."""
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        announce("streams")
        followers: dict[int, Follower] = {}
        while not stopped.is_set():
            close_old_connections()
            try:
                follow(followers)
                tell_monitor(followers, timezone.now())
            except (InterfaceError, OperationalError) as error:
                self.stderr.write(f"the database does not answer: {error}")
            stopped.wait(5)
        for follower in followers.values():
            follower.stop()


def follow(followers: dict[int, Follower]) -> None:
    """Have one follower for each active broker, with the key that it has now."""
    brokers = {
        broker.pk: broker
        for broker in list_active_brokers()
        if is_reachable(Environment(broker.environment))
    }
    for broker_id, follower in list(followers.items()):
        broker = brokers.get(broker_id)
        if broker is None or not broker.is_same_account(follower.broker):
            followers.pop(broker_id).stop()
    for broker_id in brokers.keys() - {key for key, each in followers.items() if each.is_alive()}:
        followers[broker_id] = Follower(brokers[broker_id])
        followers[broker_id].start()


def tell_monitor(followers: dict[int, Follower], now: datetime) -> None:
    """Which streams are whole, and which brokers have orders that are not ours."""
    whole_since = {key: each.whole_since for key, each in followers.items()}
    streams.note_alive(
        whole_since={key: since for key, since in whole_since.items() if since}, now=now
    )
    for broker_id, follower in followers.items():
        if follower.elsewhere_since and follower.elsewhere_since <= now - SWEEP_AFTER:
            follower.elsewhere_since = None
            streams.request_sweep(broker_id=broker_id)
