"""Kraken's payloads, read in place."""

import json
from pathlib import Path
from typing import Any

from apps.exchanges.http import HttpAnswer
from apps.exchanges.tests.stubs import answer

#: The secret of the signature vectors and of the captured requests.
SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="


def names(shared: Path, kind: str) -> set[str]:
    """Every recorded payload of a kind."""
    folder = shared / "exchanges" / "fixtures" / "kraken" / kind
    return {path.stem for path in folder.glob("*.json")}


def fixture_of(shared: Path, name: str) -> dict[str, Any]:
    """A payload by `kind/name`, with what is known about it."""
    path = shared / "exchanges" / "fixtures" / "kraken" / f"{name}.json"
    whole: dict[str, Any] = json.loads(path.read_text())
    return whole


def payload_of(shared: Path, name: str) -> Any:
    """A payload by `kind/name`."""
    return fixture_of(shared, name)["payload"]


def body_of(shared: Path, name: str) -> bytes:
    """A payload as it came over the wire."""
    return json.dumps(payload_of(shared, name)).encode()


def result(value: object) -> HttpAnswer:
    """A good answer."""
    return answer({"error": [], "result": value})


def wrapped(value: object) -> bytes:
    """The body of a good answer."""
    return result(value).body


def failure(*words: str, status: int = 200) -> HttpAnswer:
    """An answer that tells errors."""
    return answer({"error": list(words)}, status)
