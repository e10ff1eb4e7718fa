"""In what the three exchanges differ behind their protocols."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from apps.domain.environments import Exchange


class FeeAsset(StrEnum):
    """What a fee is taken in."""

    RECEIVED = "received"
    QUOTE = "quote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Venue:
    """Rules of one exchange.

    `client_id_ms`: for how long a client order id can't be used again after the order has ended.
    `locks_conditionals`: whether an order that waits for its trigger holds its money back.
    `rejects_takers`: whether a post-only order that would take is refused, rather than accepted and
    cancelled at once.
    """

    exchange: Exchange
    maker_fee: Decimal
    taker_fee: Decimal
    fee_asset: FeeAsset
    client_id_ms: int
    locks_conditionals: bool
    rejects_takers: bool

    def fee_rate(self, *, is_maker: bool) -> Decimal:
        """As a fraction."""
        return self.maker_fee if is_maker else self.taker_fee


VENUES = {
    Exchange.BINANCE: Venue(
        exchange=Exchange.BINANCE,
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
        fee_asset=FeeAsset.RECEIVED,
        client_id_ms=0,
        locks_conditionals=True,
        rejects_takers=True,
    ),
    Exchange.BITGET: Venue(
        exchange=Exchange.BITGET,
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
        fee_asset=FeeAsset.RECEIVED,
        client_id_ms=6 * 3600 * 1000,
        locks_conditionals=False,
        rejects_takers=False,
    ),
    Exchange.KRAKEN: Venue(
        exchange=Exchange.KRAKEN,
        maker_fee=Decimal("0.0025"),
        taker_fee=Decimal("0.004"),
        fee_asset=FeeAsset.QUOTE,
        client_id_ms=0,
        locks_conditionals=True,
        rejects_takers=False,
    ),
}
