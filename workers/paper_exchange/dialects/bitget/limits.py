"""How often an endpoint may be asked: so many times a second, by address or by key."""

from collections import Counter

PER_ADDRESS_AND_MINUTE = 6000


class RateLimits:
    """Counts the running second and minute, which pass as fast as in the market."""

    def __init__(self) -> None:
        self._second = self._minute = 0
        self._asked: Counter[tuple[str, str]] = Counter()
        self._of_address: Counter[str] = Counter()

    def admit(self, *, owner: str, address: str, path: str, per_second: int, now_ms: int) -> bool:
        """Count a request; whether it is still within the limits."""
        second, minute = now_ms // 1000, now_ms // 60_000
        if second != self._second:
            self._second = second
            self._asked.clear()
        if minute != self._minute:
            self._minute = minute
            self._of_address.clear()
        self._asked[owner, path] += 1
        self._of_address[address] += 1
        is_slow = self._asked[owner, path] <= per_second
        return is_slow and self._of_address[address] <= PER_ADDRESS_AND_MINUTE
