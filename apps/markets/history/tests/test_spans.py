import numpy as np
import pytest

from apps.markets.history.spans import Span, count_candles, find_holes, subtract


@pytest.mark.parametrize(
    ("times", "holes"),
    [
        ([0, 10, 20], []),
        ([], [(0, 30)]),
        ([10], [(0, 10), (20, 30)]),
        ([0, 20], [(10, 20)]),
    ],
)
def test_holes_are_where_no_candle_is(times: list[int], holes: list[tuple[int, int]]) -> None:
    found = find_holes(np.array(times, np.int64), Span(0, 30), 10)

    assert found == holes


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ([], [(10, 40), (60, 80)]),
        ([(0, 100)], []),
        ([(20, 30)], [(10, 20), (30, 40), (60, 80)]),
        ([(0, 20), (30, 70)], [(20, 30), (70, 80)]),
        ([(0, 10), (40, 60), (80, 90)], [(10, 40), (60, 80)]),
    ],
)
def test_what_is_known_is_taken_out(
    others: list[tuple[int, int]], left: list[tuple[int, int]]
) -> None:
    known = [Span(*other) for other in others]

    assert subtract([Span(10, 40), Span(60, 80)], known) == left


def test_spans_are_counted_in_candles() -> None:
    assert count_candles([Span(0, 30), Span(50, 60)], 10) == 4
