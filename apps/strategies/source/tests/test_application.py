"""Numbers become parameters."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.strategies.contract import Strategy
from apps.strategies.source.application import NotApplicable, apply_parameters
from apps.strategies.source.extraction import find_literals, find_parameters

CODE = '''class Mine(Strategy):
    """Says no."""

    def should_long(self):
        x = 14  # é, fourteen
        y =  14
        return x + y
'''
APPLIED = '''class Mine(Strategy):
    """Says no."""

    STRATEGY_PARAMS = {
        "x": {"default": 14, "type": "int", "min": 3, "max": 56, "step": 1, "label": "X"},
    }

    def should_long(self):
        x = self.params["x"]  # é, fourteen
        y =  14
        return x + y
'''
#: Around {n} stands a number where Python allows one.
STATEMENTS = [
    "return-{n}", "return 3 if x else-{n}", "return not-{n}", "é = 'é'; return {n}", "return [{n},{n}][0]",
    "return (\n          -\n          {n})", "return ({n})if x else({n})", "return -{n} ** 2",
    "return x[{n}:]", "return {{{n}: {n}}}", "return (lambda y={n}: y + {n})()", "return 5 -{n}",
    "return sum(\n\t{n} for y in x)",
]  # fmt: skip
DECLARATIONS = [
    "x = None",
    "STRATEGY_PARAMS = {}",
    'STRATEGY_PARAMS = {"old": {"default": 2}}',
    'STRATEGY_PARAMS = {"old": {"default": 2},}',
    'STRATEGY_PARAMS = {\n        "old": {"default": 2}  # , no comma\n    }',
    'STRATEGY_PARAMS = {\n        "old": ({"default": 2}),  # é\n        # the end\n    }',
    'STRATEGY_PARAMS = {\n        "old": {"default": 2}}',
    "STRATEGY_PARAMS = {  # none yet\n    }",
]
HEADS = [
    "class Mine(Strategy):",
    "class Mine(\n    Strategy,\n):  # mine",
    'class Mine(Strategy):\n    "doc"',
]


def evaluate(code: str) -> object:
    """What the strategy answers."""
    space = {"Strategy": Strategy}
    exec(code, space)  # noqa: S102  code of this test
    mine = type("Concrete", (space["Mine"],), {"__abstractmethods__": frozenset()})
    return mine("candles", 1.0).should_long()


def test_a_number_becomes_a_parameter_and_all_else_stays() -> None:
    assert apply_parameters(CODE, find_literals(CODE)[:1]) == APPLIED


def test_numbers_of_one_name_become_one_parameter() -> None:
    x, y = find_literals(CODE)

    result = apply_parameters(CODE, [x, replace(y, name="x", label="X")])

    assert result.count('self.params["x"]') == 2
    assert [parameter.name for parameter in find_parameters(result)] == ["x"]


@settings(deadline=None)  # others may use the machine
@given(
    head=st.sampled_from(HEADS),
    declaration=st.sampled_from(DECLARATIONS),
    statement=st.sampled_from(STATEMENTS),
    number=st.sampled_from(["2", "14", "0.02", "1_000", "0x1F", "1e3"]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    data=st.data(),
)
def test_the_strategy_answers_as_before_and_once_is_enough(
    head: str, declaration: str, statement: str, number: str, ending: str, data: st.DataObject
) -> None:
    lines = f"    {declaration}\n\n    def should_long(self):\n        x = 'abc' * 999\n"
    code = f"{head}\n{lines}        {statement.format(n=number)}\n".replace("\n", ending)
    chosen = data.draw(st.lists(st.sampled_from(find_literals(code)), unique=True))
    try:
        before = evaluate(code)
    except TypeError:
        before = TypeError

    result = apply_parameters(code, chosen)

    if before is not TypeError:
        assert evaluate(result) == before
    assert apply_parameters(result, chosen) == result
    assert {one.name for one in chosen} <= {parameter.name for parameter in find_parameters(result)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "not a name"}, "is not a name"),
        ({"min": 20}, "x has to be from 20"),
        ({"name": "y"}, "y would be two parameters"),
        ({"line": 1}, "Line 1 has no 14 there any more"),
    ],
)
def test_a_choice_that_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    x, y = find_literals(CODE)

    with pytest.raises(NotApplicable, match=message):
        apply_parameters(CODE, [replace(x, **changes), y])


def test_a_name_that_is_taken_is_refused() -> None:
    (y,) = find_literals(APPLIED)

    with pytest.raises(NotApplicable, match="There is a parameter x already"):
        apply_parameters(APPLIED, [replace(y, name="x", label="Other")])


def test_a_computed_declaration_is_refused() -> None:
    code = CODE.replace("    def", "    STRATEGY_PARAMS = dict()\n    def", 1)

    with pytest.raises(NotApplicable, match="not written out"):
        apply_parameters(code, find_literals(code))


def test_a_class_on_one_line_is_refused() -> None:
    code = CODE + "class Better(Mine): pass\n"

    with pytest.raises(NotApplicable, match="what is in Better on lines of its own"):
        apply_parameters(code, find_literals(code))
