"""Requests of one API key: signed, stamped with the time, never past their deadline."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from apps.exchanges.errors import ExchangeUnavailable, InvalidCredentials
from apps.exchanges.http import HttpDoor, HttpRequest, Transport
from apps.exchanges.limits import LimitStore, Priority, Throttle, venue_name
from apps.exchanges.parsing import milliseconds
from apps.exchanges.ports import Credentials
from docs.exchange_template.auth import sign
from docs.exchange_template.constants import EXCHANGE, Endpoint
from docs.exchange_template.errors import read_error

_NO_PARAMS: Mapping[str, str] = {}

Parsed = TypeVar("Parsed")


class Session:
    """Sends and reads."""

    def __init__(
        self,
        credentials: Credentials | None,
        transport: Transport,
        limits: LimitStore,
        *,
        host: str,
        now: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        self._now = now
        api_key, secrets = (credentials.api_key, credentials.secrets) if credentials else ("", ())
        # Decide: `one_at_a_time` where requests carry a rising nonce (see Kraken's session), and
        # `stops_all_keys` where "too many requests" is meant for the whole address (see Binance's).
        throttle = Throttle(limits, venue=venue_name(EXCHANGE, host), api_key=api_key, now=now)
        self.http = HttpDoor(
            transport, read_error, exchange=EXCHANGE, throttle=throttle, secrets=secrets
        )

    def read(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, str] = _NO_PARAMS,
        *,
        priority: Priority = Priority.READ,
    ) -> Parsed:
        """Ask, and ask again where no answer came."""
        return self.http.read(
            lambda: self._request(endpoint, params),
            parse,
            charges=endpoint.charges,
            priority=priority,
        )

    def write(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, str],
        *,
        priority: Priority = Priority.PROTECT,
        deadline: datetime | None = None,
    ) -> Parsed:
        """Send once; with a deadline the exchange refuses what reaches it later."""
        return self.http.write(
            lambda: self._request(endpoint, params, deadline),
            parse,
            charges=endpoint.charges,
            priority=priority,
            deadline=deadline,
        )

    def _request(
        self, endpoint: Endpoint, params: Mapping[str, str], deadline: datetime | None = None
    ) -> HttpRequest:
        method, path, now = endpoint.method, endpoint.path, self._now()
        if deadline is not None:
            if deadline.timestamp() <= now:
                message = f"Not sent: its deadline {deadline:%H:%M:%S %Z} had passed."
                raise ExchangeUnavailable(f"{message} Nothing was done.", exchange=EXCHANGE)
            # Decide: an exchange that refuses nothing for being late says so in CAPABILITIES.
            params = {**params, "expires_at": str(milliseconds(deadline))}
        body = msgspec.json.encode(params).decode() if method == "POST" else ""
        query = "" if body else urlencode(params)
        request = HttpRequest(method=method, path=path, query=query, body=body)
        if not endpoint.is_private:
            return request
        if self._credentials is None:
            raise InvalidCredentials("This needs an API key: enter one.", exchange=EXCHANGE)
        at_ms = int(now * 1000)
        headers = {
            "Content-Type": "application/json",
            "Example-Key": self._credentials.api_key,
            "Example-Time": str(at_ms),
            "Example-Signature": sign(
                self._credentials.api_secret, at_ms, method, request.target, body
            ),
        }
        return HttpRequest(method=method, path=path, query=query, body=body, headers=headers)
