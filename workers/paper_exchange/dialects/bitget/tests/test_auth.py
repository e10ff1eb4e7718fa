import json
from typing import Any

import pytest

from workers.paper_exchange.dialects.bitget.auth import sign
from workers.paper_exchange.dialects.bitget.tests.bare import TRADE, BareClient
from workers.paper_exchange.tests.builders import Wall

SECRET = "bitgetSecretForTests0123456789abcdef"
ASSETS = "/api/v2/spot/account/assets"
ORDER = {"symbol": "BTCUSDT", "side": "buy", "orderType": "limit", "price": "90", "size": "0.1"}


@pytest.mark.parametrize(
    ("payload", "signature"),
    [
        (
            "1659076670000GET/api/v2/spot/account/assets?coin=USDT",
            "Wk6OABMjn14m1Wn2mUKdzG+8d96eTd4rSOLTDlrDLOA=",
        ),
        ("1659076670GET/user/verify", "PlINIkCQwhUbtM9i3TfxDSgJP47jWvV/BEeTINJ1m+8="),
    ],
)
def test_known_signatures(payload: str, signature: str) -> None:
    assert sign(SECRET, payload.encode()) == signature


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"ACCESS-KEY": ""}, "40001", "ACCESS_KEY cannot be empty"),
        ({"ACCESS-SIGN": ""}, "40003", "Signature cannot be empty"),
        ({"ACCESS-PASSPHRASE": ""}, "40011", "ACCESS_PASSPHRASE cannot be empty"),
        ({"ACCESS-KEY": "no key!!"}, "40006", "Invalid ACCESS_KEY"),
        ({"ACCESS-TIMESTAMP": "now"}, "40005", "Invalid ACCESS_TIMESTAMP"),
        ({"ACCESS-TIMESTAMP": "1659076670000"}, "40008", "Request timestamp expired"),
        ({"ACCESS-SIGN": "AAAA"}, "40009", "sign signature error"),
    ],
)
def test_refused_headers(client: BareClient, changes: dict[str, str], code: str, text: str) -> None:
    headers = client.headers("GET", ASSETS) | changes

    assert client.send("GET", ASSETS, b"", headers) == (400, code, text)


def test_passphrase_is_the_same_every_time(client: BareClient) -> None:
    assert len(client.get(ASSETS)) == 2
    client.passphrase = "another"

    assert client.get(ASSETS) == (400, "40012", "apikey/password is incorrect")


def test_query_is_signed_as_it_reads(client: BareClient) -> None:
    sent, read = f"{TRADE}/orderInfo?clientOid=a%3Ab", f"{TRADE}/orderInfo?clientOid=a:b"

    assert client.send("GET", sent, b"", client.headers("GET", read)) == []
    refused = client.send("GET", sent, b"", client.headers("GET", sent))
    assert refused == (400, "40009", "sign signature error")


def test_changed_body_is_refused(client: BareClient) -> None:
    path, body = f"{TRADE}/place-order", json.dumps(ORDER).encode()

    refused = client.send("POST", path, body + b" ", client.headers("POST", path, body))

    assert refused == (400, "40009", "sign signature error")


@pytest.mark.parametrize("seconds", [-32, 32])
def test_clock_that_is_off(client: BareClient, wall: Wall, seconds: int) -> None:
    wall.now += seconds
    headers = client.headers("GET", ASSETS)
    wall.now -= seconds

    assert client.send("GET", ASSETS, b"", headers) == (400, "40008", "Request timestamp expired")


@pytest.mark.parametrize(
    ("age_ms", "window_ms", "refusal"),
    [
        (0, 5000, None),
        (9000, 5000, (400, "40008", "Request timestamp expired")),
        (0, 60_001, (400, "40079", "The receiveWindow cannot be greater than 60000")),
    ],
)
def test_receive_window(
    client: BareClient, wall: Wall, age_ms: int, window_ms: int, refusal: Any
) -> None:
    stamp_ms = int(wall() * 1000) - age_ms
    window = {"requestTime": str(stamp_ms), "receiveWindow": str(window_ms)}

    answer = client.post(f"{TRADE}/place-order", **ORDER, **window)

    assert ("orderId" in answer) if refusal is None else (answer == refusal)
