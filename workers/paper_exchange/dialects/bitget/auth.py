"""Who sent a request, and whether it is fresh."""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from apps.domain.paper import paper_secret
from workers.paper_exchange.clock import Clock
from workers.paper_exchange.dialects.bitget import errors
from workers.paper_exchange.dialects.bitget.parameters import Parameters

#: How old a request may be, or how far ahead of us.
TOLERANCE_MS = 30_000
LARGEST_WINDOW_MS = 60_000
_LOGIN = "GET/user/verify"
_KEY = re.compile(r"[A-Za-z0-9_-]{8,128}", re.ASCII)
_STAMP = re.compile(r"[0-9]{1,16}", re.ASCII)


def sign(secret: str, payload: bytes) -> str:
    """The HMAC-SHA256 of a text, in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), payload, hashlib.sha256)).decode()


class Keyring:
    """Passphrases of the keys that were seen since the start: the first one counts."""

    def __init__(self) -> None:
        self._passphrases: dict[str, str] = {}

    def knows(self, key: str, passphrase: str) -> bool:
        """Whether it is the key's passphrase; a new key's is what it comes with."""
        return self._passphrases.setdefault(key, passphrase) == passphrase


def authenticate(
    headers: Mapping[str, str],
    *,
    method: str,
    path: str,
    query: str,
    body: bytes,
    clock: Clock,
    keyring: Keyring,
) -> str:
    """The API key of a request that is correctly signed and in time; raises BitgetError.

    A query is signed as it reads, not percent-encoded.
    """
    names = ("ACCESS-KEY", "ACCESS-SIGN", "ACCESS-TIMESTAMP", "ACCESS-PASSPHRASE")
    key, signature, stamp, passphrase = (headers.get(name, "") for name in names)
    for name, value in zip(names, (key, signature, stamp, passphrase), strict=True):
        if not value:
            raise errors.missing_header(name)
    if not _KEY.fullmatch(key):
        raise errors.malformed_key()
    if not _STAMP.fullmatch(stamp):
        raise errors.invalid_timestamp()
    if not is_fresh(clock, int(stamp)):
        raise errors.expired()
    target = f"{path}?{unquote_plus(query)}" if query else path
    payload = f"{stamp}{method}{target}".encode() + body
    if not _is_signed(key, payload, signature):
        raise errors.invalid_signature()
    if not keyring.knows(key, passphrase):
        raise errors.wrong_passphrase()
    return key


def is_login_signed(key: str, stamp: str, signature: str) -> bool:
    """Whether the login to a stream is signed by the key's owner."""
    return _is_signed(key, f"{stamp}{_LOGIN}".encode(), signature)


def is_fresh(clock: Clock, stamp_ms: int) -> bool:
    """Whether a timestamp in milliseconds is of now, by either clock."""
    return any(abs(age_ms) <= TOLERANCE_MS for age_ms in clock.ages_ms(stamp_ms))


def check_window(fields: Parameters, clock: Clock) -> None:
    """Refuse an order that has come later than its sender wanted."""
    stamp_ms, window_ms = fields.integer("requestTime"), fields.integer("receiveWindow")
    if window_ms is not None and window_ms > LARGEST_WINDOW_MS:
        raise errors.window_too_large()
    if stamp_ms is None or window_ms is None:
        return
    if not any(-TOLERANCE_MS <= age_ms <= window_ms for age_ms in clock.ages_ms(stamp_ms)):
        raise errors.expired()


def _is_signed(key: str, payload: bytes, signature: str) -> bool:
    return hmac.compare_digest(sign(paper_secret(key), payload).encode(), signature.encode())
