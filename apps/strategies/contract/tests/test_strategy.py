"""The base class that strategies inherit."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apps.strategies.contract import PositionView, Strategy

PROJECT = Path(__file__).resolve().parents[4]
POSITION = PositionView(side="long", quantity=2.0, entry_price=100.0, unrealized_pnl=5.0)


class Idle(Strategy):
    STRATEGY_PARAMS = {"fast": {"default": 10, "min": 2, "max": 50}}

    def should_long(self) -> bool:
        return False

    def should_short(self) -> bool:
        return False

    def calculate_position_size(self) -> float:
        return 0.0

    def calculate_stop_loss(self) -> float | None:
        return None

    def calculate_take_profit(self) -> float | None:
        return None


class Prepared(Idle):
    def __init__(self, candles: Any, balance: float, position: PositionView | None = None) -> None:
        super().__init__(candles, balance, position)
        self.doubled = self.params["fast"] * 2


class Forgetful(Idle):
    def __init__(self, candles: Any, balance: float, position: PositionView | None = None) -> None:
        pass


def test_keeps_what_the_decision_is_made_from() -> None:
    strategy = Idle("candles", 100.0, POSITION)

    assert (strategy.candles, strategy.balance, strategy.position) == ("candles", 100.0, POSITION)


def test_without_given_parameters_the_defaults_count() -> None:
    assert Idle("candles", 100.0).params == {"fast": 10}


def test_given_parameters_are_there_in_an_overridden_init() -> None:
    strategy = Prepared.build(candles="c", balance=1.0, position=None, params={"fast": 12})

    assert strategy.doubled == 24


def test_instances_do_not_share_parameters() -> None:
    Idle.build(candles="c", balance=1.0, position=None, params={"fast": 12})

    assert Idle("c", 1.0).params == {"fast": 10}


def test_init_without_super_is_named() -> None:
    with pytest.raises(TypeError, match=r"Forgetful.__init__ has to call super\(\).__init__"):
        Forgetful.build(candles="c", balance=1.0, position=None, params={})


def test_a_strategy_without_its_methods_can_not_be_made() -> None:
    class Partial(Strategy):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Partial("candles", 1.0)  # type: ignore[abstract]  # what is tested


def test_the_contract_needs_the_standard_library_alone() -> None:
    code = (
        f"import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p] + [{str(PROJECT)!r}]\n"
        "import apps.strategies.contract, apps.strategies.sandbox"
    )

    subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=10)
