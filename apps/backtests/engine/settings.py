"""What a run is done with, and in which of its modes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from apps.domain.markets import Market
from apps.strategies.contract.parameters import MAX_VALUE

#: What of a market a run depends on.
MARKET_RULES = (
    "symbol",
    "tick_size",
    "step_size",
    "market_step_size",
    "min_quantity",
    "market_min_quantity",
    "max_quantity",
    "market_max_quantity",
    "min_notional",
    "max_notional",
)


class Mode(StrEnum):
    """How doubts inside a candle are settled: against the user, for him, or as other tools do."""

    PESSIMISTIC = "pessimistic"
    OPTIMISTIC = "optimistic"
    PARITY = "parity"


class FeeIn(StrEnum):
    """Whether a purchase pays its fee in money, on top of its amount, or in the coins that it brings."""

    QUOTE = "quote"
    BASE = "base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fees:
    """Shares of a fill's worth: `maker` for limits that rested, `taker` for everything else."""

    maker: float
    taker: float
    fee_in: FeeIn = FeeIn.QUOTE

    def __post_init__(self) -> None:
        for name in ("maker", "taker"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"The {name} fee has to be a share from 0 to 1, such as 0.001.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a result depends on besides strategy and candles.

    The strategy sees the first `warmup` candles and is asked after them. Without a `market` quantities
    and prices are not rounded, and nothing is too small. `finalize` sells what is held at the end.
    """

    balance: float
    fees: Fees
    slippage_bps: float = 5.0
    mode: Mode = Mode.PESSIMISTIC
    market: Market | None = None
    params: Mapping[str, float] = field(default_factory=dict)
    warmup: int = 0
    finalize: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.balance <= MAX_VALUE:
            raise ValueError(f"The balance has to be above 0, not {self.balance:g}.")
        if not 0 <= self.slippage_bps < 10_000:
            raise ValueError(
                f"Slippage has to be 0 basis points or more, not {self.slippage_bps:g}."
            )
        if self.warmup < 0:
            raise ValueError(f"The warm-up has to be of 0 candles or more, not {self.warmup}.")

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes; of a market its symbol and its rules."""
        market = self.market
        return {
            "mode": self.mode,
            "balance": self.balance,
            "maker_fee": self.fees.maker,
            "taker_fee": self.fees.taker,
            "fee_in": self.fees.fee_in,
            "slippage_bps": self.slippage_bps,
            "params": dict(self.params),
            "warmup": self.warmup,
            "finalize": self.finalize,
            "market": market and {name: str(getattr(market, name)) for name in MARKET_RULES},
        }
