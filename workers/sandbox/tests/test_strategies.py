"""Strategies, asked in the sandbox."""

import time
from decimal import Decimal
from pathlib import Path

import pytest

from apps.strategies import contract
from apps.strategies.contract.layers import Layer
from apps.strategies.sandbox import Question, Sandbox, StrategyFailed, StrategyTimeout
from workers.sandbox.tests.running import CANDLES, POSITION, ask, make_candles, write_strategy

SAMPLES = Path(contract.__file__).parents[1] / "samples"
SAMPLE = (SAMPLES / "ema_cross.py").read_text(encoding="utf-8")
BUY = write_strategy("return True")


def test_the_sample_declares_its_parameters(sandbox: Sandbox) -> None:
    info = sandbox.describe(SAMPLE)

    assert (info.class_name, info.lookback) == ("EmaCross", 500)
    assert {name: entry["default"] for name, entry in info.parameters.items()} == {
        "fast": 10, "slow": 20
    }  # fmt: skip


def test_the_sample_decides_on_500_candles(sandbox: Sandbox) -> None:
    answer = ask(sandbox, SAMPLE)

    assert answer.should_long is (answer.values["is_above"] and not answer.values["was_above"])
    assert answer.values.keys() == {"fast_ema", "slow_ema", "was_above", "is_above"}


def test_the_sample_buys_when_the_fast_average_crosses_above(sandbox: Sandbox) -> None:
    falling_then_up = make_candles([*(100 - row / 10 for row in range(499)), 150.0])

    assert ask(sandbox, SAMPLE, candles=falling_then_up).amount == Decimal(100)
    assert ask(sandbox, SAMPLE, candles=CANDLES).amount is None


def test_the_sample_sells_when_the_fast_average_crosses_below(sandbox: Sandbox) -> None:
    rising_then_down = make_candles([*(100 + row / 10 for row in range(499)), 50.0])

    assert ask(sandbox, SAMPLE, candles=rising_then_down, position=POSITION).should_short is True
    assert ask(sandbox, SAMPLE, candles=CANDLES, position=POSITION).should_short is False


@pytest.mark.parametrize("count", [0, 1, 20])
def test_the_sample_waits_for_enough_candles(sandbox: Sandbox, count: int) -> None:
    assert ask(sandbox, SAMPLE, candles=make_candles([100.0] * count)).should_long is False


def test_given_parameters_count(sandbox: Sandbox) -> None:
    code = 'class Tuned(Tested):\n    STRATEGY_PARAMS = {"fast": {"default": 10}}\n'

    answer = ask(
        sandbox,
        write_strategy("self.x = self.params['fast']; return False") + code,
        params={"fast": 12},
    )

    assert answer.values == {"x": 12.0}


def test_flat_an_entry_comes_with_size_and_protection(sandbox: Sandbox) -> None:
    answer = ask(sandbox, BUY)

    assert (answer.should_long, answer.should_short) == (True, None)
    assert (answer.amount, answer.stop_loss) == (Decimal(100), Decimal("0.02"))
    assert answer.take_profit is None


def test_in_a_position_only_should_short_is_asked(sandbox: Sandbox) -> None:
    answer = ask(sandbox, write_strategy("raise AssertionError"), position=POSITION)

    assert (answer.should_long, answer.should_short, answer.amount) == (None, True, None)


def test_candles_have_utc_times_and_prices(sandbox: Sandbox) -> None:
    code = write_strategy(
        "c = self.candles\nself.n = len(c); self.at = str(c.index[1]); self.names = ' '.join(c)\n"
        "return bool(c['high'].iloc[-1] < c['close'].iloc[-1])"
    )

    answer = ask(sandbox, code)

    assert answer.values == {
        "n": 500.0, "at": "2026-01-01 01:00:00+00:00", "names": "open high low close volume"
    }  # fmt: skip
    assert answer.should_long is False


def test_both_names_of_pandas_ta_are_one(sandbox: Sandbox) -> None:
    code = "import pandas_ta, pandas_ta_classic\nassert pandas_ta is pandas_ta_classic is ta\n"

    assert sandbox.describe(code + BUY).class_name == "Tested"


def test_strategy_can_be_imported_too(sandbox: Sandbox) -> None:
    code = (
        "from apps.strategies.contract import Strategy as Imported\nassert Imported is Strategy\n"
    )

    assert sandbox.describe(code + BUY).class_name == "Tested"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nclass A(Strategy)\n    pass", "Line 2: expected ':'."),
        ("x = 1\n1 / 0", "Line 2: ZeroDivisionError: division by zero"),
        (
            "class A:\n    pass",
            "The code has to have one class that inherits Strategy. Found: none.",
        ),
        (f"{BUY}\nclass B(Strategy): pass", "The code has to have one .* Found: B, Tested."),
        (
            "class A(Strategy):\n    def should_long(self): return False",
            r"A does not define calculate_position_size\(\), .*, should_short\(\).",
        ),
        (f"{BUY}\nTested.STRATEGY_PARAMS = {{'a': 1}}", "STRATEGY_PARAMS: a has to be"),
        (f"{BUY}\nTested.lookback = 0", "lookback has to be a whole number from 1 to 5000."),
        ("import requests", "Line 1: ModuleNotFoundError: No module named 'requests'"),
    ],
)
def test_code_that_can_not_be_taken_is_described(sandbox: Sandbox, code: str, message: str) -> None:
    with pytest.raises(StrategyFailed, match=message):
        sandbox.describe(code)


