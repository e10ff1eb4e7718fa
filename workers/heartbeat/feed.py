"""One exchange's candles, from its stream into the database and on to the strategies."""

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime

from django.db import OperationalError, close_old_connections
from django.utils import timezone

from apps.core.venues import client_options, stream_options
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.exchanges import errors, ports
from apps.exchanges.clients import create_candle_stream, create_client
from apps.markets import services
from apps.markets.models import Series
from apps.markets.selectors import find_newest_candle, list_series, timeframe_of

logger = logging.getLogger(__name__)

#: Candles that a fresh series starts with: what a strategy looks back on.
HISTORY = 1000
RECONNECT_SECONDS = (1, 2, 5, 10, 30)


class Feed(threading.Thread):
    """Follows every series of one exchange in one environment until it is stopped; reconnects by itself."""

    def __init__(self, exchange: Exchange, environment: Environment) -> None:
        super().__init__(name=f"{exchange}-{environment}", daemon=True)
        self.exchange = exchange
        self.environment = environment
        self._stopped = threading.Event()
        self._series: dict[tuple[str, Timeframe], Series] = {}
        self._newest: dict[int, datetime] = {}
        self._failures = 0

    def stop(self) -> None:
        """Ask the feed to end; it does within a second or so."""
        self._stopped.set()

    def run(self) -> None:
        """Connect and listen, again and again, waiting a little longer after each failure in a row."""
        self._record(started_at=timezone.now(), stopped_at=None)
        while not self._stopped.is_set():
            try:
                self._listen()
            except (errors.ExchangeError, OperationalError) as error:
                self._failures += 1
                self._report(error)
                wait = RECONNECT_SECONDS[min(self._failures, len(RECONNECT_SECONDS)) - 1]
                self._stopped.wait(wait)
        self._record(is_connected=False, stopped_at=timezone.now())

    def _listen(self) -> None:
        """One connection: subscribe first, then fill the gap, so that no candle falls between the two."""
        close_old_connections()
        services.follow_default(exchange=self.exchange, environment=self.environment)
        self._series = self._read_series()
        client = create_client(self.exchange, **client_options(self.exchange, self.environment))
        options = stream_options(self.exchange, self.environment)
        stream = create_candle_stream(self.exchange, self._series, **options)
        with closing(stream):
            stream.connect()
            for series in self._series.values():
                self._fill(client, series)
            self._record(is_connected=True, last_error="", symbols=self._names())
            logger.info("%s: connected, following %s", self.name, ", ".join(self._names()))
            self._failures = 0
            for update in self._updates(stream):
                if update.candle.is_closed:
                    self._take(client, update)

    def _updates(self, stream: ports.CandleStream) -> Iterator[ports.KlineUpdate]:
        """Frames as they come; ends when the feed is stopped or has other series to follow."""
        checked = timezone.now()
        while not self._stopped.is_set():
            update = stream.recv()
            if update is not None:
                yield update
            now = timezone.now()
            if (now - checked).total_seconds() > 2:
                checked = now
                self._subscribe_new(stream)

    def _subscribe_new(self, stream: ports.CandleStream) -> None:
        """Follow what was activated meanwhile, without a reconnect."""
        wanted = self._read_series()
        if wanted.keys() == self._series.keys():
            return
        added = [wanted[key] for key in wanted.keys() - self._series.keys()]
        self._series = wanted
        stream.set_subscriptions(wanted)
        client = create_client(self.exchange, **client_options(self.exchange, self.environment))
        for series in added:
            self._fill(client, series)
        self._record(symbols=self._names())

    def _take(self, client: ports.ExchangeClient, update: ports.KlineUpdate) -> None:
        """A candle closed: store it, fill what is missing before it, then call the strategies."""
        series = self._series.get((update.symbol, update.timeframe))
        if series is None:
            return
        now, opened_at = timezone.now(), update.candle.opened_at
        candle_id = services.store_live_candle(
            series_id=series.pk, candle=update.candle, received_at=now
        )
        before = self._newest.get(series.pk)
        if candle_id is None or (before and before > opened_at):
            return  # another producer stored it, or it is late: strategies never see the past as news
        self._newest[series.pk] = opened_at
        if before and opened_at - before > update.timeframe.duration:
            self._fill_hole(client, series, before, opened_at)
        services.dispatch_candle(candle_id=candle_id, now=now)
        self._record(last_candle_at=now)

    def _fill_hole(
        self, client: ports.ExchangeClient, series: Series, before: datetime, after: datetime
    ) -> None:
        """Store what the stream did not bring; a hole that can't be filled now is only logged, because the
        newest candle must not wait for it."""
        logger.warning("%s: no candles between %s and %s, asking for them", series, before, after)
        with suppress(errors.ExchangeError):
            self._fetch(client, series, start=before, end=after)

    def _fill(self, client: ports.ExchangeClient, series: Series) -> None:
        """Store everything since the newest candle we have, and dispatch only the last one if it is new."""
        newest = find_newest_candle(series.pk)
        # What is only history may end long ago: whoever wants all that lies between downloads it.
        known = newest if newest and newest.is_heard else None
        self._fetch(client, series, start=known.opened_at if known else None)
        newest = find_newest_candle(series.pk)
        if newest is None:
            return
        self._newest[series.pk] = newest.opened_at
        # A series that has just begun waits for its first candle to close.
        if known and newest.pk != known.pk:
            services.dispatch_candle(candle_id=newest.pk, now=timezone.now())

    def _fetch(
        self,
        client: ports.ExchangeClient,
        series: Series,
        *,
        start: datetime | None,
        end: datetime | None = None,
    ) -> None:
        """Read candles from the exchange, page by page from `start`, or the last ones without it."""
        while not self._stopped.is_set():
            page = client.get_candles(
                series.symbol.name, timeframe_of(series), start=start, end=end, limit=HISTORY
            )
            services.store_candles(series=series, candles=page, received_at=timezone.now())
            if start is None or len(page) < HISTORY:
                return
            start = page[-1].opened_at

    def _read_series(self) -> dict[tuple[str, Timeframe], Series]:
        rows = list_series(exchange=self.exchange, environment=self.environment)
        return {(row.symbol.name, timeframe_of(row)): row for row in rows}

    def _names(self) -> list[str]:
        return sorted(str(series) for series in self._series.values())

    def _report(self, error: Exception) -> None:
        logger.warning("%s: %s", self.name, error)
        with suppress(OperationalError):
            self._record(is_connected=False, last_error=str(error), reconnects=self._failures)

    def _record(self, **state: object) -> None:
        services.record_heartbeat(exchange=self.exchange, environment=self.environment, **state)
