"""The numbers in a strategy's methods that could be parameters, and the parameters it has."""

import ast
from collections import Counter
from dataclasses import dataclass
from typing import Any

from apps.strategies.contract.parameters import read_schema
from apps.strategies.source.naming import Namer, make_label
from apps.strategies.source.numbers import Number, list_numbers
from apps.strategies.source.outline import (
    Unreadable,
    find_attribute,
    find_strategy,
    list_family,
    parse,
)
from apps.strategies.source.parameters import ATTRIBUTE, list_entries

#: Counts, flags and the newest candle: nobody tunes them.
_PLAIN = frozenset({-1, 0, 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """A number in a method, and what it would be as a parameter: everything from `name` to `step` may be
    changed before it is applied. `line` and `column` (in bytes, as Python counts) are its place, `context`
    is its line of source, `count` says how often the same number is found."""

    line: int
    column: int
    value: int | float
    name: str
    label: str
    min: int | float
    max: int | float
    step: int | float
    context: str
    count: int

    @property
    def type(self) -> str:
        """As in STRATEGY_PARAMS."""
        return "int" if isinstance(self.value, int) else "float"

    @property
    def entry(self) -> dict[str, Any]:
        """As in STRATEGY_PARAMS."""
        bounds = {"min": self.min, "max": self.max, "step": self.step}
        return {"default": self.value, **bounds, "type": self.type, "label": self.label}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One that the strategy has; `entry` is complete, `line` is where it is declared."""

    name: str
    line: int
    entry: dict[str, Any]


def find_literals(code: str) -> list[Literal]:
    """The numbers in the strategy's methods, top to bottom, each with a name of its own; without -1, 0, 1
    and what is a default already. Raises Unreadable for code without one strategy."""
    family = read_family(code)
    numbers = [number for number in list_numbers(family) if number.value not in _PLAIN]
    counts = Counter(map(_identify, numbers))
    namer = Namer({parameter.name for parameter in _list_parameters(family)})
    lines = code.encode().splitlines()
    return [
        _suggest(
            number,
            name=namer.suggest(number),
            context=lines[number.node.lineno - 1].decode().strip(),
            count=counts[_identify(number)],
        )
        for number in numbers
    ]


def find_parameters(code: str) -> list[Parameter]:
    """What STRATEGY_PARAMS declares, as far as it is well-formed. Raises Unreadable for code without one
    strategy."""
    return _list_parameters(read_family(code))


def read_family(code: str) -> list[ast.ClassDef]:
    """The strategy's class and its ancestors in the code; raises Unreadable where there is no single one."""
    tree = parse(code)
    strategy = find_strategy(tree)
    if strategy is None:
        raise Unreadable(None, "The code has to have one class that inherits Strategy.")
    return list_family(tree, strategy)


def _list_parameters(family: list[ast.ClassDef]) -> list[Parameter]:
    return [
        Parameter(name=name, line=key.lineno, entry=schema[name])
        for key, name, value in list_entries(find_attribute(family, ATTRIBUTE))
        if (schema := _read_schema(name, value))
    ]


def _read_schema(name: str, value: object) -> dict[str, dict[str, Any]]:
    try:
        return read_schema({name: value})
    except ValueError:
        return {}


def _suggest(number: Number, *, name: str, context: str, count: int) -> Literal:
    low, high, step = _suggest_range(number.value)
    return Literal(
        line=number.node.lineno,
        column=number.node.col_offset,
        value=number.value,
        name=name,
        label=make_label(name),
        min=low,
        max=high,
        step=step,
        context=context,
        count=count,
    )


def _suggest_range(value: float) -> tuple[float, float, float]:
    """From a quarter to four times a whole number, from a tenth to ten times any other."""
    size = abs(value)
    low, high, step = (
        (max(1, size // 4), 4 * size, 1)
        if isinstance(size, int)
        else (_round(size / 10), _round(size * 10), _round(size / 10))
    )
    return (low, high, step) if value > 0 else (-high, -low, step)


def _round(value: float) -> float:
    """Without the noise of binary fractions: 0.1 * 0.3 is 0.03."""
    return float(f"{value:.12g}")


def _identify(number: Number) -> tuple[type, float]:
    return type(number.value), number.value