def test_an_exception_shows_the_lines_of_the_strategy_alone(sandbox: Sandbox) -> None:
    with pytest.raises(StrategyFailed) as raised:
        ask(sandbox, write_strategy("print('so far')\nself.candles['typo']"))

    assert raised.value.message == "Line 5: KeyError: 'typo'"
    assert raised.value.line == 5
    assert "line 5, in should_long\n    self.candles['typo']" in raised.value.traceback
    assert "pandas" not in raised.value.traceback
    assert raised.value.output == "so far\n"


@pytest.mark.parametrize("size", ["float('nan')", "-1", "np.inf", "'100'", "self.candles", "None"])
def test_a_size_that_is_no_amount_is_refused(sandbox: Sandbox, size: str) -> None:
    code = BUY.replace("self.balance * 0.1", size)

    with pytest.raises(StrategyFailed, match=r"calculate_position_size\(\) returned"):
        ask(sandbox, code)


def test_numpy_answers_count(sandbox: Sandbox) -> None:
    code = write_strategy("return np.bool_(True)").replace("self.balance * 0.1", "np.float64(5.5)")

    assert ask(sandbox, code).amount == Decimal("5.5")


def test_what_is_printed_is_kept_up_to_a_limit(sandbox: Sandbox) -> None:
    assert ask(sandbox, write_strategy("print('x' * 9999); return False")).output == "x" * 4096


def test_an_endless_loop_is_stopped_and_the_next_question_answered(sandbox: Sandbox) -> None:
    sandbox._timeout_seconds = 0.3

    with pytest.raises(StrategyTimeout):
        ask(sandbox, write_strategy("while True: pass"))
    sandbox._timeout_seconds = 5

    assert ask(sandbox, BUY).should_long is True


def test_a_rehearsal_asks_every_method_without_and_with_a_position(sandbox: Sandbox) -> None:
    code = write_strategy("self.entry = self.position and self.position.entry_price; return False")

    rehearsal = sandbox.rehearse(f"print('hello')\n{code}", CANDLES, {})

    assert rehearsal.info.class_name == "Tested"
    assert (rehearsal.flat.should_long, rehearsal.flat.should_short) == (False, True)
    assert (rehearsal.flat.amount, rehearsal.flat.stop_loss) == (Decimal(100), Decimal("0.02"))
    assert rehearsal.holding.values == {"entry": CANDLES.last_close}
    assert rehearsal.output == "hello\n"


@pytest.mark.parametrize(
    "method",
    ["should_short", "calculate_position_size", "calculate_stop_loss", "calculate_take_profit"],
)
def test_a_rehearsal_finds_what_fails_in_any_method(sandbox: Sandbox, method: str) -> None:
    code = f"{BUY}    def {method}(self):\n        return 1 / 0\n"

    with pytest.raises(StrategyFailed, match="Line 10: ZeroDivisionError") as raised:
        sandbox.rehearse(code, CANDLES, {})
    assert raised.value.line == 10


def test_a_rehearsal_says_how_much_memory_was_used(sandbox: Sandbox) -> None:
    code = write_strategy("np.ones(5_000_000); return False")

    rehearsal = sandbox.rehearse(code, CANDLES, {})

    assert 30_000_000 < rehearsal.memory_bytes < 80_000_000


def test_a_rehearsal_says_how_long_it_computed_not_how_long_it_waited(sandbox: Sandbox) -> None:
    code = write_strategy("import time; time.sleep(0.2); return False")

    answer = sandbox.rehearse(code, CANDLES, {}).flat

    assert answer.elapsed_ms > 200
    assert answer.cpu_ms is not None
    assert answer.cpu_ms < 150


def test_many_are_asked_side_by_side(sandbox: Sandbox) -> None:
    asleep = write_strategy("import time; time.sleep(0.2); return True")
    question = Question(candles=CANDLES, balance=Decimal(1000), position=None, params={})
    started = time.monotonic()

    outcomes = dict(sandbox.evaluate_all((str(n), asleep, question) for n in range(10)))

    assert all(outcome.should_long for outcome in outcomes.values())
    assert time.monotonic() - started < 1.5


def test_an_answer_does_not_wait_for_a_slower_one(sandbox: Sandbox) -> None:
    asleep = write_strategy("import time; time.sleep(0.3); return True")
    question = Question(candles=CANDLES, balance=Decimal(1000), position=None, params={})

    outcomes = sandbox.evaluate_all([("slow", asleep, question), ("quick", BUY, question)])

    assert [key for key, _ in outcomes] == ["quick", "slow"]


def test_the_sandbox_says_what_confines_strategies(sandbox: Sandbox) -> None:
    assert Layer.LIMITS in sandbox.find_layers()
