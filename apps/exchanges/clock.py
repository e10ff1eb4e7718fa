"""How far an exchange's clock is from ours: a fact about a host, kept for all clients of a process."""

import time
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from apps.exchanges.errors import ExchangeError

#: Clocks drift: a measurement is worth this long.
MEASURED_FOR_SECONDS = 3600.0
#: After a measurement that failed, the next write does not wait for another one.
RETRY_SECONDS = 60.0
#: An answer that took longer, or was asked for again meanwhile, says too little about the time.
SLOWEST_SECONDS = 2.0

_HERE = {"127.0.0.1", "::1", "localhost"}
#: Per host: the offset in seconds, and when it is to be measured again on our monotonic clock.
_known: dict[str, tuple[float, float]] = {}


class ServerClock:
    """The clock of one host, read from ours. `tolerance`: an offset within it is taken for none,
    where an exchange tells its time in whole seconds.

    A server on this machine has this machine's clock, whatever time its market shows: a paper
    exchange may run through recorded days, or sixty times as fast.
    """

    def __init__(
        self,
        host: str,
        get_server_time: Callable[[], datetime],
        now: Callable[[], float],
        *,
        tolerance: float = 0.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._get_server_time = get_server_time
        self._now = now
        self._tolerance = tolerance
        self._monotonic = monotonic
        self._is_here = urlsplit(host).hostname in _HERE

    @property
    def offset(self) -> float:
        """How many seconds the exchange's clock is ahead, as last measured; 0 before that."""
        return _known.get(self._host, (0.0, 0.0))[0]

    def now(self) -> float:
        """Seconds since 1970 on the exchange's clock."""
        return self._now() + self.offset

    def at(self, moment: datetime) -> float:
        """What the exchange's clock shows at a moment of ours, in seconds since 1970."""
        return moment.timestamp() + self.offset

    def measure(self) -> float:
        """Ask the exchange, to half a round trip; what it tells, which holds from now on."""
        before = self._now()
        server_time = self._get_server_time().timestamp()
        after = self._now()
        if after - before > SLOWEST_SECONDS:
            _known[self._host] = self.offset, self._monotonic() + RETRY_SECONDS
            return self.offset
        offset = server_time - (before + after) / 2
        if abs(offset) <= self._tolerance:
            offset = 0.0
        if not self._is_here:
            _known[self._host] = offset, self._monotonic() + MEASURED_FOR_SECONDS
        return offset

    def keep_right(self) -> None:
        """Measure where that is due; an exchange that does not answer leaves what was known."""
        if self._is_here or self._monotonic() < _known.get(self._host, (0.0, 0.0))[1]:
            return
        try:
            self.measure()
        except ExchangeError:
            _known[self._host] = self.offset, self._monotonic() + RETRY_SECONDS


def forget_clocks() -> None:
    """As in a new process."""
    _known.clear()
