"""The one HTTP door: time-outs, repeats of reads, and errors without a secret in them."""

import logging
import os
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec
import urllib3

from apps.exchanges.errors import ExchangeError, ExchangeUnavailable, OutcomeUnknown

CONNECT_SECONDS = 3.0
#: Exchanges give up on their side after 10 s, and say so.
ANSWER_SECONDS = 11.0
READ_TRIES = 3
#: No further try of a read begins after this.
READ_TOTAL_SECONDS = 20.0
FIRST_BACKOFF_SECONDS = 0.2
_POOL_SIZE = 8
_HEADERS = {"User-Agent": "aristobot", "Accept-Encoding": "gzip"}
_SIGNATURE = re.compile(r"(signature=)[^&\s\"']+", re.IGNORECASE)

# At DEBUG urllib3 logs whole URLs, and those of signed reads carry the signature.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

Parsed = TypeVar("Parsed")


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


_pools: dict[tuple[int, str], urllib3.HTTPConnectionPool] = {}


def _pool(base_url: str) -> urllib3.HTTPConnectionPool:
    # A forked child must not speak on its parent's sockets, so a pool belongs to a process.
    key = (os.getpid(), base_url)
    if key not in _pools:
        _pools[key] = urllib3.connection_from_url(base_url, maxsize=_POOL_SIZE)
    return _pools[key]


class PooledTransport:
    """Keep-alive connections to one host, shared by all of this process; holds no credentials."""

    def __init__(self, base_url: str, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._base_url = base_url
        self._timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=answer_seconds)

    def send(self, request: HttpRequest) -> HttpAnswer:
        """The exchange's answer, whatever its status; redirects are not followed."""
        try:
            response = _pool(self._base_url).urlopen(
                request.method,
                request.target,
                body=request.body,
                headers={**_HEADERS, **request.headers},
                retries=False,
                redirect=False,
                timeout=self._timeout,
            )
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as e:
            raise NotSent(f"no connection to {self._base_url}") from e
        except urllib3.exceptions.HTTPError as e:
            raise ConnectionCut(f"no answer from {self._base_url} ({type(e).__name__})") from e
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpAnswer(status=response.status, body=response.data, headers=headers)


class HttpDoor:
    """Sends the requests of one client; repeats reads while there is no answer, writes never."""

    def __init__(
        self,
        transport: Transport,
        read_error: ErrorReader,
        *,
        exchange: str,
        secrets: tuple[str, ...] = (),
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._read_error = read_error
        self._exchange = exchange
        self._secrets = tuple(filter(None, secrets))
        self._sleep = sleep
        self._chance = chance

    def read(
        self, make_request: Callable[[], HttpRequest], parse: Callable[[bytes], Parsed]
    ) -> Parsed:
        """What `parse` makes of the answer; each try is a new request, since a signature ages."""
        give_up_at = time.monotonic() + READ_TOTAL_SECONDS
        for attempt in range(1, READ_TRIES):
            try:
                return self._send(make_request(), parse, is_write=False)
            except ExchangeUnavailable:
                pause = FIRST_BACKOFF_SECONDS * 2 ** (attempt - 1) * (0.5 + self._chance() / 2)
                if time.monotonic() + pause > give_up_at:
                    raise
                self._sleep(pause)
        return self._send(make_request(), parse, is_write=False)

    def write(self, request: HttpRequest, parse: Callable[[bytes], Parsed]) -> Parsed:
        """What `parse` makes of the answer to a request that is sent exactly once."""
        return self._send(request, parse, is_write=True)

    def redact(self, raw: Mapping[str, object]) -> dict[str, object]:
        """A payload with every secret in its strings blotted out."""
        return {key: _redact(value, self._secrets) for key, value in raw.items()}

    def _send(
        self, request: HttpRequest, parse: Callable[[bytes], Parsed], *, is_write: bool
    ) -> Parsed:
        doubt = OutcomeUnknown if is_write else ExchangeUnavailable
        what = f"{request.method} {request.path} at {self._exchange}"
        try:
            answer = self._transport.send(request)
        except NotSent as e:
            message = f"{what} was not sent: {e}. Check network and address."
            raise ExchangeUnavailable(message, exchange=self._exchange) from e
        except ConnectionCut as e:
            raise doubt(f"{what}: {e}. {doubt.advice}", exchange=self._exchange) from e
        error = self._read_error(request, answer, is_write=is_write)
        if error is not None:
            raise self._redacted(error)
        try:
            return parse(answer.body)
        except msgspec.DecodeError as e:
            message = f"{what} got an answer that can't be read ({e}). {doubt.advice}"
            raise doubt(message, exchange=self._exchange) from e

    def _redacted(self, error: ExchangeError) -> ExchangeError:
        error.message = _redact_text(error.message, self._secrets)
        error.args = (error.message,)
        error.raw = self.redact(error.raw)
        return error


def _redact_text(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return _SIGNATURE.sub(r"\1***", text) if "=" in text else text


def _redact(value: object, secrets: tuple[str, ...]) -> object:
    if isinstance(value, str):
        return _redact_text(value, secrets)
    if isinstance(value, dict):
        return {key: _redact(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_redact(item, secrets) for item in value]
    return value
