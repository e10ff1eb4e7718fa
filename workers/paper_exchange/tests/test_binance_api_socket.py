import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from apps.domain.paper import paper_secret
from workers.paper_exchange.dialects.binance.auth import sign
from workers.paper_exchange.tests.builders import (
    KEY,
    START_MS,
    Wall,
    exchange_of,
    feed_of,
    rising_candles,
)
from workers.paper_exchange.tests.serving import Client, serve

LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.10000000",
    "price": "90.00",
}
OCO = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "quantity": "0.5",
    "aboveType": "LIMIT_MAKER",
    "abovePrice": "103",
    "belowType": "STOP_LOSS",
    "belowStopPrice": "90",
}


class Api:
    """A bare client of the WebSocket API."""

    def __init__(self, url: str, query: str = "") -> None:
        address = f"{url.replace('http', 'ws')}/ws-api/v3{query}"
        self.socket: Any = websocket.create_connection(address, timeout=5)
        self.timestamp_ms = START_MS

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Send a request; its answer, passing over events."""
        self.socket.send(json.dumps({"id": method, "method": method, "params": params}))
        while True:
            frame: dict[str, Any] = json.loads(self.socket.recv())
            if "event" not in frame:
                return frame

    def signed(self, method: str, **params: object) -> dict[str, Any]:
        """Send a signed request."""
        wanted = {**params, "apiKey": KEY, "timestamp": self.timestamp_ms}
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in wanted.items()}
        payload = "&".join(f"{name}={texts[name]}" for name in sorted(texts))
        return self.ask(method, **wanted, signature=sign(paper_secret(KEY), payload.encode()))

    def event(self) -> dict[str, Any]:
        """The next event of the user data stream."""
        frame = json.loads(self.socket.recv())
        assert frame["subscriptionId"] == 0
        event: dict[str, Any] = frame["event"]
        return event


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def url(wall: Wall) -> Iterator[str]:
    with serve(exchange_of(feed_of(rising_candles(50)), wall)) as address:
        yield address


@pytest.fixture
def api(url: str) -> Iterator[Api]:
    client = Api(url)
    yield client
    client.socket.close()


@pytest.fixture
def client(url: str) -> Client:
    return Client(url)


def payload_of(shared: Path, name: str) -> Any:
    path = shared / f"exchanges/fixtures/binance/{name}.json"
    return json.loads(path.read_text())["payload"]


def test_an_order_is_placed_found_and_cancelled(api: Api) -> None:
    placed = api.signed("order.place", **LIMIT, newClientOrderId="mine")
    found = api.signed("order.status", symbol="BTCUSDT", orderId=placed["result"]["orderId"])
    resting = api.signed("openOrders.status", symbol="BTCUSDT")
    balances = api.signed("account.status", omitZeroBalances=True)
    ended = api.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="mine")

    assert (placed["id"], placed["status"], placed["result"]["status"]) == (
        "order.place",
        200,
        "NEW",
    )
    assert found["result"]["clientOrderId"] == "mine"
    assert [row["clientOrderId"] for row in resting["result"]] == ["mine"]
    assert {"asset": "USDT", "free": "9991.00000000", "locked": "9.00000000"} in balances["result"][
        "balances"
    ]
    assert ended["result"]["status"] == "CANCELED"


def test_an_answer_tells_how_far_the_limits_are_used(api: Api) -> None:
    placed = api.signed("order.place", **LIMIT)
    ping = api.ask("ping")

    assert [(row["rateLimitType"], row["count"]) for row in placed["rateLimits"]] == [
        ("ORDERS", 1),
        ("ORDERS", 1),
        ("REQUEST_WEIGHT", 2),
    ]
    assert ping["result"] == {}
    assert [row["count"] for row in ping["rateLimits"]] == [3]


def test_limits_are_left_out_where_nobody_wants_them(url: str) -> None:
    api = Api(url, "?returnRateLimits=false")

    assert api.ask("time") == {"id": "time", "status": 200, "result": {"serverTime": START_MS}}
    api.socket.close()


@pytest.mark.parametrize(
    ("method", "params", "status", "code"),
    [
        ("order.dance", {}, 400, -1020),
        ("order.place", {**LIMIT, "side": "HOLD"}, 400, -1117),
        ("order.status", {"symbol": "BTCUSDT", "orderId": 77}, 400, -2013),
        ("session.logon", {}, 400, -4056),
        ("userDataStream.subscribe", {}, 401, -2015),
        ("userDataStream.unsubscribe", {"subscriptionId": 3}, 400, -1104),
    ],
)
def test_refused_requests(
    api: Api, method: str, params: dict[str, object], status: int, code: int
) -> None:
    reply = api.signed(method, **params)

    assert (reply["status"], reply["error"]["code"]) == (status, code)


@pytest.mark.parametrize("message", ["{", "[]", '{"method":"ping","params":[]}'])
def test_a_message_that_is_no_request(api: Api, message: str) -> None:
    api.socket.send(message)

    reply = json.loads(api.socket.recv())
    assert (reply["id"], reply["error"]["code"]) == (None, -1135)


def test_a_wrong_signature_opens_nothing(api: Api) -> None:
    reply = api.ask(
        "userDataStream.subscribe.signature", apiKey=KEY, timestamp=START_MS, signature="0" * 64
    )

    assert (reply["status"], reply["error"]["code"]) == (400, -1022)
    assert api.ask("session.status")["result"]["userDataStream"] is False


def test_an_account_is_followed_by_signature(api: Api, client: Client, shared: Path) -> None:
    reply = api.signed("userDataStream.subscribe.signature")
    client.signed("POST", "/api/v3/order", **LIMIT, newClientOrderId="mine")
    new, locked = api.event(), api.event()
    client.signed(
        "DELETE",
        "/api/v3/order",
        symbol="BTCUSDT",
        origClientOrderId="mine",
        newClientOrderId="away",
    )
    ended, freed = api.event(), api.event()

    assert reply["result"] == {"subscriptionId": 0}
    documented = payload_of(shared, "ws_private/docs_uds_Order_Update_1")["event"]
    assert new.keys() >= documented.keys() - {"v"}
    assert (new["x"], new["X"], new["c"], new["C"], new["w"]) == ("NEW", "NEW", "mine", "", True)
    assert (ended["x"], ended["c"], ended["C"]) == ("CANCELED", "away", "mine")
    assert locked.keys() == payload_of(shared, "ws_private/ccxt_src_handle_balance_2").keys()
    assert locked["B"][1] == {"a": "USDT", "f": "9991.00000000", "l": "9.00000000"}
    assert freed["B"][1] == {"a": "USDT", "f": "10000.00000000", "l": "0.00000000"}


def test_a_fill_is_told_with_its_fee(api: Api, client: Client) -> None:
    api.signed("userDataStream.subscribe.signature")

    client.signed(
        "POST", "/api/v3/order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.1"
    )
    new, fill, balances = (api.event() for _ in range(3))

    assert (new["x"], fill["x"], fill["X"]) == ("NEW", "TRADE", "FILLED")
    assert (fill["l"], fill["L"], fill["n"], fill["N"]) == (
        "0.10000000",
        "100.00000000",
        "0.00010000",
        "BTC",
    )
    assert (fill["t"], fill["m"], fill["w"]) == (1, False, False)
    assert balances["e"] == "outboundAccountPosition"


def test_a_list_is_told_from_its_beginning_to_its_end(api: Api, client: Client, wall: Wall) -> None:
    api.signed("userDataStream.subscribe.signature")
    client.signed("POST", "/api/v3/orderList/oco", **OCO, listClientOrderId="exit")
    begun = [api.event() for _ in range(4)]
    wall.now += 240
    client.get("/api/v3/ping")
    ended = []
    while not ended or ended[-1]["e"] != "listStatus":
        ended.append(api.event())

    assert [event["e"] for event in begun] == [
        "listStatus",
        "executionReport",
        "executionReport",
        "outboundAccountPosition",
    ]
    assert (begun[0]["c"], begun[0]["l"], begun[0]["C"]) == ("OCO", "EXEC_STARTED", "exit")
    told = [(event["x"], event.get("eR")) for event in ended if event["e"] == "executionReport"]
    assert told[0] == ("EXPIRED", "OCO_TRIGGER")
    assert {execution for execution, _ in told[1:]} == {"TRADE"}
    assert ended[-1]["L"] == "ALL_DONE"


def test_an_amendment_is_told_with_both_names(api: Api, client: Client) -> None:
    client.signed("POST", "/api/v3/order", **LIMIT, newClientOrderId="old")
    api.signed("userDataStream.subscribe.signature")

    client.signed(
        "PUT",
        "/api/v3/order/amend/keepPriority",
        symbol="BTCUSDT",
        origClientOrderId="old",
        newQty="0.08",
        newClientOrderId="new",
    )
    told = api.event()

    assert (told["x"], told["c"], told["C"], told["q"]) == ("REPLACED", "new", "old", "0.08000000")


def test_a_subscription_is_ended(api: Api, client: Client) -> None:
    api.signed("userDataStream.subscribe.signature")
    again = api.signed("userDataStream.subscribe.signature")

    ended = api.ask("userDataStream.unsubscribe", subscriptionId=0)
    unknown = api.ask("userDataStream.unsubscribe", subscriptionId=0)
    client.signed("POST", "/api/v3/order", **LIMIT)

    assert again["error"]["code"] == -2035
    assert (ended["result"], unknown["error"]["code"]) == ({}, -2036)
    assert api.ask("session.subscriptions")["result"] == []


def test_others_do_not_hear_of_an_account(api: Api, url: str) -> None:
    api.signed("userDataStream.subscribe.signature")

    Client(url, key="s" * 16).signed("POST", "/api/v3/order", **LIMIT)

    api.socket.send('{"id":1,"method":"ping"}')
    assert json.loads(api.socket.recv())["id"] == 1
