"""How a run asks a strategy, and what it takes for an answer."""

from decimal import Decimal
from typing import Any, Protocol

import numpy as np

from apps.strategies.contract.answers import (
    MAX_TAKE_PROFIT,
    check_amount,
    check_flag,
    check_fraction,
)
from apps.strategies.contract.strategy import PositionView


class Asker(Protocol):
    """Answers as the strategy does after candle `i` has closed. Values are as the strategy returned them,
    unchecked, and what it raises comes through. `i` never falls, but may be asked again."""

    def should_long(self, i: int, balance: float) -> Any:
        """Asked while flat: whether to buy."""

    def should_short(self, i: int, balance: float, position: PositionView) -> Any:
        """Asked in a position: whether to sell it."""

    def position_size(self, i: int, balance: float) -> Any:
        """After a should_long that is True: quote currency to spend."""

    def stop_loss(self, i: int, balance: float) -> Any:
        """After a should_long that is True: a fraction of the entry price, 0 or None for none."""

    def take_profit(self, i: int, balance: float) -> Any:
        """After a should_long that is True: a fraction of the entry price, 0 or None for none."""


def read_flag(method: str, value: object) -> bool:
    """Whether a should_ method said True; raises StrategyFailed for no such answer."""
    return check_flag(method, _plain(value))


def read_wish(amount: object, stop_loss: object, take_profit: object) -> tuple[float, float, float]:
    """What an entry spends and risks, 0 for no stop-loss and no take-profit; raises StrategyFailed."""
    return (
        float(check_amount(_plain(amount))),
        float(check_fraction("calculate_stop_loss", _plain(stop_loss), 1) or 0.0),
        float(check_fraction("calculate_take_profit", _plain(take_profit), MAX_TAKE_PROFIT) or 0.0),
    )


def _plain(value: object) -> object:
    """Numbers of every library as Python's own, as the sandbox tells them to a live bot."""
    if isinstance(value, np.generic):
        return value.item()
    return float(value) if isinstance(value, Decimal) else value
