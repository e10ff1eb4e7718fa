"""Requests of one API key: signed, stamped in the exchange's time, never past their deadline."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from apps.exchanges.binance.auth import KEY_HEADER, sign
from apps.exchanges.binance.constants import EXCHANGE, MAX_RECV_WINDOW_MS, TIME, Endpoint
from apps.exchanges.binance.errors import read_error, read_usage
from apps.exchanges.binance.parse import parse_server_time
from apps.exchanges.clock import ServerClock
from apps.exchanges.errors import ClockSkew, ExchangeUnavailable, InvalidCredentials
from apps.exchanges.http import HttpDoor, HttpRequest, Transport, encode_params
from apps.exchanges.limits import LimitStore, Priority, Throttle, venue_name
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
        limits: LimitStore,
        *,
        host: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._now = now
        self._clock = ServerClock(host, self._get_server_time, now)
        api_key = credentials.api_key if credentials else ""
        # The limits of an address hold for all its keys, and so does a ban.
        throttle = Throttle(
            limits, venue=venue_name(EXCHANGE, host), api_key=api_key, stops_all_keys=True
        )
        self.http = HttpDoor(
            transport,
            read_error,
            exchange=EXCHANGE,
            throttle=throttle,
            read_usage=read_usage,
            secrets=credentials.secrets if credentials else (),
        )

    def read(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, str] = _NO_PARAMS,
    ) -> Parsed:
        """Ask what anybody may see."""
        request = HttpRequest(
            method=endpoint.method, path=endpoint.path, query=encode_params(params)
        )
        return self.http.read(lambda: request, parse, charges=endpoint.charges)

    def signed_read(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, str] = _NO_PARAMS,
        *,
        priority: Priority = Priority.READ,
    ) -> Parsed:
        """Ask what only the owner of the key may see."""
        return self._on_time(
            lambda: self.http.read(
                lambda: self._sign(endpoint, params),
                parse,
                charges=endpoint.charges,
                priority=priority,
            )
        )

    def write(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, str],
        *,
        priority: Priority,
        deadline: datetime | None = None,
    ) -> Parsed:
        """Send once; with a deadline the exchange refuses what reaches it later."""
        return self._on_time(
            lambda: self.http.write(
                lambda: self._sign(endpoint, params, deadline),
                parse,
                charges=endpoint.charges,
                priority=priority,
                deadline=deadline,
            )
        )

    def measure_clock_offset(self) -> float:
        """How many seconds the exchange's clock is ahead of ours."""
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

    def _sign(
        self, endpoint: Endpoint, params: Mapping[str, str], deadline: datetime | None = None
    ) -> HttpRequest:
        if self._credentials is None:
            raise InvalidCredentials("This needs an API key: enter one.", exchange=EXCHANGE)
        now = self._now()
        stamped = dict(params)
        if deadline is not None:
            stamped["recvWindow"] = str(_remaining_ms(deadline, now))
        stamped["timestamp"] = str(int((now + self._clock.offset) * 1000))
        payload = sign(stamped, self._credentials.api_secret)
        method, path = endpoint.method, endpoint.path
        headers = {KEY_HEADER: self._credentials.api_key}
        if method in {"POST", "PUT"}:
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
