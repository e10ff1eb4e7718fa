"""The one HTTP door: time-outs, repeats of reads, and errors without a secret in them."""

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar, cast
from urllib.parse import quote

from apps.exchanges.errors import (
    ExchangeError,
    ExchangeUnavailable,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unreadable,
)
from apps.exchanges.limits import Budget, Charge, Priority, Throttle
from apps.exchanges.parsing import UNREADABLE

READ_TRIES = 3
#: No further try of a read begins after this.
READ_TOTAL_SECONDS = 20.0
FIRST_BACKOFF_SECONDS = 0.2
_PLAIN = re.compile(r"[A-Za-z0-9._=&-]+")
_SIGNATURE = re.compile(r"(signature=)[^&\s\"']+", re.IGNORECASE)

Parsed = TypeVar("Parsed")


def encode_params(params: Mapping[str, str]) -> str:
    """Parameters as a query or a form, percent-encoded, in their order."""
    plain = "&".join([f"{name}={value}" for name, value in params.items()])
    # Nearly all are letters, digits and decimal points, and that is told faster than quoted.
    if _PLAIN.fullmatch(plain) and plain.count("=") == len(params) == plain.count("&") + 1:
        return plain
    return "&".join([f"{_encoded(name)}={_encoded(value)}" for name, value in params.items()])


def _encoded(text: str) -> str:
    return text if text.isascii() and text.isalnum() else quote(text, safe="")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """Query and body are percent-encoded; its representation shows neither key nor signature."""

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str | None = field(default=None, repr=False)

    @property
    def target(self) -> str:
        """What stands in the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """An answer with its body read; header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class NotSent(Exception):
    """No connection came about: not a byte of the request left."""


class ConnectionCut(Exception):
    """The connection ended or went silent after the request had begun to leave."""


class Transport(Protocol):
    """Carries one request to an exchange; raises NotSent or ConnectionCut, nothing else."""

    def send(self, request: HttpRequest) -> HttpAnswer:
        """The exchange's answer, whatever its status."""


class ErrorReader(Protocol):
    """An adapter's reading of an answer: the error it means, or None for a good one."""

    def __call__(
        self, request: HttpRequest, answer: HttpAnswer, *, is_write: bool
    ) -> ExchangeError | None: ...


class UsageReader(Protocol):
    """An adapter's reading of what the exchange itself counted; empty where it does not say."""

    def __call__(self, answer: HttpAnswer) -> Mapping[Budget, float]: ...


def no_usage(answer: HttpAnswer) -> Mapping[Budget, float]:
    """For exchanges that keep their count to themselves."""
    del answer
    return {}


