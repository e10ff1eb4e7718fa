"""Signs of a strategy that looks at candles which are not there yet when it trades."""

import ast
from collections.abc import Iterator

from apps.strategies.source.problems import Problem, Severity

_FUTURE = "Live, that candle is not there yet, so that a backtest promises what can't be had."
_OLDEST = (
    "counts from the oldest candle it is given. The candle that has just closed is iloc[-1], "
    "the one before iloc[-2]."
)
_BACKWARD = frozenset({"bfill", "backfill"})
_CENTERED = frozenset({"center", "centered"})


def check_lookahead(tree: ast.Module) -> Iterator[Problem]:
    """Warnings, since each may be meant."""
    for node in ast.walk(tree):
        words = None
        if isinstance(node, ast.Call):
            words = _judge_call(node)
        elif isinstance(node, ast.Subscript):
            words = _judge_index(node)
        if words and isinstance(node, ast.expr):
            yield Problem(node.lineno, words, Severity.WARNING)


def _judge_call(call: ast.Call) -> str | None:
    for keyword in call.keywords:
        if keyword.arg in _CENTERED and _is_true(keyword.value):
            return (
                f"{keyword.arg}=True puts later candles into the value of an earlier one. {_FUTURE}"
            )
        if keyword.arg == "periods" and _is_negative(keyword.value) and _name(call) == "shift":
            return f"shift() by a negative number looks at later candles. {_FUTURE}"
    name = _name(call)
    if name == "shift" and call.args and _is_negative(call.args[0]):
        return f"shift() by a negative number looks at later candles. {_FUTURE}"
    if name == "roll" and len(call.args) > 1 and _is_negative(call.args[1]):
        return f"roll() by a negative number looks at later candles. {_FUTURE}"
    if name in _BACKWARD:
        return f"{name}() fills a gap with the value of a later candle. {_FUTURE}"
    return None


def _judge_index(node: ast.Subscript) -> str | None:
    if not isinstance(node.value, ast.Attribute) or node.value.attr not in ("iloc", "iat"):
        return None
    index = (
        node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
    )
    if isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.UAdd):
        index = index.operand
    if isinstance(index, ast.Constant) and type(index.value) is int and index.value > 0:
        return f"{node.value.attr}[{index.value}] {_OLDEST}"
    if _is_later(index):
        return f"{node.value.attr}[{ast.unparse(index)}] looks at a later candle. {_FUTURE}"
    return None


def _is_later(index: ast.expr) -> bool:
    """`i + 1`, but not `-length + 1`, which counts from the newest candle."""
    return (
        isinstance(index, ast.BinOp)
        and isinstance(index.op, ast.Add)
        and isinstance(index.right, ast.Constant)
        and not _is_negative(index.left)
    )


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
