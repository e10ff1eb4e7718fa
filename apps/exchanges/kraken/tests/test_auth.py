"""Known answers, and the signatures of captured requests."""

import json
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from apps.exchanges.kraken.auth import sign
from apps.exchanges.kraken.tests.payloads import SECRET, names, payload_of


def test_known_answers(shared: Path) -> None:
    path = shared / "exchanges" / "fixtures" / "signature_vectors.json"
    vectors = [v for v in json.loads(path.read_text()) if v["exchange"] == "kraken"]

    assert len(vectors) == 3
    for vector in vectors:
        made = sign(vector["path"], vector["nonce"], vector["payload"], vector["secret"])
        assert made == vector["signature"], vector["name"]


def test_captured_requests_have_our_signature(shared: Path) -> None:
    signed = 0
    for name in names(shared, "client_requests"):
        for request in payload_of(shared, f"client_requests/{name}"):
            if request["method"] == "POST":
                nonce = parse_qs(request["body"])["nonce"][0]
                made = sign(request["path"], nonce, request["body"], SECRET)
                assert made == request["headers"]["API-Sign"], name
                signed += 1

    assert signed == 17


@pytest.mark.parametrize("secret", ["not base64!", "abc", "geheimnis-für-alle"])
def test_secret_that_is_no_base64_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        sign("/0/private/Balance", "1", "nonce=1", secret)
