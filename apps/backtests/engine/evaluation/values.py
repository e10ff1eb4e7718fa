"""Numbers of all candles at once, each of which a strategy takes for the number of one."""

import operator
from collections.abc import Callable, Hashable
from functools import partialmethod
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from apps.backtests.engine.evaluation.forks import Forks
from apps.backtests.engine.evaluation.standins import (
    Reader,
    StandIn,
    WholeHistory,
    is_number,
    key_of,
)
from apps.backtests.engine.evaluation.windows import nothing, reduce_windows

T = TypeVar("T")
Array = npt.NDArray[Any]
_DIVISIONS = frozenset({np.true_divide, np.floor_divide, np.remainder})


class AllCandles(Reader):
    """Reads columns for every candle from `start` on: a number is an array, a question forks."""

    asks_all = True

    def __init__(self, history: WholeHistory, start: int) -> None:
        super().__init__(history)
        self.start = start
        self.candles = len(self.index) - start
        self.forks = Forks(self.candles)
        self._kept: dict[Hashable, tuple[Any, Any]] = {}

    def keep(self, key: Hashable, make: Callable[[], T], *operands: object) -> T:
        """A value, made only the first time that this key is asked; `operands` are whose ids are in it."""
        if key not in self._kept:
            self._kept[key] = (make(), operands)
        found: T = self._kept[key][0]
        return found

    def forget(self) -> None:
        """Give back the memory of all values at once: they and their reader hold each other."""
        self._kept.clear()

    def refuse(self, what: str) -> NoReturn:
        raise self.forks.step_aside(f"it asks {what}")

    def number(self, series: "pd.Series[Any]", back: int) -> "Value":
        self._check_back(back)
        key = ("number", id(series), back)
        return self.keep(key, lambda: Value(self._read(series, back, np.nan), self), series)

    def figure(
        self,
        series: "pd.Series[Any]",
        end: int,
        size: int | None,
        name: str,
        options: dict[str, Any],
    ) -> "Value":
        def make() -> Value:
            try:
                with np.errstate(all="ignore"):
                    found = reduce_windows(_to_array(series), name, self.size(end, size), **options)
            except (KeyError, TypeError):
                self.refuse(f"{name}() of {'all' if size is None else 'the last'} rows")
            return Value(self._read(pd.Series(found), end, nothing(name)), self)

        key = ("figure", id(series), end, size, name, repr(options))
        return self.keep(key, make, series)

    def count(self, end: int, size: int | None) -> "Value | int":
        most = self.size(end, size)
        if most is not None and self.start + 1 - end >= most:
            return most
        return self.keep(
            ("count", end, size), lambda: Value(self._count(end, size), self, python=True)
        )

    def time(self, back: int) -> "Moment":
        self._check_back(back)
        return self.keep(("time", back), lambda: Moment(back, self))

    def _check_back(self, back: int) -> None:
        rows = min(self.start + self.forks.first() + 1, self.lookback)
        if back >= rows:
            self.refuse(f"row {-1 - back} where there are {rows} candles")

    def compute(self, function: Callable[..., Array], *operands: Any) -> "Value":
        """The value that `function` makes of arrays and numbers."""
        python = all(one._python if type(one) is Value else _is_pythons(one) for one in operands)
        if python and function in _DIVISIONS:
            self._check_divisor(operands[1])

        def make() -> Value:
            arrays = [one._array if type(one) is Value else one for one in operands]
            with np.errstate(all="ignore"):
                return Value(np.asarray(function(*arrays)), self, python=python)

        return self.keep((function, *map(key_of, operands)), make, *operands)

    def _read(self, series: "pd.Series[Any]", back: int, missing: float) -> Array:
        values = _to_array(series)
        if values.dtype.kind not in "fbi":
            self.refuse("a column that does not hold numbers")
        if back <= self.start:
            return values[self.start - back : len(values) - back]
        # Candles that have no such row are not on the path; a figure of no rows is what `missing` says.
        found = np.empty(
            self.candles, np.result_type(values, type(missing)) if back else values.dtype
        )
        found[: back - self.start] = missing
        found[back - self.start :] = values[: len(values) - back]
        return found

    def _count(self, end: int, size: int | None) -> npt.NDArray[np.int64]:
        rows = np.maximum(np.arange(self.start, self.start + self.candles) + 1 - end, 0)
        most = self.size(end, size)
        return rows if most is None else np.minimum(rows, most)

    def _check_divisor(self, divisor: Any) -> None:
        """Python's own numbers raise where numpy's say infinity."""
        zero = np.asarray(divisor._array if type(divisor) is Value else divisor) == 0
        if np.any(zero if self.forks.mask is None else zero & self.forks.mask):
            self.refuse("for a division by zero")


