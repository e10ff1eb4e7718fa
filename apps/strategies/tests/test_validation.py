"""What a dry run that went well still warns of."""

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from apps.domain.candles import Timeframe
from apps.strategies.catalogue import get_sample
from apps.strategies.practice import make_wave
from apps.strategies.sandbox import Answer, Candles, Rehearsal, Sandbox, StrategyInfo
from apps.strategies.validation import FEW_ROWS, validate

WAVE = make_wave(Timeframe.M15)
ANSWER = Answer(
    should_long=False,
    should_short=False,
    amount=None,
    stop_loss=None,
    take_profit=None,
    values={},
    output="",
    elapsed_ms=3,
)
REHEARSAL = Rehearsal(
    info=StrategyInfo(class_name="EmaCross", parameters={}, lookback=500),
    flat=ANSWER,
    holding=ANSWER,
    elapsed_ms=40,
    memory_bytes=2**20,
    output="",
)


@dataclass
class FakeSandbox:
    """Every rehearsal goes the same way."""

    rehearsal: Rehearsal
    rows: tuple[int, ...] = ()

    def rehearse(self, code: str, candles: Candles, params: object, *, trusted: bool) -> Rehearsal:
        self.rows += (candles.rows,)
        return self.rehearsal


def validate_with(sandbox: FakeSandbox) -> list[str]:
    code = get_sample("ema_cross").code
    report = validate(code, candles=WAVE, sandbox=cast(Sandbox, sandbox), trusted=False)
    return [problem.message for problem in report.problems]


def test_it_is_rehearsed_on_all_candles_and_on_a_few() -> None:
    sandbox = FakeSandbox(REHEARSAL)

    assert validate_with(sandbox) == []
    assert sandbox.rows == (WAVE.rows, FEW_ROWS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory_bytes": 60 * 2**20}, "The dry run took 60 MB of memory, more than 50 MB."),
        (
            {"flat": replace(ANSWER, cpu_ms=90), "holding": replace(ANSWER, cpu_ms=30)},
            "One decision took 30 ms of CPU time; more than 20 ms makes orders late.",
        ),
    ],
)
def test_what_takes_much_is_a_warning(changes: dict[str, Any], message: str) -> None:
    assert validate_with(FakeSandbox(replace(REHEARSAL, **changes))) == [message]


def test_a_busy_machine_makes_no_strategy_slow() -> None:
    waited = replace(ANSWER, elapsed_ms=90, cpu_ms=3)

    assert validate_with(FakeSandbox(replace(REHEARSAL, flat=waited, holding=waited))) == []


def test_the_newest_candles_keep_their_columns() -> None:
    newest = memoryview(WAVE.newest(2).columns)

    assert newest[:16] == memoryview(WAVE.columns)[8 * 298 : 8 * 300]
    assert newest[-16:] == memoryview(WAVE.columns)[-16:]
