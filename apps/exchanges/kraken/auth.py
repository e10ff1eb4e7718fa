"""Signing of requests: HMAC-SHA512 over the path and a hash of nonce and body."""

import base64
import hashlib
import hmac

KEY_HEADER = "API-Key"
SIGNATURE_HEADER = "API-Sign"


def sign(path: str, nonce: str, body: str, secret: str) -> str:
    """Signature of a body that contains `nonce`, in base64; ValueError for a secret that is not."""
    key = base64.b64decode(secret, validate=True)
    message = path.encode() + hashlib.sha256((nonce + body).encode()).digest()
    return base64.b64encode(hmac.digest(key, message, hashlib.sha512)).decode()
