"""A strategy asked candle by candle, at the speed of its own code: its indicators are computed once, and what
it reads of them are lists that grow with the candles."""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, cast

import numpy as np
import pandas as pd

from apps.backtests.engine.evaluation.columns import Column
from apps.backtests.engine.evaluation.frames import Frame
from apps.backtests.engine.evaluation.scanning import may_change
from apps.backtests.engine.evaluation.signals import StepsAside
from apps.backtests.engine.evaluation.standins import Reader, StandIn, WholeHistory
from apps.backtests.engine.evaluation.surroundings import surround
from apps.strategies.contract.strategy import PositionView, Strategy

#: Rows that are taken at once, and kept at least; older ones are read from the column itself.
_BLOCK = 1024
#: Rows that a list begins with.
_SEEN = 16
_CONTAINERS = (dict, list, set)
_PLAIN = (bool, int, float, str, type(None))


class ViewAsker:
    """Asks one instance, made on the whole history, which sees of it what the candle knows, or copies of it
    where its code may change it. Raises StepsAside where each candle needs an instance of its own, or whole
    columns of its own."""

    def __init__(
        self, strategy_class: type[Strategy], history: WholeHistory, params: Mapping[str, Any]
    ) -> None:
        self._class = strategy_class
        self._reader = _Whole(history)
        self._past = Past()
        self._attributes = _view_attributes(strategy_class, self._reader, params, self._past)
        self._containers = [
            (name, value) for name, value in self._attributes.items() if type(value) in _CONTAINERS
        ]
        self._changes = may_change(strategy_class) or len(self._containers) > 1  # more than params
        self._instance = self._copy()

    def should_long(self, i: int, balance: float) -> Any:
        """What the strategy says that holds nothing."""
        if i != self._past.row:
            self._past.advance(i)
        if self._changes:
            self._instance = self._copy()
        strategy: Any = self._instance
        strategy.balance = balance
        strategy.position = None
        answer = strategy.should_long()
        if self._reader.aside:
            raise self._reader.aside
        return False if answer is np.False_ else answer

    def should_short(self, i: int, balance: float, position: PositionView) -> Any:
        """What the strategy says that holds the position."""
        if i != self._past.row:
            self._past.advance(i)
        strategy: Any = self._copy() if self._changes else self._instance
        strategy.balance = balance
        strategy.position = position
        answer = strategy.should_short()
        if self._reader.aside:
            raise self._reader.aside
        return False if answer is np.False_ else answer

    def position_size(self, _i: int, _balance: float) -> Any:
        """What the instance says that wants to buy."""
        return self._follow("calculate_position_size")

    def stop_loss(self, _i: int, _balance: float) -> Any:
        """What the instance says that wants to buy."""
        return self._follow("calculate_stop_loss")

    def take_profit(self, _i: int, _balance: float) -> Any:
        """What the instance says that wants to buy."""
        return self._follow("calculate_take_profit")

    def _follow(self, method: str) -> Any:
        answer = getattr(self._instance, method)()
        self._reader.check()
        return answer

    def _copy(self) -> Strategy:
        """An instance for one question: what a method sets on it is gone with it."""
        strategy = object.__new__(self._class)
        attributes = self._attributes.copy()
        for name, value in self._containers:
            attributes[name] = value.copy()
        strategy.__dict__ = attributes
        return strategy


class Past:
    """How much of the history is seen, and the lists that grow with it."""

    def __init__(self) -> None:
        self.row = -1
        self._growing: list[tuple[list[Any], Any]] = []
        self._first = 0
        self._next: list[tuple[Callable[[Any], None], Any]] = []

    def advance(self, row: int) -> None:
        """See the candles up to `row`, which never falls."""
        if row != self.row + 1:
            self._jump(row)
        elif not row % _BLOCK:
            self._prepare(row)
        place = row - self._first
        for append, values in self._next:
            append(values[place])
        self.row = row

    def grow(self, values: Any) -> list[Any]:
        """A list of the newest rows of these, from now on kept up to date."""
        rows = list(values[max(0, self.row + 1 - _SEEN) : self.row + 1])
        self._growing.append((rows, values))
        self._next.append((rows.append, values[self._first :]))
        return rows

    def _jump(self, row: int) -> None:
        """See all before `row`."""
        if row < self.row:
            raise ValueError("A strategy is asked about its candles in order.")
        for rows, values in self._growing:
            rows[:] = values[max(0, row - _SEEN) : row]
        self._first = 0
        self._next = [(rows.append, values) for rows, values in self._growing]

    def _prepare(self, row: int) -> None:
        """Take the next block of rows at once, which is faster than one by one, and forget what is old."""
        for rows, _ in self._growing:
            del rows[:-_BLOCK]
        self._first = row
        self._next = [
            (rows.append, list(values[row : row + _BLOCK])) for rows, values in self._growing
        ]


class Rows:
    """`iloc` of a column: an element of a list where it can be."""

    __slots__ = ("_newest", "_oldest", "_view")

    def __init__(self, view: "ColumnView", newest: list[Any]) -> None:
        self._view = view
        self._newest = newest
        self._oldest = -view._reader.lookback

    def __getitem__(self, key: Any) -> Any:
        if type(key) is int and self._oldest <= key < 0:
            try:
                return self._newest[key]
            except IndexError:
                pass
        return self._view._cut().iloc[key]


