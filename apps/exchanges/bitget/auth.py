"""Signing of requests and of the login to a stream: HMAC-SHA256 over what is sent, in base64."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from apps.exchanges.bitget.constants import EXCHANGE
from apps.exchanges.errors import InvalidCredentials
from apps.exchanges.http import encode_params
from apps.exchanges.ports import Credentials

_LOGIN = ("GET", "/user/verify")


def encode(params: Mapping[str, str]) -> str:
    """Parameters as a query string, sorted by name; values are percent-encoded."""
    return encode_params({name: params[name] for name in sorted(params)})


def signed_target(path: str, params: Mapping[str, str]) -> str:
    """Path and query as they are signed: as sent, but not percent-encoded."""
    query = "&".join([f"{name}={params[name]}" for name in sorted(params)])
    return f"{path}?{query}" if query else path


def signature(payload: str, secret: str) -> str:
    """Base64 signature of a text."""
    digest = hmac.digest(secret.encode(), payload.encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()


def passphrase_of(credentials: Credentials) -> str:
    """What no key of Bitget works without; raises InvalidCredentials where it was not entered."""
    if not credentials.passphrase:
        raise InvalidCredentials(
            "A key of Bitget has a passphrase, and none is entered: enter the one that was chosen"
            " when the key was made. Nothing was sent.",
            exchange=EXCHANGE,
        )
    return credentials.passphrase


def sign(credentials: Credentials, timestamp: str, payload: str) -> dict[str, str]:
    """Headers of a request: `payload` is method, target and body in one, `timestamp` milliseconds."""
    return {
        "ACCESS-KEY": credentials.api_key,
        "ACCESS-SIGN": signature(timestamp + payload, credentials.api_secret),
        "ACCESS-TIMESTAMP": timestamp,
        "ACCESS-PASSPHRASE": passphrase_of(credentials),
    }


def login(credentials: Credentials, timestamp: int) -> dict[str, str]:
    """The argument of a stream's login; `timestamp` is in seconds."""
    stamp = str(timestamp)
    return {
        "apiKey": credentials.api_key,
        "passphrase": passphrase_of(credentials),
        "timestamp": stamp,
        "sign": signature(stamp + "".join(_LOGIN), credentials.api_secret),
    }
