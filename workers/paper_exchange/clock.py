"""Market time, derived from the wall clock."""

from collections.abc import Callable


class Clock:
    """Market time runs `speed` times as fast as the wall clock and never goes back."""

    def __init__(self, *, wall: Callable[[], float], start_ms: int, speed: float) -> None:
        """`wall` gives seconds since 1970; the market's time is `start_ms` at this moment. A clock that is
        stopped and only ever set may have an infinite speed."""
        self.speed = speed
        self._wall = wall
        self._stopped = False
        self._pace = max(1.0, speed)
        self._wall_start = wall()
        self._start_ms = self._latest_ms = start_ms

    def wall_ms(self) -> int:
        """Milliseconds since 1970 on the wall clock."""
        return int(self._wall() * 1000)

    def limit_ms(self) -> int:
        """Milliseconds that limits count in: as many a second as the market has, so that who follows it is
        not held up by them, and on the wall clock where the market is slower or waits for its clients."""
        return int(self._wall() * 1000 * self._pace)

    def wall_ms_at(self, limit_ms: int) -> int:
        """The moment on the wall clock that `limit_ms` counts as this."""
        return round(limit_ms / self._pace)

    def now_ms(self) -> int:
        """Milliseconds since 1970 in the market."""
        if not self._stopped:
            elapsed_ms = (self._wall() - self._wall_start) * 1000
            self._latest_ms = max(self._latest_ms, self._start_ms + int(elapsed_ms * self.speed))
        return self._latest_ms

    def jump_to(self, market_ms: int) -> None:
        """Continue from `market_ms`."""
        self._wall_start = self._wall()
        self._start_ms = self._latest_ms = market_ms

    def stop(self) -> None:
        """Stand still at the last moment that was told, and go on by steps from now on."""
        self._stopped = True
        self._pace = 1.0

    def stop_at(self, market_ms: int) -> None:
        """Stand still at `market_ms`."""
        self._stopped = True
        self._latest_ms = market_ms

    def seconds_until(self, market_ms: int) -> float:
        """Wall seconds until the market's time is `market_ms`; negative when that is past."""
        return (market_ms - self.now_ms()) / 1000 / self.speed

    def ages_ms(self, timestamp_ms: int) -> tuple[float, float]:
        """How old a request's timestamp is by the wall clock and by the market's, in wall time.

        A client may stamp with either: its own clock, or the server time that it was told.
        """
        return self.wall_ms() - timestamp_ms, (self.now_ms() - timestamp_ms) / self.speed
