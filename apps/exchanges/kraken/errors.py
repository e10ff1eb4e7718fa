"""Which of our errors an answer of Kraken means."""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

import msgspec

from apps.exchanges.errors import (
    DuplicateClientOrderId,
    ExchangeError,
    ExchangeUnavailable,
    InvalidOrder,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
)
from apps.exchanges.http import HttpAnswer, HttpRequest
from apps.exchanges.kraken.constants import (
    ADD_ORDER,
    ADVICE,
    AMBIGUOUS_ORDER_ERROR,
    COUNTER,
    COUNTER_OVERRUN,
    DUPLICATE_WORDS,
    ERRORS,
    EXCHANGE,
    LOCKOUT,
    LOCKOUT_SECONDS,
    RATE_LIMIT_SECONDS,
    RULES,
    THROTTLED,
    WAIT_SECONDS,
)
from apps.exchanges.limits import Budget
from apps.exchanges.parsing import UNREADABLE

#: How nearly every good answer begins; what begins otherwise is read to be sure.
_GOOD = b'{"error":[],'


class _ErrorsWire(msgspec.Struct):
    error: tuple[str, ...] = ()


def read_error(
    request: HttpRequest,
    answer: HttpAnswer,
    *,
    is_write: bool,
    now: Callable[[], float] = time.time,
) -> ExchangeError | None:
    """The error an answer means, None for a good one; doubt about a write is OutcomeUnknown.

    Kraken answers errors with HTTP 200 too; strings that begin with W are warnings.
    """
    if answer.status < HTTPStatus.BAD_REQUEST and answer.body.startswith(_GOOD):
        return None
    all_words, raw = _read(answer)
    if not all_words and answer.status < HTTPStatus.BAD_REQUEST:
        return None
    kinds = [_kind(words, request, is_write=is_write) for words in all_words]
    of_status = _kind_of_status(answer.status, is_write=is_write)
    if of_status is not None or not kinds:
        kind = of_status or (OutcomeUnknown if is_write else ExchangeError)
        words = "; ".join(all_words)
    else:
        # Of several errors the one that leaves most in doubt decides.
        worst = next((i for i, k in enumerate(kinds) if issubclass(k, OutcomeUnknown)), 0)
        kind, words = kinds[worst], all_words[worst]
    code = _head(words) or f"HTTP {answer.status}"
    error = kind(
        f"Kraken answered {request.method} {request.path} with:"
        f" {'; '.join(all_words) or f'HTTP {answer.status}, no reason given'}."
        f" {ADVICE.get(code, kind.advice)}",
        exchange=EXCHANGE,
        code=code,
        raw=raw,
    )
    if isinstance(error, RateLimited):
        error.retry_after = _retry_after(words, request, answer, now())
    if isinstance(error, InvalidOrder):
        error.filter_name = RULES.get(code) or _detail(words)
    return error


def read_usage(answer: HttpAnswer) -> Mapping[Budget, float]:
    """The key's counter is full where Kraken says so, which is all that it tells of it."""
    if COUNTER_OVERRUN.encode() not in answer.body:
        return {}
    overrun = any(_head(words) == COUNTER_OVERRUN for words in _read(answer)[0])
    return {COUNTER: COUNTER.capacity} if overrun else {}


def _read(answer: HttpAnswer) -> tuple[list[str], dict[str, object]]:
    try:
        wire = msgspec.json.decode(answer.body, type=_ErrorsWire)
        raw = msgspec.json.decode(answer.body, type=dict[str, object])
    except UNREADABLE:
        return [], {
            "http_status": answer.status,
            "body": answer.body[:500].decode(errors="replace"),
        }
    return [words for words in wire.error if not words.startswith("W")], raw


def _kind(words: str, request: HttpRequest, *, is_write: bool) -> type[ExchangeError]:
    head = _head(words)
    if request.path == ADD_ORDER.path:
        if words.startswith("EOrder:") and any(part in words for part in DUPLICATE_WORDS):
            return DuplicateClientOrderId
    elif head == AMBIGUOUS_ORDER_ERROR:
        return OrderNotFound
    kind = ERRORS.get(head)
    if is_write:
        return kind or OutcomeUnknown
    return ExchangeUnavailable if kind is OutcomeUnknown else kind or ExchangeError


def _kind_of_status(status: int, *, is_write: bool) -> type[ExchangeError] | None:
    """What a status means whatever the words; None where they decide."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return OutcomeUnknown if is_write else ExchangeUnavailable
    return None


def _retry_after(words: str, request: HttpRequest, answer: HttpAnswer, now: float) -> float | None:
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        told = answer.headers.get("retry-after", "")
        return min(float(told), LOCKOUT_SECONDS) if told.isdecimal() else RATE_LIMIT_SECONDS
    head = _head(words)
    if request.path.startswith("/0/public/") and head != LOCKOUT:
        # Market data has limits of its own: they must not hold up the key's cancels.
        return None
    until = _detail(words) or ""
    if head == THROTTLED and until.isdecimal():
        return min(max(0.0, float(until) - now), LOCKOUT_SECONDS)
    return WAIT_SECONDS.get(head)


def _head(words: str) -> str:
    """An error up to its second colon."""
    return ":".join(part.strip() for part in words.split(":")[:2])


def _detail(words: str) -> str | None:
    """What follows the second colon: the argument that is invalid, the time to wait for."""
    return ":".join(words.split(":")[2:]).strip() or None
