"""`manage.py heartbeat`: the producer of candles."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections

from apps.brokers.selectors import list_venues_in_use
from apps.core.health import announce
from apps.core.venues import is_reachable
from workers.heartbeat.feed import Feed


class Command(BaseCommand):
    """One feed for each exchange that an active broker trades at."""

    requires_system_checks = ()
    help = "Listen to the markets, store closed candles and call the strategies that wait for them."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run until SIGTERM or SIGINT; look every 5 s which exchanges are in use."""
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        announce("heartbeat")
        feeds: dict[tuple[str, str], Feed] = {}
        while not stopped.is_set():
            self._follow(feeds)
            stopped.wait(5)
        for feed in feeds.values():
            feed.stop()
        for feed in feeds.values():
            feed.join(timeout=5)

    def _follow(self, feeds: dict[tuple[str, str], Feed]) -> None:
        close_old_connections()
        try:
            wanted = {venue for venue in list_venues_in_use() if is_reachable(venue[1])}
        except (InterfaceError, OperationalError) as error:
            self.stderr.write(f"the database does not answer: {error}")
            return
        for venue in feeds.keys() - wanted:
            feeds.pop(venue).stop()
        for venue in wanted - {key for key, feed in feeds.items() if feed.is_alive()}:
            feeds[venue] = Feed(*venue)
            feeds[venue].start()
