"""Who sent a request, and whether it is new."""

import base64
import hashlib
import hmac
import re

from apps.domain.paper import paper_secret
from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.dialects.kraken.limits import KeyRecord

_KEY = re.compile(r"[A-Za-z0-9+/=]{16,128}")
_NONCE = re.compile(r"[0-9]{1,20}")
_LARGEST_NONCE = 2**64 - 1


def sign(secret: str, path: str, nonce: str, body: bytes) -> str:
    """The base64 HMAC-SHA512 over the path and a hash of nonce and body."""
    digest = hashlib.sha256(nonce.encode() + body).digest()
    key = base64.b64decode(secret)
    return base64.b64encode(hmac.digest(key, path.encode() + digest, hashlib.sha512)).decode()


def check_key(key: str) -> None:
    """Raise KrakenError for what can't be an API key."""
    if not _KEY.fullmatch(key):
        raise errors.invalid_key()


def authenticate(
    *, key: str, signature: str, path: str, nonce: str, body: bytes, record: KeyRecord, wall_ms: int
) -> None:
    """Raise KrakenError unless the key's owner signed these bytes, with a larger nonce than before."""
    if wall_ms < record.locked_until_ms:
        record.refuse(wall_ms)
        raise errors.temporary_lockout()
    if not _NONCE.fullmatch(nonce) or int(nonce) > _LARGEST_NONCE:
        record.refuse(wall_ms)
        raise errors.invalid_nonce()
    expected = sign(paper_secret(key), path, nonce, body)
    if not hmac.compare_digest(signature.encode(), expected.encode()):
        record.refuse(wall_ms)
        raise errors.invalid_signature()
    if int(nonce) <= record.nonce:
        record.refuse(wall_ms)
        raise errors.invalid_nonce()
    record.accept(int(nonce))
