import json
from pathlib import Path
from typing import Any

import pytest

from apps.domain.paper import paper_secret
from workers.paper_exchange.dialects.binance.auth import sign, signed_payload


def test_documented_signatures_are_reproduced(shared: Path) -> None:
    vectors: list[dict[str, Any]] = json.loads(
        (shared / "exchanges/fixtures/signature_vectors.json").read_text()
    )
    hmac_vectors = [v for v in vectors if v["exchange"] == "binance" and "HMAC" in v["algorithm"]]

    assert len(hmac_vectors) == 6
    for vector in hmac_vectors:
        assert sign(vector["secret"], vector["payload"].encode()) == vector["signature"]


@pytest.mark.parametrize(
    ("query", "body", "payload"),
    [
        (b"a=1&signature=ff", b"", b"a=1"),
        (b"a=1", b"b=2&signature=ff", b"a=1b=2"),
        (b"a=1&signature=ff", b"b=%EF%BC%91", b"a=1b=%EF%BC%91"),
    ],
)
def test_query_and_body_are_signed_without_anything_in_between(
    query: bytes, body: bytes, payload: bytes
) -> None:
    assert signed_payload(query, body) == payload


def test_a_key_always_has_the_same_secret() -> None:
    assert paper_secret("a" * 16) == paper_secret("a" * 16)
    assert paper_secret("a" * 16) != paper_secret("b" * 16)
    assert len(paper_secret("a" * 16)) == 64
