"""Bitget's payloads, read in place."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apps.exchanges.bitget.client import BitgetClient
from apps.exchanges.http import HttpAnswer
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import Credentials
from apps.exchanges.tests.stubs import StubTransport, answer

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NOW_MS = 1_767_312_000_000
DEADLINE = NOW + timedelta(seconds=5)
#: The secret of the signature vectors and of the captured requests.
SECRET = "bitgetSecretForTests0123456789abcdef"
KEYS = Credentials(api_key="the-api-key", api_secret=SECRET, passphrase="the-passphrase")


def names(shared: Path, kind: str) -> set[str]:
    """Every recorded payload of a kind."""
    folder = shared / "exchanges" / "fixtures" / "bitget" / kind
    return {path.stem for path in folder.glob("*.json")}


def fixture_of(shared: Path, name: str) -> dict[str, Any]:
    """A payload by `kind/name`, with what is known about it."""
    path = shared / "exchanges" / "fixtures" / "bitget" / f"{name}.json"
    whole: dict[str, Any] = json.loads(path.read_text())
    return whole


def payload_of(shared: Path, name: str) -> Any:
    """A payload by `kind/name`."""
    return fixture_of(shared, name)["payload"]


def body_of(shared: Path, name: str) -> bytes:
    """A payload as it came over the wire, compact."""
    return json.dumps(payload_of(shared, name), separators=(",", ":")).encode()


def good(data: object, request_time: int = NOW_MS) -> HttpAnswer:
    """A good answer."""
    envelope = {"code": "00000", "msg": "success", "requestTime": request_time, "data": data}
    return HttpAnswer(status=200, body=json.dumps(envelope, separators=(",", ":")).encode())


def failure(code: str, words: str = "words", status: int = 400) -> HttpAnswer:
    """An answer that tells an error."""
    return answer({"code": code, "msg": words, "requestTime": NOW_MS, "data": None}, status)


def client(
    transport: StubTransport, credentials: Credentials | None = KEYS, *, testnet: bool = False
) -> BitgetClient:
    """A client whose clock stands still, with limits of its own."""
    return BitgetClient(
        credentials,
        base_url="http://stub",
        testnet=testnet,
        limits=MemoryLimitStore(),
        transport=transport,
        now=NOW.timestamp,
    )


def asked(transport: StubTransport) -> list[str]:
    """What was asked for, each as method and last part of the path."""
    return [f"{r.method} {r.path.rpartition('/')[2]}" for r in transport.requests]


def sent_body(transport: StubTransport, index: int = -1) -> dict[str, Any]:
    """The JSON body of a request."""
    body: dict[str, Any] = json.loads(transport.requests[index].body or "{}")
    return body


def order_row(order_id: int | str, **changes: object) -> dict[str, object]:
    """An ordinary order as told, created `order_id` seconds after a moment."""
    return {
        "symbol": "BTCUSDT",
        "orderId": str(order_id),
        "clientOid": f"c{order_id}",
        "price": "50000",
        "size": "0.1",
        "orderType": "limit",
        "side": "sell",
        "status": "live",
        "baseVolume": "0",
        "quoteVolume": "0",
        "cTime": str(NOW_MS - 3_600_000 + int(order_id) * 1000),
        **changes,
    }


def plan_row(order_id: int | str, **changes: object) -> dict[str, object]:
    """A conditional order as told."""
    return {
        "orderId": str(order_id),
        "clientOid": f"c{order_id}",
        "symbol": "BTCUSDT",
        "size": "0.1",
        "triggerPrice": "40000.5",
        "executePrice": "39000",
        "status": "live",
        "orderType": "limit",
        "side": "sell",
        "planType": "amount",
        "cTime": str(NOW_MS - 3_600_000 + int(order_id) * 1000),
        **changes,
    }


def plans(*rows: object, more: str | None = None) -> HttpAnswer:
    """A page of conditional orders."""
    return good({"nextFlag": more is not None, "idLessThan": more, "orderList": list(rows)})


def query(transport: StubTransport, index: int = -1) -> dict[str, str]:
    """The parameters of a question."""
    return dict(pair.split("=") for pair in transport.requests[index].query.split("&"))
