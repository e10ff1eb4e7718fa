import numpy as np
import pandas as pd
import pytest

from apps.backtests.engine.evaluation.windows import nothing, reduce_windows

RANDOM = np.random.default_rng(7)
PRICES = 100 + RANDOM.normal(size=400).cumsum()
GAPS = np.where(RANDOM.random(400) < 0.2, np.nan, PRICES)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 20, 150, 500])
@pytest.mark.parametrize("name", ["max", "min", "sum", "mean", "std", "var", "count"])
@pytest.mark.parametrize("values", [PRICES, GAPS], ids=["prices", "gaps"])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_figure_is_what_pandas_says_of_the_slice(
    values: np.ndarray, name: str, size: int
) -> None:
    series = pd.Series(values)

    found = reduce_windows(values, name, size)

    wanted = [
        getattr(series.iloc[max(0, row + 1 - size) : row + 1], name)() for row in range(len(values))
    ]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["any", "all", "sum"])
def test_flags_are_counted(name: str) -> None:
    flags = RANDOM.random(100) < 0.4
    series = pd.Series(flags)

    found = reduce_windows(flags, name, 3)

    assert found.tolist() == [
        getattr(series.iloc[max(0, row - 2) : row + 1], name)() for row in range(100)
    ]


@pytest.mark.parametrize("name", ["max", "min"])
def test_the_extremes_of_all_rows_so_far(name: str) -> None:
    series = pd.Series(GAPS)

    found = reduce_windows(GAPS, name, None)

    wanted = [getattr(series.iloc[: row + 1], name)() for row in range(len(GAPS))]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["max", "min", "sum", "mean", "std"])
def test_no_rows_are_what_pandas_says_of_none(name: str) -> None:
    np.testing.assert_equal(nothing(name), getattr(pd.Series([], dtype=float), name)())


def test_a_mean_of_all_rows_so_far_is_not_known() -> None:
    with pytest.raises(KeyError):
        reduce_windows(PRICES, "mean", None)
