"""Which of our errors an answer of Bitget means."""

from http import HTTPStatus

import msgspec

from apps.exchanges.bitget.constants import (
    ADVICE,
    ERRORS,
    EXCHANGE,
    GOOD_CODE,
    MESSAGES,
    RULE_OF_CODE,
    RULES_IN_WORDS,
    WAIT_SECONDS,
)
from apps.exchanges.errors import (
    ExchangeError,
    ExchangeUnavailable,
    InvalidOrder,
    OutcomeUnknown,
    RateLimited,
    Rejected,
)
from apps.exchanges.http import HttpAnswer, HttpRequest
from apps.exchanges.parsing import UNREADABLE

_GOOD_START = f'{{"code":"{GOOD_CODE}"'.encode()


class _HeadWire(msgspec.Struct):
    """Code and words under the names that the versions of the API have given them."""

    code: object = None
    err_code: object = None
    error_code: object = None
    msg: object = None
    message: object = None
    err_msg: object = None
    error_message: object = None

    @property
    def told_code(self) -> str:
        """The code, empty where there is none."""
        return _first_text(self.code, self.err_code, self.error_code)

    @property
    def words(self) -> str:
        """The reason given."""
        told = _first_text(self.msg, self.message, self.err_msg, self.error_message)
        return (told or "no reason given").rstrip(".")


def _first_text(*told: object) -> str:
    texts = (str(value) for value in told if isinstance(value, str) or type(value) is int)
    return next(filter(None, texts), "")


_heads = msgspec.json.Decoder(_HeadWire)


def read_error(request: HttpRequest, answer: HttpAnswer, *, is_write: bool) -> ExchangeError | None:
    """The error an answer means, None for a good one; doubt about a write is OutcomeUnknown.

    The code decides, whatever the HTTP status. What can't be decoded is left to the parser unless
    its status says enough.
    """
    if answer.body.startswith(_GOOD_START):
        return None
    try:
        head = _heads.decode(answer.body)
        raw = msgspec.json.decode(answer.body, type=dict[str, object])
    except UNREADABLE:
        if answer.status < HTTPStatus.BAD_REQUEST:
            return None
        head = _HeadWire()
        raw = {"http_status": answer.status, "body": answer.body[:500].decode(errors="replace")}
    if head.told_code == GOOD_CODE:
        return None
    kind = _kind(answer.status, head, is_write=is_write)
    code = head.told_code or f"HTTP {answer.status}"
    advice = ADVICE.get(code, kind.advice)
    error = kind(
        f"Bitget answered {request.method} {request.path} with: {head.words} ({code}). {advice}",
        exchange=EXCHANGE,
        code=code,
        raw=raw,
    )
    if isinstance(error, RateLimited):
        error.retry_after = _retry_after(answer)
    if isinstance(error, InvalidOrder):
        error.filter_name = _rule(code, head.words)
    return error


def read_stream_error(code: str, words: str) -> ExchangeError | None:
    """The refusal of a login that a new try would meet again; None for all others."""
    kind = ERRORS.get(code)
    if kind is None or not issubclass(kind, Rejected):
        return None
    return kind(
        f"Bitget refused the login to its stream: {words} ({code}). {ADVICE.get(code, kind.advice)}",
        exchange=EXCHANGE,
        code=code,
    )


def _kind(status: int, head: _HeadWire, *, is_write: bool) -> type[ExchangeError]:
    is_their_fault = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited
    kind = ERRORS.get(head.told_code) or _kind_of_words(head.words)
    if kind is None and not head.told_code and status == HTTPStatus.FORBIDDEN:
        # The firewall in front of the exchange: the request never got through.
        kind = ExchangeUnavailable
    if is_write:
        return OutcomeUnknown if is_their_fault or kind is None else kind
    if kind is OutcomeUnknown or (kind is None and is_their_fault):
        return ExchangeUnavailable
    return kind or ExchangeError


def _kind_of_words(words: str) -> type[ExchangeError] | None:
    lowered = words.lower()
    return next((kind for part, kind in MESSAGES if part in lowered), None)


def _rule(code: str, words: str) -> str | None:
    lowered = words.lower()
    named = next((rule for part, rule in RULES_IN_WORDS if part in lowered), None)
    return named or RULE_OF_CODE.get(code)


def _retry_after(answer: HttpAnswer) -> float | None:
    """How long the whole key must be silent; a code alone limits only calls of its kind."""
    if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else WAIT_SECONDS
