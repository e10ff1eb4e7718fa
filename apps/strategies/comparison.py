"""What changed between two texts, ready to be shown."""

from dataclasses import dataclass
from difflib import SequenceMatcher

CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison: `sign` is "-" where only the old text has it, "+" where only the new one
    has, " " where both do; `old` and `new` are its numbers there."""

    sign: str
    old: int | None
    new: int | None
    text: str


def compare(old: str, new: str) -> list[list[Line]]:
    """The places where two texts differ, each with the lines around it; empty where they are the same."""
    before, after = old.splitlines(), new.splitlines()
    groups = SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(CONTEXT)
    return [[line for block in group for line in _lines(before, after, *block)] for group in groups]


def _lines(
    before: list[str], after: list[str], tag: str, i1: int, i2: int, j1: int, j2: int
) -> list[Line]:
    if tag == "equal":
        return [Line(" ", i + 1, j1 + i - i1 + 1, before[i]) for i in range(i1, i2)]
    removed = [Line("-", i + 1, None, before[i]) for i in range(i1, i2)]
    return removed + [Line("+", None, j + 1, after[j]) for j in range(j1, j2)]
