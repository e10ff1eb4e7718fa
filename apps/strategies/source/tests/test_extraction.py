"""Numbers that could be parameters."""

import pytest

from apps.strategies.source.extraction import find_literals, find_parameters
from apps.strategies.source.outline import Unreadable

CODE = """class Mine(Strategy):
    STRATEGY_PARAMS = {{"rsi_length": {{"default": 14}}, "broken": 3}}
    factor = 7
    def should_long(self, unused=5):
        {statement}
    @staticmethod
    def helper(x): return x * 9
def outside(): return 8
"""


def find(statement: str) -> list[tuple[str, float]]:
    return [(one.name, one.value) for one in find_literals(CODE.format(statement=statement))]


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("x = ta.rsi(c, length=14)", "rsi_length_2"),
        ("x = ta.ema(c, 20)", "ema_length"),
        ("x = self.candles.ta.hma(20)", "hma_length"),
        ("x = ta.atr(h, l, c, 14)", "atr_length"),
        ("x = ta.bbands(c, length=20)", "bbands_length"),
        ("self.oversold = 30", "oversold"),
        ("return self.rsi.iloc[-1] < 30", "rsi"),
        ("return foo(30)", "param_1"),
        ("return c['close'].iloc[-1] > 30", "close"),
    ],
)
def test_a_name_comes_from_indicator_then_variable_then_number(statement: str, name: str) -> None:
    assert [found for found, _value in find(statement)] == [name]


def test_every_number_of_an_indicator_has_its_name() -> None:
    assert find("return (ta.macd(c, 12, 26, 9), ta.stoch(h, l, c, k=14, d=3))") == [
        ("macd_fast", 12), ("macd_slow", 26), ("macd_signal", 9), ("stoch_k", 14), ("stoch_d", 3)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "statement",
    [
        "return c.iloc[-1] + 0 + 1.0",
        'return self.params.get("rsi_length", 14)',
        "return f'{x:5.2f} {3}'",
        "return True",
        "x: Literal[5] = y",
        "return lambda self: 5",
        "return 5j",
        "return c.iloc[-2] > c.iloc[-3, 3]",
    ],
)
def test_what_is_no_parameter_is_left_out(statement: str) -> None:
    assert find(statement) == []


def test_how_many_rows_are_looked_at_is_a_number_to_tune() -> None:
    assert [value for _name, value in find("return c.iloc[-20:].mean()")] == [-20]


def test_equal_numbers_in_different_places_stay_apart_and_are_counted() -> None:
    found = find_literals(CODE.format(statement="a = 5; b = 5"))

    assert [(one.name, one.column, one.count) for one in found] == [("a", 12, 2), ("b", 19, 2)]


def test_a_literal_knows_where_it_is() -> None:
    (found,) = find_literals(CODE.format(statement="rsi = ta.ema(c, length=20)  # slow"))

    assert (found.line, found.context) == (5, "rsi = ta.ema(c, length=20)  # slow")
    assert found.label == "EMA length"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("20", (5, 80, 1, "int")),
        ("2", (1, 8, 1, "int")),
        ("-8", (-32, -2, 1, "int")),
        ("0.3", (0.03, 3.0, 0.03, "float")),
    ],
)
def test_a_range_surrounds_the_number(number: str, expected: tuple[object, ...]) -> None:
    (found,) = find_literals(CODE.format(statement=f"x = {number}"))

    assert (found.min, found.max, found.step, found.type) == expected


def test_parameters_are_found_as_far_as_they_are_well_formed() -> None:
    (parameter,) = find_parameters(CODE.format(statement="pass"))

    assert (parameter.name, parameter.line, parameter.entry["default"]) == ("rsi_length", 2, 14)


def test_code_without_a_strategy_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        find_literals("x = 5")
