"""The client of the sandbox: strategies are asked from here and never run here."""

import os
import socket
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Self, TypeVar

from apps.strategies.contract import PositionView, wire
from apps.strategies.contract.answers import (
    Answer,
    StrategyFailed,
    StrategyInfo,
    parse_reply,
    read_answer,
    read_info,
)

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

T = TypeVar("T")


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
        packed = [array("d", column).tobytes() for column in prices]
        times = array("q", opened_at_ms).tobytes()
        return cls(rows=len(opened_at_ms), columns=b"".join([times, *packed]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a strategy decides on; `balance` is the free quote currency."""

    candles: Candles
    balance: Decimal
    position: PositionView | None
    params: Mapping[str, Any]


class Sandbox:
    """Asks strategies in confined processes, and keeps those of the `max_kept` keys asked last for the
    next question. A key belongs to one activation. Threads may share it, and so may forked processes."""

    def __init__(
        self, socket_path: str, *, timeout_seconds: float = 5.0, max_kept: int = 32
    ) -> None:
        """Connect to nothing yet: a connection belongs to the process that asks."""
        self._socket_path = socket_path
        self._timeout_seconds = timeout_seconds
        self._max_kept = max_kept
        self._kept: OrderedDict[str, _Child] = OrderedDict()
        self._pid = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def describe(self, code: str) -> StrategyInfo:
        """Run the module `code` and say what it declares. Raises StrategyFailed for code that can't be
        taken, with the line, and SandboxUnavailable."""

        def ask(deadline: float) -> StrategyInfo:
            with closing(_Child(self._socket_path, code, deadline)) as child:
                return child.info

        return self._try_twice(ask)

    def evaluate(self, *, key: str, code: str, question: Question) -> Answer:
        """Ask the strategy in `code` once. Raises StrategyFailed when it has no usable answer,
        StrategyTimeout among that, and SandboxUnavailable."""
        started = time.perf_counter()
        request = _pack_question(question)
        in_position = question.position is not None

        def ask(deadline: float) -> Answer:
            child = self._take(key, code) or _Child(self._socket_path, code, deadline)
            with ExitStack() as stack:
                stack.callback(child.close)
                reply = child.ask(request, deadline)
                elapsed_ms = (time.perf_counter() - started) * 1000
                answer = read_answer(reply, in_position=in_position, elapsed_ms=elapsed_ms)
                stack.pop_all()
            self._keep(key, child)
            return answer

        return self._try_twice(ask)

    def close(self) -> None:
        """Let go of every kept process; the sandbox kills them."""
        while self._kept:
            self._kept.popitem()[1].close()

    def _try_twice(self, ask: Callable[[float], T]) -> T:
        """A process may have ended since it was asked last, with its zygote or because it had run for
        long enough; when the next one ends as well, the strategy ends it."""
        deadline = time.monotonic() + self._timeout_seconds
        for _ in range(2):
            try:
                return ask(deadline)
            except _ProcessEnded:
                continue
        raise StrategyFailed(
            "The strategy's process ended before it answered: it crashed, or used too much CPU or memory."
        )

    def _take(self, key: str, code: str) -> "_Child | None":
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self.close()
        child = self._kept.pop(key, None)
        if child is not None and child.code != code:
            child.close()
            return None
        return child

    def _keep(self, key: str, child: "_Child") -> None:
        if another := self._kept.pop(key, None):
            another.close()
        self._kept[key] = child
        while len(self._kept) > self._max_kept:
            self._kept.popitem(last=False)[1].close()


class _ProcessEnded(Exception):
    """The connection to a confined process broke."""


class _Child:
    """One connection, which is one confined process with one strategy in it."""

    def __init__(self, socket_path: str, code: str, deadline: float) -> None:
        self.code = code
        self._pid = os.getpid()
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._connect(socket_path, deadline)
            self.info = read_info(self.ask(wire.pack_request({"code": code}), deadline))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process: the sandbox kills it when the connection is shut down, even if a process
        forked from this one still holds a copy. That copy itself shuts nothing down."""
        if os.getpid() == self._pid:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def ask(self, request: bytes, deadline: float) -> dict[str, Any]:
        """Send a request and wait for its reply until `deadline` on the monotonic clock."""
        try:
            self._socket.settimeout(_remaining(deadline))
            self._socket.sendall(request)
            return self._receive(deadline)
        except TimeoutError as error:
            raise StrategyTimeout(
                "The strategy took too long and was stopped. Look for a loop that does not end."
            ) from error
        except OSError as error:
            raise _ProcessEnded from error

    def _connect(self, socket_path: str, deadline: float) -> None:
        try:
            self._socket.settimeout(_remaining(deadline))
            self._socket.connect(socket_path)
            greeting = self._receive(deadline)
        except OSError as error:
            raise SandboxUnavailable(
                f"The sandbox does not answer at {socket_path} ({error}). Start it: manage.py sandbox."
            ) from error
        if "unavailable" in greeting:
            raise SandboxUnavailable(str(greeting["unavailable"]))

    def _receive(self, deadline: float) -> dict[str, Any]:
        (size,) = wire.REPLY.unpack(self._read(wire.REPLY.size, deadline))
        if size > wire.MAX_REPLY:
            raise StrategyFailed(f"The strategy's answer is larger than {wire.MAX_REPLY} bytes.")
        return parse_reply(self._read(size, deadline))

    def _read(self, size: int, deadline: float) -> bytes:
        data = b""
        while len(data) < size:
            self._socket.settimeout(_remaining(deadline))
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise ConnectionResetError("it hung up")
            data += piece
        return data


def _remaining(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("no answer in time")
    return seconds


def _pack_question(question: Question) -> bytes:
    message = {
        "balance": float(question.balance),
        "position": asdict(question.position) if question.position else None,
        "params": dict(question.params),
    }
    return wire.pack_request(message, question.candles.rows, question.candles.columns)
