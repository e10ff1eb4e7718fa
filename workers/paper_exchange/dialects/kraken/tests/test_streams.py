import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any
from zlib import crc32

import pytest
import websocket

from workers.paper_exchange.dialects.kraken.names import order_txid
from workers.paper_exchange.dialects.kraken.tests.bare import BareClient
from workers.paper_exchange.tests.builders import Wall

LIMIT = {"pair": "XBTUSDT", "type": "buy", "ordertype": "limit", "volume": "0.1", "price": "90"}
PLACED = {
    "order_type": "limit",
    "side": "buy",
    "order_qty": 0.1,
    "symbol": "BTC/USDT",
    "limit_price": 90.0,
    "time_in_force": "gtc",
    "cl_ord_id": "mine",
}


class Socket:
    """One connection; numbers come as they were written."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def ask(self, method: str, **params: object) -> Any:
        """Send a request, and give the next frame."""
        self.raw.send(json.dumps({"method": method, "params": params, "req_id": 1}))
        return self.next()

    def next(self) -> Any:
        """The next frame that is no heartbeat."""
        for _ in range(3):
            frame = json.loads(self.raw.recv(), parse_float=Decimal)
            if frame.get("channel") != "heartbeat":
                return frame
        raise TimeoutError("only heartbeats")


@pytest.fixture
def socket(client: BareClient) -> Iterator[Socket]:
    address = client.url.replace("http", "ws") + "/v2"
    with closing(websocket.create_connection(address, timeout=5)) as raw:
        socket = Socket(raw)
        assert socket.next()["channel"] == "status"
        yield socket


@pytest.fixture
def token(client: BareClient) -> str:
    return str(client.private("GetWebSocketsToken")["token"])


def move(client: BareClient, wall: Wall, seconds: float) -> None:
    """Let the market move on; what it tells is on its way when this returns."""
    wall.now += seconds
    client.public("Time")


def executions(socket: Socket, token: str) -> Any:
    """Subscribe, and give the snapshot."""
    assert socket.ask("subscribe", channel="executions", token=token)["success"] is True
    return socket.next()


def test_ping(socket: Socket) -> None:
    reply = socket.ask("ping")

    assert (reply["method"], reply["req_id"]) == ("pong", 1)


def test_each_symbol_is_answered(socket: Socket) -> None:
    first = socket.ask("subscribe", channel="ohlc", symbol=["BTC/USDT", "NO/SUCH"], interval=1)
    snapshot, refused = socket.next(), socket.next()

    assert first["result"] == {
        "channel": "ohlc",
        "symbol": "BTC/USDT",
        "interval": 1,
        "snapshot": True,
    }
    assert (snapshot["type"], len(snapshot["data"])) == ("snapshot", 1)
    assert refused["success"] is False
    assert refused["error"] == "Currency pair not supported NO/SUCH"


def test_candle_is_told_to_its_end_before_the_next_one_begins(
    client: BareClient, socket: Socket, wall: Wall
) -> None:
    socket.ask("subscribe", channel="ohlc", symbol=["BTC/USDT"], snapshot=False)
    move(client, wall, 59)
    move(client, wall, 2)
    rows = [socket.next()["data"][0] for _ in range(3)]

    begins = [row["interval_begin"] for row in rows]
    assert begins[-2:] == ["2023-11-14T22:14:00.000000000Z", "2023-11-14T22:15:00.000000000Z"]
    assert [rows[-2][name] for name in ("open", "high", "low", "close")] == [
        Decimal(number) for number in ("100.0", "101.5", "99.5", "101.0")
    ]


@pytest.mark.parametrize("name", ["ticker", "trade"])
def test_prices_are_told(client: BareClient, socket: Socket, wall: Wall, name: str) -> None:
    socket.ask("subscribe", channel=name, symbol=["BTC/USDT"])
    snapshot = socket.next()
    move(client, wall, 10)
    update = socket.next()

    assert [frame["type"] for frame in (snapshot, update)] == ["snapshot", "update"]
    assert update["data"][0]["symbol"] == "BTC/USDT"


def test_book_adds_up_to_its_checksum(client: BareClient, socket: Socket, wall: Wall) -> None:
    socket.ask("subscribe", channel="book", symbol=["BTC/USDT"])
    (row,) = socket.next()["data"]
    sides: dict[str, dict[Decimal, Decimal]] = {"asks": {}, "bids": {}}
    for _ in range(4):
        for name, levels in sides.items():
            for level in row[name]:
                levels[level["price"]] = level["qty"]
                if not level["qty"]:
                    del levels[level["price"]]
        asks, bids = sorted(sides["asks"].items()), sorted(sides["bids"].items(), reverse=True)
        digits = [
            f"{n:f}".replace(".", "").lstrip("0")
            for side in (asks, bids)
            for n in sum(side[:10], ())
        ]
        assert crc32("".join(digits).encode()) == row["checksum"]
        move(client, wall, 7)
        (row,) = socket.next()["data"]


def test_instruments(socket: Socket) -> None:
    socket.ask("subscribe", channel="instrument")
    data = socket.next()["data"]

    assert [pair["symbol"] for pair in data["pairs"]] == ["BTC/USDT"]
    assert [asset["id"] for asset in data["assets"]] == ["BTC", "USDT"]


def test_unsubscribed_channel_is_silent(client: BareClient, socket: Socket, wall: Wall) -> None:
    socket.ask("subscribe", channel="ticker", symbol=["BTC/USDT"], snapshot=False)
    socket.ask("unsubscribe", channel="ticker", symbol=["BTC/USDT"])
    move(client, wall, 10)

    assert socket.ask("ping")["method"] == "pong"


def test_what_can_not_be_understood_is_refused(socket: Socket) -> None:
    assert socket.ask("subscribe", channel="guess")["error"] == "Channel not supported"
    assert socket.ask("guess")["error"] == "Method not supported"
    assert socket.ask("add_order", token="no")["error"] == "ESession:Invalid session"
    socket.raw.send("{")
    assert socket.next()["success"] is False


def test_executions_begin_with_the_open_orders(
    client: BareClient, socket: Socket, token: str
) -> None:
    client.private("AddOrder", **LIMIT, cl_ord_id="mine")
    snapshot = executions(socket, token)
    (row,) = snapshot["data"]

    assert (snapshot["type"], snapshot["sequence"]) == ("snapshot", 1)
    told = [row[name] for name in ("cl_ord_id", "order_status", "order_qty", "limit_price")]
    assert told == ["mine", "new", Decimal("0.1"), 90]


def test_life_of_an_order_is_told_in_sequence(
    client: BareClient, socket: Socket, token: str
) -> None:
    executions(socket, token)
    client.private("AddOrder", **{**LIMIT, "ordertype": "market", "price": "0"})
    frames = [socket.next() for _ in range(4)]

    rows = [frame["data"][0] for frame in frames]
    assert [frame["sequence"] for frame in frames] == [2, 3, 4, 5]
    assert [row["exec_type"] for row in rows] == ["pending_new", "new", "trade", "filled"]
    assert rows[2]["fees"] == [{"asset": "USDT", "qty": rows[2]["cost"] * Decimal("0.004")}]
    assert (rows[2]["order_status"], rows[3]["order_status"]) == ("partially_filled", "filled")


def test_change_and_cancel_are_told(client: BareClient, socket: Socket, token: str) -> None:
    client.private("AddOrder", **LIMIT)
    executions(socket, token)
    client.private("AmendOrder", txid=order_txid(1), order_qty="0.2")
    client.private("CancelAll")
    amended, cancelled = socket.next()["data"][0], socket.next()["data"][0]

    assert (amended["exec_type"], amended["order_qty"]) == ("amended", Decimal("0.2"))
    assert (cancelled["exec_type"], cancelled["reason"]) == ("canceled", "User requested")


def test_balances(client: BareClient, socket: Socket, token: str) -> None:
    socket.ask("subscribe", channel="balances", token=token)
    snapshot = socket.next()
    client.private("AddOrder", **{**LIMIT, "ordertype": "market", "price": "0"})
    update = socket.next()

    assert [row["asset"] for row in snapshot["data"]] == ["BTC", "USDT"]
    assert snapshot["data"][1]["wallets"] == [{"type": "spot", "id": "main", "balance": 10000}]
    base, quote = update["data"]
    assert (base["amount"], base["balance"]) == (Decimal("0.1"), Decimal("1.1"))
    assert quote["balance"] == 10_000 + quote["amount"] - quote["fee"]


def test_order_is_placed_amended_and_cancelled(socket: Socket, token: str) -> None:
    added = socket.ask("add_order", **PLACED, token=token)
    amended = socket.ask("amend_order", cl_ord_id="mine", order_qty=0.2, token=token)
    cancelled = socket.ask("cancel_order", cl_ord_id=["mine"], token=token)
    again = socket.ask("cancel_order", order_id=[order_txid(1)], token=token)

    assert added["result"] == {"order_id": order_txid(1), "cl_ord_id": "mine"}
    assert amended["result"]["cl_ord_id"] == "mine"
    assert cancelled["result"] == {"cl_ord_id": "mine"}
    assert (again["success"], again["error"]) == (False, "EOrder:Unknown order")


def test_stop_order_with_a_closing_one(client: BareClient, socket: Socket, token: str) -> None:
    order = {"order_type": "stop-loss", "side": "sell", "order_qty": 0.1, "symbol": "BTC/USDT"}
    triggers = {"price": -5, "price_type": "pct", "reference": "index"}
    reply = socket.ask("add_order", **order, triggers=triggers, token=token)
    conditional = {"order_type": "stop-loss", "trigger_price": 80}
    socket.ask("add_order", **PLACED, conditional=conditional, token=token)
    stop, entry = (client.private("OpenOrders")["open"][order_txid(n)] for n in (1, 2))

    assert reply["success"] is True
    assert (stop["descr"]["price"], stop["trigger"]) == ("95.00", "index")
    assert entry["descr"]["close"] == "close position @ stop loss 80.00"


def test_trailing_stop_with_a_limit_over_the_socket(
    client: BareClient, socket: Socket, token: str
) -> None:
    order = {"order_type": "trailing-stop-limit", "side": "sell", "symbol": "BTC/USDT"}
    prices = {"triggers": {"price": 2, "price_type": "pct"}, "limit_price": -1}
    terms = {**order, **prices, "order_qty": 0.1, "limit_price_type": "quote"}
    socket.ask("add_order", **terms, token=token)
    description = client.private("QueryOrders", txid=order_txid(1))[order_txid(1)]["descr"]

    assert (description["price"], description["price2"]) == ("+2.0000%", "-1")


def test_order_that_expires_and_is_amended_relatively(
    client: BareClient, socket: Socket, token: str
) -> None:
    order = {**PLACED, "time_in_force": "gtd", "expire_time": "2023-11-14T22:20:00Z"}
    socket.ask("add_order", **order, token=token)
    terms = {"limit_price": -20, "limit_price_type": "pct"}
    amended = socket.ask("amend_order", cl_ord_id="mine", **terms, token=token)
    row = client.private("QueryOrders", txid=order_txid(1))[order_txid(1)]

    assert amended["success"] is True
    assert (row["expiretm"], row["descr"]["price"]) == (1_700_000_400, "80.00")


def test_batches_over_the_socket(socket: Socket, token: str) -> None:
    order = {name: value for name, value in PLACED.items() if name not in {"symbol", "cl_ord_id"}}
    added = socket.ask("batch_add", symbol="BTC/USDT", orders=[order, order], token=token)
    ids = [row["order_id"] for row in added["result"]]
    cancelled = socket.ask("batch_cancel", orders=ids, token=token)

    assert ids == [order_txid(1), order_txid(2)]
    assert cancelled["orders_cancelled"] == 2
    assert socket.ask("cancel_all", token=token)["result"] == {"count": 0}


def test_purchase_by_amount_over_the_socket(client: BareClient, socket: Socket, token: str) -> None:
    order = {"order_type": "market", "side": "buy", "symbol": "BTC/USDT", "cash_order_qty": 50}
    socket.ask("add_order", **order, token=token)

    assert client.private("QueryOrders", txid=order_txid(1))[order_txid(1)]["vol"] == "50.00000000"


def test_refused_order_over_the_socket(socket: Socket, token: str) -> None:
    reply = socket.ask("add_order", **{**PLACED, "order_qty": 500}, token=token)
    unknown = socket.ask("add_order", **PLACED, triggerPrice=80, token=token)

    assert (reply["success"], reply["error"]) == (False, "EOrder:Insufficient funds")
    assert unknown["error"] == "EGeneral:Invalid arguments"


def test_token_runs_out_unless_its_connection_lives(
    client: BareClient, socket: Socket, token: str, wall: Wall
) -> None:
    unused = str(client.private("GetWebSocketsToken")["token"])
    executions(socket, token)
    wall.now += 901

    assert socket.ask("add_order", **PLACED, token=unused)["error"] == "ESession:Invalid session"
    assert socket.ask("cancel_all", token=token)["success"] is True
