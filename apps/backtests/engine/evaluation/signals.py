"""What a strategy answers after every candle, as whole columns."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
#: One number for every candle, or one for all of them.
Numbers = npt.NDArray[np.float64] | float


class StepsAside(BaseException):
    """A strategy does something whose answer for all candles at once is not known for sure: it is asked
    candle by candle instead. No Exception, so that a strategy's own `except Exception` lets it pass."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The answers after each candle, where row i knows the candles up to i and none later.

    `long` is should_long() while nothing is held, `exit` should_short() while something is. The size of an
    entry is `amount + share * balance` in quote currency; `stop_loss` and `take_profit` are fractions of
    the entry price, 0 for none. These four count where `long` is True only."""

    long: Flags
    exit: Flags
    amount: Numbers
    share: Numbers
    stop_loss: Numbers
    take_profit: Numbers

    def size(self, row: int, balance: float) -> float:
        """How much quote currency an entry after this candle spends."""
        return at(self.amount, row) + at(self.share, row) * balance


def at(numbers: Numbers, row: int) -> float:
    """The number that holds at a row."""
    return float(numbers[row]) if isinstance(numbers, np.ndarray) else numbers


def spread(numbers: Numbers, rows: int) -> npt.NDArray[np.float64]:
    """One number for each row, as compiled code wants them."""
    if isinstance(numbers, np.ndarray):
        return np.ascontiguousarray(numbers)
    return np.full(rows, numbers)


def as_flags(values: npt.NDArray[Any]) -> Flags:
    """What Python's truth says of each value: NaN is true."""
    return values if values.dtype == np.bool_ else values != 0
