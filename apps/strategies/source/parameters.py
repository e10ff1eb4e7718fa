"""STRATEGY_PARAMS as it is written, and how the source uses it."""

import ast
from collections.abc import Iterator
from typing import Any

from apps.strategies.contract.parameters import MAX_PARAMETERS, read_schema
from apps.strategies.source.outline import find_attribute
from apps.strategies.source.problems import Problem, Severity

ATTRIBUTE = "STRATEGY_PARAMS"


def check_parameters(family: list[ast.ClassDef]) -> Iterator[Problem]:
    """Every wrong entry, and every name that is used and not declared."""
    declared = find_attribute(family, ATTRIBUTE)
    if declared is None:
        yield from _check_uses(family, set())
    elif isinstance(declared, ast.Dict) and len(declared.keys) <= MAX_PARAMETERS:
        yield from _check_entries(declared)
        names = [_text(key) for key in declared.keys]
        if None not in names:
            yield from _check_uses(family, {name for name in names if name})
    else:
        message = (
            f"{ATTRIBUTE} has to be a dictionary of at most {MAX_PARAMETERS}, written out here."
        )
        yield Problem(declared.lineno, message)


def list_entries(declared: ast.expr | None) -> Iterator[tuple[ast.expr, str, Any]]:
    """Of a dictionary as it is written each key with its name and value; None for what is computed."""
    if isinstance(declared, ast.Dict):
        for key, entry in zip(declared.keys, declared.values, strict=True):
            name = _text(key)
            if key is not None and name is not None:
                yield key, name, _evaluate(entry)


def find_default(family: list[ast.ClassDef], name: str) -> Any:
    """The default of a parameter as it is written; None where there is none."""
    for _key, declared, value in list_entries(find_attribute(family, ATTRIBUTE)):
        if declared == name and isinstance(value, dict):
            return value.get("default")
    return None


def name_used(node: ast.AST) -> str | None:
    """The name in `self.params["name"]`."""
    if isinstance(node, ast.Subscript) and _is_params(node.value):
        return _text(node.slice)
    return None


def name_asked_for(node: ast.expr) -> str | None:
    """The name in `self.params.get("name")`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return None
    is_get = node.func.attr == "get" and _is_params(node.func.value)
    return _text(node.args[0]) if is_get else None


def _check_entries(declared: ast.Dict) -> Iterator[Problem]:
    seen: set[object] = set()
    for key, entry in zip(declared.keys, declared.values, strict=True):
        if key is None:
            yield Problem(entry.lineno, f"{ATTRIBUTE} has to be written out, without **.")
            continue
        name, value = _evaluate(key), _evaluate(entry)
        if isinstance(name, str) and name in seen:
            yield Problem(key.lineno, f"{ATTRIBUTE}: {name} is declared twice.")
        seen.add(name if isinstance(name, str) else None)
        if value is None:
            message = f"{ATTRIBUTE}: {ast.unparse(key)} has to be written out with numbers and texts alone."
            yield Problem(entry.lineno, message)
            continue
        try:
            read_schema({name if isinstance(name, str) else ast.unparse(key): value})
        except ValueError as error:
            yield Problem(key.lineno, str(error))


def _check_uses(family: list[ast.ClassDef], declared: set[str]) -> Iterator[Problem]:
    known = f"Declared: {', '.join(sorted(declared)) or 'none'}."
    for node in (node for one in family for node in ast.walk(one)):
        if not isinstance(node, ast.Subscript | ast.Call):
            continue
        name = name_used(node)
        if name is not None and name not in declared:
            yield Problem(node.lineno, f"There is no parameter {name} in {ATTRIBUTE}. {known}")
        name = name_asked_for(node)
        if name is not None and name not in declared:
            message = f"Nobody can tune {name}: it is not in {ATTRIBUTE}. {known}"
            yield Problem(node.lineno, message, Severity.WARNING)


def _is_params(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "params"
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _evaluate(node: ast.expr) -> Any:
    """What is written, where it is only written and not computed; else None."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None
