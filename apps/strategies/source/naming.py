"""A name for a number, from where it is written."""

import ast
from itertools import chain, count

from apps.strategies.source.numbers import Number

#: How many series come first, and the names of the numbers that may follow without a name.
_INDICATORS = {
    "rsi": (1, ("length",)),
    "ema": (1, ("length",)),
    "sma": (1, ("length",)),
    "hma": (1, ("length",)),
    "wma": (1, ("length",)),
    "atr": (3, ("length",)),
    "bbands": (1, ("length", "std")),
    "macd": (1, ("fast", "slow", "signal")),
    "stoch": (3, ("k", "d", "smooth_k")),
    "supertrend": (3, ("length", "multiplier")),
    "donchian": (2, ("lower_length", "upper_length")),
}
_ACRONYMS = frozenset({"rsi", "ema", "sma", "hma", "wma", "atr", "macd"})
#: Between a series and its value: the series is what gives the name.
_ACCESSORS = frozenset({"iloc", "iat", "loc", "at", "values"})
_LONGEST = 50


class Namer:
    """Suggests names, none of them twice."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = set(taken)

    def suggest(self, number: Number) -> str:
        """By indicator, else by the variable it is set to or compared with, else by what the method
        calculates, else param_1."""
        name = _name_by_call(number) or _name_by_statement(number)
        candidates = (
            chain([name], (f"{name}_{suffix}" for suffix in count(2)))
            if name
            else (f"param_{suffix}" for suffix in count(1))
        )
        chosen = next(candidate for candidate in candidates if candidate not in self._taken)
        self._taken.add(chosen)
        return chosen


def make_label(name: str) -> str:
    """A name as people write it: rsi_length is RSI length."""
    words = [word.upper() if word in _ACRONYMS else word for word in name.split("_") if word]
    label = " ".join(words)
    return label[:1].upper() + label[1:]


def _name_by_call(number: Number) -> str | None:
    parent, *outer = number.parents
    if isinstance(parent, ast.keyword) and parent.arg and isinstance(outer[0], ast.Call):
        return _shorten(f"{_name_of(outer[0].func) or 'call'}_{parent.arg}")
    if not isinstance(parent, ast.Call) or number.node not in parent.args:
        return None
    indicator = _name_of(parent.func) or ""
    series, names = _INDICATORS.get(indicator, (0, ()))
    if isinstance(parent.func, ast.Attribute) and isinstance(parent.func.value, ast.Attribute):
        series = 0  # candles.ta.rsi(14)
    place = parent.args.index(number.node) - series
    return f"{indicator}_{names[place]}" if 0 <= place < len(names) else None


def _name_by_statement(number: Number) -> str | None:
    for node in number.parents:
        name = None
        if isinstance(node, ast.Compare):
            name = next(filter(None, map(_name_of, (node.left, *node.comparators))), None)
        elif isinstance(node, ast.Assign):
            name = _name_of(node.targets[0])
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            name = _name_of(node.target)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("calculate_"):
            name = node.name.removeprefix("calculate_")
        if name:
            return _shorten(name)
    return None


def _name_of(node: ast.expr) -> str | None:
    """What a person would call it: rsi in self.rsi.iloc[-1], close in candles["close"]."""
    if isinstance(node, ast.Name):
        return None if node.id == "self" else node.id
    if isinstance(node, ast.Call):
        return _name_of(node.func)
    if isinstance(node, ast.Attribute):
        return _name_of(node.value) if node.attr in _ACCESSORS else node.attr
    if isinstance(node, ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return key if isinstance(key, str) and key.isidentifier() else _name_of(node.value)
    return None


def _shorten(name: str) -> str:
    return name.strip("_")[: _LONGEST - 4] or "param"
