"""Why our own gate says no: a code for machines and words for people."""

from enum import StrEnum


class RiskState(StrEnum):
    """What may still be done. Exits and protection pass every state; only a person goes back to active."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"
    FLATTEN = "flatten"

    @property
    def allows_entries(self) -> bool:
        """New risk may be taken."""
        return self is RiskState.ACTIVE


class DenialCode(StrEnum):
    """One rule of the order gate each."""

    BROKER_INACTIVE = "broker_inactive"
    AUTOMATION_OFF = "automation_off"
    STALE = "stale"
    IN_FLIGHT = "in_flight"
    NO_POSITION = "no_position"
    POSITION_CHANGED = "position_changed"
    POSITION_OPEN = "position_open"
    MARKET_CLOSED = "market_closed"
    UNKNOWN_BALANCE = "unknown_balance"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    BELOW_MINIMUM = "below_minimum"
    INVALID_SIZE = "invalid_size"

    @property
    def words(self) -> str:
        """What happened and what to do about it."""
        return _WORDS[self]


_C = DenialCode
_WORDS: dict[DenialCode, str] = {
    _C.BROKER_INACTIVE: "The broker is switched off. Switch it on to trade.",
    _C.AUTOMATION_OFF: "The broker's automation does not allow this source. Change it on the broker's page.",
    _C.STALE: "The signal was too old when it reached the gate. Nothing to do: the next one counts.",
    _C.IN_FLIGHT: "An earlier order for this position is not settled yet. Wait for it.",
    _C.NO_POSITION: "There is no open position to close.",
    _C.POSITION_CHANGED: "The position changed after this was decided. Look at it and decide again.",
    _C.POSITION_OPEN: "A position is open already. It has to be closed before a new entry.",
    _C.MARKET_CLOSED: "The exchange has suspended trading in this symbol. Wait until it opens.",
    _C.UNKNOWN_BALANCE: "The balance has not been read yet. Test the broker's connection.",
    _C.INSUFFICIENT_BALANCE: "Not enough free balance. Deposit, or make the order smaller.",
    _C.BELOW_MINIMUM: "The order is below the exchange's minimum. Make it larger.",
    _C.INVALID_SIZE: "The size is not a positive amount. Check calculate_position_size().",
}
