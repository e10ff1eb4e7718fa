"""Figures over the last rows of a column, for every row at once: to the bit what pandas says of a slice."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

Values = npt.NDArray[np.float64]
#: Rows whose windows are unfolded at once: enough to be fast, few enough to stay small.
_CHUNK = 16_384


def reduce_windows(
    values: Values, name: str, size: int | None, **options: int
) -> npt.NDArray[np.generic]:
    """What `Series.name()` says of the last `size` rows up to each row, None for all rows up to it. Raises
    KeyError for a figure or an option that is not known."""
    if size is None:
        return _WHOLE[name](values, **options)
    if values.dtype == np.bool_:
        return _FLAGS[name](values, size, **options)
    return _FIGURES[name](values, size, **options)


def nothing(name: str) -> float | bool:
    """What pandas says of no rows at all."""
    return {"sum": 0.0, "any": False, "all": True}.get(name, float("nan"))


def _highest(values: Values, size: int) -> Values:
    return np.asarray(pd.Series(values).rolling(size, min_periods=1).max())


def _lowest(values: Values, size: int) -> Values:
    return np.asarray(pd.Series(values).rolling(size, min_periods=1).min())


def _sums(values: Values, size: int) -> Values:
    # Not rolling().sum(), which carries its rounding along: a slice is summed from scratch.
    known = np.where(np.isnan(values), 0.0, values)
    return _over_windows(known, size, lambda windows: windows.sum(axis=1))


def _means(values: Values, size: int) -> Values:
    return _sums(values, size) / _counts(~np.isnan(values), size)


def _variances(values: Values, size: int, ddof: int = 1) -> Values:
    def variance(windows: Values) -> Values:
        missing = np.isnan(windows)
        known = np.where(missing, 0.0, windows)
        counts = (~missing).sum(axis=1)
        squares = (known.sum(axis=1) / counts)[:, None] - known
        squares *= squares
        squares[missing] = 0.0
        degrees = np.where(counts > ddof, counts - float(ddof), np.nan)
        return np.asarray(squares.sum(axis=1) / degrees)

    return _over_windows(values, size, variance)


def _deviations(values: Values, size: int, ddof: int = 1) -> Values:
    return np.sqrt(_variances(values, size, ddof))


def _over_windows(values: Values, size: int, figure: Callable[[Values], Values]) -> Values:
    """`figure` of the full windows, unfolded piece by piece, and of the shorter ones before them."""
    found = np.empty(len(values))
    for row in range(min(size - 1, len(values))):
        found[row] = figure(values[None, : row + 1])[0]
    if len(values) >= size:
        windows = sliding_window_view(values, size)
        for first in range(0, len(windows), _CHUNK):
            piece = windows[first : first + _CHUNK]
            found[size - 1 + first : size - 1 + first + len(piece)] = figure(piece)
    return found


def _counts(flags: npt.NDArray[np.bool_], size: int) -> npt.NDArray[np.int64]:
    total = np.cumsum(flags, dtype=np.int64)
    total[size:] -= total[:-size].copy()
    return total


def _rows(rows: int, size: int) -> npt.NDArray[np.int64]:
    return np.minimum(np.arange(1, rows + 1), size)


_FIGURES: dict[str, Callable[..., npt.NDArray[np.generic]]] = {
    "max": _highest,
    "min": _lowest,
    "sum": _sums,
    "mean": _means,
    "std": _deviations,
    "var": _variances,
    "count": lambda values, size: _counts(~np.isnan(values), size),
}
_FLAGS: dict[str, Callable[..., npt.NDArray[np.generic]]] = {
    "any": lambda flags, size: _counts(flags, size) > 0,
    "all": lambda flags, size: _counts(flags, size) == _rows(len(flags), size),
    "sum": _counts,
}
_WHOLE: dict[str, Callable[..., npt.NDArray[np.generic]]] = {
    "max": np.fmax.accumulate,
    "min": np.fmin.accumulate,
    "any": np.logical_or.accumulate,
    "all": np.logical_and.accumulate,
}
