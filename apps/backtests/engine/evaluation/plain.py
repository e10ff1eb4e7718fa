"""A strategy asked as a live bot asks it: slow, and what every faster way has to agree with."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from apps.strategies.contract.strategy import PositionView, Strategy


class PlainAsker:
    """Makes an instance for each question, on the candles until then, or on the last `window` of them."""

    def __init__(
        self,
        strategy: type[Strategy],
        frame: pd.DataFrame,
        params: Mapping[str, Any],
        window: int | None = None,
    ) -> None:
        self._strategy = strategy
        self._frame = frame
        self._params = params
        self._window = window
        self._question: tuple[int, float, PositionView | None] | None = None
        self._instance: Strategy | None = None

    def should_long(self, i: int, balance: float) -> Any:
        """What a new instance says."""
        return self._at(i, balance, None).should_long()

    def should_short(self, i: int, balance: float, position: PositionView) -> Any:
        """What a new instance says that holds the position."""
        return self._at(i, balance, position).should_short()

    def position_size(self, i: int, balance: float) -> Any:
        """What the instance says that wants to buy."""
        return self._at(i, balance, None).calculate_position_size()

    def stop_loss(self, i: int, balance: float) -> Any:
        """What the instance says that wants to buy."""
        return self._at(i, balance, None).calculate_stop_loss()

    def take_profit(self, i: int, balance: float) -> Any:
        """What the instance says that wants to buy."""
        return self._at(i, balance, None).calculate_take_profit()

    def _at(self, i: int, balance: float, position: PositionView | None) -> Strategy:
        question = (i, balance, position)
        if self._instance is None or question != self._question:
            first = 0 if self._window is None else max(0, i + 1 - self._window)
            self._instance = self._strategy.build(
                candles=self._frame.iloc[first : i + 1],
                balance=balance,
                position=position,
                params=self._params,
            )
            self._question = question
        return self._instance
