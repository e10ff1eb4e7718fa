"""Whether the class has the methods of the contract, as they are called."""

import ast
from collections.abc import Iterator

from apps.strategies.source.outline import has_foreign_base, list_defined, list_functions
from apps.strategies.source.problems import Problem

#: What each method is for, for those who left it out.
_METHODS = {
    "should_long": "True buys",
    "should_short": "True sells",
    "calculate_position_size": "how much quote currency to spend",
    "calculate_stop_loss": "0.02 for 2 %, or None",
    "calculate_take_profit": "0.04 for 4 %, or None",
}
_INIT = "def __init__(self, candles, balance, position=None):"


def check_shape(tree: ast.Module, family: list[ast.ClassDef]) -> Iterator[Problem]:
    """The five methods, and __init__ where there is one."""
    strategy = family[0]
    if not has_foreign_base(tree, family):
        defined = list_defined(family)
        for name, meaning in _METHODS.items():
            if name not in defined:
                message = f"{strategy.name} lacks {name}(). Add: def {name}(self): ({meaning})"
                yield Problem(strategy.lineno, message)
    for function in list_functions(family):
        if function.name in _METHODS:
            yield from _check_method(function)
        elif function.name == "__init__":
            yield from _check_init(function)


def _check_method(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Problem]:
    wanted = f"Write it: def {function.name}(self):"
    if isinstance(function, ast.AsyncFunctionDef):
        yield Problem(function.lineno, f"{function.name}() can't be async. {wanted}")
    elif function.decorator_list:
        yield Problem(function.lineno, f"{function.name}() can't have a decorator. {wanted}")
    elif not _takes(function, 1):
        yield Problem(function.lineno, f"{function.name}() is called with self alone. {wanted}")


def _check_init(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Problem]:
    if not _takes(function, 4):
        message = f"__init__ is called with candles, balance and position. Write it: {_INIT}"
        yield Problem(function.lineno, message)
    if not any(_hands_on(node) for node in ast.walk(function)):
        message = "__init__ has to begin with super().__init__(candles, balance, position)."
        yield Problem(function.lineno, message)


def _takes(function: ast.FunctionDef | ast.AsyncFunctionDef, count: int) -> bool:
    """Whether it can be called with so many positional arguments and nothing else."""
    arguments = function.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    keywords_missing = any(default is None for default in arguments.kw_defaults)
    enough = positional >= count or arguments.vararg is not None
    return required <= count and enough and not keywords_missing


def _hands_on(node: ast.AST) -> bool:
    """A call of some other __init__, or the attribute that it would have set."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "__init__"
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "candles"
        and isinstance(node.ctx, ast.Store)
    )
