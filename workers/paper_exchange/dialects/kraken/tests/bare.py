"""A bare client: signs like the documents say, and shows the exchange's answers as they are."""

import json
from typing import Any
from urllib.parse import urlencode

import requests

from apps.domain.paper import paper_secret
from workers.paper_exchange.dialects.kraken.auth import sign
from workers.paper_exchange.tests.builders import KEY

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


class BareClient:
    """Speaks for one key; what goes wrong is told as Kraken tells it."""

    def __init__(self, url: str, key: str = KEY) -> None:
        self.url = url
        self.key = key
        self.nonce = 1000

    def public(self, name: str, **parameters: object) -> Any:
        """What anybody may ask; the result, or the error's text."""
        return self.send("GET", f"/0/public/{name}?{urlencode(parameters)}", b"", {})

    def private(self, name: str, /, **fields: object) -> Any:
        """A signed form."""
        self.nonce += 1
        body = urlencode({"nonce": self.nonce, **fields})
        return self.signed(name, body.encode(), FORM)

    def private_json(self, name: str, /, **fields: object) -> Any:
        """A signed JSON body."""
        self.nonce += 1
        body = json.dumps({"nonce": str(self.nonce), **fields})
        return self.signed(name, body.encode(), JSON)

    def signed(self, name: str, body: bytes, kind: str, secret: str | None = None) -> Any:
        """Exactly this body, signed with the current nonce."""
        path = f"/0/private/{name}"
        headers = {
            "API-Key": self.key,
            "API-Sign": sign(secret or paper_secret(self.key), path, str(self.nonce), body),
            "Content-Type": kind,
        }
        return self.send("POST", path, body, headers)

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
        """The result of an answer, or the text of its one error."""
        headers = {**headers, "Connection": "close"}
        with requests.request(
            method, self.url + path, data=body or None, headers=headers, timeout=10
        ) as reply:
            assert reply.status_code == 200
            answer = reply.json()
        if answer["error"]:
            (text,) = answer["error"]
            assert "result" not in answer
            return text
        return answer["result"]
