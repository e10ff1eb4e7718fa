"""Where in the source the strategy's class is, and what it is made of."""

import ast
from collections.abc import Iterator

from apps.strategies.contract.imports import CONTRACT

MAX_CHARACTERS = 100_000
#: Far below where Python's own functions for syntax trees give up.
MAX_DEPTH = 100
_BASE = "Strategy"


class Unreadable(Exception):
    """The source is no Python; `line` and `message` say where and why."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def parse(code: str) -> ast.Module:
    """The syntax tree of a strategy; raises Unreadable."""
    if len(code) > MAX_CHARACTERS:
        raise Unreadable(None, f"The code has more than {MAX_CHARACTERS:,} characters.")
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise Unreadable(error.lineno, f"This is no Python: {error.msg}.") from error
    except ValueError as error:
        raise Unreadable(None, f"This is no Python: {error}.") from error
    except (RecursionError, MemoryError) as error:
        raise _too_deep(None) from error
    _refuse_depth(tree)
    return tree


def list_strategies(tree: ast.Module) -> list[ast.ClassDef]:
    """The classes that inherit Strategy and are inherited by none."""
    heirs = _list_contract_names(tree)
    strategies = []
    for one in _list_classes(tree):  # a base comes before those that inherit it
        if heirs.intersection(_list_base_names(one)):
            heirs.add(one.name)
            strategies.append(one)
    inherited = {name for one in strategies for name in _list_base_names(one)}
    return [one for one in strategies if one.name not in inherited]


def find_strategy(tree: ast.Module) -> ast.ClassDef | None:
    """The one class that would run; None where there is none, or no single one."""
    strategies = list_strategies(tree)
    return strategies[0] if len(strategies) == 1 else None


def list_family(tree: ast.Module, strategy: ast.ClassDef) -> list[ast.ClassDef]:
    """The class and its ancestors as far as the code defines them, nearest first."""
    classes = {one.name: one for one in _list_classes(tree)}
    family = [strategy]
    for one in family:
        bases = [classes[name] for name in _list_base_names(one) if name in classes]
        family += [base for base in bases if base not in family]
    return family


def has_foreign_base(tree: ast.Module, family: list[ast.ClassDef]) -> bool:
    """Whether anything is inherited that neither the code nor the contract defines."""
    known = {one.name for one in family} | _list_contract_names(tree)
    return any(name not in known for one in family for name in _list_base_names(one))


def list_functions(family: list[ast.ClassDef]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The methods of a family, overridden ones included, nearest class first."""
    for one in family:
        for statement in one.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                yield statement


def find_attribute(family: list[ast.ClassDef], name: str) -> ast.expr | None:
    """What a class attribute is set to, in the nearest class that sets it."""
    for one in family:
        for target, value in _list_assignments(one):
            if target == name:
                return value
    return None


def list_defined(family: list[ast.ClassDef]) -> set[str]:
    """The names of all methods and attributes of a family."""
    assigned = {target for one in family for target, _value in _list_assignments(one)}
    return assigned | {function.name for function in list_functions(family)}


def _refuse_depth(tree: ast.Module) -> None:
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    for node in level:
        if isinstance(node, ast.expr | ast.stmt):
            raise _too_deep(node.lineno)


def _too_deep(line: int | None) -> Unreadable:
    return Unreadable(line, "The code is nested too deeply to be read.")


def _list_classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [statement for statement in tree.body if isinstance(statement, ast.ClassDef)]


def _list_contract_names(tree: ast.Module) -> set[str]:
    """What Strategy is called here."""
    return {_BASE} | {
        alias.asname
        for statement in tree.body
        if isinstance(statement, ast.ImportFrom) and statement.module == CONTRACT
        for alias in statement.names
        if alias.name == _BASE and alias.asname
    }


def _list_base_names(one: ast.ClassDef) -> list[str]:
    """The last part of each base's name: Strategy in contract.Strategy."""
    return [ast.unparse(base).rpartition(".")[2] for base in one.bases]


def _list_assignments(one: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for statement in one.body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and statement.value:
                yield target.id, statement.value
