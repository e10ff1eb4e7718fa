import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websocket import WebSocket, create_connection

from apps.domain.paper import paper_secret
from workers.paper_exchange.dialects.bitget.auth import sign
from workers.paper_exchange.dialects.bitget.tests.bare import TRADE, BareClient
from workers.paper_exchange.dialects.bitget.tests.test_plans import PLAN
from workers.paper_exchange.dialects.bitget.tests.test_trading import LIMIT, MARKET
from workers.paper_exchange.tests.builders import KEY, START_MS, Wall

PUBLIC, PRIVATE = "/v2/ws/public", "/v2/ws/private"


class Listener:
    """A connection, frame by frame."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    def say(self, operation: str, *args: dict[str, str]) -> Any:
        """Send an operation; the answer to its last argument."""
        self._socket.send(json.dumps({"op": operation, "args": args}))
        return self.hear()

    def send(self, text: str) -> str:
        """Send a text; the answer as it is."""
        self._socket.send(text)
        return str(self._socket.recv())

    def hear(self) -> Any:
        """The next frame."""
        return json.loads(self._socket.recv())


@contextmanager
def connected(client: BareClient, path: str) -> Iterator[Listener]:
    socket = create_connection(client.url.replace("http", "ws") + path, timeout=5)
    try:
        yield Listener(socket)
    finally:
        socket.close()


@pytest.fixture
def public(client: BareClient) -> Iterator[Listener]:
    with connected(client, PUBLIC) as listener:
        yield listener


@pytest.fixture
def private(client: BareClient, wall: Wall) -> Iterator[Listener]:
    with connected(client, PRIVATE) as listener:
        assert listener.say("login", login(wall)) == {"event": "login", "code": 0}
        yield listener


def login(wall: Wall, **changes: str) -> dict[str, str]:
    stamp = str(int(wall()))
    signature = sign(paper_secret(KEY), f"{stamp}GET/user/verify".encode())
    return {
        "apiKey": KEY,
        "passphrase": "paper",
        "timestamp": stamp,
        "sign": signature,
        **changes,
    }


def arg(channel: str, inst_id: str = "BTCUSDT") -> dict[str, str]:
    return {"instType": "SPOT", "channel": channel, "instId": inst_id}


def test_sign_of_life(public: Listener) -> None:
    assert public.send("ping") == "pong"


def test_candles_first_past_then_present(client: BareClient, public: Listener, wall: Wall) -> None:
    wall.now += 2 * 60 + 10
    client.public("/api/v2/public/time")
    channel = arg("candle1m")

    assert public.say("subscribe", channel) == {"event": "subscribe", "arg": channel}
    snapshot = public.hear()
    wall.now += 60
    client.public("/api/v2/public/time")
    updates = [public.hear() for _ in range(3)]

    assert (snapshot["action"], snapshot["arg"]) == ("snapshot", channel)
    opened = [int(row[0]) for row in snapshot["data"]]
    assert opened == [START_MS + n * 60_000 for n in range(3)]
    assert {update["action"] for update in updates} == {"update"}
    rows = [update["data"][0] for update in updates]
    assert [(int(row[0]) - START_MS) // 60_000 for row in rows] == [2, 2, 3]
    # Nothing marks it as closed, but its last change is told before the next one begins.
    assert rows[1][1:6] == ["102", "103.5", "101.5", "103", "12"]


@pytest.mark.parametrize(
    "channel", ["candle15m", "candle1H", "candle1Dutc", "candle1Mutc", "candle1W"]
)
def test_candles_of_other_lengths(public: Listener, channel: str) -> None:
    assert public.say("subscribe", arg(channel))["event"] == "subscribe"


def test_ticker_and_book(public: Listener) -> None:
    public.say("subscribe", arg("ticker"))
    ticker = public.hear()
    public.say("subscribe", arg("books5"))
    book = public.hear()

    (row,) = ticker["data"]
    assert (ticker["action"], row["instId"], row["lastPr"]) == ("snapshot", "BTCUSDT", "100")
    (levels,) = book["data"]
    assert (len(levels["asks"]), len(levels["bids"])) == (5, 5)
    assert row["askPr"] == levels["asks"][0][0]


def test_trades_are_the_prices(client: BareClient, public: Listener, wall: Wall) -> None:
    public.say("subscribe", arg("trade"))
    wall.now += 10
    client.public("/api/v2/public/time")
    frame = public.hear()

    assert frame["action"] == "update"
    (trade,) = frame["data"]
    assert float(trade["price"]) > 0
    assert float(trade["size"]) > 0
    assert trade["side"] in {"buy", "sell"}


def test_unsubscribe(client: BareClient, public: Listener, wall: Wall) -> None:
    public.say("subscribe", arg("trade"))
    channel = arg("trade")

    assert public.say("unsubscribe", channel) == {"event": "unsubscribe", "arg": channel}
    wall.now += 60
    client.public("/api/v2/public/time")
    assert public.send("ping") == "pong"


def test_channel_that_does_not_exist(public: Listener) -> None:
    assert public.say("subscribe", arg("candle7m")) == {
        "event": "error",
        "arg": arg("candle7m"),
        "op": "subscribe",
        "code": 30001,
        "msg": "instType:SPOT,channel:candle7m,instId:BTCUSDT doesn't exist",
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 30002),
        ("[]", 30002),
        ('{"op":"subscribe"}', 30002),
        ('{"op":"subscribe","args":[1]}', 30002),
        ('{"op":"dance","args":[]}', 30003),
        ('{"op":"login","args":[{}]}', 30003),
    ],
)
def test_illegal_requests(public: Listener, text: str, code: int) -> None:
    answer = json.loads(public.send(text))

    assert (answer["event"], answer["code"]) == ("error", code)


def test_too_many_messages(public: Listener) -> None:
    answers = [public.say("unsubscribe", arg("trade")) for _ in range(11)]

    assert answers[9]["event"] == "unsubscribe"
    assert answers[10]["code"] == 30006


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"apiKey": ""}, 30011),
        ({"passphrase": ""}, 30012),
        ({"timestamp": "1659076670000"}, 30013),
        ({"timestamp": "1659076670"}, 30014),
        ({"sign": "AAAA"}, 30015),
    ],
)
def test_refused_logins(client: BareClient, wall: Wall, changes: dict[str, str], code: int) -> None:
    with connected(client, PRIVATE) as listener:
        answer = listener.say("login", login(wall, **changes))
        assert (answer["event"], answer["code"]) == ("error", code)
        assert listener.say("subscribe", arg("orders", "default"))["code"] == 30004


def test_order_from_its_birth_to_its_end(client: BareClient, private: Listener) -> None:
    private.say("subscribe", arg("orders", "default"))
    client.post(f"{TRADE}/place-order", **LIMIT, clientOid="mine")
    born = private.hear()
    client.post(f"{TRADE}/cancel-order", symbol="BTCUSDT", clientOid="mine")
    (ended,) = private.hear()["data"]

    assert (born["action"], born["arg"]) == ("snapshot", arg("orders", "default"))
    (row,) = born["data"]
    assert (row["instId"], row["clientOid"], row["status"]) == ("BTCUSDT", "mine", "live")
    assert (row["newSize"], row["price"], row["accBaseVolume"]) == ("0.1", "90", "0")
    assert (ended["orderId"], ended["status"]) == (row["orderId"], "cancelled")


def test_fill_is_told_with_its_order_and_alone(client: BareClient, private: Listener) -> None:
    private.say("subscribe", arg("orders", "default"))
    private.say("subscribe", arg("fill", "default"))
    client.post(f"{TRADE}/place-order", **MARKET)
    private.hear()
    (fill,) = private.hear()["data"]
    (row,) = private.hear()["data"]

    assert (row["status"], row["newSize"], row["tradeScope"]) == ("filled", "50", "T")
    assert row["tradeId"] == fill["tradeId"]
    (fee,) = fill["feeDetail"]
    assert float(fee["totalFee"]) == -float(row["fillFee"]) > 0
    assert row["feeDetail"] == [{"feeCoin": "BTC", "fee": row["fillFee"]}]


def test_balances_are_told_as_they_are_afterwards(client: BareClient, private: Listener) -> None:
    account = {"instType": "SPOT", "channel": "account", "coin": "default"}
    private.say("subscribe", account)
    first = private.hear()
    client.post(f"{TRADE}/place-order", **LIMIT)
    changed = {row["coin"]: row for row in private.hear()["data"]}

    assert [row["coin"] for row in first["data"]] == ["BTC", "USDT"]
    assert (changed["USDT"]["available"], changed["USDT"]["frozen"]) == ("9991", "9")


def test_trigger_order_and_what_it_places(
    client: BareClient, private: Listener, wall: Wall
) -> None:
    private.say("subscribe", arg("orders-algo", "default"))
    private.say("subscribe", arg("orders", "default"))
    placed = client.post(f"{TRADE}/place-plan-order", **PLAN)
    frames = [private.hear()]
    wall.now += 5 * 60
    client.public("/api/v2/public/time")
    frames += [private.hear() for _ in range(3)]

    told = [(frame["arg"]["channel"], frame["data"][0]["status"]) for frame in frames]
    assert told == [
        ("orders-algo", "live"),
        ("orders-algo", "executed"),
        ("orders", "live"),
        ("orders", "filled"),
    ]
    assert frames[1]["data"][0]["orderId"] == placed["orderId"]
    assert frames[2]["data"][0]["orderId"] != placed["orderId"]


def test_trigger_order_that_fails_has_never_been_executed(
    client: BareClient, private: Listener, wall: Wall
) -> None:
    private.say("subscribe", arg("orders-algo", "default"))
    private.say("subscribe", arg("orders", "default"))
    client.post(f"{TRADE}/place-plan-order", **{**PLAN, "size": "500"})
    wall.now += 5 * 60
    client.public("/api/v2/public/time")
    client.post(f"{TRADE}/place-order", **LIMIT)

    frames = [private.hear() for _ in range(3)]
    told = [(f["arg"]["channel"], f["data"][0]["status"]) for f in frames]
    assert told == [("orders-algo", "live"), ("orders-algo", "fail_trigger"), ("orders", "live")]


def test_nobody_hears_of_others(client: BareClient, private: Listener, wall: Wall) -> None:
    private.say("subscribe", arg("orders", "default"))
    stranger = BareClient(client.url, wall, key="s" * 16)
    stranger.post(f"{TRADE}/place-order", **LIMIT)

    assert private.send("ping") == "pong"
