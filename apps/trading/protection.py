"""Stop-loss and take-profit of open positions."""

from datetime import datetime


def guard_position(*, position_id: int, now: datetime) -> None:
    """Bring the legs of one position in line with its wished prices and what it holds."""


def guard_broker(*, broker_id: int, now: datetime) -> None:
    """The same for every open position of a broker."""