class _View(StandIn):
    """Stands for a pandas object that ends with the candle in question. Parts of it are pandas' own; what
    takes all of its rows is refused, since that would be computed anew for each candle."""

    __slots__ = ("_past", "_whole")
    _reader: "_Whole"

    def __init__(self, reader: "_Whole", whole: Any, past: Past) -> None:
        super().__init__(reader)
        self._whole = whole
        self._past = past

    def _seen(self) -> slice:
        last = self._past.row + 1
        return slice(max(0, last - self._reader.lookback), last)

    def _cut(self) -> Any:
        return self._whole.iloc[self._seen()]

    def __len__(self) -> int:
        return min(self._past.row + 1, self._reader.lookback)

    @property
    def index(self) -> Any:
        """When the candles opened."""
        return self._reader.index[self._seen()]

    @property
    def empty(self) -> bool:
        """Whether there are no rows."""
        return self._past.row < 0

    def tail(self, n: int = 5) -> Any:
        """The newest rows."""
        return self._cut().tail(n)


class ColumnView(_View):
    """A Series whose `iloc` is a list of what the candle knows."""

    __slots__ = ("iloc",)
    _what = "a whole column in a method"
    iloc: Rows

    def __getattr__(self, name: str) -> Any:
        if name in ("iloc", "iat"):  # asked for the first time
            self.iloc = Rows(self, self._past.grow(self._whole.to_numpy()))
            return self.iloc
        return super().__getattr__(name)

    def __getitem__(self, key: Any) -> Any:
        return self._cut()[key]

    @property
    def values(self) -> Any:
        """As numpy has it."""
        return self._whole.to_numpy()[self._seen()]

    def to_numpy(self) -> Any:
        """As numpy has it."""
        return self.values


class FrameView(_View):
    """A DataFrame whose columns are such Series."""

    __slots__ = ("_columns",)
    _what = "the whole table in a method"

    def __init__(self, reader: "_Whole", columns: dict[Any, Any], past: Past) -> None:
        super().__init__(reader, None, past)
        self._columns = {name: ColumnView(reader, one, past) for name, one in columns.items()}

    def __getitem__(self, key: Any) -> Any:
        try:
            return self._columns[key]
        except (KeyError, TypeError):  # a name that there is not, or no name
            return self._cut()[key]

    def __getattr__(self, name: str) -> Any:
        if name in self._columns and not hasattr(pd.DataFrame, name):
            return self._columns[name]
        return super().__getattr__(name)

    def __contains__(self, name: Any) -> bool:
        return name in self._columns

    def _cut(self) -> Any:
        if self._whole is None:
            columns = {name: one._whole for name, one in self._columns.items()}
            self._whole = pd.DataFrame(columns, copy=False)
        return super()._cut()

    @property
    def iloc(self) -> Any:
        """Rows by their place."""
        return self._cut().iloc

    @property
    def columns(self) -> Any:
        """The names of its columns."""
        return pd.Index(list(self._columns))

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns it has."""
        return len(self), len(self._columns)


class _Whole(Reader):
    """Computes whole columns, and knows no candle to read them for."""

    def number(self, *_: object) -> NoReturn:
        self.refuse("for the value of one candle")

    def figure(self, *_: object) -> NoReturn:
        self.refuse("for a figure of one candle")

    def count(self, *_: object) -> NoReturn:
        self.refuse("how many candles there are")

    def time(self, *_: object) -> NoReturn:
        self.refuse("for the time of one candle")


class _Untouched(StandIn):
    """A position or a balance that __init__ hands on, and does not look at."""

    __slots__ = ()
    _what = "the position or the balance"


def _view_attributes(
    strategy_class: type[Strategy], reader: _Whole, params: Mapping[str, Any], past: Past
) -> dict[str, Any]:
    """What __init__ sets whatever the candle, balance and position are, with views for whole columns."""
    surrounded = surround(strategy_class, reader)
    untouched = _Untouched(reader)

    def build(position: Any) -> dict[str, Any]:
        candles = Frame(reader, reader.history.columns.copy())
        balance = cast("float", untouched)
        strategy = surrounded.strategy_class.build(
            candles=candles, balance=balance, position=position, params=params
        )
        attributes = vars(strategy)
        if attributes.pop("balance", None) is not untouched:
            raise StepsAside("__init__ sets another balance")
        if attributes.pop("position", None) is not position:
            raise StepsAside("__init__ sets another position")
        return attributes

    flat, holding = build(None), build(untouched)
    surrounded.check()
    reader.check()
    viewed = {name: _view(value, reader, past) for name, value in flat.items()}
    again = {name: _view(value, reader, past) for name, value in holding.items()}
    if viewed.keys() != again.keys() or not all(_is_alike(viewed[n], again[n]) for n in viewed):
        raise StepsAside("__init__ asks whether there is a position")
    return viewed


def _view(value: Any, reader: _Whole, past: Past) -> Any:
    kind = type(value)
    if kind is Frame and any(one is None for one in value._columns.values()):
        raise StepsAside("__init__ keeps a column that knows later candles")
    if kind in (Column, Frame) and value._end == 0 and value._size is None:
        return (
            ColumnView(reader, value._series, past)
            if kind is Column
            else FrameView(reader, value._columns, past)
        )
    if kind is tuple:
        return tuple(_view(one, reader, past) for one in value)
    if kind in _CONTAINERS:
        items = value.items() if kind is dict else [(one,) for one in value]
        if all(type(one) in _PLAIN for item in items for one in item):
            return value
    elif kind in _PLAIN or issubclass(kind, np.generic):
        return value
    raise StepsAside(f"__init__ keeps a {kind.__name__}")


def _is_alike(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if type(one) is ColumnView:
        return one._whole is other._whole
    if type(one) is FrameView:
        return one._columns.keys() == other._columns.keys() and all(
            _is_alike(one._columns[name], other._columns[name]) for name in one._columns
        )
    if type(one) is tuple:
        return len(one) == len(other) and all(map(_is_alike, one, other))
    return bool(one == other) or (one != one and other != other)  # noqa: PLR0124  NaN
