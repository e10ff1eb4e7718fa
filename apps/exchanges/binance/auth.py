"""Signing of requests: HMAC-SHA256 over the exact bytes that are sent."""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import quote

KEY_HEADER = "X-MBX-APIKEY"


def encode(params: Mapping[str, str]) -> str:
    """Parameters as a query string in their order; values are percent-encoded, names are plain."""
    return "&".join([f"{name}={quote(value, safe='')}" for name, value in params.items()])


def signature(payload: str, secret: str) -> str:
    """Hex signature of an encoded query string, or of query string and body without a separator."""
    return hmac.digest(secret.encode(), payload.encode(), hashlib.sha256).hex()


def sign(params: Mapping[str, str], secret: str) -> str:
    """The encoded parameters with their signature as the last one."""
    payload = encode(params)
    return f"{payload}&signature={signature(payload, secret)}"
