"""One broker's private stream, from the exchange into our orders."""

import logging
import threading
from contextlib import closing
from datetime import datetime

from django.db import Error, connections
from django.utils import timezone

from apps.brokers.models import Broker
from apps.brokers.services import connect, connect_stream
from apps.core.venues import NotRunning
from apps.exchanges.errors import ExchangeError
from apps.exchanges.feed import OrderFeed
from apps.exchanges.ports import OrderReport
from apps.trading import streams

logger = logging.getLogger(__name__)

#: A key that is refused may be good again when its owner has changed what it may do.
REFUSED_SECONDS = 60.0


class Follower(threading.Thread):
    """Follows one broker's orders with the key it has now, until it is stopped; reconnects by itself."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(name=f"stream of broker {broker.pk}", daemon=True)
        self.broker = broker
        #: Since when nothing was missed or left to the poll; None while there is no connection.
        self.whole_since: datetime | None = None
        #: When the first order was told that is not ours and was not asked for yet.
        self.elsewhere_since: datetime | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ask it to end, which it does at the next sign of life; it takes over nothing more."""
        self._stopped.set()

    def run(self) -> None:
        """Follow, again and again; what connecting again can't help is tried once a minute."""
        while not self._stopped.is_set():
            try:
                self._follow()
            except (ExchangeError, NotRunning) as error:
                self._note_cut(str(error))
                self._stopped.wait(REFUSED_SECONDS)
        connections.close_all()

    def _follow(self) -> None:
        client, stream = connect(self.broker), connect_stream(self.broker)
        with closing(OrderFeed(client, stream, sleep=self._sleep)) as feed:
            for report in feed.reports():
                if self._stopped.is_set():
                    return
                if feed.is_gapless and self.whole_since is None:
                    self.whole_since = timezone.now()
                    logger.info("%s: connected", self.name)
                if report is not None:
                    self._take(report)
                elif not feed.is_gapless:
                    self._note_cut(feed.last_error)
                else:
                    # Streams are quiet most of the time, and there may be many.
                    connections.close_all()

    def _take(self, report: OrderReport) -> None:
        now = timezone.now()
        try:
            outcome = streams.take_report(broker_id=self.broker.pk, report=report, now=now)
        except Error as error:
            logger.warning("%s: left to the poll: %s", self.name, error)
            connections.close_all()
            outcome = streams.Outcome.LEFT_TO_POLL
        if outcome is streams.Outcome.PLACED_ELSEWHERE:
            self.elsewhere_since = self.elsewhere_since or now
        if outcome is streams.Outcome.LEFT_TO_POLL and self.whole_since:
            self.whole_since = timezone.now()

    def _note_cut(self, words: str) -> None:
        logger.warning("%s: %s", self.name, words)
        self.whole_since = None
        try:
            streams.note_cut(broker_id=self.broker.pk, why=words)
        except Error as error:
            # Its last sign of life grows old by itself.
            logger.warning("%s: %s", self.name, error)
        finally:
            connections.close_all()

    def _sleep(self, seconds: float) -> None:
        self._stopped.wait(seconds)
