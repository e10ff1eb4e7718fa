"""The table of candles and indicators as a strategy sees it."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd

from apps.backtests.engine.evaluation.columns import Column, Times, cut, find_back
from apps.backtests.engine.evaluation.foresight import Place, find_foresight
from apps.backtests.engine.evaluation.standins import Reader, StandIn, is_number, key_of

#: Figures of each row of a table.
_ACROSS = frozenset({"max", "mean", "min", "sum"})


class Frame(StandIn):
    """A DataFrame whose newest row is the candle in question, or `end` rows before it. Its columns are
    known, None where one knows later candles; their rows differ from candle to candle."""

    __slots__ = ("_columns", "_end", "_size")
    _what = "the table"

    def __init__(
        self, reader: Reader, columns: dict[Any, Any], end: int = 0, size: int | None = None
    ) -> None:
        super().__init__(reader)
        self._columns = columns
        self._end = end
        self._size = size

    def __getattr__(self, name: str) -> Any:
        if name in _ACROSS:
            return lambda **options: self._across(name, options)
        if name not in self._columns or hasattr(pd.DataFrame, name):
            self._reader.refuse(f"{name} of the table")
        return self._column(name)

    def __getitem__(self, key: Any) -> Any:
        kind = type(key)
        if kind is slice:
            return self._part(*cut(self._reader, key, self._end, self._size))
        if kind is list:
            columns = {name: self._find(name) for name in key}
            return Frame(self._reader, columns, self._end, self._size)
        return self._column(key)

    def __setitem__(self, name: Any, value: Any) -> None:
        if type(name) is not str:
            self._reader.refuse("for a column that is not named")
        self._columns[name] = self._to_series(value)

    #: list(), which takes the names, would ask for it; len() itself is asked of the reader.
    __len__ = None  # type: ignore[assignment]

    def __contains__(self, name: Any) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._columns))

    @property
    def columns(self) -> "pd.Index[Any]":
        """The names of its columns."""
        return pd.Index(list(self._columns))

    @property
    def index(self) -> Times:
        """The opening times of its rows."""
        return Times(self._reader, self._end, self._size)

    @property
    def iloc(self) -> "Places":
        """Rows by their place, from the newest back."""
        return Places(self)

    iat = iloc

    @property
    def ta(self) -> "Accessor":
        """Indicators that find their columns themselves."""
        return Accessor(self)

    @property
    def shape(self) -> tuple[Any, int]:
        """How many rows and columns it has."""
        return self._reader.count(self._end, self._size), len(self._columns)

    @property
    def empty(self) -> Any:
        """Whether it has no rows."""
        return self.shape[0] == 0

    def keys(self) -> "pd.Index[Any]":
        """The names of its columns."""
        return self.columns

    def get(self, name: Any, default: Any = None) -> Any:
        """The column of this name, if there is one."""
        return self._column(name) if name in self._columns else default

    def copy(self, deep: bool = True) -> "Frame":  # noqa: FBT001, FBT002  as pandas has it
        """A table of its own."""
        if not deep:
            self._reader.refuse("for a copy that is none")
        return self._part(self._end, self._size)

    def tail(self, n: int = 5) -> "Frame":
        """The newest rows."""
        return self[-n:] if n else self._part(self._end, 0)

    def _column(self, name: Any) -> Column:
        return Column(self._reader, self._find(name), self._end, self._size)

    def _across(self, name: str, options: dict[str, Any]) -> Column:
        """A figure of each row."""
        if options not in ({"axis": 1}, {"axis": "columns"}):
            self._reader.refuse(f"{name}() of the table")
        table = to_table(self._reader, self)
        series = self._reader.once(
            ("across", name, id(table)), lambda: getattr(table, name)(axis=1), table
        )
        return Column(self._reader, series, self._end, self._size)

    def _find(self, name: Any) -> Any:
        if issubclass(type(name), StandIn) or name not in self._columns:
            self._reader.refuse("for rows or columns that the table may not have")
        if self._columns[name] is None:
            self._reader.refuse(f"for {name}, which knows later candles")
        return self._columns[name]

    def _part(self, end: int, size: int | None) -> "Frame":
        return Frame(self._reader, dict(self._columns), end, size)

    def _to_series(self, value: Any) -> Any:
        if issubclass(type(value), Column):
            if (value._end, value._size) != (self._end, self._size):
                self._reader.refuse("for columns over different rows")
            return value._series
        if not is_number(value):
            self._reader.refuse(f"to put a {type(value).__name__} into the table")
        index = self._reader.index
        return self._reader.once(("constant", key_of(value)), lambda: pd.Series(value, index))


class Places(StandIn):
    """`iloc` of a table."""

    __slots__ = ("_frame",)
    _what = "iloc"

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame._reader)
        self._frame = frame

    def __getitem__(self, key: Any) -> Any:
        if type(key) is tuple and len(key) == 2:
            return self._by_both(*key)
        if type(key) is slice:
            return self._frame[key]
        return Row(self._frame, find_back(self._reader, key, self._frame._end, self._frame._size))

    def _by_both(self, row: Any, place: Any) -> Any:
        names = list(self._frame._columns)
        if type(place) is not int or not -len(names) <= place < len(names):
            self._reader.refuse("for several columns by their places")
        column = self._frame._column(names[place])
        return column if row == slice(None) else column.iloc[row]


class Row(StandIn):
    """One row of a table."""

    __slots__ = ("_back", "_frame")
    _what = "a row"

    def __init__(self, frame: Frame, back: int) -> None:
        super().__init__(frame._reader)
        self._frame = frame
        self._back = back

    def __getattr__(self, name: str) -> Any:
        if hasattr(pd.Series, name):
            self._reader.refuse(f"{name} of a row")
        return self[name]

    def __getitem__(self, name: Any) -> Any:
        return self._reader.number(self._frame._find(name), self._back)

    @property
    def name(self) -> Any:
        """The opening time of its candle."""
        return self._reader.time(self._back)


def concatenate(reader: Reader, parts: Any, **options: Any) -> Any:
    """`pd.concat`: columns side by side become a table."""
    if not any(issubclass(type(one), StandIn) for one in parts):
        return pd.concat(parts, **options)
    ends = {(one._end, one._size) for one in parts if issubclass(type(one), Column)}
    if options not in ({"axis": 1}, {"axis": "columns"}) or len(ends) != 1:
        reader.refuse("for pd.concat() of other than columns side by side")
    if not all(issubclass(type(one), Column) for one in parts):
        reader.refuse("for pd.concat() of other than columns side by side")
    named = {one._series.name: one._series for one in parts}
    places = range(len(parts)) if len(named) < len(parts) or None in named else named
    return Frame(
        reader, dict(zip(places, (one._series for one in parts), strict=True)), *ends.pop()
    )


class Unknown(StandIn):
    """A result that is not row for row what it was made of."""

    __slots__ = ()
    _what = "a result with other rows than the candles"


class Foreseeing(StandIn):
    """A result that knows later candles."""

    __slots__ = ()
    _what = "an indicator that knows later candles"


class Accessor:
    """`candles.ta`: indicators that find their columns themselves."""

    def __init__(self, frame: Frame) -> None:
        self._reader = frame._reader
        self._frame = frame

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **options: self._call(name, args, options)

    def _call(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self._frame._size is not None:
            self._reader.refuse("for an indicator of the last rows")
        given = (*args, *options.values())
        if not all(is_number(one) or issubclass(type(one), str | type(None)) for one in given):
            self._reader.refuse(f"{name}() that differs from candle to candle")
        columns = self._frame._columns

        def compute(rows: slice) -> Any:
            """What it returns, and the table, to which it may have added that."""
            table = to_table(self._reader, self._frame).iloc[rows].copy()
            with np.errstate(all="ignore"):
                return getattr(table.ta, name)(*args, **options), table

        key = ("accessor", name, args, *options.items(), *columns, *map(id, columns.values()))
        (found, table), leaks = self._reader.once(
            key, lambda: examine(compute, self._reader), *columns.values()
        )
        seen = wrap(self._reader, table, {(0, name) for place, name in leaks if place}, 0)
        columns.update({one: seen._columns[one] for one in table if one not in columns})
        return wrap(self._reader, found, leaks, self._frame._end)


def to_table(reader: Reader, frame: Frame) -> Any:
    """The whole DataFrame of a table."""
    columns = {name: frame._find(name) for name in frame._columns}
    key = ("table", *columns, *map(id, columns.values()))
    return reader.once(key, lambda: pd.DataFrame(columns, copy=False), *columns.values())


def examine(compute: Callable[[slice], Any], reader: Reader) -> tuple[Any, frozenset[Place]]:
    """What is computed of all rows, and which of its columns know later ones."""
    return compute(slice(None)), find_foresight(compute, len(reader.index))


def wrap(reader: Reader, found: Any, leaks: Collection[Place], end: int) -> Any:
    """A result in whole columns as a strategy sees it; those in `leaks` can't be read."""
    if isinstance(found, tuple):
        return tuple(
            wrap(reader, one, {(0, name) for at, name in leaks if at == number}, end)
            for number, one in enumerate(found)
        )
    if found is None:
        return None
    if not isinstance(found, pd.Series | pd.DataFrame) or not found.index.equals(reader.index):
        return Unknown(reader)
    if isinstance(found, pd.Series):
        return Foreseeing(reader) if leaks else Column(reader, found, end)
    columns = reader.once(("of", id(found)), lambda: {name: found[name] for name in found}, found)
    return Frame(
        reader,
        {name: None if (0, name) in leaks else one for name, one in columns.items()},
        end,
    )
