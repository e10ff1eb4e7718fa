"""The numbers written in a strategy's methods."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from apps.strategies.contract.parameters import is_number
from apps.strategies.source.outline import list_functions
from apps.strategies.source.parameters import name_asked_for


@dataclass(frozen=True, slots=True)
class Number:
    """A number where it is written, its sign included; `parents` lead from it to its method."""

    node: ast.expr
    value: int | float
    parents: tuple[ast.AST, ...]


def list_numbers(family: list[ast.ClassDef]) -> Iterator[Number]:
    """Those that `self.params["name"]` could stand for, in the order of the source; not those that only say
    which row or which part is meant."""
    for function in list_functions(family):
        if function.decorator_list or not _has_self(function.args):
            continue  # static and class methods have no self
        for statement in function.body:
            yield from _search(statement, (function,))


def _search(node: ast.AST, parents: tuple[ast.AST, ...]) -> Iterator[Number]:
    value = _read(node)
    if value is not None and isinstance(node, ast.expr):
        yield Number(node, value, parents)
        return
    for child in _list_searched(node):
        yield from _search(child, (node, *parents))


def _list_searched(node: ast.AST) -> Iterator[ast.AST]:
    """What lies inside a node and is evaluated where self is known."""
    if isinstance(node, ast.JoinedStr | ast.pattern):
        return  # patterns take no expression, and Python 3.11 does not know where in an f-string it is
    if isinstance(node, ast.expr) and name_asked_for(node) is not None:
        return  # a default already
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and _has_self(
        node.args
    ):
        return  # another self
    for child in ast.iter_child_nodes(node):
        if not _is_annotation(child, node) and not _is_position(child, node):
            yield child


def _is_annotation(child: ast.AST, parent: ast.AST) -> bool:
    return child in (getattr(parent, "annotation", None), getattr(parent, "returns", None))


def _is_position(child: ast.AST, parent: ast.AST) -> bool:
    """Numbers alone in brackets say which one, as in iloc[-2]; a slice says how many."""
    if not isinstance(parent, ast.Subscript) or child is not parent.slice:
        return False
    parts = child.elts if isinstance(child, ast.Tuple) else [child]
    return all(_read(part) is not None for part in parts)


def _has_self(arguments: ast.arguments) -> bool:
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    return names[:1] == ["self"]


def _read(node: ast.AST) -> int | float | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _read(node.operand) if isinstance(node.operand, ast.Constant) else None
        return None if value is None else -value
    if isinstance(node, ast.Constant) and is_number(node.value):
        return node.value
    return None
