"""What is believed of a result from the sandbox."""

import numpy as np
import pytest

from apps.backtests.credibility import Incredible, read_honesty
from apps.backtests.engine.honesty import Honesty
from apps.backtests.packing import pack
from apps.backtests.tests.fakes import make_honesty, make_report, make_result, read_back

RESULT = make_result()


def test_a_result_comes_through_as_it_was() -> None:
    read = read_back(RESULT)

    assert read.trades == RESULT.trades
    assert read.orders == RESULT.orders
    assert read.metrics == RESULT.metrics
    assert read.daily_equity == RESULT.daily_equity
    assert np.array_equal(read.equity, RESULT.equity)


def forge(name: str, row: int, value: float) -> bytes:
    column = RESULT.positions[name].copy()
    column[row] = value
    return pack({**RESULT.positions, name: column})


@pytest.mark.parametrize(
    ("positions", "words"),
    [
        (forge("entry_row", 0, 48), "of other candles"),
        (forge("entry_row", 0, -1), "of other candles"),
        (forge("entry_row", 0, 1.5), "of other candles"),
        (forge("entry_row", 0, np.nan), "hold what is no number"),
        (forge("exit_row", 0, 1e300), "of other candles"),
        (forge("exit_row", 1, 0), "not in order"),
        (forge("entry_row", 0, 20), "not in order"),
        (forge("exit_row", 0, -1), "of other candles"),
        (forge("reason", 0, 77), "sold for no reason"),
        (forge("pnl", 0, np.inf), "hold what is no number"),
        (pack(RESULT.positions)[:-8], "cut off"),
    ],
)
def test_positions_that_no_run_has_are_refused(positions: bytes, words: str) -> None:
    with pytest.raises(Incredible, match=words):
        read_back(RESULT, positions=positions)


@pytest.mark.parametrize(
    ("equity", "words"),
    [
        (np.ones(49).tobytes(), "not of these candles"),
        (np.ones(0).tobytes(), "not of these candles"),
        (np.full(48, np.nan).tobytes(), "no money"),
        (np.ones(9, np.uint8).tobytes(), "cut off"),
    ],
)
def test_equity_that_no_run_has_is_refused(equity: bytes, words: str) -> None:
    with pytest.raises(Incredible, match=words):
        read_back(RESULT, equity=equity)


def test_words_are_cut_and_made_storable() -> None:
    read = read_back(RESULT, reason="x\0\ud800" * 9999, warnings=["w" * 9999] * 999)

    assert (len(read.reason), len(read.warnings), len(read.warnings[0])) == (667, 100, 1000)
    assert read.reason.startswith("x?x?")


def test_what_is_said_of_the_result_is_cut_too() -> None:
    report = make_report(RESULT, honesty=make_honesty("w" * 9999))

    read = read_honesty(report)

    assert read == make_honesty("w" * 1000)


def test_a_run_that_failed_has_nothing_said_of_its_result() -> None:
    assert read_honesty(make_report(RESULT)) is None


def test_a_doubt_that_was_left_out_is_refused() -> None:
    findings = make_honesty().findings[1:]

    with pytest.raises(Incredible, match="every doubt"):
        read_honesty(make_report(RESULT, honesty=Honesty(findings=findings)))
