"""Whether a strategy may run: its source is read first, then the sandbox rehearses it."""

from collections.abc import Iterator
from dataclasses import dataclass

from apps.strategies.sandbox import Candles, Rehearsal, Sandbox, StrategyFailed, StrategyInfo
from apps.strategies.source.checks import check
from apps.strategies.source.problems import Problem, Severity

__all__ = ["Problem", "Report", "Severity", "validate"]

SLOW_MS = 20
LARGE_BYTES = 50 * 2**20
#: What a new market has.
FEW_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in a strategy, what it declares, and how its dry run went, as far as it got."""

    problems: tuple[Problem, ...]
    info: StrategyInfo | None = None
    rehearsal: Rehearsal | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the strategy may run; warnings do not keep it from that."""
        return all(problem.severity != Severity.ERROR for problem in self.problems)


def validate(code: str, *, candles: Candles | None, sandbox: Sandbox, trusted: bool) -> Report:
    """Check `code` without running it and, if nothing is wrong so far, run it in the sandbox: every method,
    where there are `candles`. Raises SandboxUnavailable, which says nothing about the strategy."""
    found = check(code)
    if any(problem.severity == Severity.ERROR for problem in found):
        return Report(problems=found)
    try:
        if candles is None:
            return Report(problems=found, info=sandbox.describe(code, trusted=trusted))
        rehearsal = sandbox.rehearse(code, candles, {}, trusted=trusted)
    except StrategyFailed as error:
        return Report(problems=(*found, Problem(error.line, error.message)))
    warnings = [*_judge(rehearsal), *_try_few(code, candles, sandbox, trusted=trusted)]
    return Report(problems=(*found, *warnings), info=rehearsal.info, rehearsal=rehearsal)


def _judge(rehearsal: Rehearsal) -> Iterator[Problem]:
    # The first answer of a new process takes longer than those that follow.
    cpu_ms = min(rehearsal.flat.cpu_ms or 0, rehearsal.holding.cpu_ms or 0)
    if cpu_ms > SLOW_MS:
        message = f"One decision took {cpu_ms:.0f} ms of CPU time; more than {SLOW_MS} ms makes orders late."
        yield Problem(None, message, Severity.WARNING)
    if rehearsal.memory_bytes > LARGE_BYTES:
        used, limit = rehearsal.memory_bytes // 2**20, LARGE_BYTES // 2**20
        message = f"The dry run took {used} MB of memory, more than {limit} MB."
        yield Problem(None, message, Severity.WARNING)


def _try_few(code: str, candles: Candles, sandbox: Sandbox, *, trusted: bool) -> Iterator[Problem]:
    try:
        sandbox.rehearse(code, candles.newest(FEW_ROWS), {}, trusted=trusted)
    except StrategyFailed as error:
        message = f"With {FEW_ROWS} candles, which is what a new market has: {error.message}"
        yield Problem(error.line, message, Severity.WARNING)
