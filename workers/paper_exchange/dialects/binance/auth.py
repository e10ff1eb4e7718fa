"""Who sent a request, and whether it is fresh."""

import hashlib
import hmac
import re

from apps.domain.paper import paper_secret
from workers.paper_exchange.clock import Clock
from workers.paper_exchange.dialects.binance import errors
from workers.paper_exchange.dialects.binance.parameters import Parameters

DEFAULT_RECV_WINDOW_MS = 5000
LARGEST_RECV_WINDOW_MS = 60_000
_AHEAD_MS = 1000
#: A timestamp may be in microseconds; read as milliseconds it would lie in the year 5138.
_FIRST_IN_MICROSECONDS = 10**14
_KEY = r"[A-Za-z0-9]{16,128}"
_SIGNATURE = re.compile(rb"(?:^|&)signature=[^&]*")


def sign(secret: str, payload: bytes) -> str:
    """The hex HMAC-SHA256 of the bytes that were sent."""
    return hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def signed_payload(query: bytes, body: bytes) -> bytes:
    """What a signature covers: query string and body without it, nothing in between."""
    return _SIGNATURE.sub(b"", query) + _SIGNATURE.sub(b"", body)


def authenticate(*, key: str, payload: bytes, parameters: Parameters, clock: Clock) -> str:
    """The API key of a request that is correctly signed and in time; raises BinanceError."""
    if not re.fullmatch(_KEY, key):
        raise errors.malformed_key()
    timestamp_ms = parameters.required_integer("timestamp")
    if timestamp_ms >= _FIRST_IN_MICROSECONDS:
        timestamp_ms //= 1000
    recv_window_ms = _recv_window(parameters)
    signature = parameters.required("signature")
    expected = sign(paper_secret(key), payload)
    if not hmac.compare_digest(signature.lower().encode(), expected.encode()):
        raise errors.invalid_signature()
    ages_ms = clock.ages_ms(timestamp_ms)
    if not any(-_AHEAD_MS < age_ms <= recv_window_ms for age_ms in ages_ms):
        is_ahead = ages_ms[0] <= -_AHEAD_MS
        raise errors.ahead_of_time() if is_ahead else errors.outside_window()
    return key


def _recv_window(parameters: Parameters) -> float:
    window_ms = parameters.number("recvWindow")
    if window_ms is None:
        return DEFAULT_RECV_WINDOW_MS
    if window_ms > LARGEST_RECV_WINDOW_MS:
        raise errors.value_too_large("recvWindow", LARGEST_RECV_WINDOW_MS)
    return float(window_ms)