def _is_pythons(number: object) -> bool:
    return not isinstance(number, np.generic)


def _to_array(series: "pd.Series[Any]") -> Array:
    return np.asarray(series.to_numpy())


def _binary(function: Callable[..., Array], *, reflected: bool = False) -> Callable[..., Any]:
    def compute(self: "Value", other: object) -> Any:
        if type(other) is not Value and not is_number(other):
            return NotImplemented
        operands = (other, self) if reflected else (self, other)
        return self._reader.compute(function, *operands)

    return compute


def _unary(function: Callable[..., Array]) -> Callable[..., Any]:
    return lambda self: self._reader.compute(function, self)


class Value(StandIn):
    """A number, or a truth, for each candle that is asked. `if` forks on it. `python` says that it is one
    of Python's own, such as len() has, and none of numpy's."""

    __slots__ = ("_array", "_python")
    _reader: AllCandles

    def __init__(self, array: Array, reader: AllCandles, *, python: bool = False) -> None:
        super().__init__(reader)
        self._array = array
        self._python = python

    def __bool__(self) -> bool:
        return self._reader.forks.branch(self._array)

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any
    ) -> "Value":
        plain = all(type(one) is Value or is_number(one) for one in inputs)
        if method != "__call__" or options or not plain or ufunc.nout != 1:
            self._reader.refuse(f"np.{ufunc.__name__}() of a number")
        return self._reader.compute(ufunc, *inputs)

    def __round__(self, digits: int | None = None) -> "Value":
        if type(digits) is not int or self._array.dtype != np.float64:
            self._reader.refuse("round() to a whole number")
        return self._reader.compute(np.round, self, digits)

    def item(self) -> "Value":
        """As a number of Python's own."""
        key = ("item", id(self))
        return self._reader.keep(key, lambda: Value(self._array, self._reader, python=True), self)

    def is_a(self, kind: type) -> bool:
        """Whether what it stands for is a float, or an int."""
        numbers = self._array.dtype.kind
        return numbers == "f" if kind is float else numbers == "i" and self._python

    def is_missing(self) -> "Value":
        """Whether it is NaN."""
        return self._reader.compute(np.not_equal, self, self)

    __hash__ = StandIn.__hash__
    __lt__ = _binary(np.less)
    __le__ = _binary(np.less_equal)
    __gt__ = _binary(np.greater)
    __ge__ = _binary(np.greater_equal)
    __eq__ = _binary(np.equal)
    __ne__ = _binary(np.not_equal)
    __add__ = _binary(np.add)
    __radd__ = _binary(np.add, reflected=True)
    __sub__ = _binary(np.subtract)
    __rsub__ = _binary(np.subtract, reflected=True)
    __mul__ = _binary(np.multiply)
    __rmul__ = _binary(np.multiply, reflected=True)
    __truediv__ = _binary(np.true_divide)
    __rtruediv__ = _binary(np.true_divide, reflected=True)
    __floordiv__ = _binary(np.floor_divide)
    __rfloordiv__ = _binary(np.floor_divide, reflected=True)
    __mod__ = _binary(np.remainder)
    __rmod__ = _binary(np.remainder, reflected=True)
    __pow__ = _binary(np.power)
    __rpow__ = _binary(np.power, reflected=True)
    __and__ = _binary(np.bitwise_and)
    __rand__ = _binary(np.bitwise_and, reflected=True)
    __or__ = _binary(np.bitwise_or)
    __ror__ = _binary(np.bitwise_or, reflected=True)
    __xor__ = _binary(np.bitwise_xor)
    __rxor__ = _binary(np.bitwise_xor, reflected=True)
    __neg__ = _unary(np.negative)
    __pos__ = _unary(np.positive)
    __abs__ = _unary(np.absolute)
    __invert__ = _unary(np.invert)


