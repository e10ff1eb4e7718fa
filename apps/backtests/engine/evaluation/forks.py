"""The paths a strategy takes: one run of its code for all candles that decide alike."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from apps.backtests.engine.evaluation.signals import Flags, StepsAside, as_flags

T = TypeVar("T")
#: A condition, and which way a path goes at it.
_Branch = tuple[npt.NDArray[Any], bool]
#: More paths than this are no faster than asking candle by candle.
MAX_PATHS = 1024
_MAX_BRANCHES = 20_000


class Forks:
    """Runs code once for each path through it. Wherever the code asks whether something is true, it goes on
    with the candles for which it is; the others are kept, and the code is run again for them."""

    def __init__(self, candles: int) -> None:
        self.candles = candles
        self.paths = 0
        self.mask: Flags | None = None
        """Candles on the path that is run; None for all."""
        self.aside: StepsAside | None = None
        self._count = candles
        self._taken: list[_Branch] = []
        self._position = 0
        self._waiting: list[tuple[list[_Branch], Flags | None, int]] = []

    def run(self, code: Callable[[], T]) -> Iterator[tuple[T, Flags | None]]:
        """What `code` returns on each path, with the candles of that path (None: all)."""
        self.paths = 0
        self._waiting = [([], None, self.candles)]
        while self._waiting:
            self._taken, self.mask, self._count = self._waiting.pop()
            self._position = 0
            self.paths += 1
            if self.paths > MAX_PATHS:
                raise StepsAside(f"there are more than {MAX_PATHS} paths through it")
            answer = code()
            if self.aside:
                raise self.aside
            yield answer, self.mask

    def step_aside(self, reason: str) -> StepsAside:
        """The exception to raise; kept, since a strategy's bare `except` may swallow it."""
        self.aside = self.aside or StepsAside(reason)
        return self.aside

    def branch(self, condition: npt.NDArray[Any]) -> bool:
        """Which way this path goes at a condition, of which each candle has its own."""
        if self._position == _MAX_BRANCHES:
            raise self.step_aside("it asks too many questions for one candle")
        if self._position == len(self._taken):
            self._fork(condition)
        before, way = self._taken[self._position]
        if condition is not before:
            raise self.step_aside("it decides otherwise when it is asked again")
        self._position += 1
        return way

    def first(self) -> int:
        """The first candle of this path, of those that are asked."""
        return 0 if self.mask is None else int(self.mask.argmax())

    def _fork(self, condition: npt.NDArray[Any]) -> None:
        flags = as_flags(condition)
        true = flags if self.mask is None else self.mask & flags
        count = int(np.count_nonzero(true))
        if 0 < count < self._count:
            false = ~flags if self.mask is None else self.mask & ~flags
            path = [*self._taken, (condition, False)]
            self._waiting.append((path, false, self._count - count))
            self.mask, self._count = true, count
        self._taken.append((condition, count > 0))
