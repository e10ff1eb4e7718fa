"""Whole backtests in confined processes: what they bring, and what they can't do."""

import time
from pathlib import Path

import numpy as np
import pytest

from apps.backtests.engine.candles import History
from apps.backtests.engine.doubts import Badge
from apps.backtests.engine.results import State
from apps.backtests.engine.settings import Fees, Settings
from apps.backtests.sandbox import Job, Outcome, Tell, compute_indicators, run_confined
from apps.strategies.contract.answers import StrategyFailed
from workers.sandbox.tests.running import RunningZygote, wait_until, walk, write_strategy
from workers.sandbox.tests.test_escapes import PROJECT, REACHING_OUT, fill_in, target

__all__ = ["target"]

EVERY_TENTH = write_strategy("return len(self.candles) % 10 == 0")
SETTINGS = Settings(balance=1000.0, fees=Fees(maker=0.001, taker=0.001))


def make_history(rows: int) -> History:
    close = np.array(walk(rows))
    opened = np.append(close[:1], close[:-1])
    return History(
        duration_ms=3_600_000,
        opened_at_ms=1_767_225_600_000 + 3_600_000 * np.arange(rows),
        open=opened,
        high=np.maximum(opened, close) * 1.001,
        low=np.minimum(opened, close) * 0.999,
        close=close,
        volume=np.ones(rows),
    )


HISTORY = make_history(60)


def backtest(
    zygote: RunningZygote,
    code: str,
    *,
    candles: History = HISTORY,
    detail: History | None = None,
    tell: Tell = lambda _share: None,
) -> Outcome:
    job = Job(code=code, settings=SETTINGS, candles=candles, detail=detail)
    return run_confined(job, socket_path=zygote.socket_path, tell=tell)


def test_every_layer_is_on_where_the_kernel_has_it(
    zygote: RunningZygote, backtest_zygote: RunningZygote
) -> None:
    assert backtest_zygote.ready_line == zygote.ready_line


def test_a_strategy_is_run_over_all_candles(backtest_zygote: RunningZygote) -> None:
    result = backtest(backtest_zygote, EVERY_TENTH).result

    assert result.state is State.DONE
    assert [trade.entry_time for trade in result.trades] == HISTORY.opened_at_ms[10:60:10].tolist()
    assert len(result.equity) == 60


def test_every_result_is_examined(backtest_zygote: RunningZygote) -> None:
    honesty = backtest(backtest_zygote, EVERY_TENTH).honesty

    assert honesty is not None
    assert honesty.lookahead.badge is Badge.GOOD
    assert honesty.badge is Badge.DISTRUST  # five trades


def test_a_look_ahead_is_found_out(backtest_zygote: RunningZygote) -> None:
    code = write_strategy(
        "later = self.candles['close'].shift(-1)\nreturn bool(later.iloc[-2] > later.iloc[-3])"
    )

    honesty = backtest(backtest_zygote, code, candles=make_history(500)).honesty

    assert honesty is not None
    assert honesty.lookahead.badge is Badge.DISTRUST
    assert honesty.lookahead.words.startswith("later (line ")


def test_what_it_prints_comes_along(backtest_zygote: RunningZygote) -> None:
    code = f"print('hello')\n{EVERY_TENTH}"

    assert backtest(backtest_zygote, code).output == "hello\n"


def test_what_it_prints_is_cut_and_made_storable(backtest_zygote: RunningZygote) -> None:
    output = backtest(backtest_zygote, f"print('x\\0\\ud800' * 10**5)\n{EVERY_TENTH}").output

    assert output.startswith("x?x?")
    assert len(output.encode()) <= 4096


def test_what_only_developers_have_installed_is_not_loaded(backtest_zygote: RunningZygote) -> None:
    code = f"import sys\nprint('pytest' in sys.modules)\n{EVERY_TENTH}"

    assert backtest(backtest_zygote, code).output == "False\n"


def test_where_a_strategy_fails_everything_until_then_is_kept(
    backtest_zygote: RunningZygote,
) -> None:
    code = write_strategy("if len(self.candles) == 35: 1 / 0\nreturn len(self.candles) % 10 == 0")

    outcome = backtest(backtest_zygote, code)

    assert outcome.result.state is State.ERROR
    assert outcome.honesty is None
    assert "ZeroDivisionError" in outcome.result.reason
    assert 'File "strategy.py", line 4, in should_long' in outcome.traceback
    assert len(outcome.result.trades) == 3


def test_code_that_can_t_be_run_says_which_line(backtest_zygote: RunningZygote) -> None:
    with pytest.raises(StrategyFailed, match="Line 2: ") as failed:
        backtest(backtest_zygote, "x = 1\ny = =")

    assert failed.value.line == 2


