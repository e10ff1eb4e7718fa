"""Signatures against known answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from apps.exchanges.bitget.auth import encode, login, sign, signature, signed_target
from apps.exchanges.bitget.tests.payloads import KEYS
from apps.exchanges.errors import InvalidCredentials
from apps.exchanges.ports import Credentials


def test_every_known_answer(shared: Path) -> None:
    path = shared / "exchanges" / "fixtures" / "signature_vectors.json"
    every: list[dict[str, Any]] = json.loads(path.read_text())
    vectors = [vector for vector in every if vector["exchange"] == "bitget"]

    assert len(vectors) == 5
    for vector in vectors:
        assert signature(vector["payload"], vector["secret"]) == vector["signature"], vector["name"]


def test_request_is_signed_with_time_and_passphrase() -> None:
    target = signed_target("/api/v2/spot/account/assets", {"coin": "USDT"})

    assert sign(KEYS, "1659076670000", f"GET{target}") == {
        "ACCESS-KEY": "the-api-key",
        "ACCESS-SIGN": "Wk6OABMjn14m1Wn2mUKdzG+8d96eTd4rSOLTDlrDLOA=",
        "ACCESS-TIMESTAMP": "1659076670000",
        "ACCESS-PASSPHRASE": "the-passphrase",
    }


def test_login_is_signed_in_seconds() -> None:
    assert login(KEYS, 1659076670) == {
        "apiKey": "the-api-key",
        "passphrase": "the-passphrase",
        "timestamp": "1659076670",
        "sign": "PlINIkCQwhUbtM9i3TfxDSgJP47jWvV/BEeTINJ1m+8=",
    }


def test_query_is_sorted_and_signed_before_it_is_encoded() -> None:
    params = {"symbol": "BTCUSDT", "clientOid": "a#b"}

    assert encode(params) == "clientOid=a%23b&symbol=BTCUSDT"
    assert signed_target("/x", params) == "/x?clientOid=a#b&symbol=BTCUSDT"
    assert signed_target("/x", {}) == "/x"


def test_key_without_a_passphrase_signs_nothing() -> None:
    with pytest.raises(InvalidCredentials, match="has a passphrase, and none is entered"):
        sign(Credentials(api_key="a", api_secret="b"), "1", "GET/x")
