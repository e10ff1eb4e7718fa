"""What a strategy is given in place of pandas objects and numbers, and who answers for them."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Any, NoReturn, TypeVar

import numpy as np
import pandas as pd

from apps.backtests.engine.evaluation.signals import StepsAside

T = TypeVar("T")
Number = int | float | np.number[Any] | np.bool_


class WholeHistory:
    """Candles in whole columns, of which a strategy is shown `lookback` at most, and what is computed of
    them: once, however often it is asked."""

    def __init__(self, frame: pd.DataFrame, lookback: int = sys.maxsize) -> None:
        self.frame = frame
        self.lookback = lookback
        self.columns = {name: frame[name] for name in frame}
        self._kept: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T], *operands: object) -> T:
        """What `make` makes, only the first time. `operands` are whose ids are in the key: kept, so that no
        other object gets their ids."""
        if key not in self._kept:
            self._kept[key] = (make(), operands)
        found: T = self._kept[key][0]
        return found


class Reader(ABC):
    """Reads whole columns for the candles in question: for all of them at once, or for one.

    `end` is how many of the newest rows are left out, `size` how many of those before are there at most
    (None: all)."""

    #: Whether one question stands for all candles, so that nothing may happen but the answer.
    asks_all = False

    def __init__(self, history: WholeHistory) -> None:
        self.history = history
        self.index: pd.DatetimeIndex = history.frame.index
        self.lookback = history.lookback
        self.once = history.once
        self.aside: StepsAside | None = None

    def refuse(self, what: str) -> NoReturn:
        """Step aside, since `what` is asked."""
        self.aside = self.aside or StepsAside(f"it asks {what}")
        raise self.aside

    def check(self) -> None:
        """Step aside where the strategy swallowed that, as a bare `except` does."""
        if self.aside:
            raise self.aside

    def size(self, end: int, size: int | None) -> int | None:
        """How many rows there are at most before the last `end`, or None for all of a history."""
        most = max(self.lookback - end, 0) if self.lookback < len(self.index) else None
        return min((one for one in (size, most) if one is not None), default=None)

    @abstractmethod
    def number(self, series: "pd.Series[Any]", back: int) -> Any:
        """The value `back` rows before the newest."""

    @abstractmethod
    def figure(
        self,
        series: "pd.Series[Any]",
        end: int,
        size: int | None,
        name: str,
        options: dict[str, Any],
    ) -> Any:
        """What `Series.name(**options)` says of these rows."""

    @abstractmethod
    def count(self, end: int, size: int | None) -> Any:
        """How many rows there are."""

    @abstractmethod
    def time(self, back: int) -> Any:
        """The opening time of the candle `back` rows before the newest."""


def _refusal(words: str) -> Callable[..., Any]:
    def refuse(self: "StandIn", *_args: object, **_options: object) -> NoReturn:
        self._reader.refuse(f"{words} of {self._what}")

    return refuse


class StandIn:
    """Stands for something that differs from candle to candle. All that it can't answer for every candle it
    refuses; a subclass has what it can."""

    __slots__ = ("_reader",)
    _what = "a number"

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        self._reader.refuse(f"{name} of {self._what}")

    @property  # type: ignore[misc]  # it is writable for objects that have one
    def __class__(self) -> Any:
        self._reader.refuse(f"the type of {self._what}")

    __hash__ = _refusal("hash()")
    __bool__ = _refusal("the truth")
    __float__ = _refusal("float()")
    __int__ = _refusal("int()")
    __index__ = _refusal("an index made")
    __trunc__ = _refusal("trunc()")
    __complex__ = _refusal("complex()")
    __round__ = _refusal("round()")
    __divmod__ = _refusal("divmod()")
    __rdivmod__ = _refusal("divmod()")
    __len__ = _refusal("len()")
    __iter__ = _refusal("each row")
    __reversed__ = _refusal("each row")
    __contains__ = _refusal("what is in the rows")
    __getitem__ = _refusal("a part")
    __setitem__ = _refusal("a change")
    __delitem__ = _refusal("a change")
    __str__ = _refusal("str()")
    __repr__ = _refusal("repr()")
    __format__ = _refusal("text made")
    __bytes__ = _refusal("bytes()")
    __copy__ = _refusal("copy()")
    __deepcopy__ = _refusal("deepcopy()")
    __reduce_ex__ = _refusal("a copy")
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refusal("a comparison")
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refusal("arithmetic")
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _refusal("arithmetic")
    __mod__ = __rmod__ = __pow__ = __rpow__ = _refusal("arithmetic")
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _refusal("arithmetic")
    __neg__ = __pos__ = __abs__ = __invert__ = _refusal("arithmetic")
    __array__ = _refusal("an array")
    __array_ufunc__ = _refusal("numpy's figures")
    __array_function__ = _refusal("numpy's figures")


def key_of(operand: object) -> Hashable:
    """Tells operands apart: stand-ins by who they are, others by type and value, -0.0 from 0.0."""
    if issubclass(type(operand), StandIn):
        return id(operand)
    return (type(operand), operand, str(operand) if operand == 0 else "")


def is_number(operand: object) -> bool:
    """Whether it is one number for all candles; asks no stand-in for its type."""
    return issubclass(type(operand), int | float | np.number | np.bool_)
