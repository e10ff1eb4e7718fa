"""The client of the sandbox: strategies are asked from here and never run here."""

import json
import os
import socket
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Self

from apps.strategies import answers
from apps.strategies.answers import Answer, StrategyFailed, StrategyInfo
from apps.strategies.contract import PositionView, wire

__all__ = [
    "Answer",
    "Candles",
    "Question",
    "Sandbox",
    "SandboxUnavailable",
    "StrategyFailed",
    "StrategyInfo",
    "StrategyTimeout",
]


class SandboxUnavailable(Exception):
    """The sandbox is not there, or has no room: the strategy was not asked and is not to blame."""


class StrategyTimeout(StrategyFailed):
    """The strategy took longer than it may; its process has been killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candles:
    """Closed candles, oldest first, ready to be sent: `rows` of them in the columns of the wire."""

    rows: int
    columns: bytes

    @classmethod
    def from_columns(
        cls,
        *,
        opened_at_ms: Sequence[int],
        open: Sequence[float],  # noqa: A002  the column's name everywhere
        high: Sequence[float],
        low: Sequence[float],
        close: Sequence[float],
        volume: Sequence[float],
    ) -> Self:
        """Pack columns of one length; opening times are ms since 1970, UTC. Raises ValueError."""
        prices = (open, high, low, close, volume)
        if any(len(column) != len(opened_at_ms) for column in prices):
            raise ValueError("Every column of candles needs the same number of rows.")
        packed = [array("q", opened_at_ms), *(array("d", column) for column in prices)]
        return cls(rows=len(opened_at_ms), columns=b"".join(packed))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a strategy decides on; `balance` is the free quote currency."""

    candles: Candles
    balance: Decimal
    position: PositionView | None
    params: Mapping[str, Any]


class Sandbox:
    """Asks strategies in confined processes, and keeps those of the last `max_kept` keys for the next
    question. Serves any number of threads and survives a fork; a key belongs to one user's activation."""

    def __init__(
        self, socket_path: str, *, timeout_seconds: float = 5.0, max_kept: int = 32
    ) -> None:
        """Connect to nothing yet: connections belong to the process that asks."""
        self._socket_path = socket_path
        self._timeout_seconds = timeout_seconds
        self._max_kept = max_kept
        self._kept: dict[str, _Child] = {}
        self._pid = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def describe(self, code: str) -> StrategyInfo:
        """Run the module `code` and say what it declares. Raises StrategyFailed for code that can't be
        taken, with the line, and SandboxUnavailable."""
        return self._ask_twice(None, code, lambda child: child.info)

    def evaluate(self, *, key: str, code: str, question: Question) -> Answer:
        """Ask the strategy `code` once. Raises StrategyFailed, StrategyTimeout among them, when its answer
        is none, and SandboxUnavailable."""
        started = time.perf_counter()
        request = _pack_question(question)

        def ask(child: _Child) -> dict[str, Any]:
            return child.ask(request)

        reply = self._ask_twice(key, code, ask)
        elapsed_ms = (time.perf_counter() - started) * 1000
        return answers.read_answer(reply, in_position=question.position is not None, elapsed_ms=elapsed_ms)

    def close(self) -> None:
        """Let go of every kept process; the sandbox kills them."""
        while self._kept:
            self._kept.popitem()[1].close()
