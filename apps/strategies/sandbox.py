"""The client of the sandbox: strategies are asked from here and never run here."""

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from decimal import Decimal
from typing import Any, Self, TypeAlias, TypeVar

from apps.strategies.children import (
    Child,
    ProcessEnded,
    SandboxTooWeak,
    SandboxUnavailable,
    StrategyTimeout,
    check_layers,
)
from apps.strategies.contract import PositionView, wire
from apps.strategies.contract.answers import (
    Answer,
    Rehearsal,
    StrategyFailed,
    StrategyInfo,
    read_answer,
)
from apps.strategies.contract.layers import Layer
from apps.strategies.contract.questions import Candles, Question
from apps.strategies.conversations import Conversation, hold_all

__all__ = [
    "Answer",
    "Candles",
    "Question",
    "Rehearsal",
    "Sandbox",
    "SandboxTooWeak",
    "SandboxUnavailable",
    "StrategyFailed",
    "StrategyInfo",
    "StrategyTimeout",
]

T = TypeVar("T")
Outcome: TypeAlias = Answer | StrategyFailed | SandboxUnavailable

#: How much longer than a question may take the sandbox waits for a client that may be busy, or frozen.
GRACE_SECONDS = 30.0
#: What a rehearsal plays with.
_BALANCE = Decimal(1000)


class Sandbox:
    """Asks strategies in confined processes, and keeps those of the `max_kept` keys asked last for the
    next question. A key belongs to one activation. Threads may share it, and so may forked processes."""

    def __init__(
        self,
        socket_path: str,
        *,
        timeout_seconds: float = 5.0,
        max_kept: int = 32,
        at_once: int = 16,
        accept_weak: bool = False,
    ) -> None:
        """Connect to nothing yet: a connection belongs to the process that asks. `accept_weak` runs
        anyone's code where a layer is missing."""
        self._socket_path = socket_path
        self._timeout_seconds = timeout_seconds
        self._max_kept = max_kept
        self._at_once = at_once
        self._accept_weak = accept_weak
        self._kept: OrderedDict[str, Child] = OrderedDict()
        self._pid = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def find_layers(self) -> Layer:
        """What confines strategies here. Raises SandboxUnavailable."""

        def talk() -> Conversation[Layer]:
            with closing(self._make_child()) as child:
                yield from child.connect(self._socket_path)
                return child.layers

        return self._hold(talk())

    def describe(self, code: str, *, trusted: bool = False) -> StrategyInfo:
        """Run the module `code` and say what it declares. Raises StrategyFailed for code that can't be
        taken, with the line, and SandboxUnavailable."""

        def talk() -> Conversation[StrategyInfo]:
            child = yield from self._start(code, trusted=trusted)
            child.close()
            return child.info

        return self._hold(_try_twice(talk))

    def rehearse(
        self, code: str, candles: Candles, params: Mapping[str, Any], *, trusted: bool = False
    ) -> Rehearsal:
        """Ask every method of the strategy in `code`, without and with a position, in a process of its
        own. Raises StrategyFailed when one of them has no usable answer, and SandboxUnavailable."""
        return self._hold(
            _try_twice(lambda: self._rehearse(code, candles, params, trusted=trusted))
        )

    def evaluate(self, *, key: str, code: str, question: Question) -> Answer:
        """Ask the strategy in `code` once. Raises StrategyFailed when it has no usable answer,
        StrategyTimeout among that, and SandboxUnavailable."""
        return self._hold(self._evaluate(key, code, question))

    def evaluate_all(
        self, questions: Iterable[tuple[str, str, Question]]
    ) -> Iterator[tuple[str, Outcome]]:
        """Ask strategies side by side: for each key, code and question the key and what evaluate() returns
        or raises for it, as they come."""
        conversations = (self._report(*asked) for asked in questions)
        return hold_all(conversations, at_once=self._at_once, seconds=self._timeout_seconds)

    def close(self) -> None:
        """Let go of every kept process; the sandbox kills them."""
        while self._kept:
            self._kept.popitem()[1].close()

    def _hold(self, conversation: Conversation[T]) -> T:
        (result,) = hold_all([conversation], at_once=1, seconds=self._timeout_seconds)
        return result

    def _report(self, key: str, code: str, question: Question) -> Conversation[tuple[str, Outcome]]:
        try:
            return key, (yield from self._evaluate(key, code, question))
        except (StrategyFailed, SandboxUnavailable) as error:
            return key, error

    def _evaluate(self, key: str, code: str, question: Question) -> Conversation[Answer]:
        started = time.perf_counter()
        request = question.pack()

        def talk() -> Conversation[Answer]:
            child = self._take(key, code)
            if child is None:
                child = yield from self._start(code, trusted=question.trusted)
            with ExitStack() as stack:
                stack.callback(child.close)
                self._check(child.layers, trusted=question.trusted)
                reply = yield from child.ask(request)
                elapsed_ms = (time.perf_counter() - started) * 1000
                in_position = question.position is not None
                answer = read_answer(reply, in_position=in_position, elapsed_ms=elapsed_ms)
                stack.pop_all()
            self._keep(key, child)
            return answer

        return (yield from _try_twice(talk))

    def _rehearse(
        self, code: str, candles: Candles, params: Mapping[str, Any], *, trusted: bool
    ) -> Conversation[Rehearsal]:
        started = time.perf_counter()
        child = yield from self._start(code, trusted=trusted)
        position = PositionView(
            side="long", quantity=1.0, entry_price=candles.last_close, unrealized_pnl=0.0
        )
        answers = []
        with closing(child):
            for held in (None, position):
                question = Question(candles=candles, balance=_BALANCE, position=held, params=params)
                asked = time.perf_counter()
                reply = yield from child.ask(question.pack(asks_all=True))
                elapsed_ms = (time.perf_counter() - asked) * 1000
                answers.append(
                    read_answer(reply, in_position=True, elapsed_ms=elapsed_ms, asks_all=True)
                )
        flat, holding = answers
        return Rehearsal(
            info=child.info,
            flat=flat,
            holding=holding,
            elapsed_ms=(time.perf_counter() - started) * 1000,
            memory_bytes=holding.memory_bytes or 0,
            output=(child.output + flat.output + holding.output)[: wire.MAX_OUTPUT],
        )

    def _start(self, code: str, *, trusted: bool) -> Conversation[Child]:
        child = self._make_child()
        with ExitStack() as stack:
            stack.callback(child.close)
            yield from child.connect(self._socket_path)
            self._check(child.layers, trusted=trusted)
            yield from child.teach(code)
            stack.pop_all()
        return child

    def _make_child(self) -> Child:
        return Child(seconds=self._timeout_seconds + GRACE_SECONDS)

    def _check(self, layers: Layer, *, trusted: bool) -> None:
        check_layers(layers, trusted=trusted, accept_weak=self._accept_weak)

    def _take(self, key: str, code: str) -> Child | None:
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self.close()
        child = self._kept.pop(key, None)
        if child is not None and child.code != code:
            child.close()
            return None
        return child

    def _keep(self, key: str, child: Child) -> None:
        if another := self._kept.pop(key, None):
            another.close()
        child.rest()
        self._kept[key] = child
        while len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)[1].close()


def _try_twice(talk: Callable[[], Conversation[T]]) -> Conversation[T]:
    """A process may have ended since it was asked last, with its zygote or because it had run for long
    enough; when the next one ends as well, the strategy ends it."""
    for _ in range(2):
        try:
            return (yield from talk())
        except ProcessEnded:
            continue
    raise StrategyFailed(
        "The strategy's process ended before it answered: it crashed, or used too much CPU or memory."
    )
