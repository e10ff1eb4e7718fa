"""What a result's page shows."""

from dataclasses import replace
from datetime import UTC, datetime

from apps.backtests.pages import list_years
from apps.backtests.tests.fakes import make_result


def at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


def test_a_month_is_what_there_is_at_its_end_against_what_there_was() -> None:
    days = [
        (at(2025, 11, 30), 100.0),
        (at(2025, 12, 1), 110.0),
        (at(2025, 12, 15), 50.0),
        (at(2026, 1, 1), 121.0),
        (at(2026, 1, 10), 60.5),
    ]

    years = list_years(replace(make_result(), daily_equity=days))

    assert [(year.year, round(year.whole, 9)) for year in years] == [(2025, 0.21), (2026, -0.5)]
    assert [round(month or 9, 9) for month in years[0].months] == [*[9] * 10, 0.1, 0.1]
    assert [round(month or 9, 9) for month in years[1].months] == [-0.5, *[9] * 11]
