"""Signing of requests over the exact bytes that are sent."""

import hashlib
import hmac


def sign(secret: str, at_ms: int, method: str, target: str, body: str = "") -> str:
    """The HMAC-SHA256 in hex; `target` is the path with its query."""
    message = f"{at_ms}{method}{target}{body}"
    return hmac.digest(secret.encode(), message.encode(), hashlib.sha256).hex()
