"""What a run has brought."""

from dataclasses import dataclass
from enum import StrEnum


class ExitReason(StrEnum):
    """Why a position was sold."""

    SIGNAL = "signal"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    END = "end"


class State(StrEnum):
    """How a run ended; an error or a cancellation keeps everything until then."""

    DONE = "done"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A purchase and its sale. Times are the opening times of the candles they happened in, in ms UTC.

    `pnl` is in quote currency, net of `fees`. `worst` and `best` tell how far the price went against and
    for it, as shares of the entry price, in the candles it was held through. An open one has no exit yet:
    its `pnl` is at the last close.
    """

    entry_time: int
    entry_price: float
    exit_time: int | None
    exit_price: float | None
    quantity: float
    fees: float
    pnl: float
    exit_reason: ExitReason | None
    worst: float
    best: float
