"""How far an exchange's clock is from ours."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.exchanges.clock import MEASURED_FOR_SECONDS, RETRY_SECONDS, ServerClock
from apps.exchanges.errors import ExchangeUnavailable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Exchange:
    """Its clock is ahead of ours, and it counts who asks."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead
        self.asked = 0
        self.is_down = False
        self.monotonic = 1000.0

    def time(self) -> datetime:
        """The exchange's time."""
        self.asked += 1
        if self.is_down:
            raise ExchangeUnavailable("down")
        return NOW + timedelta(seconds=self.ahead)

    def clock(self, host: str = "host", tolerance: float = 0.0) -> ServerClock:
        """A new client's view of it."""
        return ServerClock(
            host, self.time, NOW.timestamp, tolerance=tolerance, monotonic=lambda: self.monotonic
        )


def test_measurement_holds_for_all_clients_of_a_host_and_no_other() -> None:
    exchange = Exchange(ahead=25)
    exchange.clock().measure()

    assert exchange.clock().now() == NOW.timestamp() + 25
    assert exchange.clock().at(NOW + timedelta(seconds=5)) == NOW.timestamp() + 30
    assert exchange.clock("another").offset == 0


def test_it_is_measured_once_an_hour() -> None:
    exchange = Exchange(ahead=25)
    for _ in range(3):
        exchange.clock().keep_right()
    assert exchange.asked == 1

    exchange.monotonic += MEASURED_FOR_SECONDS
    exchange.clock().keep_right()

    assert exchange.asked == 2


def test_exchange_that_does_not_answer_leaves_what_was_known() -> None:
    exchange = Exchange(ahead=25)
    exchange.clock().measure()
    exchange.is_down = True
    exchange.monotonic += MEASURED_FOR_SECONDS

    for _ in range(2):
        exchange.clock().keep_right()
    assert (exchange.clock().offset, exchange.asked) == (25, 2)

    exchange.monotonic += RETRY_SECONDS
    exchange.clock().keep_right()
    assert exchange.asked == 3


def test_answer_that_came_late_says_nothing() -> None:
    exchange = Exchange(ahead=25)
    ticks = iter([0.0, 10.0, 20.0, 20.1])
    slow = ServerClock("host", exchange.time, lambda: NOW.timestamp() + next(ticks))

    assert slow.measure() == 0
    assert slow.measure() == pytest.approx(25 - 20.05)


def test_offset_within_the_tolerance_is_none() -> None:
    exchange = Exchange(ahead=1.4)

    assert exchange.clock(tolerance=1.5).measure() == 0


@pytest.mark.parametrize("host", ["http://127.0.0.1:9001", "http://localhost:9001"])
def test_server_on_this_machine_has_our_clock_whatever_its_market_shows(host: str) -> None:
    exchange = Exchange(ahead=86_400)

    exchange.clock(host).keep_right()
    assert (exchange.asked, exchange.clock(host).measure()) == (0, 86_400)

    assert exchange.clock(host).offset == 0
