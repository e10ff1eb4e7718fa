"""Requests of one API key: signed, stamped in the exchange's time, never past their deadline."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from apps.exchanges.binance.auth import KEY_HEADER, encode, sign
from apps.exchanges.binance.constants import EXCHANGE, MAX_RECV_WINDOW_MS
from apps.exchanges.binance.errors import read_error
from apps.exchanges.binance.parse import parse_server_time
from apps.exchanges.errors import ClockSkew, ExchangeUnavailable, InvalidCredentials
from apps.exchanges.http import HttpDoor, HttpRequest, Transport
from apps.exchanges.ports import Credentials

_NO_PARAMS: Mapping[str, str] = {}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Parsed = TypeVar("Parsed")


class Session:
    """Sends and reads; believes this machine's clock until the exchange refuses it."""

    def __init__(
        self,
        credentials: Credentials | None,
        transport: Transport,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._now = now
        #: How many seconds the exchange's clock is ahead of ours.
        self._clock_offset = 0.0
        secrets = (credentials.api_key, credentials.api_secret) if credentials else ()
        self.http = HttpDoor(transport, read_error, exchange=EXCHANGE, secrets=secrets)

    def read(
        self, path: str, parse: Callable[[bytes], Parsed], params: Mapping[str, str] = _NO_PARAMS
    ) -> Parsed:
        """GET what anybody may see."""
        request = HttpRequest(method="GET", path=path, query=encode(params))
        return self.http.read(lambda: request, parse)

    def signed_read(
        self, path: str, parse: Callable[[bytes], Parsed], params: Mapping[str, str] = _NO_PARAMS
    ) -> Parsed:
        """GET what only the owner of the key may see."""
        return self._on_time(lambda: self.http.read(lambda: self._sign("GET", path, params), parse))

    def write(
        self,
        method: str,
        path: str,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, str],
        deadline: datetime | None = None,
    ) -> Parsed:
        """Send once; with a deadline the exchange refuses what reaches it later."""
        return self._on_time(
            lambda: self.http.write(self._sign(method, path, params, deadline), parse)
        )

    def measure_clock_offset(self) -> float:
        """How many seconds the exchange's clock is ahead of ours, to half a round trip."""
        before = self._now()
        server_time = self.read("/api/v3/time", parse_server_time).timestamp()
        return server_time - (before + self._now()) / 2

    def _on_time(self, call: Callable[[], Parsed]) -> Parsed:
        try:
            return call()
        except ClockSkew:
            # Refused before matching, so even a write may be repeated: once, under the same id.
            self._clock_offset = self.measure_clock_offset()
            return call()

    def _sign(
        self, method: str, path: str, params: Mapping[str, str], deadline: datetime | None = None
    ) -> HttpRequest:
        if self._credentials is None:
            raise InvalidCredentials("This needs an API key: enter one.", exchange=EXCHANGE)
        now = self._now()
        stamped = dict(params)
        if deadline is not None:
            stamped["recvWindow"] = str(_remaining_ms(deadline, now))
        stamped["timestamp"] = str(int((now + self._clock_offset) * 1000))
        payload = sign(stamped, self._credentials.api_secret)
        headers = {KEY_HEADER: self._credentials.api_key}
        if method == "POST":
            return HttpRequest(method=method, path=path, headers=headers | _FORM, body=payload)
        return HttpRequest(method=method, path=path, headers=headers, query=payload)


def _remaining_ms(deadline: datetime, now: float) -> int:
    remaining = int((deadline.timestamp() - now) * 1000)
    if remaining <= 0:
        raise ExchangeUnavailable(
            f"Not sent: its deadline {deadline:%Y-%m-%d %H:%M:%S %Z} had passed. Nothing was done.",
            exchange=EXCHANGE,
        )
    return min(remaining, MAX_RECV_WINDOW_MS)
