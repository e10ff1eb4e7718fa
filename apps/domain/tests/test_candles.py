from datetime import UTC, datetime, timedelta

import pytest

from apps.domain.candles import Timeframe, find_gaps

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timeframe", "minutes"), [(Timeframe.M1, 1), (Timeframe.M15, 15), (Timeframe.H4, 240)]
)
def test_duration(timeframe: Timeframe, minutes: int) -> None:
    assert timeframe.duration == timedelta(minutes=minutes)


def test_floor_is_the_open_time_of_the_candle() -> None:
    assert Timeframe.H4.floor(NOON + timedelta(hours=3, minutes=59)) == NOON


def test_gaps_name_the_first_and_last_missing_candle() -> None:
    minute = timedelta(minutes=1)

    gaps = list(find_gaps([NOON, NOON + minute, NOON + 4 * minute], Timeframe.M1))

    assert gaps == [(NOON + 2 * minute, NOON + 3 * minute)]
