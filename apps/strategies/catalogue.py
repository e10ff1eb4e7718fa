"""The strategies that ship with Aristobot, for people to start from."""

import ast
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "samples"


@dataclass(frozen=True, slots=True)
class Sample:
    """A strategy to read and copy; `title` and `description` are the first line of its docstring."""

    name: str
    title: str
    description: str
    code: str


def list_samples() -> list[Sample]:
    """All of them, by title."""
    samples = [get_sample(path.stem) for path in _FOLDER.glob("*.py")]
    return sorted(samples, key=lambda sample: sample.title.casefold())


def get_sample(name: str) -> Sample:
    """The sample of this name; raises FileNotFoundError where there is none."""
    code = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    headline = (ast.get_docstring(ast.parse(code)) or "").partition("\n")[0]
    title, _, description = headline.partition(": ")
    return Sample(
        name=name,
        title=title,
        description=description[:1].upper() + description[1:],
        code=code,
    )