def test_finer_candles_come_along(backtest_zygote: RunningZygote) -> None:
    minutes = History(
        duration_ms=60_000,
        **{name: getattr(HISTORY, name) for name in ("open", "high", "low", "close", "volume")},
        opened_at_ms=HISTORY.opened_at_ms,
    )

    assert backtest(backtest_zygote, EVERY_TENTH, detail=minutes).result.state is State.DONE


SPENDING = {
    "a loop": "while True: pass",
    "a sleep": "import time; time.sleep(99)",
    "progress without end": "import os, struct\n"
    'd = b\'{"type":"Progress","done":1,"candles":2,"trades":0}\'\n'
    "while True: os.write(0, struct.pack('<I', len(d)) + d)",
}


@pytest.mark.parametrize("spending", SPENDING)
def test_a_run_ends_within_a_second_of_being_cancelled(
    backtest_zygote: RunningZygote, spending: str
) -> None:
    began = time.monotonic()

    def tell(_share: float) -> None:
        if time.monotonic() - began > 0.5:
            raise KeyError

    with pytest.raises(KeyError):
        backtest(backtest_zygote, write_strategy(SPENDING[spending]), tell=tell)
    assert time.monotonic() - began < 1.5
    wait_until(lambda: len(list_children(backtest_zygote)) == 1)


def list_children(zygote: RunningZygote) -> list[str]:
    pid = zygote.process.pid
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


#: Those of the attacks on live strategies that show each wall.
ATTACKS = (
    "read a file",
    "environment by /proc",
    "write a file",
    "TCP to loopback",
    "the socket of a server",
    "fork",
    "start a program",
    "a thread",
    "signal another process",
    "executable memory",
    "a memory file",
    "a module from a file",
)
_TRYING = """
class Tried: pass
self = Tried()
try:
{attack}
except BaseException: pass
print(vars(self))
"""


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_outside_is_reached(
    backtest_zygote: RunningZygote, target: dict[str, str], attack: str
) -> None:
    statement = fill_in(REACHING_OUT[attack], target | {"PROJECT": PROJECT})
    tried = _TRYING.format(attack="\n".join(f"    {line}" for line in statement.splitlines()))

    assert backtest(backtest_zygote, tried + EVERY_TENTH).output == "{}\n"


#: The file of the candles is the second descriptor.
_WRITING = """
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
c.mmap.restype = ctypes.c_void_p
print(c.mmap(None, 4096, 3, 1, 1, 0) == ctypes.c_void_p(-1).value, ctypes.get_errno())
try: os.write(1, b"x")
except OSError as error: print(error.errno)
"""


def test_the_file_of_the_candles_can_t_be_changed(backtest_zygote: RunningZygote) -> None:
    assert backtest(backtest_zygote, _WRITING + EVERY_TENTH).output == "True 1\n1\n"


ENDING = {
    "an exit": "import os; os._exit(0)",
    "a segmentation fault": "import ctypes; ctypes.string_at(0)",
}


@pytest.mark.parametrize("ending", ENDING)
def test_who_ends_its_process_fails_alone(backtest_zygote: RunningZygote, ending: str) -> None:
    with pytest.raises(StrategyFailed, match="ended before the backtest did"):
        backtest(backtest_zygote, write_strategy(ENDING[ending]))

    assert backtest(backtest_zygote, EVERY_TENTH).result.state is State.DONE


def test_who_wants_all_memory_gets_an_error(backtest_zygote: RunningZygote) -> None:
    code = write_strategy("if len(self.candles) > 5: np.ones(2**40)\nreturn False")

    result = backtest(backtest_zygote, code).result

    assert result.state is State.ERROR
    assert "MemoryError" in result.reason


def test_a_forged_result_is_refused(backtest_zygote: RunningZygote) -> None:
    forged = "import os\nos.write(0, b'\\2\\0\\0\\0[]')\n"

    with pytest.raises(StrategyFailed, match="sent something that can't be read"):
        backtest(backtest_zygote, forged + EVERY_TENTH)


def test_what_a_strategy_computes_is_told_by_name(backtest_zygote: RunningZygote) -> None:
    code = write_strategy(
        "fast = ta.ema(self.candles['close'], length=5)\nreturn fast.iloc[-1] > 0"
    )
    job = Job(code=code, settings=SETTINGS, candles=HISTORY)

    indicators = compute_indicators(job, socket_path=backtest_zygote.socket_path)

    assert indicators.keys() == {"fast"}
    assert len(indicators["fast"]) == 60
    assert np.isfinite(indicators["fast"]).sum() == 56


def test_indicators_that_never_come_are_waited_for_no_longer(
    backtest_zygote: RunningZygote,
) -> None:
    job = Job(code="while True: pass", settings=SETTINGS, candles=HISTORY, seconds=0.3)

    with pytest.raises(StrategyFailed):
        compute_indicators(job, socket_path=backtest_zygote.socket_path)
