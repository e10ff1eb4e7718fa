"""A strategy that is known for all candles in some of its answers, and asked for the others."""

from typing import Any

from apps.backtests.engine.evaluation.asking import Asker
from apps.backtests.engine.evaluation.signals import Flags
from apps.strategies.contract.strategy import PositionView


class MixedAsker:
    """Knows when to buy, or when to sell, or both, and asks for the rest; None is what it does not know."""

    def __init__(self, asker: Asker, long: Flags | None, exits: Flags | None) -> None:
        self._asker = asker
        self._long = None if long is None else long.tolist()
        self._exits = None if exits is None else exits.tolist()

    def should_long(self, i: int, balance: float) -> Any:
        """What is known, or what the strategy says."""
        return self._asker.should_long(i, balance) if self._long is None else self._long[i]

    def should_short(self, i: int, balance: float, position: PositionView) -> Any:
        """What is known, or what the strategy says."""
        if self._exits is None:
            return self._asker.should_short(i, balance, position)
        return self._exits[i]

    def position_size(self, i: int, balance: float) -> Any:
        """What the strategy says after its should_long()."""
        if self._long is not None:
            self._asker.should_long(i, balance)
        return self._asker.position_size(i, balance)

    def stop_loss(self, i: int, balance: float) -> Any:
        """What the strategy says after its size."""
        return self._asker.stop_loss(i, balance)

    def take_profit(self, i: int, balance: float) -> Any:
        """What the strategy says after its size."""
        return self._asker.take_profit(i, balance)
