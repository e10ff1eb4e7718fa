"""What the source imports, and calls that would get around that."""

import ast
from collections.abc import Iterator

from apps.strategies.contract.imports import is_allowed
from apps.strategies.source.problems import Problem, Severity

_HIDES = (
    "hides from these checks what it does, and the sandbox stops what it may not do. Write it out."
)
_CALLS = {
    "__import__": _HIDES,
    "compile": _HIDES,
    "eval": _HIDES,
    "exec": _HIDES,
    "input": "always fails: nobody is there to answer.",
    "open": "always fails: a strategy has no files. All it needs is in candles, balance and position.",
}


def check_imports(tree: ast.Module) -> Iterator[Problem]:
    """Imports outside the list are errors; calls that import or run text are warnings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from _refuse(node.lineno, *(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            yield from _refuse(node.lineno, "." * node.level + (node.module or ""))
        elif isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            if name in _CALLS:
                yield Problem(node.lineno, f"{name}() {_CALLS[name]}", Severity.WARNING)


def _refuse(line: int, *modules: str) -> Iterator[Problem]:
    for module in modules:
        if not is_allowed(module):
            yield Problem(
                line,
                f"{module} can't be imported. A strategy may use numpy, pandas, pandas_ta and Python's own "
                "modules for computing, such as math, statistics and datetime.",
            )
