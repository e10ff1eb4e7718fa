"""A bare client: signs like the documents say, and shows the exchange's answers as they are."""

import json
from typing import Any
from urllib.parse import urlencode

import requests

from apps.domain.paper import paper_secret
from workers.paper_exchange.dialects.bitget.auth import sign
from workers.paper_exchange.tests.builders import KEY, Wall

TRADE = "/api/v2/spot/trade"


class BareClient:
    """Speaks for one key; what goes wrong is told as a code and a text."""

    def __init__(self, url: str, wall: Wall, key: str = KEY) -> None:
        self.url = url
        self.wall = wall
        self.key = key
        self.passphrase = "paper"

    def public(self, path: str, **parameters: object) -> Any:
        """What anybody may ask."""
        return self.send("GET", _target(path, parameters), b"", {})

    def get(self, path: str, **parameters: object) -> Any:
        """A signed question."""
        target = _target(path, parameters)
        return self.send("GET", target, b"", self.headers("GET", target))

    def post(self, path: str, /, **fields: object) -> Any:
        """A signed JSON body."""
        body = json.dumps(fields).encode()
        return self.send("POST", path, body, self.headers("POST", path, body))

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        """What a request is signed with."""
        stamp = str(int(self.wall() * 1000))
        payload = f"{stamp}{method}{target}".encode() + body
        return {
            "ACCESS-KEY": self.key,
            "ACCESS-SIGN": sign(paper_secret(self.key), payload),
            "ACCESS-TIMESTAMP": stamp,
            "ACCESS-PASSPHRASE": self.passphrase,
        }

    def send(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> Any:
        """The data of an answer, or status, code and text of a refusal."""
        # The limits are not what most tests are about: each request has a second of its own.
        self.wall.now += 1
        headers = {**headers, "Connection": "close"}
        with requests.request(
            method, self.url + target, data=body or None, headers=headers, timeout=10
        ) as reply:
            answer = reply.json()
        if answer["code"] == "00000":
            return answer["data"]
        assert answer["data"] is None
        return reply.status_code, answer["code"], answer["msg"]


def _target(path: str, parameters: dict[str, object]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path
