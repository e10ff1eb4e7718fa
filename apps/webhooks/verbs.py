"""What a webhook can ask for."""

from enum import StrEnum


class Verb(StrEnum):
    """The word in the field `Action`. MISS is never sent: it is what the system writes down of a webhook
    that was expected and did not come."""

    PING = "PING"
    BUY_MARKET = "BuyMarket"
    SELL_MARKET = "SellMarket"
    BUY_LIMIT = "BuyLimit"
    SELL_LIMIT = "SellLimit"
    MAJ = "MAJ"
    MISS = "MISS"

    @property
    def buys(self) -> bool:
        """It opens a position, or adds to one."""
        return self in {Verb.BUY_MARKET, Verb.BUY_LIMIT}

    @property
    def sells(self) -> bool:
        """It closes a position, or a part of it."""
        return self in {Verb.SELL_MARKET, Verb.SELL_LIMIT}

    @property
    def has_limit(self) -> bool:
        """Its order rests at a price of its own."""
        return self in {Verb.BUY_LIMIT, Verb.SELL_LIMIT}


#: What a sender may write.
SENT_VERBS = tuple(verb for verb in Verb if verb is not Verb.MISS)
