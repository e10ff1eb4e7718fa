"""What is said of a strategy without running it."""

import time

import pytest

from apps.strategies.catalogue import Sample, list_samples
from apps.strategies.source.checks import MAX_PROBLEMS, check
from apps.strategies.source.problems import Problem, Severity

PARAMS = 'STRATEGY_PARAMS = {"fast": {"default": 10}, "slow": {"default": 20}}'
#: The class's body begins on line 2, the statements of should_long() on line 4.
CODE = """class Mine(Strategy):
    {body}
    def should_long(self):
        {statement}
        return False
    def should_short(self): return False
    def calculate_position_size(self): return 1
    def calculate_stop_loss(self): return None
    def calculate_take_profit(self): return None
"""


def write(statement: str = "pass", body: str = "pass") -> str:
    return CODE.format(statement=statement, body=body)


def find(code: str) -> Problem:
    """The one problem there is."""
    (problem,) = check(code)
    return problem


@pytest.mark.parametrize("sample", list_samples(), ids=lambda sample: sample.name)
def test_nothing_is_found_in_the_samples(sample: Sample) -> None:
    assert check(sample.code) == ()


def test_nothing_is_found_in_a_plain_strategy() -> None:
    assert check(write()) == ()


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("x = 1\nclass A(Strategy)\n    pass", 2, "This is no Python: expected ':'."),
        ("a\0b", None, "This is no Python: source code string cannot contain null bytes."),
        ("x = " + "(" * 5000, 1, "This is no Python: too many nested parentheses."),
        ("x = " + "-" * 50_000 + "1", None, "The code is nested too deeply to be read."),
        ("#" * 100_001, None, "The code has more than 100,000 characters."),
    ],
)
def test_what_is_no_python_is_said_with_its_line(code: str, line: int | None, message: str) -> None:
    assert find(code) == Problem(line, message)


def test_everything_is_said_at_once_by_line() -> None:
    code = write('self.params["x"]; self.candles.shift(-1)').replace("should_short", "short")

    problems = check("import os\n" + code)

    assert [(problem.line, str(problem.severity)) for problem in problems] == [
        (1, "error"), (2, "error"), (5, "warning"), (5, "error")
    ]  # fmt: skip


def test_so_many_problems_and_no_more() -> None:
    assert len(check("import os\n" * 999)) == MAX_PROBLEMS


@pytest.mark.parametrize("code", ["x = 1", "class A:\n    pass", "class A(Other):\n    pass"])
def test_a_class_has_to_inherit_strategy(code: str) -> None:
    assert find(code).message.startswith("No class inherits Strategy.")


def test_only_one_class_may() -> None:
    problem = find(write() + write().replace("Mine", "Yours"))

    assert problem.line == 10
    assert problem.message.startswith("One class may inherit Strategy, here Mine and Yours do.")


@pytest.mark.parametrize(
    "code",
    [
        write() + "class Better(Mine):\n    pass",
        "from apps.strategies.contract import Strategy as Base\n"
        + write().replace("Strategy", "Base"),
        "import pandas_ta as ta\nfrom numpy.linalg import norm\nfrom __future__ import annotations\n"
        + write(),
        "class Exits:\n    def should_short(self): return True\n"
        + write()
        .replace("(Strategy)", "(Exits, Strategy)")
        .replace("    def should_short(self): return False\n", ""),
        write(body="should_short = calculate_stop_loss = lambda self: False"),
    ],
    ids=["a class of its own as base", "by another name", "allowed imports", "a mixin", "a lambda"],
)
def test_what_works_is_not_refused(code: str) -> None:
    assert check(code) == ()


def test_every_missing_method_is_named() -> None:
    problems = check("class A(Strategy):\n    def should_long(self): return False")

    assert [problem.message.partition(". ")[0] for problem in problems] == [
        "A lacks should_short()",
        "A lacks calculate_position_size()",
        "A lacks calculate_stop_loss()",
        "A lacks calculate_take_profit()",
    ]


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("def should_long():", "is called with self alone"),
        ("def should_long(self, candle):", "is called with self alone"),
        ("def should_long(self, *, candle):", "is called with self alone"),
        ("async def should_long(self):", "can't be async"),
        ("@property\n    def should_long(self):", "can't have a decorator"),
    ],
)
def test_a_method_that_can_not_be_called_is_named(signature: str, message: str) -> None:
    assert (
        f"should_long() {message}"
        in find(write().replace("def should_long(self):", signature)).message
    )


@pytest.mark.parametrize(
    "arguments", ["self, candles, balance, position=None, params=None", "self, *args"]
)
def test_init_may_take_more(arguments: str) -> None:
    assert check(write(body=f"def __init__({arguments}): super().__init__(*args)")) == ()


@pytest.mark.parametrize(
    ("init", "message"),
    [
        (
            "def __init__(self, candles): self.candles = candles",
            "is called with candles, balance and",
        ),
        (
            "def __init__(self, candles, balance, position): pass",
            r"has to begin with super().__init__(",
        ),
    ],
)
def test_an_init_that_can_not_work_is_named(init: str, message: str) -> None:
    problem = find(write(body=init))

    assert (problem.line, problem.message[:9]) == (2, "__init__ ")
    assert message in problem.message


