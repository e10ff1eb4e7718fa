"""A strategy asked candle by candle with an instance for each, whose indicators are computed once."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from apps.backtests.engine.evaluation.frames import Frame
from apps.backtests.engine.evaluation.standins import Reader, WholeHistory
from apps.backtests.engine.evaluation.surroundings import surround
from apps.strategies.contract.strategy import PositionView, Strategy


class OneCandle(Reader):
    """Reads columns for the candle at `row`."""

    row = -1

    def number(self, series: "pd.Series[Any]", back: int) -> Any:
        self._check_back(back)
        return self.once(("values", id(series)), series.to_numpy, series)[self.row - back]

    def figure(
        self,
        series: "pd.Series[Any]",
        end: int,
        size: int | None,
        name: str,
        options: dict[str, Any],
    ) -> Any:
        return getattr(self._cut(series, end, size), name)(**options)

    def count(self, end: int, size: int | None) -> int:
        rows, most = max(self.row + 1 - end, 0), self.size(end, size)
        return rows if most is None else min(rows, most)

    def time(self, back: int) -> Any:
        self._check_back(back)
        return self.index[self.row - back]

    def _cut(self, series: "pd.Series[Any]", end: int, size: int | None) -> "pd.Series[Any]":
        last = max(self.row + 1 - end, 0)
        return series.iloc[last - self.count(end, size) : last]

    def _check_back(self, back: int) -> None:
        if back >= min(self.row + 1, self.lookback):
            raise IndexError("single positional indexer is out-of-bounds")


class RereadingAsker:
    """Makes an instance for each question, as a live bot does, on whole columns that it sees from the
    candle back. Raises StepsAside at what they can't answer."""

    def __init__(
        self, strategy_class: type[Strategy], history: WholeHistory, params: Mapping[str, Any]
    ) -> None:
        self._reader = OneCandle(history)
        self._class = surround(strategy_class, self._reader).strategy_class
        self._columns = history.columns
        self._params = params
        self._buyer: Strategy | None = None

    def should_long(self, i: int, balance: float) -> Any:
        """What a new instance says that holds nothing."""
        self._buyer = self._build(i, balance, None)
        return self._check(self._buyer.should_long())

    def should_short(self, i: int, balance: float, position: PositionView) -> Any:
        """What a new instance says that holds the position."""
        return self._check(self._build(i, balance, position).should_short())

    def position_size(self, _i: int, _balance: float) -> Any:
        """What the instance says that wants to buy."""
        return self._follow("calculate_position_size")

    def stop_loss(self, _i: int, _balance: float) -> Any:
        """What the instance says that wants to buy."""
        return self._follow("calculate_stop_loss")

    def take_profit(self, _i: int, _balance: float) -> Any:
        """What the instance says that wants to buy."""
        return self._follow("calculate_take_profit")

    def _follow(self, method: str) -> Any:
        return self._check(getattr(self._buyer, method)())

    def _check(self, answer: Any) -> Any:
        self._reader.check()
        return answer

    def _build(self, i: int, balance: float, position: PositionView | None) -> Strategy:
        self._reader.row = i
        return self._class.build(
            candles=Frame(self._reader, self._columns.copy()),
            balance=balance,
            position=position,
            params=self._params,
        )
