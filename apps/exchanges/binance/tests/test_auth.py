"""Signatures against the exchange's published examples."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from apps.exchanges.binance.auth import sign, sign_message, signature
from apps.exchanges.errors import InvalidCredentials


def vectors(shared: Path) -> list[dict[str, str]]:
    """The examples of this exchange."""
    path = shared / "exchanges" / "fixtures" / "signature_vectors.json"
    return [v for v in json.loads(path.read_text()) if v["exchange"] == "binance"]


def test_signatures_match_the_published_ones(shared: Path) -> None:
    ours = vectors(shared)

    assert len(ours) == 8
    for vector in ours:
        secret = vector.get("secret") or vector["private_key_pem"]
        assert signature(vector["payload"], secret) == vector["signature"], vector["name"]


def test_private_key_may_have_lost_its_line_breaks(shared: Path) -> None:
    (vector, _) = [v for v in vectors(shared) if "private_key_pem" in v]
    on_one_line = vector["private_key_pem"].replace("\n", "")

    assert signature(vector["payload"], on_one_line) == vector["signature"]


def test_signature_in_base64_is_percent_encoded(shared: Path) -> None:
    pem = next(v["private_key_pem"] for v in vectors(shared) if "private_key_pem" in v)

    _, _, written = sign({"a": "1"}, pem).partition("&signature=")

    assert written.endswith("%3D%3D")


def test_rsa_key_signs() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    made = signature("a=1", pem_of(key))

    key.public_key().verify(base64.b64decode(made), b"a=1", padding.PKCS1v15(), hashes.SHA256())


def test_key_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidCredentials, match="neither"):
        signature("a=1", pem_of(ec.generate_private_key(ec.SECP256R1())))


def test_key_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidCredentials, match="can't be read"):
        signature("a=1", "-----BEGIN PRIVATE KEY-----AAAA-----END PRIVATE KEY-----")


def pem_of(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """As a user pastes it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def test_message_is_signed_over_its_sorted_parameters(shared: Path) -> None:
    vector = next(v for v in vectors(shared) if v["name"] == "wsapi_session_logon")
    params = dict(pair.split("=") for pair in vector["payload"].split("&"))

    signed = sign_message(dict(reversed(params.items())), vector["secret"])

    assert signed == {**params, "signature": vector["signature"]}


def test_parameters_are_percent_encoded_before_signing() -> None:
    query = sign({"symbols": '["A B"]', "timestamp": "1"}, "secret")

    payload = "symbols=%5B%22A%20B%22%5D&timestamp=1"
    assert query == f"{payload}&signature={signature(payload, 'secret')}"
