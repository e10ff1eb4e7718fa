"""Timeframes and the grid of candles."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timeframe(StrEnum):
    """The length of a candle."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"

    @property
    def duration(self) -> timedelta:
        """How long a candle of this timeframe lasts."""
        count, unit = int(self.value[:-1]), self.value[-1]
        return timedelta(minutes=count) if unit == "m" else timedelta(hours=count)

    def floor(self, moment: datetime) -> datetime:
        """The open time of the candle that contains `moment`."""
        return EPOCH + (moment - EPOCH) // self.duration * self.duration