class HttpDoor:
    """Sends the requests of one client within its limits; repeats reads without an answer, writes never.

    A request is made only when it may leave: a signature ages, and a nonce must not be overtaken.
    """

    def __init__(
        self,
        transport: Transport,
        read_error: ErrorReader,
        *,
        exchange: str,
        throttle: Throttle,
        read_usage: UsageReader = no_usage,
        secrets: tuple[str, ...] = (),
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.throttle = throttle
        self._transport = transport
        self._read_error = read_error
        self._read_usage = read_usage
        self._exchange = exchange
        self._secrets = tuple(filter(None, secrets))
        self._secret_bytes = [secret.encode() for secret in self._secrets]
        self._sleep = sleep
        self._chance = chance

    def read(
        self,
        make_request: Callable[[], HttpRequest],
        parse: Callable[[bytes], Parsed],
        *,
        charges: Sequence[Charge] = (),
        priority: Priority = Priority.READ,
    ) -> Parsed:
        """What `parse` makes of the answer; parse raises msgspec.DecodeError for what it can't read."""
        give_up_at = time.monotonic() + READ_TOTAL_SECONDS
        for attempt in range(1, READ_TRIES):
            try:
                return self._send(make_request, parse, charges, priority, None, is_write=False)
            except ExchangeUnavailable:
                pause = FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1) * (0.5 + self._chance() / 2)
                if time.monotonic() + pause > give_up_at:
                    raise
                self._sleep(pause)
        return self._send(make_request, parse, charges, priority, None, is_write=False)

    def write(
        self,
        make_request: Callable[[], HttpRequest],
        parse: Callable[[bytes], Parsed],
        *,
        charges: Sequence[Charge] = (),
        priority: Priority = Priority.ENTRY,
        deadline: datetime | None = None,
    ) -> Parsed:
        """What `parse` makes of the answer to a request that is sent exactly once."""
        return self._send(make_request, parse, charges, priority, deadline, is_write=True)

    def _send(
        self,
        make_request: Callable[[], HttpRequest],
        parse: Callable[[bytes], Parsed],
        charges: Sequence[Charge],
        priority: Priority,
        deadline: datetime | None,
        *,
        is_write: bool,
    ) -> Parsed:
        self.throttle.admit(charges, priority, deadline)
        with self.throttle.turn(priority, deadline):
            request = make_request()
            answer, error = self._carry(request, is_write=is_write)
        if error is not None:
            raise self._redacted(error)
        try:
            parsed = parse(answer.body)
            # Who was told no key can't echo one, and public answers are too large to search.
            return self._kept_safely(parsed, answer.body) if request.headers else parsed
        except UNREADABLE as e:
            raise self._unreadable(request, answer, e, is_write=is_write) from e

    def _carry(
        self, request: HttpRequest, *, is_write: bool
    ) -> tuple[HttpAnswer, ExchangeError | None]:
        """The answer and the error it means; counted, and told to all who share the limits."""
        doubt = OutcomeUnknown if is_write else ExchangeUnavailable
        what = f"{request.method} {request.path} at {self._exchange}"
        started = time.monotonic()
        try:
            answer = self._transport.send(request)
        except NotSent as e:
            self.throttle.record(seconds=time.monotonic() - started, is_ok=False)
            message = f"{what} was not sent: {e}. Check network and address."
            raise ExchangeUnavailable(message, exchange=self._exchange) from e
        except ConnectionCut as e:
            self.throttle.record(seconds=time.monotonic() - started, is_ok=False)
            raise doubt(f"{what}: {e}. {doubt.advice}", exchange=self._exchange) from e
        try:
            error = self._read_error(request, answer, is_write=is_write)
        except UNREADABLE as e:
            error = self._unreadable(request, answer, e, is_write=is_write)
        self.throttle.record(
            seconds=time.monotonic() - started,
            # A refusal is an answer too: the exchange works.
            is_ok=error is None or isinstance(error, Rejected),
            used=self._read_usage(answer),
            stop_seconds=(error.retry_after or 0.0) if isinstance(error, RateLimited) else 0.0,
        )
        return answer, error

    def _unreadable(
        self, request: HttpRequest, answer: HttpAnswer, why: Exception, *, is_write: bool
    ) -> ExchangeError:
        doubt = OutcomeUnknown if is_write else Unreadable
        message = (
            f"{request.method} {request.path} at {self._exchange} got an answer that can't be"
            f" read ({why}): {_excerpt(answer.body)}. {doubt.advice}"
        )
        return self._redacted(doubt(message, exchange=self._exchange))

    def _kept_safely(self, parsed: Parsed, body: bytes) -> Parsed:
        """What was parsed, without our secrets in the answers it keeps, should the exchange echo them.

        The body itself stays as it is: a passphrase may be a word that means something in it.
        """
        if not any(secret in body for secret in self._secret_bytes):
            return parsed
        return cast(Parsed, self._blotted(parsed))

    def _blotted(self, value: object) -> object:
        if is_dataclass(value) and not isinstance(value, type):
            told = {field.name: getattr(value, field.name) for field in fields(value)}
            return replace(value, **self._blotted_fields(told))
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return type(value)(**self._blotted_fields(value._asdict()))
        if isinstance(value, list | tuple):
            return type(value)(map(self._blotted, value))
        if isinstance(value, dict):
            return {key: self._blotted(item) for key, item in value.items()}
        return value

    def _blotted_fields(self, told: Mapping[str, object]) -> dict[str, object]:
        return {
            name: self._redact(item) if name == "raw" else self._blotted(item)
            for name, item in told.items()
        }

    def _redacted(self, error: ExchangeError) -> ExchangeError:
        """The same for what an error tells, signatures of requests included."""
        error.message = self._redact_text(error.message)
        error.args = (error.message,)
        error.raw = {key: self._redact(value) for key, value in error.raw.items()}
        return error

    def _redact(self, value: object) -> object:
        if isinstance(value, str):
            return self._redact_text(value)
        if isinstance(value, dict):
            return {key: self._redact(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._redact(item) for item in value]
        return value

    def _redact_text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _SIGNATURE.sub(r"\1***", text)


def _excerpt(body: bytes) -> str:
    text = body[:200].decode(errors="replace")
    return text if len(body) <= len(text) else f"{text}..."
