"""Requests of one API key: signed, stamped in the exchange's time, never past their deadline."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from apps.exchanges.bitget.auth import encode, sign, signed_target
from apps.exchanges.bitget.constants import EXCHANGE, MAX_RECEIVE_WINDOW_MS, TIME, Endpoint
from apps.exchanges.bitget.errors import read_error
from apps.exchanges.bitget.parse import parse_server_time
from apps.exchanges.clock import ServerClock
from apps.exchanges.errors import ClockSkew, ExchangeUnavailable, InvalidCredentials
from apps.exchanges.http import HttpDoor, HttpRequest, Transport
from apps.exchanges.limits import LimitStore, Priority, Throttle, venue_name
from apps.exchanges.ports import Credentials

#: Fields of a JSON body.
Body = Mapping[str, str | list[str]]

_NO_PARAMS: Mapping[str, str] = {}
_DEMO = {"paptrading": "1"}

Parsed = TypeVar("Parsed")


class Session:
    """Sends and reads, in the exchange's time: it is asked for before what has a deadline, and where
    the exchange refuses ours."""

    def __init__(
        self,
        credentials: Credentials | None,
        transport: Transport,
        limits: LimitStore,
        *,
        host: str,
        is_demo: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._is_demo = is_demo
        self._now = now
        self._clock = ServerClock(host, self._get_server_time, now)
        api_key = credentials.api_key if credentials else ""
        # The demo is on the same host, and what happens there is no news of the real exchange.
        venue = venue_name(EXCHANGE, f"{host} (demo)" if is_demo else host)
        self.http = HttpDoor(
            transport,
            read_error,
            exchange=EXCHANGE,
            throttle=Throttle(limits, venue=venue, api_key=api_key),
            secrets=credentials.secrets if credentials else (),
        )

    def read(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, str] = _NO_PARAMS,
        *,
        priority: Priority = Priority.READ,
    ) -> Parsed:
        """Ask; what only the owner of the key may see is signed."""

        def call() -> Parsed:
            return self.http.read(
                lambda: self._question(endpoint, params),
                parse,
                charges=endpoint.charges,
                priority=priority,
            )

        return self._on_time(call) if endpoint.is_private else call()

    def write(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        body: Body,
        *,
        priority: Priority,
        deadline: datetime | None = None,
    ) -> Parsed:
        """Send once; with a deadline, which is in our time, the exchange refuses what reaches it later."""
        if deadline is not None:
            # A clock that is ahead is no reason for a refusal, but would carry the deadline along.
            self._clock.keep_right()
        return self._on_time(
            lambda: self.http.write(
                lambda: self._order(endpoint, body, deadline),
                parse,
                charges=endpoint.charges,
                priority=priority,
                deadline=deadline,
            )
        )

    def now(self) -> float:
        """The exchange's clock as far as it is known, in seconds since 1970."""
        return self._clock.now()

    def measure_clock_offset(self) -> float:
        """How many seconds the exchange's clock is ahead of ours, to half a round trip."""
        return self._clock.measure()

    def _get_server_time(self) -> datetime:
        return self.read(TIME, parse_server_time)

    def _on_time(self, call: Callable[[], Parsed]) -> Parsed:
        try:
            return call()
        except ClockSkew:
            # Refused before matching, so even a write may be repeated: once, under the same id.
            self._clock.measure()
            return call()

    def _question(self, endpoint: Endpoint, params: Mapping[str, str]) -> HttpRequest:
        headers = self._headers(endpoint)
        if endpoint.is_private:
            target = signed_target(endpoint.path, params)
            headers |= self._sign(f"{endpoint.method}{target}")
        return HttpRequest(
            method=endpoint.method, path=endpoint.path, query=encode(params), headers=headers
        )

    def _order(self, endpoint: Endpoint, body: Body, deadline: datetime | None) -> HttpRequest:
        stamped = dict(body)
        if deadline is not None:
            window = _remaining_ms(deadline, self._now())
            stamped |= {"requestTime": self._stamp(), "receiveWindow": str(window)}
        text = msgspec.json.encode(stamped).decode()
        headers = self._headers(endpoint) | self._sign(f"{endpoint.method}{endpoint.path}{text}")
        headers["Content-Type"] = "application/json"
        return HttpRequest(method=endpoint.method, path=endpoint.path, headers=headers, body=text)

    def _headers(self, endpoint: Endpoint) -> dict[str, str]:
        is_demo = self._is_demo and endpoint is not TIME
        return {"locale": "en-US", **(_DEMO if is_demo else {})}

    def _sign(self, payload: str) -> dict[str, str]:
        if self._credentials is None:
            raise InvalidCredentials("This needs an API key: enter one.", exchange=EXCHANGE)
        return sign(self._credentials, self._stamp(), payload)

    def _stamp(self) -> str:
        return str(int(self.now() * 1000))


def _remaining_ms(deadline: datetime, now: float) -> int:
    remaining = int((deadline.timestamp() - now) * 1000)
    if remaining <= 0:
        raise ExchangeUnavailable(
            f"Not sent: its deadline {deadline:%Y-%m-%d %H:%M:%S %Z} had passed. Nothing was done.",
            exchange=EXCHANGE,
        )
    return min(remaining, MAX_RECEIVE_WINDOW_MS)