@pytest.mark.parametrize(
    "statement",
    [
        "import os.path",
        "from subprocess import run",
        "import math, socket",
        "from . import x",
        "from apps.core import models",
    ],
)
def test_imports_outside_the_list_are_errors(statement: str) -> None:
    problem = find(write(statement))

    assert (problem.line, problem.severity) == (4, Severity.ERROR)
    assert "can't be imported" in problem.message


@pytest.mark.parametrize(
    "call", ["__import__('os')", "exec('1')", "eval('1')", "open('x')", "input()"]
)
def test_calls_around_the_checks_are_warnings(call: str) -> None:
    assert find(write(call)).severity == Severity.WARNING


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("[1]", "has to be a dictionary of at most 50, written out here"),
        ("dict(fast=1)", "has to be a dictionary of at most 50, written out here"),
        (
            '{"fast": {"default": 2 * 5}}',
            "'fast' has to be written out with numbers and texts alone",
        ),
        ("{**OTHER}", "has to be written out, without **"),
        ('{"fast": {"default": 1}, "fast": {"default": 2}}', "fast is declared twice"),
        ('{"fast": {"default": 1, "min": 2}}', "Parameter fast has to be from 2 to None, not 1."),
        ('{1: {"default": 1}}', "'1' is not a name"),
    ],
)
def test_a_wrong_declaration_is_named(declared: str, message: str) -> None:
    problem = find(write(body=f"STRATEGY_PARAMS = {declared}"))

    assert (problem.line, problem.severity) == (2, Severity.ERROR)
    assert message in problem.message


def test_every_wrong_entry_is_named_with_its_line() -> None:
    body = 'STRATEGY_PARAMS = {\n        "a": 1,\n        "b": {"default": 1},\n        "c": {},\n    }'

    assert [problem.line for problem in check(write(body=body))] == [3, 5]


def test_an_unknown_parameter_is_an_error() -> None:
    problem = find(write('self.params["fsat"]', PARAMS))

    assert problem == Problem(
        4, "There is no parameter fsat in STRATEGY_PARAMS. Declared: fast, slow."
    )


def test_an_unknown_parameter_with_a_default_is_a_warning() -> None:
    assert find(write('self.params.get("fsat", 3)', PARAMS)).severity == Severity.WARNING


@pytest.mark.parametrize("lookback", ["0", "5001", "'many'", "1.5"])
def test_lookback_is_a_number_of_candles(lookback: str) -> None:
    assert find(write(body=f"lookback = {lookback}")).message.startswith("lookback has to be")


@pytest.mark.parametrize(
    "statement",
    [
        "ta.ema(self.candles, length=60)",
        "self.candles.rolling(60).mean()",
        "n = 60; self.candles.ewm(span=n)",
        'ta.macd(self.candles, fast=3, slow=self.params["slow"])',
        'self.slow = self.params["slow"]; ta.ema(self.candles, length=self.slow)',
    ],
)
def test_a_short_lookback_is_a_warning(statement: str) -> None:
    params = PARAMS.replace("20", "60")

    problem = find(write(statement, params))

    assert (problem.line, problem.severity) == (4, Severity.WARNING)
    assert "length 60 needs about 600 candles" in problem.message


@pytest.mark.parametrize("body", ["lookback = 600", "lookback: int = 600", "lookback = 6 * 100"])
def test_a_long_enough_lookback_is_fine(body: str) -> None:
    assert check(write("ta.ema(self.candles, length=60)", body)) == ()


@pytest.mark.parametrize(
    "statement",
    [
        "self.candles.shift(-1)",
        "self.candles.shift(periods=-n)",
        "np.roll(self.candles, -1)",
        "self.candles.iloc[+1]",
        "self.candles.iloc[5, 0]",
        "self.candles.iloc[i + 1]",
        "self.candles.rolling(5, center=True)",
        "self.candles.bfill()",
    ],
)
def test_looking_ahead_is_a_warning(statement: str) -> None:
    problem = find(write(statement))

    assert (problem.line, problem.severity) == (4, Severity.WARNING)


@pytest.mark.parametrize(
    "statement",
    [
        "self.candles.shift(1)",
        "self.candles.iloc[-1]",
        "self.candles.iloc[-n + 1]",
        "self.candles.iloc[-20:]",
        "self.values[1]",
        "self.candles.rolling(5, center=False)",
    ],
)
def test_looking_back_is_fine(statement: str) -> None:
    assert check(write(statement)) == ()


@pytest.mark.parametrize(
    "piece",
    [
        "class A{0}(Strategy):0\n",
        "class A{0}(A{1}):0\n",
        "import os\n",
        "x=[[[[[[1]]]]]]\n",
        "ta.x(length=n)\n",
    ],
)
def test_code_made_to_be_slow_is_read_in_time(piece: str) -> None:
    pieces = [piece.format(number, number - 1) for number in range(90_000 // len(piece))]
    code = "class A(Strategy):\n    def f(self):\n        pass\n" + "".join(pieces)
    started = time.process_time()

    check(code[:99_000])

    assert time.process_time() - started < 2
