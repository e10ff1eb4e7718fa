"""How a run asks a strategy."""

from typing import Any, Protocol

from apps.strategies.contract.strategy import PositionView


class Asker(Protocol):
    """Answers as the strategy does after candle `i` has closed; every value is as the strategy returned
    it, unchecked, and what the strategy raises comes through."""

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
