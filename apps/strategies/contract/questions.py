"""What a strategy is asked, ready to be sent."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Self

from apps.strategies.contract import wire
from apps.strategies.contract.strategy import PositionView


@dataclass(frozen=True, slots=True, kw_only=True)
class Candles:
    """Closed candles, oldest first, ready to be sent: `rows` of them in the columns of the wire."""

    rows: int
    columns: bytes

    @classmethod
    def from_columns(
        cls,
        *,
        opened_at_ms: Sequence[int],
        open: Sequence[float],  # noqa: A002  the column's name everywhere
        high: Sequence[float],
        low: Sequence[float],
        close: Sequence[float],
        volume: Sequence[float],
    ) -> Self:
        """Pack columns of one length; opening times are ms since 1970, UTC. Raises ValueError."""
        prices = (open, high, low, close, volume)
        if any(len(column) != len(opened_at_ms) for column in prices):
            raise ValueError("Every column of candles needs the same number of rows.")
        packed = [array("d", column).tobytes() for column in prices]
        times = array("q", opened_at_ms).tobytes()
        return cls(rows=len(opened_at_ms), columns=b"".join([times, *packed]))

    def newest(self, rows: int) -> Self:
        """At most the last `rows` of them."""
        rows = min(rows, self.rows)
        ends = range(8 * self.rows, len(self.columns) + 1, 8 * self.rows) if rows else ()
        return type(self)(
            rows=rows, columns=b"".join(self.columns[end - 8 * rows : end] for end in ends)
        )

    @property
    def last_close(self) -> float:
        """The newest price. Raises IndexError when there is none."""
        close: memoryview[float] = memoryview(self.columns).cast("d")[4 * self.rows : 5 * self.rows]
        return close[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a strategy decides on; `balance` is the free quote currency. `trusted` says that it belongs to
    the owner of the machine, a superuser: then it runs in a sandbox that lacks a layer, too."""

    candles: Candles
    balance: Decimal
    position: PositionView | None
    params: Mapping[str, Any]
    trusted: bool = False

    def pack(self, *, asks_all: bool = False) -> bytes:
        """As it goes over the wire; `asks_all` is for a rehearsal."""
        message = {
            "balance": float(self.balance),
            "position": asdict(self.position) if self.position else None,
            "params": dict(self.params),
            "asks_all": asks_all,
        }
        return wire.pack_request(message, self.candles.rows, self.candles.columns)
