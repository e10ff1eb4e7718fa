"""Wrong tokens, counted by address: a flood of them must cost the database nothing."""

import time
from collections import Counter
from collections.abc import Callable, Collection

#: From here on an address is believed to guess.
MOST_WRONG = 60
PERIOD_SECONDS = 60.0
#: How old the list of tokens may be that such an address is judged by.
LIST_SECONDS = 1.0


class Floods:
    """What one process remembers of senders with wrong tokens. Of an address that sends many only tokens on
    a list are looked at, which is read once a second: others may send from the same address."""

    def __init__(
        self,
        list_tokens: Callable[[], Collection[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._list_tokens = list_tokens
        self._clock = clock
        self._wrong: Counter[str] = Counter()
        self._since = self._read_at = float("-inf")
        self._known: Collection[str] = ()

    def count(self, address: str) -> None:
        """One more wrong token."""
        self._forget()
        self._wrong[address] += 1

    def is_flood(self, address: str, token_hash: str) -> bool:
        """Whether this token need not be looked up."""
        self._forget()
        if self._wrong[address] < MOST_WRONG:
            return False
        if self._clock() - self._read_at >= LIST_SECONDS:
            self._known, self._read_at = self._list_tokens(), self._clock()
        return token_hash not in self._known

    def _forget(self) -> None:
        if self._clock() - self._since >= PERIOD_SECONDS:
            self._wrong.clear()
            self._since = self._clock()
