"""Whether a strategy may run: its source is read first, then the sandbox runs it."""

from dataclasses import dataclass

from apps.strategies.sandbox import Candles, Sandbox, StrategyFailed, StrategyInfo
from apps.strategies.source.checks import check
from apps.strategies.source.problems import Problem, Severity

__all__ = ["Problem", "Report", "Severity", "validate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found in a strategy, and what it declares as far as that could be read."""

    problems: tuple[Problem, ...]
    info: StrategyInfo | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the strategy may run; warnings do not keep it from that."""
        return all(problem.severity != Severity.ERROR for problem in self.problems)


def validate(code: str, *, candles: Candles | None, sandbox: Sandbox, trusted: bool) -> Report:  # noqa: ARG001  of the dry run
    """Check `code` without running it and, if nothing is wrong so far, run it in the sandbox. Raises
    SandboxUnavailable, which says nothing about the strategy."""
    found = check(code)
    if any(problem.severity == Severity.ERROR for problem in found):
        return Report(problems=found)
    try:
        return Report(problems=found, info=sandbox.describe(code))
    except StrategyFailed as error:
        return Report(problems=(*found, Problem(None, error.message)))
