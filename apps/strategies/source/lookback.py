"""Whether the strategy is given as many candles as its indicators need."""

import ast
from collections.abc import Iterator

from apps.strategies.contract.answers import MAX_LOOKBACK
from apps.strategies.contract.strategy import Strategy
from apps.strategies.source.outline import find_attribute
from apps.strategies.source.parameters import find_default, name_used
from apps.strategies.source.problems import Problem, Severity

#: An exponential average of length n still shows its beginning after 5 n candles, no more after 10 n.
_TIMES = 10
_LENGTHS = frozenset({
    "atr_length", "atr_period", "d", "fast", "k", "kijun", "length", "lower_length", "period",
    "rsi_length", "senkou", "signal", "slow", "slow_d", "smooth_k", "span", "tenkan", "timeperiod",
    "upper_length", "window",
})  # fmt: skip
#: Methods of pandas whose first argument is a length.
_WINDOWS = frozenset({"rolling", "ewm"})


def check_lookback(family: list[ast.ClassDef]) -> Iterator[Problem]:
    """An error where lookback is no number of candles, a warning where it is short."""
    written = find_attribute(family, "lookback")
    if written is not None and not isinstance(written, ast.Constant):
        return  # computed: the sandbox will see
    lookback = written.value if written else Strategy.lookback
    if type(lookback) is not int or not 0 < lookback <= MAX_LOOKBACK:
        line = written.lineno if written else family[0].lineno
        yield Problem(line, f"lookback has to be a whole number from 1 to {MAX_LOOKBACK}.")
        return
    length, line = max(_list_lengths(family), default=(0, 0))
    wanted = min(length * _TIMES, MAX_LOOKBACK)
    if lookback < wanted:
        yield Problem(
            line,
            f"An indicator of length {length} needs about {wanted} candles until its beginning no longer "
            f"shows, and the strategy is given {lookback}. Write in the class: lookback = {wanted}",
            Severity.WARNING,
        )


def _list_lengths(family: list[ast.ClassDef]) -> Iterator[tuple[int, int]]:
    """Every length with its line."""
    names = _list_names(family)
    for call in (node for one in family for node in ast.walk(one) if isinstance(node, ast.Call)):
        for argument in _list_length_arguments(call):
            length = _resolve(argument, names, family)
            if length is not None:
                yield length, argument.lineno


def _list_length_arguments(call: ast.Call) -> Iterator[ast.expr]:
    yield from (keyword.value for keyword in call.keywords if keyword.arg in _LENGTHS)
    if isinstance(call.func, ast.Attribute) and call.func.attr in _WINDOWS and call.args:
        yield call.args[0]


def _resolve(
    node: ast.expr, names: dict[str, ast.expr | None], family: list[ast.ClassDef]
) -> int | None:
    """The length that is written there, by a name or as a parameter's default."""
    written = names.get(ast.unparse(node)) or node
    name = name_used(written)
    if name is None:
        return _whole_number(written)
    default = find_default(family, name)
    return default if type(default) is int else None


def _list_names(family: list[ast.ClassDef]) -> dict[str, ast.expr | None]:
    """What each name and attribute is set to; None for one that is set more than once."""
    names: dict[str, ast.expr | None] = {}
    for node in (node for one in family for node in ast.walk(one)):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = ast.unparse(node.targets[0])
            names[target] = None if target in names else node.value
    return names


def _whole_number(node: ast.expr) -> int | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return value if type(value) is int else None
