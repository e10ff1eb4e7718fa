"""A copy of a strategy whose code sees our names in front of those of Python and of the libraries: what
can't be said of many candles is refused there. The strategy itself and its module stay as they are."""

import builtins
import datetime as dt
import math
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import CellType, FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

from apps.backtests.engine.evaluation.columns import Column, Times
from apps.backtests.engine.evaluation.frames import Frame, concatenate
from apps.backtests.engine.evaluation.indicators import Indicator
from apps.backtests.engine.evaluation.standins import Reader, StandIn
from apps.backtests.engine.evaluation.values import Value
from apps.strategies.contract.strategy import Strategy

Space = dict[str, Any]
_LIBRARY = "pandas_ta_classic"
#: Modules that do something, or say something else each time.
_RESTLESS = frozenset({"logging", "random", "secrets", "time", "uuid"})
_RESTLESS_NAMES = (
    "delattr", "eval", "exec", "globals", "hash", "id", "input", "open", "print", "setattr", "vars",
)  # fmt: skip
_CLOCKS = (dt.datetime, dt.date, pd.Timestamp)
_NOW = frozenset({"now", "today", "utcnow"})
_IS_MISSING = (pd.isna, pd.isnull, math.isnan)
_IS_THERE = (pd.notna, pd.notnull)


class Refused(StandIn):
    """What can't be had while many candles are asked at once."""

    __slots__ = ("_words",)

    def __init__(self, reader: Reader, words: str) -> None:
        super().__init__(reader)
        self._words = words

    def __getattr__(self, name: str) -> Any:
        self._reader.refuse(f"{self._words}.{name}")

    def __call__(self, *_args: object, **_options: object) -> Any:
        self._reader.refuse(f"{self._words}()")


class Guarded:
    """A module, or a class, some of whose names are replaced."""

    def __init__(self, original: Any, replace: Callable[[str, Any], Any]) -> None:
        self._original = original
        self._replace = replace

    def __getattr__(self, name: str) -> Any:
        return self._replace(name, getattr(self._original, name))

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self._original(*args, **options)


class _Names:
    """What stands in for names of Python and of the libraries."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.builtins: Space = {
            "len": self._len,
            "float": _Float,
            "int": _Int,
            "type": self._type,
        }
        if reader.asks_all:
            self.builtins |= {name: Refused(reader, name) for name in _RESTLESS_NAMES}

    def replace(self, value: Any) -> Any:
        """What the strategy's module sees for `value`."""
        if isinstance(value, ModuleType):
            return self._replace_module(value)
        if isinstance(value, type):
            return Guarded(value, self._guard_clock) if value in _CLOCKS else value
        return self._replace_function(value) if callable(value) else value

    def _replace_function(self, value: Callable[..., Any]) -> Any:
        if value is pd.concat:
            return lambda *args, **options: concatenate(self._reader, *args, **options)
        if value in (*_IS_MISSING, *_IS_THERE):
            return lambda one: self._ask_missing(value, one)
        home = str(getattr(value, "__module__", "")).partition(".")[0]
        if home == _LIBRARY:
            return Indicator(self._reader, value)
        if home in _RESTLESS or isinstance(getattr(value, "__self__", None), random.Random):
            return self._refuse(home, value)
        return value

    def _replace_module(self, module: ModuleType) -> Any:
        root = module.__name__.partition(".")[0]
        if root in _RESTLESS or module is np.random:
            return self._refuse(module.__name__, module)
        if root in (_LIBRARY, "pandas", "numpy", "math", "datetime"):
            return Guarded(module, lambda _name, value: self.replace(value))
        return module

    def _refuse(self, words: str, original: Any) -> Any:
        return Refused(self._reader, words) if self._reader.asks_all else original

    def _guard_clock(self, name: str, value: Any) -> Any:
        return self._refuse(name, value) if name in _NOW else value

    def _len(self, one: Any) -> Any:
        if issubclass(type(one), Column | Frame | Times):
            return self._reader.count(one._end, one._size)
        return len(one)

    def _type(self, *args: Any) -> Any:
        if issubclass(type(args[0]), StandIn):
            self._reader.refuse("the type of a value")
        made = type(*args)
        return {float: _Float, int: _Int}.get(made, made)

    def _ask_missing(self, function: Any, one: Any) -> Any:
        if type(one) is Value:
            missing = one.is_missing()
        elif issubclass(type(one), Column):
            missing = one.isna()
        else:
            return function(one)
        return ~missing if function in _IS_THERE else missing


class _NumberType(type):
    stands_for: type

    def __instancecheck__(cls, one: Any) -> bool:
        return one.is_a(cls.stands_for) if type(one) is Value else isinstance(one, cls.stands_for)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.stands_for, name)


class _FloatType(_NumberType):
    def __call__(cls, *args: Any) -> Any:
        return args[0].item() if args and type(args[0]) is Value else float(*args)


class _IntType(_NumberType):
    def __call__(cls, *args: Any) -> Any:
        return int(*args)


class _Float(metaclass=_FloatType):
    """`float`, which also takes what stands for one."""

    stands_for = float
    dtype = np.dtype(float)  # what numpy and pandas take it for


