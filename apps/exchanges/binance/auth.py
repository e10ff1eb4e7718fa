"""Signing of requests over the exact bytes that are sent: HMAC-SHA256, Ed25519 or RSA, by the secret."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

from apps.exchanges.errors import InvalidCredentials
from apps.exchanges.http import encode_params

KEY_HEADER = "X-MBX-APIKEY"
# Line breaks do not survive every form field, and the bytes inside are what counts.
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----(.+)-----END", re.DOTALL)


def signature(payload: str, secret: str) -> str:
    """Signature of an encoded query string, or of query string and body without a separator.

    A secret in PEM is the private half of an Ed25519 or RSA key, and its signature is in base64;
    any other is shared with the exchange, and its signature is in hex. Raises InvalidCredentials.
    """
    if found := _PRIVATE_KEY.search(secret):
        return _sign_with_private_key(payload.encode(), found[1])
    return hmac.digest(secret.encode(), payload.encode(), hashlib.sha256).hex()


def sign(params: Mapping[str, str], secret: str) -> str:
    """The encoded parameters with their signature as the last one."""
    payload = encode_params(params)
    return f"{payload}&signature={quote(signature(payload, secret), safe='')}"


def sign_message(params: Mapping[str, str | int], secret: str) -> dict[str, str | int]:
    """Parameters of a WebSocket request with their signature: sorted by name, not encoded."""
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return {**params, "signature": signature(payload, secret)}


def _sign_with_private_key(payload: bytes, text: str) -> str:
    try:
        key = load_der_private_key(base64.b64decode(text), password=None)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm) as e:
        raise InvalidCredentials("The API secret is a private key that can't be read.") from e
    match key:
        case ed25519.Ed25519PrivateKey():
            signed = key.sign(payload)
        case rsa.RSAPrivateKey():
            signed = key.sign(payload, padding.PKCS1v15(), hashes.SHA256())
        case _:
            raise InvalidCredentials("The API secret is neither an Ed25519 nor an RSA key.")
    return base64.b64encode(signed).decode()
