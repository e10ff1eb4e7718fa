"""What the exchanges take of a trade from somebody without discounts, by their published schedules."""

from dataclasses import dataclass
from decimal import Decimal

from apps.backtests.engine.settings import FeeIn
from apps.domain.environments import Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Shares of a fill's worth, and what a purchase pays its fee in."""

    maker: Decimal
    taker: Decimal
    fee_in: FeeIn


SCHEDULES = {
    Exchange.BINANCE: Schedule(maker=Decimal("0.001"), taker=Decimal("0.001"), fee_in=FeeIn.BASE),
    Exchange.BITGET: Schedule(maker=Decimal("0.001"), taker=Decimal("0.001"), fee_in=FeeIn.BASE),
    Exchange.KRAKEN: Schedule(maker=Decimal("0.0025"), taker=Decimal("0.004"), fee_in=FeeIn.QUOTE),
}
