"""Whether a strategy's code may change its own instance."""

import dis
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from apps.strategies.contract.strategy import Strategy

_CHANGES = frozenset({"STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR"})
_CHANGING_NAMES = frozenset({
    "__dict__", "__setattr__", "clear", "delattr", "pop", "popitem", "setattr", "setdefault", "update",
    "vars",
})  # fmt: skip


def may_change(strategy_class: type[Strategy]) -> bool:
    """Whether any code of its module, but its own __init__, sets an attribute or an item of anything."""
    return any(map(_changes, _list_code(strategy_class)))


def _changes(code: CodeType) -> bool:
    if _CHANGING_NAMES & {*code.co_names, *code.co_varnames}:
        return True
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    written = any(instruction.opname in _CHANGES for instruction in dis.get_instructions(code))
    return written or any(map(_changes, inner))


def _list_code(strategy_class: type[Strategy]) -> Iterator[CodeType]:
    family = [one for one in strategy_class.__mro__ if one not in Strategy.__mro__]
    spaces = {id(one.__globals__): one.__globals__ for one in _list_functions(family)}
    for space in spaces.values():
        values = list(space.values())
        yield from (one.__code__ for one in values if _is_of(one, space))
        others = [one for one in values if isinstance(one, type) and one not in family]
        at_home = [one for one in others if one.__module__ == space.get("__name__")]
        yield from (one.__code__ for one in _list_functions(at_home))
    yield from (one.__code__ for one in _list_functions(family) if one.__name__ != "__init__")


def _list_functions(classes: list[type]) -> Iterator[FunctionType]:
    for one in classes:
        for value in vars(one).values():
            function = getattr(value, "__func__", getattr(value, "fget", value))
            if isinstance(function, FunctionType):
                yield function


def _is_of(value: Any, space: dict[str, Any]) -> bool:
    return isinstance(value, FunctionType) and value.__globals__ is space
