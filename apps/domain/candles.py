"""Timeframes and the grid of candles."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class Timeframe(StrEnum):
    """The length of a candle."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M10 = "10m"
    M15 = "15m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    D1 = "1d"

    @property
    def duration(self) -> timedelta:
        """How long a candle of this timeframe lasts."""
        return int(self.value[:-1]) * _UNITS[self.value[-1]]

    @property
    def milliseconds(self) -> int:
        """The same as a number."""
        return self.duration // timedelta(milliseconds=1)

    @property
    def is_live(self) -> bool:
        """Whether strategies may run live on it; the others are for backtests."""
        return self not in {Timeframe.M10, Timeframe.D1}

    def divides(self, other: "Timeframe") -> bool:
        """Whether candles of `other` can be built from whole ones of this."""
        return other.duration % self.duration == timedelta(0)

    def floor(self, moment: datetime) -> datetime:
        """The open time of the candle that contains `moment`."""
        return EPOCH + (moment - EPOCH) // self.duration * self.duration
