"""What goes wrong at an exchange; the class alone decides whether something may be tried again.

ExchangeError                       none of the kinds below
+-- Rejected                        a definite no: nothing was done, nor would it be next time
|   +-- InvalidCredentials
|   +-- PermissionDenied
|   +-- InsufficientFunds
|   +-- InvalidOrder                carries the name of the filter it failed
|   +-- UnknownSymbol
|   +-- MarketClosed
|   +-- OrderNotFound
|   +-- Unsupported                 the exchange has no such thing: refused before any call
+-- ClockSkew                       refused for its time alone: correct the clock, repeat once
+-- RateLimited                     refused for its rate alone: carries how long to wait
+-- ExchangeUnavailable             nothing was done: a read is repeated, a write never arrived
|   +-- Unreadable                  this answer to a read makes no sense, another one may
|   +-- StreamClosed                a market stream ended: connect again
+-- OutcomeUnknown                  a write may have been done: look it up, never repeat it
    +-- DuplicateClientOrderId      an order of this name exists: an earlier sending may be it
"""

from collections.abc import Mapping
from typing import ClassVar


class ExchangeError(Exception):
    """An exchange did not do what it was asked; `message` is written for a person.

    `code` is the exchange's own code and `raw` its answer, both without any secret.
    """

    advice: ClassVar[str] = "Read the exchange's words above."

    def __init__(
        self,
        message: str,
        *,
        exchange: str = "",
        code: str | None = None,
        raw: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.exchange = exchange
        self.code = code
        self.raw: Mapping[str, object] = raw or {}

    def __str__(self) -> str:
        return self.message


class Rejected(ExchangeError):
    """The exchange said no; the same request would get the same answer."""

    advice = "The request itself has to change."


class InvalidCredentials(Rejected):
    """The key, its secret, or the address it is used from is not accepted."""

    advice = "Check the API key, its secret and its list of allowed IP addresses."


class PermissionDenied(Rejected):
    """The key or the account may not do this."""

    advice = "Allow it for this key or account at the exchange."


class InsufficientFunds(Rejected):
    """The free balance does not cover the order."""

    advice = "Deposit, or make the order smaller."


class InvalidOrder(Rejected):
    """The order breaks a rule of the exchange; `filter_name` names it where it has a name."""

    advice = "Check quantity and price against the market's rules."
    filter_name: str | None = None


class UnknownSymbol(Rejected):
    """The exchange lists no such market."""

    advice = "Choose a symbol from the market list."


class MarketClosed(Rejected):
    """The market takes no orders at the moment."""

    advice = "Wait until the exchange opens it again."


class OrderNotFound(Rejected):
    """The exchange knows no order of this name."""

    advice = "It never arrived, or it is too old to be kept."


class Unsupported(Rejected):
    """The exchange has no such thing; it was not asked."""

    advice = "Choose something that the exchange offers: its capabilities list what."


class ClockSkew(ExchangeError):
    """The request's time lay outside what the exchange accepts; it did nothing."""

    advice = "Set this machine's clock by NTP."


class RateLimited(ExchangeError):
    """Too many requests; it did nothing. `retry_after`: seconds, None where it was not said."""

    advice = "Wait, then ask less often."
    retry_after: float | None = None


class ExchangeUnavailable(ExchangeError):
    """No usable answer, and certainly nothing done."""

    advice = "Try again in a moment."


class Unreadable(ExchangeUnavailable):
    """An answer came to a read, and it makes no sense: garbage, or about something else."""


class StreamClosed(ExchangeUnavailable):
    """A market stream ended or went silent."""


class OutcomeUnknown(ExchangeError):
    """A write may or may not have been done."""

    advice = "Look the order up by its client order id; never send it again."


class DuplicateClientOrderId(OutcomeUnknown):
    """An open order carries this client order id already."""
