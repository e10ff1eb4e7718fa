"""Which of our errors an answer of Example means."""

import msgspec

from apps.exchanges.errors import (
    ExchangeError,
    ExchangeUnavailable,
    OutcomeUnknown,
    RateLimited,
    Unsupported,
)
from apps.exchanges.http import HttpAnswer, HttpRequest
from docs.exchange_template.constants import ERRORS, EXCHANGE, WAIT_SECONDS


class _ErrorWire(msgspec.Struct):
    error: str
    message: str


def read_error(request: HttpRequest, answer: HttpAnswer, *, is_write: bool) -> ExchangeError | None:
    """The error an answer means, None for a good one; doubt about a write is OutcomeUnknown."""
    if answer.status < 400:
        return None
    try:
        wire = msgspec.json.decode(answer.body, type=_ErrorWire)
    except msgspec.DecodeError:
        wire = _ErrorWire(f"HTTP {answer.status}", answer.body[:200].decode(errors="replace"))
    kind = ERRORS.get(wire.error, OutcomeUnknown if is_write else ExchangeError)
    if answer.status == 429:
        kind = RateLimited
    elif answer.status >= 500:
        kind = OutcomeUnknown if is_write else ExchangeUnavailable
    what = f"Example answered {request.method} {request.path} with: {wire.message} ({wire.error})."
    raw = msgspec.to_builtins(wire)
    error = kind(f"{what} {kind.advice}", exchange=EXCHANGE, code=wire.error, raw=raw)
    if isinstance(error, RateLimited):
        seconds = answer.headers.get("retry-after", "")
        error.retry_after = float(seconds) if seconds.isdecimal() else WAIT_SECONDS
    return error


def unsupported(what: str) -> Unsupported:
    """The refusal of what Example has not."""
    return Unsupported(f"Example has no {what}. Nothing was sent.", exchange=EXCHANGE)
