"""What can be said of a strategy without running it. The sandbox is the wall; these checks spare a person
one round after the other by naming everything at once, each with its line."""

import ast
from collections.abc import Iterator

from apps.strategies.source.imports import check_imports
from apps.strategies.source.lookahead import check_lookahead
from apps.strategies.source.lookback import check_lookback
from apps.strategies.source.outline import Unreadable, list_family, list_strategies, parse
from apps.strategies.source.parameters import check_parameters
from apps.strategies.source.problems import Problem
from apps.strategies.source.shape import check_shape

MAX_PROBLEMS = 50


def check(code: str) -> tuple[Problem, ...]:
    """All that is wrong or suspicious in the source, by line."""
    try:
        tree = parse(code)
    except Unreadable as error:
        return (Problem(error.line, error.message),)
    found = sorted(_check_tree(tree), key=lambda problem: problem.line or 0)
    return tuple(found[:MAX_PROBLEMS])


def _check_tree(tree: ast.Module) -> Iterator[Problem]:
    yield from check_imports(tree)
    yield from check_lookahead(tree)
    strategies = list_strategies(tree)
    if not strategies:
        yield Problem(None, "No class inherits Strategy. Write one: class MyStrategy(Strategy):")
    elif len(strategies) > 1:
        names = " and ".join(one.name for one in strategies[:5])
        message = (
            f"One class may inherit Strategy, here {names} do. Put each into a strategy of its own."
        )
        yield Problem(strategies[1].lineno, message)
    else:
        family = list_family(tree, strategies[0])
        yield from check_shape(tree, family)
        yield from check_parameters(family)
        yield from check_lookback(family)