class _Int(metaclass=_IntType):
    """`int`, which knows what stands for one."""

    stands_for = int
    dtype = np.dtype(int)


def surround(strategy_class: type[Strategy], reader: Reader) -> "Surrounded":
    """The copy that is asked by `reader`."""
    return Surrounded(strategy_class, reader)


class Surrounded:
    """A copy of a strategy's class, of its bases, and of the functions of their modules."""

    def __init__(self, strategy_class: type[Strategy], reader: Reader) -> None:
        self._reader = reader
        self._names = _Names(reader)
        self._spaces: dict[int, Space] = {}
        self._classes: dict[type, type] = {}
        self.strategy_class: type[Strategy] = self._copy_class(strategy_class)
        for space in self._spaces.values():
            space.update({name: self._classes[one] for name, one in self._list_copied(space)})
        self._before = self._list_shared()

    def check(self) -> None:
        """Refuse a strategy that changed what outlives an instance: that would carry something from one
        candle to the next."""
        after = self._list_shared()
        if len(after) != len(self._before) or not all(map(_is_same, self._before, after)):
            self._reader.refuse("to keep something for the next candle")

    def _copy_class(self, one: type) -> Any:
        if one in Strategy.__mro__ or not _has_functions(one):
            return one
        if one not in self._classes:
            if "__slots__" in vars(one):
                self._reader.refuse("for slots")
            cell = CellType()
            bases = tuple(map(self._copy_class, one.__bases__))
            held = {
                name: self._copy_attribute(value, cell)
                for name, value in vars(one).items()
                if name not in ("__dict__", "__weakref__")
            }
            self._classes[one] = cell.cell_contents = type(one)(one.__name__, bases, held)
        return self._classes[one]

    def _copy_attribute(self, value: Any, cell: CellType) -> Any:
        if isinstance(value, staticmethod | classmethod):
            return type(value)(self._copy_attribute(value.__func__, cell))
        if isinstance(value, property):
            return property(*(self._copy_attribute(one, cell) for one in (value.fget, value.fset)))
        return self._copy_function(value, cell) if isinstance(value, FunctionType) else value

    def _copy_function(self, function: FunctionType, cell: CellType | None = None) -> FunctionType:
        """The same code in our names; `cell` is the class that super() means in it."""
        closure = function.__closure__
        if cell is not None and closure is not None:
            free = zip(function.__code__.co_freevars, closure, strict=True)
            closure = tuple(cell if name == "__class__" else one for name, one in free)
        copied = FunctionType(
            function.__code__,
            self._copy_space(function.__globals__),
            function.__name__,
            function.__defaults__,
            closure,
        )
        copied.__kwdefaults__ = function.__kwdefaults__
        copied.__dict__.update(function.__dict__)
        return copied

    def _copy_space(self, space: Space) -> Space:
        """The names of a module."""
        if id(space) not in self._spaces:
            ours = self._spaces[id(space)] = dict(space)
            known = {**vars(builtins), **self._names.builtins}
            ours["__builtins__"] = known | {"__import__": self._import}
            for name, value in space.items():
                if isinstance(value, FunctionType) and value.__globals__ is space:
                    ours[name] = self._copy_function(value)
                elif name != "__builtins__":
                    ours[name] = self._names.replace(value)
        return self._spaces[id(space)]

    def _import(self, *args: Any, **options: Any) -> Any:
        return self._names.replace(builtins.__import__(*args, **options))

    def _list_copied(self, space: Space) -> list[tuple[str, type]]:
        return [
            (name, one)
            for name, one in space.items()
            if isinstance(one, type) and one in self._classes
        ]

    def _list_shared(self) -> list[Any]:
        """All that outlives an instance, laid out flat: names, attributes of classes and of objects, items of
        containers."""
        held: list[Any] = [*self._spaces.values(), *map(vars, self._classes.values())]
        for space in self._spaces.values():
            held += [vars(one) for one in space.values() if _is_at_home(one, space)]
        values = [value for one in held for value in one.values()]
        functions = [one for one in values if isinstance(one, FunctionType)]
        values += [one for function in functions for one in function.__defaults__ or ()]
        values += [one for function in functions for one in vars(function).values()]
        values += [one for function in functions for one in _list_closed(function)]
        containers = [one for one in values if type(one) in (dict, list, set, deque)]
        arrays = [one.tobytes() for one in values if type(one) is np.ndarray]
        return [*(item for one in (*held, *containers) for item in _flatten(one)), *arrays]


def _is_at_home(one: Any, space: Space) -> bool:
    """A class of the module itself, or an object of such a class."""
    kind = one if isinstance(one, type) else type(one)
    return getattr(kind, "__module__", None) == space.get("__name__") and hasattr(one, "__dict__")


def _is_same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) is bytes and one == other)


def _has_functions(one: type) -> bool:
    return one.__module__ != "builtins" and any(
        isinstance(value, FunctionType) for value in vars(one).values()
    )


def _list_closed(function: FunctionType) -> list[Any]:
    """What a function that was made inside another one remembers of it."""
    closed = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not set yet
            closed.append(cell.cell_contents)
    return closed


def _flatten(held: Any) -> list[Any]:
    if hasattr(held, "items"):
        return [item for pair in list(held.items()) for item in pair]
    return list(held)
