"""What is found in a strategy."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """Whether code with such a problem may run."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """`message` tells a person what is wrong and what to do; `line` counts from 1, None is the whole."""

    line: int | None
    message: str
    severity: Severity = Severity.ERROR

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"line": self.line, "message": self.message, "severity": str(self.severity)}
