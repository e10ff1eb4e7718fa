"""The class every strategy inherits."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from apps.strategies.contract.parameters import merge, read_schema


@dataclass(frozen=True, slots=True)
class PositionView:
    """The open position as a strategy sees it: `side` is "long" (spot holds nothing else), `quantity` in
    base currency, `entry_price` the average paid per unit, `unrealized_pnl` in quote currency."""

    side: str
    quantity: float
    entry_price: float
    unrealized_pnl: float


class Strategy(ABC):
    """Decides on one closed candle: an instance is made for each question, then its methods are asked.

    `self.candles` is a pandas DataFrame with the columns open, high, low, close and volume, oldest row
    first, indexed by opening time in UTC; its last row is the candle that has just closed.
    `self.balance` is the free quote currency. `self.position` is None or a PositionView.
    `self.params` holds the values of STRATEGY_PARAMS. Nothing is carried from one candle to the next.
    """

    #: What a person may tune: {"fast": {"default": 10, "min": 2, "max": 50, "step": 1, "type": "int",
    #: "label": "Fast EMA"}}. Only the default is required.
    STRATEGY_PARAMS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: How many candles to be given; ten times the longest indicator length is a good choice.
    lookback: ClassVar[int] = 500

    params: dict[str, Any]

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Set the default parameters before __init__, so that a subclass may use them in its own."""
        self = super().__new__(cls)
        self.params = merge(read_schema(cls.STRATEGY_PARAMS), {})
        return self

    def __init__(self, candles: Any, balance: float, position: PositionView | None = None) -> None:
        """Keep what the decision is made from; a subclass that computes its indicators here calls
        `super().__init__(candles, balance, position)` first."""
        self.candles = candles
        self.balance = balance
        self.position = position

    @abstractmethod
    def should_long(self) -> bool:
        """Asked while there is no position: True buys."""

    @abstractmethod
    def should_short(self) -> bool:
        """Asked while there is a position: True sells it. A spot market knows no short position."""

    @abstractmethod
    def calculate_position_size(self) -> float:
        """How much quote currency to spend, such as `self.balance * 0.1`; asked after should_long()."""

    @abstractmethod
    def calculate_stop_loss(self) -> float | None:
        """How far below the entry price to sell at a loss, as a fraction: 0.02 is 2 %; None or 0 is
        no stop-loss."""

    @abstractmethod
    def calculate_take_profit(self) -> float | None:
        """How far above the entry price to sell at a profit, as a fraction: 0.04 is 4 %; None or 0 is
        no take-profit."""

    @classmethod
    def build(
        cls,
        *,
        candles: Any,
        balance: float,
        position: PositionView | None,
        params: Mapping[str, Any],
    ) -> Self:
        """Make the instance that answers one question, with `params` over the defaults. Raises
        ValueError for parameters that do not fit, TypeError where __init__ leaves out super()."""
        self = cls.__new__(cls)
        self.params = merge(read_schema(cls.STRATEGY_PARAMS), params)
        self.__init__(candles, balance, position)  # type: ignore[misc]  # what a call does after __new__
        if not hasattr(self, "candles"):
            raise TypeError(
                f"{cls.__name__}.__init__ has to call super().__init__(candles, balance, position)."
            )
        return self
