"""A column of candles or indicators as a strategy sees it: whole, of which each candle knows a part."""

import operator
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from apps.backtests.engine.evaluation.standins import Reader, StandIn, is_number, key_of

#: Each row of their results needs that row alone.
_BY_ROW = frozenset({
    "abs", "add", "astype", "between", "clip", "copy", "div", "divide", "eq", "fillna", "floordiv", "ge",
    "gt", "isna", "isnull", "le", "lt", "mask", "mod", "mul", "multiply", "ne", "notna", "notnull", "pow",
    "radd", "rdiv", "rename", "rmul", "round", "rsub", "rtruediv", "sub", "subtract", "truediv", "where",
})  # fmt: skip
#: Each row of their results needs the rows up to it, unless a number is negative.
_BY_PAST = frozenset(
    {"cummax", "cummin", "cumprod", "cumsum", "diff", "ffill", "pct_change", "shift"}
)
_MOVING = frozenset({"ewm", "expanding", "rolling"})
_MOVING_FIGURES = frozenset({
    "count", "kurt", "max", "mean", "median", "min", "quantile", "rank", "sem", "skew", "std", "sum", "var",
})  # fmt: skip
#: What numpy makes of a Series by asking it.
_NUMPY_FIGURES: dict[Any, dict[str, int]] = {
    np.max: {}, np.mean: {}, np.min: {}, np.std: {"ddof": 0}, np.sum: {}, np.var: {"ddof": 0},
}  # fmt: skip
#: One number from all rows.
_FIGURES = frozenset({"all", "any", "count", "max", "mean", "min", "std", "sum", "var"})


def _operator(function: Callable[..., Any], *, reflected: bool = False) -> Callable[..., "Column"]:
    def compute(self: "Column", *other: Any) -> "Column":
        def make(*operands: Any) -> Any:
            return function(*reversed(operands)) if reflected else function(*operands)

        return self._derive((function, reflected), make, *other)

    return compute


