"""An account's order changes without a gap: the private stream, and questions for what it missed."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from apps.exchanges.errors import (
    ExchangeUnavailable,
    OrderNotFound,
    RateLimited,
)
from apps.exchanges.ports import ExchangeClient, OrderReport, OrderStream

#: Before the first, second, ... attempt to connect again; the last one stays.
RECONNECT_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class OrderFeed:
    """Follows one account; a report may come twice, never not at all for an order that it knows.

    Orders that were both placed elsewhere and ended while there was no connection are not seen:
    the poll finds those.
    """

    def __init__(
        self,
        client: ExchangeClient,
        stream: OrderStream,
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._stream = stream
        self._sleep = sleep
        self._chance = chance
        self._open: dict[str, OrderReport] = {}
        #: Connected, and whatever was missed before has been asked for.
        self.is_gapless = False
        #: Why it last was not, in words.
        self.last_error = ""

    def reports(self) -> Iterator[OrderReport | None]:
        """Every change, for ever; None now and then, so that the caller can stop.

        Reconnects by itself; what connecting again can't help (a key that is refused) is raised.
        """
        failures = 0
        while True:
            try:
                self._stream.connect()
                # Subscribed first, asked second: what happens in between comes twice.
                yield from self._missed()
                self.is_gapless, failures = True, 0
                while True:
                    yield self._noted(self._stream.recv())
            except (ExchangeUnavailable, RateLimited) as error:
                self.is_gapless, self.last_error = False, str(error)
                yield None
                pause = RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)]
                failures += 1
                self._sleep(pause * (0.5 + self._chance() / 2))

    def close(self) -> None:
        """End the connection."""
        self._stream.close()
        self.is_gapless = False

    def _missed(self) -> Iterator[OrderReport]:
        resting = {report.exchange_order_id: report for report in self._client.fetch_open_orders()}
        for report in resting.values():
            before = self._open.get(report.exchange_order_id)
            if before is None or _state(before) != _state(report):
                yield self._with_fills(report)
        for known in list(self._open.values()):
            if known.exchange_order_id not in resting:
                self._open.pop(known.exchange_order_id)
                try:
                    yield self._with_fills(self._client.fetch_order(known.ref))
                except OrderNotFound:
                    continue  # too old to be kept: nothing can be told of it
        self._open = resting

    def _with_fills(self, report: OrderReport) -> OrderReport:
        if not report.filled_quantity:
            return report
        fills = self._client.fetch_fills(report.symbol, exchange_order_id=report.exchange_order_id)
        return replace(report, fills=tuple(fills))

    def _noted(self, report: OrderReport | None) -> OrderReport | None:
        if report is not None and report.status.is_terminal:
            self._open.pop(report.exchange_order_id, None)
        elif report is not None:
            self._open[report.exchange_order_id] = report
        return report


def _state(report: OrderReport) -> tuple[object, ...]:
    return report.status, report.filled_quantity, report.quantity, report.price
