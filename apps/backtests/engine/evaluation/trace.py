"""A strategy's answers after every candle at once, from one run of its own methods for each path."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from apps.backtests.engine.evaluation.frames import Frame
from apps.backtests.engine.evaluation.signals import Flags, Numbers, Signals, StepsAside
from apps.backtests.engine.evaluation.standins import StandIn, WholeHistory, is_number
from apps.backtests.engine.evaluation.surroundings import surround
from apps.backtests.engine.evaluation.values import AllCandles, Balance, Value
from apps.strategies.contract.answers import MAX_TAKE_PROFIT
from apps.strategies.contract.parameters import MAX_VALUE
from apps.strategies.contract.strategy import Strategy

T = TypeVar("T")


def trace(
    strategy_class: type[Strategy],
    history: WholeHistory,
    params: Mapping[str, Any],
    *,
    warmup: int = 0,
) -> Signals:
    """Ask the unmodified class what it answers after each candle but the first `warmup`. Raises StepsAside
    where that can't be known for all of them at once."""
    return _ask(_Questions.ask, strategy_class, history, params, warmup)


def trace_long(
    strategy_class: type[Strategy], history: WholeHistory, params: Mapping[str, Any], warmup: int
) -> Flags | None:
    """What should_long() says after each candle but the first ones, where that is known for all at once."""
    with suppress(StepsAside):
        return _ask(_Questions.ask_long, strategy_class, history, params, warmup)
    return None


def trace_exits(
    strategy_class: type[Strategy], history: WholeHistory, params: Mapping[str, Any], warmup: int
) -> Flags | None:
    """What should_short() says after each candle but the first ones, where that is known for all at once."""
    with suppress(StepsAside):
        return _ask(_Questions.ask_exits, strategy_class, history, params, warmup)
    return None


def _ask(
    question: "Callable[[_Questions], T]",
    strategy_class: type[Strategy],
    history: WholeHistory,
    params: Mapping[str, Any],
    warmup: int,
) -> T:
    if len(history.frame) <= warmup:
        raise StepsAside("there are no candles to ask about")
    reader = AllCandles(history, warmup)
    surrounded = surround(strategy_class, reader)
    try:
        answer = question(_Questions(surrounded.strategy_class, params, reader))
    finally:
        reader.forget()
    surrounded.check()
    return answer


class HeldPosition(StandIn):
    """A position of which only the side is known: the rest depends on the trade."""

    __slots__ = ()
    _what = "the position"
    side = "long"

    def __bool__(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class _Entry:
    amount: Any
    share: Any
    stop_loss: Any
    take_profit: Any


#: What one path answers, and for which candles.
_Path = tuple[Any, Flags | None]


class _Questions:
    """The two questions of a candle: one while nothing is held, with what follows a yes, and one while
    something is. An instance is made for each, as for a live candle."""

    def __init__(
        self,
        strategy_class: type[Strategy],
        params: Mapping[str, Any],
        reader: AllCandles,
    ) -> None:
        self._class = strategy_class
        self._params = params
        self._reader = reader

    def ask(self) -> Signals:
        """Both of them."""
        flat = self._run(self._ask_flat)
        entries = [(entry, mask) for entry, mask in flat if entry]
        return Signals(
            long=self._mark([(bool(entry), mask) for entry, mask in flat]),
            exit=self.ask_exits(),
            amount=self._gather([(entry.amount, mask) for entry, mask in entries]),
            share=self._gather([(entry.share, mask) for entry, mask in entries]),
            stop_loss=self._gather([(entry.stop_loss, mask) for entry, mask in entries]),
            take_profit=self._gather([(entry.take_profit, mask) for entry, mask in entries]),
        )

    def ask_long(self) -> Flags:
        """The first without what follows."""
        return self._mark(self._run(lambda: self._ask_truth("should_long", None)))

    def ask_exits(self) -> Flags:
        """The second."""
        held = HeldPosition(self._reader)
        return self._mark(self._run(lambda: self._ask_truth("should_short", held)))

    def _run(self, question: Callable[[], Any]) -> list[_Path]:
        try:
            return list(self._reader.forks.run(question))
        except (Exception, SystemExit) as error:  # whatever the code of others raises
            raise StepsAside(f"it raises {error!r}") from error

    def _ask_flat(self) -> _Entry | None:
        strategy = self._build(None)
        if not self._check_truth("should_long", strategy.should_long()):
            return None
        amount, share = self._check_size(strategy.calculate_position_size())
        return _Entry(
            amount=amount,
            share=share,
            stop_loss=self._check_fraction(
                "calculate_stop_loss", strategy.calculate_stop_loss(), 1
            ),
            take_profit=self._check_fraction(
                "calculate_take_profit", strategy.calculate_take_profit(), MAX_TAKE_PROFIT
            ),
        )

    def _ask_truth(self, method: str, position: Any) -> Any:
        return self._check_truth(method, getattr(self._build(position), method)())

    def _build(self, position: Any) -> Strategy:
        return self._class.build(
            candles=Frame(self._reader, self._reader.history.columns.copy()),
            balance=Balance(0.0, 1.0, self._reader),  # type: ignore[arg-type]
            position=position,
            params=self._params,
        )

    def _check_truth(self, method: str, answer: Any) -> Any:
        if type(answer) not in (bool, np.bool_) and not _has_kind(answer, "b"):
            self._reader.refuse(f"for {method}() to be something other than True or False")
        return answer

    def _check_size(self, answer: Any) -> tuple[Any, Any]:
        amount, share = (
            (answer._amount, answer._share) if type(answer) is Balance else (answer, 0.0)
        )
        for one in (amount, share):
            self._check_range("calculate_position_size", one, MAX_VALUE)
        return amount, share

    def _check_fraction(self, method: str, answer: Any, limit: int) -> Any:
        fraction = 0.0 if answer is None else answer
        self._check_range(method, fraction, limit)
        return fraction

    def _check_range(self, method: str, answer: Any, limit: float) -> None:
        """An answer that is none ends a run at its candle, if it comes to that: candle by candle."""
        if _has_kind(answer, "fi"):
            right = (answer._array >= 0) & (answer._array < limit)
            mask = self._reader.forks.mask
            is_right = bool(np.all(right if mask is None else right | ~mask))
        else:
            is_plain = is_number(answer) and not isinstance(answer, bool | np.bool_)
            is_right = (is_plain or type(answer) is Decimal) and 0 <= answer < limit
        if not is_right:
            self._reader.refuse(f"for {method}() to be something it can't be")

    def _mark(self, paths: list[_Path]) -> Flags:
        marks = np.zeros(len(self._reader.index), np.bool_)
        asked = marks[self._reader.start :]
        for answer, mask in paths:
            if type(answer) is Value:
                asked |= answer._array if mask is None else answer._array & mask
            elif answer:
                asked |= True if mask is None else mask
        return marks

    def _gather(self, paths: list[_Path]) -> Numbers:
        numbers = {float(one) for one, _ in paths if type(one) is not Value}
        if len(numbers) <= 1 and not any(type(one) is Value for one, _ in paths):
            return numbers.pop() if numbers else 0.0
        gathered: npt.NDArray[np.float64] = np.zeros(len(self._reader.index))
        for one, mask in paths:
            number = one._array if type(one) is Value else float(one)
            np.copyto(gathered[self._reader.start :], number, where=True if mask is None else mask)
        return gathered


def _has_kind(answer: Any, kinds: str) -> bool:
    return type(answer) is Value and answer._array.dtype.kind in kinds