class Column(StandIn):
    """A Series that ends with the candle in question, or `end` rows before it, and begins with the first
    candle of all, or `size` rows before its end."""

    __slots__ = ("_end", "_series", "_size")
    _what = "a column"

    def __init__(self, reader: Reader, series: Any, end: int = 0, size: int | None = None) -> None:
        super().__init__(reader)
        self._series = series
        self._end = end
        self._size = size

    def __getattr__(self, name: str) -> Any:
        if name in _BY_ROW or name in _BY_PAST:
            return lambda *args, **options: self._call(name, args, options)
        if name in _FIGURES:
            return lambda **options: self._reader.figure(
                self._series, self._end, self._size, name, options
            )
        if name in _MOVING:
            return lambda *args, **options: Moving(self, name, args, options)
        return self._reader.refuse(f"{name} of a column")

    def __getitem__(self, key: Any) -> Any:
        if type(key) is not slice:
            self._reader.refuse("a part of a column")
        return self._part(*cut(self._reader, key, self._end, self._size))

    def __iter__(self) -> Iterator[Any]:
        rows = self._reader.count(self._end, self._size)
        if self._size is None or type(rows) is not int:
            self._reader.refuse("each row of a column")
        backs = range(self._end + rows - 1, self._end - 1, -1)
        return iter([self._reader.number(self._series, back) for back in backs])

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or inputs[0] is not self or ufunc.nout != 1:
            self._reader.refuse(f"np.{ufunc.__name__}() of a column")
        return self._derive(ufunc, ufunc, *inputs[1:])

    def __array_function__(
        self, function: Any, _types: Any, args: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Any:
        if args[0] is self and not options:
            if function is np.where and len(args) == 3:
                return self._derive(np.where, _choose, *args[1:]).values
            if function in _NUMPY_FIGURES and len(args) == 1 and type(self) is Column:
                return getattr(self, function.__name__)(**_NUMPY_FIGURES[function])
        return self._reader.refuse(f"np.{function.__name__}() of a column")

    @property
    def iloc(self) -> "Rows":
        """Rows by their place, from the newest back."""
        return Rows(self)

    iat = iloc

    @property
    def values(self) -> "Array":
        """The column as numpy has it."""
        return Array(self._reader, self._series, self._end, self._size)

    @property
    def index(self) -> "Times":
        """The opening times of its rows."""
        return Times(self._reader, self._end, self._size)

    @property
    def name(self) -> Any:
        """As in pandas."""
        return self._series.name

    @property
    def size(self) -> Any:
        """How many rows it has."""
        return self._reader.count(self._end, self._size)

    @property
    def empty(self) -> Any:
        """Whether it has no rows."""
        return self.size == 0

    def to_numpy(self) -> "Array":
        """The column as numpy has it."""
        return self.values

    def tail(self, n: int = 5) -> "Column":
        """The newest rows."""
        return self[-n:] if n else self._part(self._end, 0)

    __hash__ = StandIn.__hash__
    __lt__ = _operator(operator.lt)
    __le__ = _operator(operator.le)
    __gt__ = _operator(operator.gt)
    __ge__ = _operator(operator.ge)
    __eq__ = _operator(operator.eq)
    __ne__ = _operator(operator.ne)
    __add__ = _operator(operator.add)
    __radd__ = _operator(operator.add, reflected=True)
    __sub__ = _operator(operator.sub)
    __rsub__ = _operator(operator.sub, reflected=True)
    __mul__ = _operator(operator.mul)
    __rmul__ = _operator(operator.mul, reflected=True)
    __truediv__ = _operator(operator.truediv)
    __rtruediv__ = _operator(operator.truediv, reflected=True)
    __floordiv__ = _operator(operator.floordiv)
    __rfloordiv__ = _operator(operator.floordiv, reflected=True)
    __mod__ = _operator(operator.mod)
    __rmod__ = _operator(operator.mod, reflected=True)
    __pow__ = _operator(operator.pow)
    __rpow__ = _operator(operator.pow, reflected=True)
    __and__ = _operator(operator.and_)
    __rand__ = _operator(operator.and_, reflected=True)
    __or__ = _operator(operator.or_)
    __ror__ = _operator(operator.or_, reflected=True)
    __xor__ = _operator(operator.xor)
    __rxor__ = _operator(operator.xor, reflected=True)
    __neg__ = _operator(operator.neg)
    __abs__ = _operator(operator.abs)
    __invert__ = _operator(operator.invert)

    def _call(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> "Column":
        if name in _BY_PAST:
            self._check_past(name, *args, *options.values())
        if options.get("inplace"):
            self._reader.refuse(f"{name}() in place")

        def make(series: Any, *others: Any) -> Any:
            named = dict(zip(options, others[len(args) :], strict=True))
            return getattr(series, name)(*others[: len(args)], **named)

        return self._derive((name, len(args), *options), make, *args, *options.values())

    def _check_past(self, name: str, *operands: Any) -> None:
        if any(is_number(one) and one < 0 for one in operands):
            self._reader.refuse(f"{name}() by a negative number")
        if self._size is not None:
            self._reader.refuse(f"{name}() of the last rows")

    def _derive(self, key: Hashable, make: Callable[..., Any], *operands: Any) -> "Column":
        """The column that `make` makes of whole Series; `key` tells it from others."""
        plain = [self._to_plain(one) for one in operands]

        def compute() -> Any:
            with np.errstate(all="ignore"):
                return make(self._series, *plain)

        ids = (id(one) if isinstance(one, pd.Series) else key_of(one) for one in plain)
        series = self._reader.once((key, id(self._series), *ids), compute, self._series, *plain)
        return type(self)(self._reader, series, self._end, self._size)

    def _to_plain(self, operand: Any) -> Any:
        """What pandas is given: the whole Series of a column over the same rows, or a plain value."""
        kind = type(operand)
        if issubclass(kind, Column):
            if (operand._end, operand._size) != (self._end, self._size):
                self._reader.refuse("for columns over different rows")
            return operand._series
        if issubclass(kind, StandIn):
            self._reader.refuse("for a column and a number of one candle")
        if not is_number(operand) and not issubclass(kind, str | type | type(None)):
            self._reader.refuse(f"for a column and a {kind.__name__}")
        return getattr(operand, "stands_for", operand) if issubclass(kind, type) else operand

    def _part(self, end: int, size: int | None) -> "Column":
        return type(self)(self._reader, self._series, end, size)


class Array(Column):
    """A column as numpy has it: asked by place, without the figures that pandas has other rules for."""

    __slots__ = ()
    _what = "an array"

    def __getattr__(self, name: str) -> Any:
        self._reader.refuse(f"{name} of an array")

    def __getitem__(self, key: Any) -> Any:
        return self.iloc[key]


class Rows(StandIn):
    """`iloc` of a column."""

    __slots__ = ("_column",)
    _what = "iloc"

    def __init__(self, column: Column) -> None:
        super().__init__(column._reader)
        self._column = column

    def __getitem__(self, key: Any) -> Any:
        column = self._column
        if type(key) is slice:
            return column._part(*cut(self._reader, key, column._end, column._size))
        return self._reader.number(
            column._series, find_back(self._reader, key, column._end, column._size)
        )


class Moving(StandIn):
    """`rolling`, `ewm` or `expanding` of a column."""

    __slots__ = ("_args", "_column", "_name", "_options")
    _what = "a moving window"

    def __init__(
        self, column: Column, name: str, args: tuple[Any, ...], options: dict[str, Any]
    ) -> None:
        super().__init__(column._reader)
        if options.get("center") or len(args) > 2:
            self._reader.refuse("for a window around its row")
        column._check_past(name)
        self._column, self._name, self._args, self._options = column, name, args, options

    def __getattr__(self, name: str) -> Any:
        if name not in _MOVING_FIGURES:
            self._reader.refuse(f"{name} of a moving window")
        return lambda *args, **options: self._figure(name, args, options)

    def _figure(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Column:
        given = (*self._args, *self._options.values(), *args, *options.values())
        if not all(is_number(one) or issubclass(type(one), str | type(None)) for one in given):
            self._reader.refuse(f"{name}() of a window that differs from candle to candle")

        def make(series: Any) -> Any:
            return getattr(getattr(series, self._name)(*self._args, **self._options), name)(
                *args, **options
            )

        key = (self._name, self._args, *self._options.items(), name, args, *options.items())
        return self._column._derive(key, make)


class Times(StandIn):
    """The index: when candles opened."""

    __slots__ = ("_end", "_size")
    _what = "the index"

    def __init__(self, reader: Reader, end: int, size: int | None) -> None:
        super().__init__(reader)
        self._end = end
        self._size = size

    def __getitem__(self, key: Any) -> Any:
        if type(key) is slice:
            return Times(self._reader, *cut(self._reader, key, self._end, self._size))
        return self._reader.time(find_back(self._reader, key, self._end, self._size))

    @property
    def size(self) -> Any:
        """How many rows there are."""
        return self._reader.count(self._end, self._size)


def find_back(reader: Reader, key: Any, end: int, size: int | None) -> int:
    """How many rows before the newest candle lies row `key` of a part."""
    if type(key) is int and key >= 0 and size is not None:
        rows = reader.count(end, size)
        if type(rows) is int and key < rows == size:
            key -= size  # of so many rows the oldest is the first
    if type(key) is not int or key >= 0:
        reader.refuse("for a row that is not counted from the newest")
    if size is not None and -key > size:
        reader.refuse(f"row {key} of {size}")
    return end - key - 1


def cut(reader: Reader, key: slice, end: int, size: int | None) -> tuple[int, int | None]:
    """`end` and `size` of a slice of a part; it may leave out newest rows and keep the newest of the rest."""
    first, last = key.start, key.stop
    known = all(one is None or (type(one) is int and one < 0) for one in (first, last))
    if not known or key.step is not None:
        reader.refuse("for rows that are not counted from the newest")
    left_out = -last if last is not None else 0
    sizes = [
        max(one - left_out, 0)
        for one in (size, -first if first is not None else None)
        if one is not None
    ]
    return end + left_out, min(sizes, default=None)


def _choose(condition: Any, one: Any, other: Any) -> Any:
    return pd.Series(np.where(condition, one, other), condition.index)
