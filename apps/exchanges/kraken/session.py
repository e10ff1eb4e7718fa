"""Requests of one API key: signed, each with a larger nonce, never past their deadline."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

import msgspec

from apps.exchanges.clock import ServerClock
from apps.exchanges.errors import ClockSkew, ExchangeUnavailable, InvalidCredentials, RateLimited
from apps.exchanges.http import HttpDoor, HttpRequest, Transport, encode_params
from apps.exchanges.kraken.auth import KEY_HEADER, SIGNATURE_HEADER, sign
from apps.exchanges.kraken.constants import (
    CLOCK_TOLERANCE_SECONDS,
    COUNTER_OVERRUN,
    COUNTER_SECONDS,
    EXCHANGE,
    MAX_DEADLINE_SECONDS,
    MIN_DEADLINE_SECONDS,
    TIME,
    Endpoint,
)
from apps.exchanges.kraken.errors import read_error, read_usage
from apps.exchanges.kraken.parse import parse_server_time
from apps.exchanges.limits import Charge, LimitStore, Priority, Throttle, venue_name
from apps.exchanges.ports import Credentials

_NO_PARAMS: Mapping[str, str] = {}

Parsed = TypeVar("Parsed")


class Session:
    """Sends and reads; one request of a key is under way at a time, so that nonces arrive in order."""

    def __init__(
        self,
        credentials: Credentials | None,
        transport: Transport,
        limits: LimitStore,
        *,
        host: str,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._credentials = credentials
        self._now = now
        self._sleep = sleep
        self._clock = ServerClock(
            host, self._get_server_time, now, tolerance=CLOCK_TOLERANCE_SECONDS
        )
        api_key = credentials.api_key if credentials else ""
        throttle = Throttle(
            limits,
            venue=venue_name(EXCHANGE, host),
            api_key=api_key,
            one_at_a_time=True,
            now=now,
        )
        door = partial(
            HttpDoor,
            transport,
            partial(read_error, now=now),
            exchange=EXCHANGE,
            throttle=throttle,
            secrets=credentials.secrets if credentials else (),
        )
        self.http = door(read_usage=read_usage)
        # What anybody may ask is not counted by the key's counter.
        self._public = door()

    def read(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, str] = _NO_PARAMS,
    ) -> Parsed:
        """Ask what anybody may see."""
        request = HttpRequest(method="GET", path=endpoint.path, query=encode_params(params))
        return self._public.read(lambda: request, parse, charges=endpoint.charges)

    def private_read(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, str] = _NO_PARAMS,
        *,
        priority: Priority = Priority.READ,
        patience: float = 0.0,
    ) -> Parsed:
        """Ask what only the owner of the key may see; a limit is waited for up to `patience` seconds."""
        while True:
            try:
                return self._with_fresh_nonce(
                    lambda: self.http.read(
                        lambda: self._sign(endpoint, params),
                        parse,
                        charges=endpoint.charges,
                        priority=priority,
                    )
                )
            except RateLimited as e:
                wait = COUNTER_SECONDS if e.code == COUNTER_OVERRUN else e.retry_after
                if wait is None or wait > patience:
                    raise
                self._sleep(wait)
                patience -= wait

    def write(
        self,
        endpoint: Endpoint,
        parse: Callable[[bytes], Parsed],
        params: Mapping[str, object],
        *,
        charges: Sequence[Charge],
        priority: Priority,
        deadline: datetime | None = None,
    ) -> Parsed:
        """Send once; with a deadline the exchange refuses what reaches its engine later.

        The deadline is a moment of our clock, and travels as that of the exchange's.
        """
        if deadline is not None:
            self._clock.keep_right()
        return self._with_fresh_nonce(
            lambda: self.http.write(
                lambda: self._sign(endpoint, params, deadline),
                parse,
                charges=charges,
                priority=priority,
                deadline=deadline,
            )
        )

    def measure_clock_offset(self) -> float:
        """How many seconds the exchange's clock is ahead of ours; it tells whole seconds."""
        return self._clock.measure()

    def _get_server_time(self) -> datetime:
        return self.read(TIME, parse_server_time)

    def _with_fresh_nonce(self, call: Callable[[], Parsed]) -> Parsed:
        try:
            return call()
        except ClockSkew:
            # Refused before matching, so even a write may be repeated: once, under the same id.
            return call()

    def _sign(
        self, endpoint: Endpoint, params: Mapping[str, object], deadline: datetime | None = None
    ) -> HttpRequest:
        if self._credentials is None:
            raise InvalidCredentials("This needs an API key: enter one.", exchange=EXCHANGE)
        now = self._now()
        # Nanoseconds, because a key that was ever used with them takes nothing smaller again.
        nonce = str(self.http.throttle.next_nonce(int(now * 1_000_000_000)))
        stamped: dict[str, object] = {"nonce": nonce, **params}
        if deadline is not None:
            stamped["deadline"] = _deadline_text(deadline, now, self._clock.offset)
        body = (
            msgspec.json.encode(stamped).decode()
            if endpoint.is_json
            else encode_params({name: str(value) for name, value in stamped.items()})
        )
        try:
            signature = sign(endpoint.path, nonce, body, self._credentials.api_secret)
        except ValueError as e:
            raise InvalidCredentials(
                "This API secret is not one of Kraken's: copy it again, whole.", exchange=EXCHANGE
            ) from e
        kind = "json" if endpoint.is_json else "x-www-form-urlencoded"
        headers = {
            KEY_HEADER: self._credentials.api_key,
            SIGNATURE_HEADER: signature,
            "Content-Type": f"application/{kind}",
        }
        return HttpRequest(method="POST", path=endpoint.path, headers=headers, body=body)


def _deadline_text(deadline: datetime, now: float, offset: float) -> str:
    remaining = deadline.timestamp() - now
    if remaining < MIN_DEADLINE_SECONDS:
        raise ExchangeUnavailable(
            f"Not sent: too late for its deadline {deadline:%Y-%m-%d %H:%M:%S %Z}. Kraken takes an"
            f" order only {MIN_DEADLINE_SECONDS:g} s or more before it. Nothing was done.",
            exchange=EXCHANGE,
        )
    until = datetime.fromtimestamp(now + offset + min(remaining, MAX_DEADLINE_SECONDS), UTC)
    return until.isoformat(timespec="milliseconds").replace("+00:00", "Z")
