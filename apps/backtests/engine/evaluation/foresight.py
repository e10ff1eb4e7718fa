"""Which columns of an indicator know candles that are later than their rows."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

#: A result, if it is one of several, and the name of its column, if it has several.
Place = tuple[int, Any]
#: Rows that are computed with and without the later ones, and the newest of them that are compared.
_WINDOW, _LATER, _COMPARED = 600, 200, 150


def find_foresight(compute: Callable[[slice], Any], rows: int) -> frozenset[Place]:
    """Compute an indicator for a part of the rows, with and without the rows after it: the columns that say
    something else once those are there."""
    later = min(_LATER, rows // 4)
    first = max(0, rows - later - _WINDOW)
    early = compute(slice(first, rows - later))
    if early is None:  # more rows than that are needed
        first = 0
        early = compute(slice(first, rows - later))
    late = compute(slice(first, rows))
    others = dict(_list_columns(late))
    return frozenset(
        place for place, column in _list_columns(early) if not _is_kept(column, others.get(place))
    )


def _list_columns(found: Any) -> Iterator[tuple[Place, Any]]:
    for number, one in enumerate(found if isinstance(found, tuple) else (found,)):
        if isinstance(one, pd.Series):
            yield (number, None), one
        elif isinstance(one, pd.DataFrame):
            yield from (((number, name), one[name]) for name in one)


def _is_kept(early: Any, late: Any) -> bool:
    if late is None or early.dtype.kind not in "fbiu" or late.dtype.kind not in "fbiu":
        return False
    rows = len(early)
    part = slice(max(0, rows - _COMPARED), rows)
    mine, yours = (np.asarray(one, np.float64)[part] for one in (early, late))
    return bool(np.allclose(mine, yours, rtol=1e-9, atol=0.0, equal_nan=True))
