"""What every adapter's parsers share."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from apps.domain.candles import Timeframe
from apps.exchanges.parsing import (
    check_balances,
    check_numbers,
    make_candles,
    milliseconds,
    moment,
    read_candles,
    step_of,
)
from apps.exchanges.ports import Balance, Candles

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def candles(count: int = 3) -> Candles:
    """Minutes from START on."""
    prices = [1.0] * count
    times = [milliseconds(START + i * MINUTE) for i in range(count)]
    return make_candles(times, prices, prices, prices, prices, prices)


@pytest.mark.parametrize("value", [1e40, -1e40, float("nan"), 2e17])
def test_time_beyond_the_calendar_is_refused(value: float) -> None:
    with pytest.raises(msgspec.ValidationError, match="is no time"):
        moment(value)


def test_time_survives_both_ways() -> None:
    at = START + timedelta(milliseconds=123)

    assert moment(milliseconds(at)) == at


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+24", "1E+999999"])
def test_number_that_is_none_is_refused(text: str) -> None:
    number = Decimal(text)

    with pytest.raises(msgspec.ValidationError, match="is no amount"):
        check_numbers(Decimal(1), None, number)
    with pytest.raises(msgspec.ValidationError, match="is no amount"):
        check_balances([Balance(asset="A", free=Decimal(1), locked=number)])


@pytest.mark.parametrize("digits", [-1, 31, 10**9])
def test_number_of_decimals_that_is_none_is_refused(digits: int) -> None:
    with pytest.raises(msgspec.ValidationError, match="number of decimals"):
        step_of(digits)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_candle_without_a_price_is_refused(bad: float) -> None:
    one = [1.0]

    with pytest.raises(msgspec.ValidationError, match="no number"):
        make_candles([0], one, one, one, [bad], one)


@pytest.mark.parametrize("times", [[2, 1], [1, 1], [-1, 1], [1, 10**18]])
def test_candles_out_of_order_are_refused(times: list[int]) -> None:
    two = [1.0, 1.0]

    with pytest.raises(msgspec.ValidationError, match="order of their times"):
        make_candles(times, two, two, two, two, two)


def test_columns_give_rows() -> None:
    columns = candles()

    assert len(columns) == 3
    assert [c.opened_at for c in columns] == [START, START + MINUTE, START + 2 * MINUTE]
    assert [c.is_closed for c in columns] == [True, True, False]
    assert columns[-1] == columns[2]
    assert columns[1:] == [columns[1], columns[2]]
    with pytest.raises(IndexError):
        columns[3]


def closing(
    *, ours: timedelta, theirs: timedelta, as_of: timedelta | None = None
) -> tuple[bool, int]:
    """Whether the last of three minutes is closed, and how many questions that took."""
    asked: list[str] = []

    def read_rows() -> Candles:
        asked.append("rows")
        return candles()

    def get_server_time() -> datetime:
        asked.append("time")
        return START + theirs

    read = read_candles(
        read_rows,
        get_server_time,
        Timeframe.M1,
        (START + ours).timestamp(),
        None if as_of is None else START + as_of,
    )
    return read[-1].is_closed, len(asked)


def test_candle_that_still_runs_takes_one_question() -> None:
    assert closing(ours=2.5 * MINUTE, theirs=9 * MINUTE) == (False, 1)


def test_candle_that_had_ended_by_the_clock_of_the_exchange_is_closed() -> None:
    assert closing(ours=9 * MINUTE, theirs=3 * MINUTE) == (True, 3)


def test_our_own_clock_closes_no_candle() -> None:
    just_before = 3 * MINUTE - timedelta(milliseconds=1)

    assert closing(ours=9 * MINUTE, theirs=just_before) == (False, 3)


@pytest.mark.parametrize(("as_of", "questions"), [(3 * MINUTE, 1), (2 * MINUTE, 3)])
def test_what_had_ended_before_is_not_asked_about_again(as_of: timedelta, questions: int) -> None:
    assert closing(ours=9 * MINUTE, theirs=9 * MINUTE, as_of=as_of) == (True, questions)


def test_no_candles_are_no_question_of_time() -> None:
    empty = make_candles([], [], [], [], [], [])

    assert len(read_candles(lambda: empty, lambda: START, Timeframe.M1, 9e9)) == 0
