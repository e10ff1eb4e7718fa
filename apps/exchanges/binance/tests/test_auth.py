"""Signatures against the exchange's published examples."""

import json
from pathlib import Path

from apps.exchanges.binance.auth import encode, sign, signature


def test_signatures_match_the_published_ones(shared: Path) -> None:
    vectors = json.loads((shared / "exchanges" / "fixtures" / "signature_vectors.json").read_text())
    ours = [v for v in vectors if v["exchange"] == "binance" and "HMAC" in v["algorithm"]]

    assert len(ours) == 6
    assert [signature(v["payload"], v["secret"]) for v in ours] == [v["signature"] for v in ours]


def test_parameters_are_percent_encoded_before_signing() -> None:
    query = sign({"symbols": '["A B"]', "timestamp": "1"}, "secret")

    payload = "symbols=%5B%22A%20B%22%5D&timestamp=1"
    assert query == f"{payload}&signature={signature(payload, 'secret')}"


def test_wide_characters_are_encoded_as_in_the_published_example() -> None:
    wide = "".join(chr(0xFF10 + digit) for digit in (1, 2))

    assert encode({"symbol": wide}) == "symbol=%EF%BC%91%EF%BC%92"
