"""What the kernel makes of columns is what the simulation makes of the same answers, to the last digit."""

import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.backtests.engine import compiled
from apps.backtests.engine.evaluation.signals import Signals
from apps.backtests.engine.results import BacktestResult
from apps.backtests.engine.settings import FeeIn, Fees, Mode
from apps.backtests.engine.tests.builders import HOUR_MS, MARKET, SignalsAsker, history, run

FINE = 4


def draw_run(seed: int) -> tuple[Signals, dict[str, Any]]:
    """Candles that jump, signals of any density, sizes, markets and fees."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(2, 120))
    fine = np.round(100 * np.exp(rng.normal(0, 0.02, FINE * rows + 1).cumsum()), 2)
    opens, closes = fine[:-1] * rng.choice([1, 1, 1, 0.97, 1.03], FINE * rows), fine[1:]
    noise = np.abs(rng.normal(0, 0.01, (2, FINE * rows)))
    highs = np.maximum(opens, closes) * (1 + noise[0])
    lows = np.minimum(opens, closes) * (1 - noise[1])
    parts = [column.reshape(rows, FINE) for column in (opens, highs, lows, closes)]
    coarse = (parts[0][:, 0], parts[1].max(1), parts[2].min(1), parts[3][:, -1])
    detail = history(*zip(opens, highs, lows, closes, strict=True), duration_ms=HOUR_MS // FINE)
    decisions = Signals(
        long=rng.random(rows) < rng.choice([0.02, 0.3, 1]),
        exit=rng.random(rows) < rng.choice([0, 0.1, 0.5]),
        amount=rng.choice([0, 1, 50, 5000], rows).astype(float) if rng.random() < 0.5 else 0.0,
        share=float(rng.choice([0, 0.1, 1 / 3, 1, 2])),
        stop_loss=rng.choice([0, 0.01, 0.05], rows) if rng.random() < 0.5 else 0.02,
        take_profit=rng.choice([0, 0.01, 0.1], rows) if rng.random() < 0.5 else 0.04,
    )
    market = replace(MARKET, min_notional=Decimal(int(rng.choice([0, 5, 40]))))
    facts = {
        "candles": history(*zip(*coarse, strict=True)),
        "balance": float(rng.choice([10, 1000, 1234.5678])),
        "fees": Fees(maker=0.0007, taker=0.001, fee_in=FeeIn(rng.choice(list(FeeIn)))),
        "slippage_bps": float(rng.choice([0, 5])),
        "mode": Mode(rng.choice(list(Mode))),
        "market": market if rng.random() < 0.7 else None,
        "detail": detail if rng.random() < 0.5 else None,
        "finalize": bool(rng.random() < 0.5),
        "warmup": int(rng.integers(0, rows // 2 + 1)),
    }
    return decisions, facts


def assert_same(one: BacktestResult, other: BacktestResult) -> None:
    np.testing.assert_array_equal(one.equity, other.equity)
    for name, column in (one.positions | one.refused).items():
        np.testing.assert_array_equal(column, (other.positions | other.refused)[name])
    assert one.metrics == other.metrics
    assert one.trades == other.trades


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**32))
def test_kernel_and_simulation_agree_on_everything(seed: int) -> None:
    decisions, facts = draw_run(seed)

    assert_same(run(decisions, **facts), run(SignalsAsker(decisions), **facts))


@pytest.mark.parametrize("seed", range(20))
def test_the_kernel_in_plain_python_agrees_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    decisions, facts = draw_run(seed)
    fast = run(decisions, **facts)

    monkeypatch.delitem(sys.modules, compiled.__name__)

    assert_same(run(decisions, **facts), fast)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32))
def test_money_is_neither_made_nor_lost(seed: int) -> None:
    decisions, facts = draw_run(seed)

    result = run(decisions, **facts | {"market": None})

    made = result.positions["pnl"].sum()
    assert result.equity[-1] == pytest.approx(facts["balance"] + made, rel=1e-9)
    assert result.equity.min() >= 0


def test_a_run_in_a_new_process_waits_for_no_compiler(pytestconfig: pytest.Config) -> None:
    code = f"import sys; sys.path.insert(0, {str(pytestconfig.rootpath)!r})\n"
    code += "import apps.backtests.engine.run\nprint('numba' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == "False\n"


def test_nothing_is_compiled_while_a_run_waits() -> None:
    with pytest.raises(TypeError, match="No matching definition"):
        compiled.walk(1, 2, 3, 4, 5, 6, 7)  # type: ignore[arg-type]