#: What pandas says of a time as a whole number, and whether it is a method there.
_PARTS = {
    "year": False, "month": False, "day": False, "hour": False, "minute": False, "second": False,
    "dayofweek": False, "day_of_week": False, "dayofyear": False, "day_of_year": False, "quarter": False,
    "weekday": True, "isoweekday": True,
}  # fmt: skip


class Moment(StandIn):
    """The opening time of a candle, for each candle that is asked."""

    __slots__ = ("_back",)
    _what = "a time"
    _reader: AllCandles

    def __init__(self, back: int, reader: AllCandles) -> None:
        super().__init__(reader)
        self._back = back

    def _compare(self, function: Callable[[Any, Any], Any], other: Any) -> Any:
        if type(other) is not pd.Timestamp:
            self._reader.refuse("a comparison of a time")
        index = self._reader.index
        key = ("compared", function, other)
        flags = self._reader.once(key, lambda: pd.Series(np.asarray(function(index, other))))
        return self._reader.number(flags, self._back)

    __hash__ = StandIn.__hash__
    __lt__ = partialmethod(_compare, operator.lt)
    __le__ = partialmethod(_compare, operator.le)
    __gt__ = partialmethod(_compare, operator.gt)
    __ge__ = partialmethod(_compare, operator.ge)
    __eq__ = partialmethod(_compare, operator.eq)
    __ne__ = partialmethod(_compare, operator.ne)

    def __getattr__(self, name: str) -> Any:
        if name not in _PARTS:
            self._reader.refuse(f"{name} of a time")
        part = self._reader.once(("part", name), lambda: _part(self._reader.index, name))
        number = self._reader.number(part, self._back)
        return (lambda: number) if _PARTS[name] else number


def _part(index: pd.DatetimeIndex, name: str) -> "pd.Series[Any]":
    whole = {"dayofweek": "day_of_week", "dayofyear": "day_of_year"}.get(name, name)
    if _PARTS[name]:
        whole = "day_of_week"
    return pd.Series(np.asarray(getattr(index, whole), np.int64) + (name == "isoweekday"))


class Balance(StandIn):
    """The free balance, and what is made of it: `amount + share * balance`. A condition on it steps aside,
    since its answer depends on the trades before."""

    __slots__ = ("_amount", "_share")
    _what = "the balance"

    def __init__(self, amount: Any, share: Any, reader: Reader) -> None:
        super().__init__(reader)
        self._amount = amount
        self._share = share

    def __add__(self, other: Any) -> Any:
        if type(other) is Balance:
            return Balance(self._amount + other._amount, self._share + other._share, self._reader)
        return self._times(other, lambda: Balance(self._amount + other, self._share, self._reader))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __neg__(self) -> "Balance":
        return Balance(-self._amount, -self._share, self._reader)

    def __mul__(self, other: Any) -> Any:
        return self._times(
            other, lambda: Balance(self._amount * other, self._share * other, self._reader)
        )

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return self._times(
            other, lambda: Balance(self._amount / other, self._share / other, self._reader)
        )

    def _times(self, other: Any, make: Callable[[], "Balance"]) -> Any:
        return make() if type(other) is Value or is_number(other) else NotImplemented
