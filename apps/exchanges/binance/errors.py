"""Which of our errors an answer of Binance means."""

import re
from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from apps.exchanges.binance.constants import (
    ADVICE,
    CODES_READ_BY_MESSAGE,
    ERRORS,
    EXCHANGE,
    MESSAGES,
    ORDER_LIMIT,
    USAGE_HEADERS,
    WAIT_SECONDS,
)
from apps.exchanges.errors import (
    ExchangeError,
    ExchangeUnavailable,
    InvalidCredentials,
    InvalidOrder,
    OutcomeUnknown,
    RateLimited,
)
from apps.exchanges.http import HttpAnswer, HttpRequest
from apps.exchanges.limits import Budget
from apps.exchanges.parsing import UNREADABLE

_FILTER = re.compile(r"Filter failure: (\w+)")
_KIND_OF_STATUS: dict[int, type[ExchangeError]] = {
    HTTPStatus.UNAUTHORIZED: InvalidCredentials,
    # The firewall in front of the exchange: the request never got through.
    HTTPStatus.FORBIDDEN: ExchangeUnavailable,
}
_TEAPOT_BANNED = 418


class _ErrorWire(msgspec.Struct):
    code: int
    msg: str


def read_error(request: HttpRequest, answer: HttpAnswer, *, is_write: bool) -> ExchangeError | None:
    """The error an answer means, None for a good one; doubt about a write is OutcomeUnknown."""
    if answer.status < HTTPStatus.BAD_REQUEST:
        return None
    try:
        wire = msgspec.json.decode(answer.body, type=_ErrorWire)
        raw = msgspec.json.decode(answer.body, type=dict[str, object])
    except UNREADABLE:
        wire = None
        raw = {"http_status": answer.status, "body": answer.body[:500].decode(errors="replace")}
    kind = _kind(answer.status, wire, is_write=is_write)
    code = str(wire.code) if wire else f"HTTP {answer.status}"
    words = wire.msg.rstrip(".") if wire else "no reason given"
    advice = ADVICE.get(wire.code, kind.advice) if wire else kind.advice
    error = kind(
        f"Binance answered {request.method} {request.path} with: {words} ({code}). {advice}",
        exchange=EXCHANGE,
        code=code,
        raw=raw,
    )
    if isinstance(error, RateLimited) and not (wire and wire.code == ORDER_LIMIT):
        error.retry_after = _retry_after(answer)
    if isinstance(error, InvalidOrder) and (found := _FILTER.search(words)):
        error.filter_name = found[1]
    return error


def _kind(status: int, wire: _ErrorWire | None, *, is_write: bool) -> type[ExchangeError]:
    is_their_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if status in {HTTPStatus.TOO_MANY_REQUESTS, _TEAPOT_BANNED}:
        return RateLimited
    kind = _kind_of_code(wire) if wire else _KIND_OF_STATUS.get(status)
    if is_write:
        return OutcomeUnknown if is_their_fault or kind is None else kind
    if kind is OutcomeUnknown or (kind is None and is_their_fault):
        return ExchangeUnavailable
    return kind or ExchangeError


def _kind_of_code(wire: _ErrorWire) -> type[ExchangeError] | None:
    if wire.code in CODES_READ_BY_MESSAGE:
        words = wire.msg.lower()
        for part, kind in MESSAGES:
            if part in words:
                return kind
    return ERRORS.get(wire.code)


def _retry_after(answer: HttpAnswer) -> float | None:
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else WAIT_SECONDS.get(answer.status)


def read_usage(answer: HttpAnswer) -> Mapping[Budget, float]:
    """What Binance itself has counted of our weight and orders."""
    return {
        budget: float(count)
        for header, budget in USAGE_HEADERS.items()
        if (count := answer.headers.get(header, "")).isdecimal()
    }
