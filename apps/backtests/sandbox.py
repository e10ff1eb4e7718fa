"""The client of the backtest sandbox: engine and strategy run there, never here."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from apps.backtests import wire
from apps.backtests.credibility import Incredible, cut, read_honesty, read_result
from apps.backtests.engine.candles import Floats, History
from apps.backtests.engine.honesty import Honesty
from apps.backtests.engine.results import BacktestResult
from apps.backtests.engine.settings import Settings
from apps.backtests.engine.sharing import share_memory
from apps.strategies.children import Child, check_layers
from apps.strategies.contract import wire as live_wire
from apps.strategies.contract.answers import StrategyFailed
from apps.strategies.conversations import Conversation, hold, hold_all

#: How long a cancellation may go unnoticed.
_BEAT_SECONDS = 0.25
_ENDED = "The strategy's process ended before the backtest did: it crashed, or used too much CPU or memory."
_UNREADABLE = "The strategy's process sent something that can't be read."
T = TypeVar("T")

#: Told which share of the candles is done; what it raises ends the run.
Tell = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run: code, what it is run with and on. `trusted` code is that of the owner of the machine."""

    code: str
    settings: Settings
    candles: History
    detail: History | None = None
    trusted: bool = False
    #: For all of it; the sandbox itself ends what takes longer.
    seconds: float = 3600.0

    @property
    def histories(self) -> list[History]:
        """The candles, and the finer ones where there are any."""
        return [self.candles, self.detail] if self.detail else [self.candles]

    @property
    def request(self) -> wire.Request:
        """All but the candles."""
        candles, *detail = [
            wire.Shape(rows=len(history), duration_ms=history.duration_ms)
            for history in self.histories
        ]
        return wire.Request(
            code=self.code,
            settings=self.settings,
            candles=candles,
            detail=detail[0] if detail else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came back, read without trust: the result, how far it can be trusted where the run came to its
    end, what the strategy printed, and its own lines where it failed."""

    result: BacktestResult
    honesty: Honesty | None
    output: str
    traceback: str


def run_confined(job: Job, *, socket_path: str, tell: Tell, accept_weak: bool = False) -> Outcome:
    """Run a backtest in a confined process. `tell` is called a few times a second, and ends the process
    when it raises. Raises StrategyFailed where there is no result at all, and SandboxUnavailable."""
    share = 0.0

    def beat() -> None:
        tell(share)

    def follow(child: Child) -> Conversation[Outcome]:
        nonlocal share
        while isinstance(reply := (yield from _receive(child)), wire.Progress):
            share = reply.share
        return (yield from _read_outcome(child, reply, job))

    talk = _ask(job, job.request, follow, socket_path=socket_path, accept_weak=accept_weak)
    return hold(talk, beat=beat, every=_BEAT_SECONDS)


def compute_indicators(
    job: Job, *, socket_path: str, accept_weak: bool = False
) -> dict[str, Floats]:
    """What the strategy computes of the job's candles, row for row. Raises as run_confined does."""

    def follow(child: Child) -> Conversation[dict[str, Floats]]:
        reply = yield from _receive(child)
        if not isinstance(reply, wire.Indicators):
            raise _failure_of(reply)
        values = np.frombuffer((yield from child.receive(wire.MAX_TABLE)))
        if len(values) != len(reply.names) * len(job.candles):
            raise StrategyFailed(_UNREADABLE)
        lines = values.reshape(len(reply.names), -1)
        return {cut(name, 50): line for name, line in zip(reply.names, lines, strict=True)}

    request = msgspec.structs.replace(job.request, wants_indicators=True)
    talk = _ask(job, request, follow, socket_path=socket_path, accept_weak=accept_weak)
    (indicators,) = hold_all([talk], at_once=1, seconds=job.seconds)
    return indicators


def _ask(
    job: Job,
    request: wire.Request,
    follow: Callable[[Child], Conversation[T]],
    *,
    socket_path: str,
    accept_weak: bool,
) -> Conversation[T]:
    with ExitStack() as stack:
        child = stack.enter_context(closing(Child(seconds=job.seconds)))
        yield from child.connect(socket_path)
        check_layers(child.layers, trusted=job.trusted, accept_weak=accept_weak)
        files = [stack.enter_context(share_memory(history)) for history in job.histories]
        try:
            yield from child.send(wire.pack_request(request), files)
            return (yield from follow(child))
        except OSError as error:
            raise StrategyFailed(_ENDED) from error


def _receive(child: Child) -> Conversation[wire.Reply]:
    raw = yield from child.receive(wire.MAX_MESSAGE)
    try:
        reply: wire.Reply = wire.read_reply(raw)
    except msgspec.DecodeError as error:
        raise StrategyFailed(_UNREADABLE) from error
    return reply


def _failure_of(reply: wire.Reply) -> StrategyFailed:
    if not isinstance(reply, wire.Failure):
        return StrategyFailed(_UNREADABLE)
    return StrategyFailed(
        cut(reply.message),
        cut(reply.traceback, live_wire.MAX_TRACEBACK),
        cut(reply.output, live_wire.MAX_OUTPUT),
        reply.line,
    )


def _read_outcome(child: Child, reply: wire.Reply, job: Job) -> Conversation[Outcome]:
    if not isinstance(reply, wire.Report):
        raise _failure_of(reply)
    positions = yield from child.receive(wire.MAX_TABLE)
    refused = yield from child.receive(wire.MAX_TABLE)
    equity = yield from child.receive(wire.MAX_TABLE)
    try:
        result = read_result(
            reply, positions, refused, equity, candles=job.candles, settings=job.settings
        )
        honesty = read_honesty(reply)
    except Incredible as error:
        raise StrategyFailed(f"The strategy's process sent a wrong result: {error}") from error
    return Outcome(
        result=result,
        honesty=honesty,
        output=cut(reply.output, live_wire.MAX_OUTPUT),
        traceback=cut(reply.traceback, live_wire.MAX_TRACEBACK),
    )
