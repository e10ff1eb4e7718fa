"""What a strategy's own module sees while it is asked for many candles: our names in front of those of
Python and of the libraries. Nothing else in the process sees them."""

import builtins
import datetime as dt
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

from apps.backtests.engine.evaluation.columns import Column, Times
from apps.backtests.engine.evaluation.frames import Frame
from apps.backtests.engine.evaluation.indicators import Indicator
from apps.backtests.engine.evaluation.standins import Reader, StandIn
from apps.backtests.engine.evaluation.values import Value
from apps.strategies.contract.strategy import Strategy

Space = dict[str, Any]
_LIBRARY = "pandas_ta_classic"
#: Modules that do something, or say something else each time.
_RESTLESS = frozenset({"logging", "random", "secrets", "time", "uuid"})
_RESTLESS_NAMES = (
    "delattr", "eval", "exec", "globals", "hash", "id", "input", "open", "print", "setattr", "type", "vars",
)  # fmt: skip
_CLOCKS = (dt.datetime, dt.date, pd.Timestamp)
_NOW = frozenset({"now", "today", "utcnow"})
_IS_MISSING = (pd.isna, pd.isnull, math.isnan)
_IS_THERE = (pd.notna, pd.notnull)


@contextmanager
def surround(strategy_class: type[Strategy], reader: Reader) -> Iterator[None]:
    """Let the strategy's module see our names until the block is left. Refuses a strategy that changed its
    module or classes meanwhile: that would carry something from one candle to the next."""
    spaces = _list_spaces(strategy_class)
    originals = [dict(space) for space in spaces]
    shared = _list_shared(strategy_class, originals)
    names = _Names(reader)
    for space in spaces:
        space.update(names.builtins | {name: names.replace(value) for name, value in space.items()})
    ours = [dict(space) for space in spaces]
    with _importing(spaces, names.replace):
        try:
            yield
            unchanged = all(map(_is_same, map(_flatten, ours), map(_flatten, spaces)))
        finally:
            for space, original in zip(spaces, originals, strict=True):
                space.clear()
                space.update(original)
    if not unchanged or not _is_same(shared, _list_shared(strategy_class, originals)):
        reader.refuse("to keep something for the next candle")


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
        self.builtins: Space = {"len": self._len, "float": _Float}
        if reader.asks_all:
            self.builtins |= {name: Refused(reader, name) for name in _RESTLESS_NAMES}
            self.builtins["type"] = self._type

    def replace(self, value: Any) -> Any:
        """What the strategy's module sees for `value`."""
        if isinstance(value, ModuleType):
            return self._replace_module(value)
        if isinstance(value, type):
            return Guarded(value, self._guard_clock) if value in _CLOCKS else value
        return self._replace_function(value) if callable(value) else value

    def _replace_function(self, value: Callable[..., Any]) -> Any:
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
        return type(*args)

    def _ask_missing(self, function: Any, one: Any) -> Any:
        if type(one) is Value:
            missing = one.is_missing()
        elif issubclass(type(one), Column):
            missing = one.isna()
        else:
            return function(one)
        return ~missing if function in _IS_THERE else missing


class _FloatType(type):
    def __call__(cls, *args: Any) -> Any:
        return args[0].item() if args and type(args[0]) is Value else float(*args)

    def __instancecheck__(cls, one: Any) -> bool:
        return one._array.dtype.kind == "f" if type(one) is Value else isinstance(one, float)

    def __getattr__(cls, name: str) -> Any:
        return getattr(float, name)


class _Float(metaclass=_FloatType):
    """`float`, which also takes what stands for one."""


@contextmanager
def _importing(spaces: list[Space], replace: Callable[[Any], Any]) -> Iterator[None]:
    """Modules that the strategy imports inside its methods are replaced too."""
    original = builtins.__import__

    def import_for(name: str, importer: Any = None, *args: Any) -> Any:
        module = original(name, importer, *args)
        return replace(module) if any(importer is space for space in spaces) else module

    builtins.__import__ = import_for  # type: ignore[assignment]
    try:
        yield
    finally:
        builtins.__import__ = original


def _list_spaces(strategy_class: type[Strategy]) -> list[Space]:
    """The module-level names of the methods that the strategy's author wrote."""
    functions = [
        getattr(value, "__func__", getattr(value, "fget", value))
        for one in _list_classes(strategy_class)
        for value in vars(one).values()
    ]
    found = {
        id(one.__globals__): one.__globals__ for one in functions if isinstance(one, FunctionType)
    }
    return list(found.values())


def _list_classes(strategy_class: type[Strategy]) -> list[type]:
    return [one for one in strategy_class.__mro__ if one not in Strategy.__mro__]


def _list_shared(strategy_class: type[Strategy], spaces: list[Space]) -> list[Any]:
    """All that outlives an instance, laid out flat: attributes of classes, items of containers."""
    classes = [
        *_list_classes(strategy_class),
        *(
            value
            for space in spaces
            for value in space.values()
            if isinstance(value, type) and value.__module__ == space.get("__name__")
        ),
    ]
    values = [*spaces, *map(vars, classes)]
    containers = [
        one
        for held in values
        for one in held.values()
        if isinstance(one, dict | list | set | deque)
    ]
    defaults = [
        default
        for held in values
        for one in held.values()
        if isinstance(one, FunctionType)
        for default in (*(one.__defaults__ or ()), *vars(one).values())
        if isinstance(default, dict | list | set | deque)
    ]
    return [item for one in (*map(vars, classes), *containers, *defaults) for item in _flatten(one)]


def _flatten(held: Any) -> list[Any]:
    if hasattr(held, "items"):
        return [item for pair in held.items() for item in pair]
    return list(held)


def _is_same(before: list[Any], after: list[Any]) -> bool:
    return len(before) == len(after) and all(map(lambda one, other: one is other, before, after))
