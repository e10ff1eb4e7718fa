"""An account's order changes without a gap: the private stream, and questions for what it missed."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
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
        #: By symbol and the exchange's id, which is unique within a symbol only at some.
        self._open: dict[tuple[str, str], OrderReport] = {}
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
                # The next change may be hours away, and the caller is to know at once.
                yield None
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
        resting = {_key(report): report for report in self._client.fetch_open_orders()}
        for key, report in resting.items():
            before = self._open.get(key)
            if before is None or _state(before) != _state(report):
                yield self._with_fills(report)
            self._open[key] = report
        for key, known in list(self._open.items()):
            if key in resting:
                continue
            # Kept until it has been told: a question that fails is asked again after the next connect.
            # Of one that is too old to be kept nothing can be told.
            with suppress(OrderNotFound):
                yield self._with_fills(self._client.fetch_order(known.ref))
            self._open.pop(key, None)

    def _with_fills(self, report: OrderReport) -> OrderReport:
        if not report.filled_quantity:
            return report
        fills = self._client.fetch_fills(report.symbol, exchange_order_id=report.exchange_order_id)
        return replace(report, fills=tuple(fills))

    def _noted(self, report: OrderReport | None) -> OrderReport | None:
        if report is not None and report.status.is_terminal:
            self._open.pop(_key(report), None)
        elif report is not None:
            self._open[_key(report)] = report
        return report


def _key(report: OrderReport) -> tuple[str, str]:
    return report.symbol, report.exchange_order_id


def _state(report: OrderReport) -> tuple[object, ...]:
    return report.status, report.filled_quantity, report.quantity, report.price
