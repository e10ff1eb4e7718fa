"""Calls of the client against scripted answers."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from apps.domain.candles import Timeframe
from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from apps.exchanges import clock
from apps.exchanges.errors import (
    ClockSkew,
    DuplicateClientOrderId,
    ExchangeError,
    ExchangeUnavailable,
    InsufficientFunds,
    InvalidCredentials,
    OrderNotFound,
    OutcomeUnknown,
    RateLimited,
    Unsupported,
)
from apps.exchanges.http import ConnectionCut, HttpAnswer, NotSent
from apps.exchanges.kraken import client as client_module
from apps.exchanges.kraken.auth import sign
from apps.exchanges.kraken.client import KrakenClient
from apps.exchanges.kraken.constants import CAPABILITIES
from apps.exchanges.kraken.tests.payloads import (
    SECRET,
    body_of,
    failure,
    names,
    payload_of,
    result,
)
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import (
    AttachedExit,
    Credentials,
    EditMethod,
    ExchangeClient,
    OrderListRequest,
    OrderRef,
    OrderReport,
    OrderRequest,
)
from apps.exchanges.tests.stubs import StubTransport

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOST = "http://stub"
NOW_NS = 1_767_312_000_000_000_000
DEADLINE = NOW + timedelta(seconds=5)
KEYS = Credentials(api_key="the-key", api_secret=SECRET)
TAKEN = result({"descr": {"order": "buy"}, "txid": ["O1-A-B"]})
NOTED = result({"count": 1})
BAD_NONCE = failure("EAPI:Invalid nonce")
PAIRS = {
    name: {
        "altname": alt,
        "wsname": ws,
        "base": "",
        "quote": "",
        "pair_decimals": 1,
        "lot_decimals": 8,
    }
    for name, alt, ws in [
        ("XXBTZUSD", "XBTUSD", "XBT/USD"),
        ("XETHXXBT", "ETHXBT", "ETH/XBT"),
        ("XDGUSD", "XDGUSD", "XDG/USD"),
    ]
}
ORDER: dict[str, Any] = {
    "status": "open",
    "opentm": NOW.timestamp() - 20,
    "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "price": "50000"},
    "vol": "0.5",
    "vol_exec": "0",
    "cost": "0",
    "oflags": "fciq",
}


def client(
    transport: StubTransport,
    credentials: Credentials | None = KEYS,
    now: Callable[[], float] = NOW.timestamp,
) -> KrakenClient:
    """A client with limits of its own, whose clock stands still."""
    store = MemoryLimitStore(now=NOW.timestamp)
    made = KrakenClient(credentials, base_url=HOST, limits=store, transport=transport, now=now)
    for door in (made._session.http, made._session._public):
        door._sleep = lambda _seconds: None
    return made


def order(**changes: Any) -> OrderRequest:
    """A limit order to buy, but for what is changed."""
    base: dict[str, Any] = {
        "symbol": "BTC/USD",
        "side": OrderSide.BUY,
        "order_type": OrderType.LIMIT,
        "client_order_id": "a" * 32,
        "quantity": Decimal("0.001"),
        "price": Decimal(50000),
    }
    return OrderRequest(**base | changes)


def exit_order(kind: OrderType, **changes: Any) -> OrderRequest:
    """An order that ends a position."""
    return order(side=OrderSide.SELL, order_type=kind, price=None, is_exit=True, **changes)


def row(**changes: Any) -> dict[str, Any]:
    """An order as the exchange tells it."""
    return ORDER | changes


def trade(order_id: str, second: int, pair: str = "XXBTZUSD") -> dict[str, Any]:
    """An execution as the exchange tells it."""
    return {
        "ordertxid": order_id,
        "pair": pair,
        "time": NOW.timestamp() + second,
        "type": "buy",
        "price": "50000",
        "cost": "500",
        "fee": "0.00001",
        "vol": "0.01",
        "maker": False,
    }


def server_time(ahead: int) -> HttpAnswer:
    """The time of an exchange whose clock is so many seconds ahead."""
    return result({"unixtime": int(NOW.timestamp()) + ahead})


def noted(count: int) -> HttpAnswer:
    """The answer to a batch of cancels."""
    return result({"count": count})


def sent(transport: StubTransport, index: int = -1) -> dict[str, str]:
    """The parameters of a request without its nonce."""
    params = transport.params(index)
    params.pop("nonce", None)
    return params


def calls(transport: StubTransport) -> list[str]:
    """What was called, in sequence."""
    return [request.path.rpartition("/")[2] for request in transport.requests]


@pytest.fixture(autouse=True)
def _fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No symbols learned yet; the clocks agree, so that nobody asks for the time."""
    monkeypatch.setattr(client_module, "_symbols_of_host", {})
    monkeypatch.setattr(clock, "_known", {HOST: (0.0, math.inf)})


@pytest.fixture
def resting(shared: Path) -> OrderReport:
    """A resting limit order, as it was fetched."""
    transport = StubTransport(result({"O1-A-B": row(cl_ord_id="a" * 32)}))
    return client(transport).fetch_order(OrderRef(symbol="BTC/USD", exchange_order_id="O1-A-B"))


def test_client_fills_the_port() -> None:
    filled: ExchangeClient = client(StubTransport())

    assert filled.capabilities.exchange == "kraken"
    assert client(StubTransport()).venue == f"kraken@{HOST}"


def test_there_is_no_testnet() -> None:
    with pytest.raises(Unsupported, match=r"Kraken has no spot testnet\. Nothing was sent\."):
        KrakenClient(testnet=True)


# Requests that were captured from another client.

PAIR = {"pair": "XBTUSD"}  # they name it XXBTZUSD: both names are taken, this one needs no table
OUR_ID = {"cl_ord_id": "a" * 32, "deadline": "2026-01-02T00:00:05.000Z"}  # and they send neither


def place(**changes: Any) -> Callable[[KrakenClient], object]:
    """The placing of an order."""
    request = order(**changes)
    return lambda c: c.place_order(request, deadline=DEADLINE)


def edit(c: KrakenClient) -> object:
    """The change of an order that no client order id is known of."""
    current = OrderReport(
        symbol="BTC/USD",
        client_order_id=None,
        exchange_order_id="OUF4EM-FRGI2-MQMWZD",
        status=OrderStatus.OPEN,
        exchange_status="open",
        side=OrderSide.BUY,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.001"),
        filled_quantity=Decimal(0),
        filled_quote=Decimal(0),
        price=Decimal(50000),
    )
    target = order(quantity=Decimal("0.002"), price=Decimal(49000))
    return c.edit_order(current, target, deadline=DEADLINE)


MARKET: dict[str, Any] = {"order_type": OrderType.MARKET, "price": None}
STOP_LIMIT: dict[str, Any] = {
    "order_type": OrderType.STOP_LOSS_LIMIT,
    "side": OrderSide.SELL,
    "trigger_price": Decimal(40000),
    "price": Decimal(39900),
}
TAKE_PROFIT: dict[str, Any] = {
    "order_type": OrderType.TAKE_PROFIT,
    "side": OrderSide.SELL,
    "trigger_price": Decimal(60000),
    "price": None,
}
BY_TXID = OrderRef(symbol="BTC/USD", exchange_order_id="OUF4EM-FRGI2-MQMWZD")
BY_OUR_ID = OrderRef(symbol="BTC/USD", client_order_id="myid-0001")
START = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)

#: Which call of ours makes a captured request, what it is answered, and what it sends differently.
REQUESTS: dict[str, tuple[Callable[[KrakenClient], object], HttpAnswer, dict[str, str]]] = {
    "cancel_order": (lambda c: c.cancel_order(BY_TXID), NOTED, {}),
    "cancel_order_by_client_id": (lambda c: c.cancel_order(BY_OUR_ID), NOTED, {}),
    "edit_order": (edit, result({"amend_id": "T1"}), {"deadline": OUR_ID["deadline"]}),
    "fetch_balance": (lambda c: c.get_balance(), result({}), {}),
    "fetch_my_trades_since": (
        lambda c: c.fetch_fills("BTC/USD", since=START),
        result({"trades": {}, "count": 0}),
        # The start is exclusive, and takers' trades come one by one, as the stream tells them.
        {"start": "1699999999", "consolidate_taker": "false"},
    ),
    "fetch_ohlcv_1h_since": (
        lambda c: c.get_candles("BTC/USD", Timeframe.H1, start=START),
        result({"XXBTZUSD": [], "last": 0}),
        PAIR,
    ),
    "fetch_open_orders": (lambda c: c.fetch_open_orders(), result({"open": {}}), {}),
    "limit_buy": (place(), TAKEN, PAIR | OUR_ID),
    "limit_fok": (place(time_in_force=TimeInForce.FOK), TAKEN, PAIR | OUR_ID),
    "limit_ioc": (place(time_in_force=TimeInForce.IOC), TAKEN, PAIR | OUR_ID),
    "market_buy_base": (place(**MARKET), TAKEN, PAIR | OUR_ID),
    "market_buy_quote_cost": (
        place(**MARKET, quantity=None, quote_amount=Decimal("50.00")),
        TAKEN,
        PAIR | OUR_ID,
    ),
    "market_sell_base": (place(**MARKET, side=OrderSide.SELL), TAKEN, PAIR | OUR_ID),
    "stop_loss_limit_sell": (place(**STOP_LIMIT), TAKEN, PAIR | OUR_ID),
    "take_profit_market_sell": (place(**TAKE_PROFIT), TAKEN, PAIR | OUR_ID),
}
#: Requests that are never made.
NEVER = {
    "cancel_all": "it cancels the whole account, whatever symbol it is asked for",
    "fetch_ohlcv_1d": "there are no candles of a day",
    "fetch_open_trigger_orders": "conditional orders lie among the others",
    "limit_buy_attached_tp_sl": "Kraken knows none of the two fields, and attaches one exit only",
}


def test_captured_requests_are_made(shared: Path) -> None:
    captured = {name.removeprefix("ccxt_req_") for name in names(shared, "client_requests")}
    assert captured == REQUESTS.keys() | NEVER.keys()
    for name, (call, scripted, differently) in REQUESTS.items():
        transport = StubTransport(scripted)
        call(client(transport))
        (theirs,) = payload_of(shared, f"client_requests/ccxt_req_{name}")
        (ours,) = transport.requests
        assert (ours.method, ours.path) == (theirs["method"], theirs["path"]), name
        wanted = parse_qs(theirs["body"] or theirs["query"])
        wanted.pop("nonce", None)
        assert sent(transport) == {k: v[0] for k, v in wanted.items()} | differently, name


# Signing, nonces and deadlines.


def test_request_is_signed_over_what_is_sent() -> None:
    transport = StubTransport(result({}))

    client(transport).get_balance()

    (request,) = transport.requests
    assert request.body == f"nonce={NOW_NS}"
    assert request.headers == {
        "API-Key": "the-key",
        "API-Sign": sign("/0/private/BalanceEx", str(NOW_NS), request.body, SECRET),
        "Content-Type": "application/x-www-form-urlencoded",
    }


def test_nonces_rise_while_the_clock_stands_still() -> None:
    transport = StubTransport(result({}), result({}))
    still = client(transport)

    still.get_balance()
    still.get_balance()

    assert [transport.params(i)["nonce"] for i in (0, 1)] == [str(NOW_NS), str(NOW_NS + 1)]


def test_refused_nonce_is_replaced_once_and_the_same_order_repeated() -> None:
    transport = StubTransport(BAD_NONCE, TAKEN)

    client(transport).place_order(order(), deadline=DEADLINE)

    first, second = transport.params(0), transport.params(1)
    assert int(second.pop("nonce")) > int(first.pop("nonce"))
    assert first == second


def test_second_refusal_of_the_nonce_is_final() -> None:
    transport = StubTransport(BAD_NONCE, BAD_NONCE)

    with pytest.raises(ClockSkew, match="give each program a key of its own"):
        client(transport).get_balance()


def test_order_is_not_repeated_past_its_deadline() -> None:
    transport = StubTransport(BAD_NONCE)
    # The first answer takes three and a half of the five seconds.
    slow = client(transport, now=lambda: NOW.timestamp() + 3.5 * len(transport.requests))

    with pytest.raises(ExchangeUnavailable, match="Not sent"):
        slow.place_order(order(), deadline=DEADLINE)

    assert len(transport.requests) == 1


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1.9])
def test_order_too_late_for_its_deadline_is_not_sent(seconds: float) -> None:
    transport = StubTransport()
    deadline = NOW + timedelta(seconds=seconds)

    with pytest.raises(ExchangeUnavailable, match="Not sent: too late for its deadline 20"):
        client(transport).place_order(order(), deadline=deadline)

    assert transport.requests == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.0, "2026-01-02T00:00:02.000Z"),
        (4.25, "2026-01-02T00:00:04.250Z"),
        (3600.0, "2026-01-02T00:00:59.000Z"),
    ],
)
def test_deadline_travels_with_the_order(seconds: float, text: str) -> None:
    transport = StubTransport(TAKEN)

    client(transport).place_order(order(), deadline=NOW + timedelta(seconds=seconds))

    assert sent(transport)["deadline"] == text


@pytest.mark.parametrize(
    ("ahead", "text"),
    [
        (-25, "2026-01-01T23:59:40.000Z"),
        (-1, "2026-01-02T00:00:05.000Z"),
        (25, "2026-01-02T00:00:30.000Z"),
    ],
)
def test_deadline_is_told_on_the_clock_of_the_exchange(ahead: int, text: str) -> None:
    clock.forget_clocks()
    transport = StubTransport(server_time(ahead), TAKEN, TAKEN)
    kraken = client(transport)

    for _ in range(2):
        kraken.place_order(order(), deadline=DEADLINE)
        assert sent(transport)["deadline"] == text

    assert calls(transport) == ["Time", "AddOrder", "AddOrder"]


def test_clock_that_can_not_be_measured_is_believed() -> None:
    clock.forget_clocks()
    transport = StubTransport(*[ConnectionCut("no answer")] * 3, TAKEN)

    client(transport).place_order(order(), deadline=DEADLINE)

    assert sent(transport)["deadline"] == "2026-01-02T00:00:05.000Z"


def test_cancel_needs_no_clock() -> None:
    clock.forget_clocks()
    transport = StubTransport(NOTED)

    client(transport).cancel_order(BY_TXID)

    assert calls(transport) == ["CancelOrder"]


def test_private_call_without_a_key_says_so() -> None:
    with pytest.raises(InvalidCredentials, match="needs an API key"):
        client(StubTransport(), None).get_balance()


def test_secret_that_is_none_says_so() -> None:
    wrong = Credentials(api_key="the-key", api_secret="nonsense!")

    with pytest.raises(InvalidCredentials, match="not one of Kraken's"):
        client(StubTransport(), wrong).get_balance()


# Writes are sent once.


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (ConnectionCut("no answer"), OutcomeUnknown),
        (NotSent("no connection"), ExchangeUnavailable),
        (failure("EService:Unavailable"), OutcomeUnknown),
        (failure("EService:Busy"), OutcomeUnknown),
        (failure("ENew:Words"), OutcomeUnknown),
        (HttpAnswer(status=520, body=b"<html>"), OutcomeUnknown),
        (HttpAnswer(status=200, body=b"<html>"), OutcomeUnknown),
        (HttpAnswer(status=200, body=b'{"error":[],"result":{"tx'), OutcomeUnknown),
        (result({"descr": {}}), OutcomeUnknown),
        (result({"descr": {}, "txid": []}), OutcomeUnknown),
        (result({"txid": ["O1"], "cl_ord_id": "b" * 32}), OutcomeUnknown),
        (HttpAnswer(status=200, body=b'{"error":[],"result":{"txid":["\xff"]}}'), OutcomeUnknown),
        (HttpAnswer(status=400, body=b'{"error":["EService:\xff"]}'), OutcomeUnknown),
        (failure("EOrder:Duplicate cl_ord_id"), DuplicateClientOrderId),
        (failure("EOrder:Insufficient funds"), InsufficientFunds),
        (failure("EService:Deadline elapsed"), ExchangeUnavailable),
        (failure("EOrder:Rate limit exceeded"), RateLimited),
    ],
)
def test_order_is_sent_once(answer: HttpAnswer | Exception, kind: type[ExchangeError]) -> None:
    transport = StubTransport(answer)

    with pytest.raises(kind) as caught:
        client(transport).place_order(order(), deadline=DEADLINE)

    assert type(caught.value) is kind
    assert len(transport.requests) == 1


def test_read_is_repeated_and_each_time_with_a_new_nonce() -> None:
    transport = StubTransport(ConnectionCut("no answer"), failure("EService:Busy"), result({}))

    assert client(transport).get_balance() == []

    assert len({transport.params(i)["nonce"] for i in range(3)}) == 3


def test_unreadable_answer_names_call_and_reason() -> None:
    transport = StubTransport(*[HttpAnswer(status=200, body=b"<html>down")] * 3)

    with pytest.raises(ExchangeUnavailable) as caught:
        client(transport).get_fees("BTC/USD")

    message = str(caught.value)
    assert "POST /0/private/TradeVolume at kraken" in message
    assert "<html>down" in message


def test_kept_answer_holds_no_secret() -> None:
    transport = StubTransport(result({"descr": {"order": "for the-key"}, "txid": ["O1"]}))

    report = client(transport).place_order(order(), deadline=DEADLINE)

    assert report.raw["result"] == {"descr": {"order": "for ***"}, "txid": ["O1"]}


# Orders.


def test_taken_order_is_only_acknowledged() -> None:
    report = client(StubTransport(TAKEN)).place_order(order(), deadline=DEADLINE)

    assert (report.symbol, report.exchange_order_id) == ("BTC/USD", "O1-A-B")
    assert (report.status, report.client_order_id) == (OrderStatus.OPEN, "a" * 32)
    assert (report.filled_quantity, report.created_at) == (None, None)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (
            exit_order(OrderType.STOP_LOSS, trigger_price=Decimal("40000.50")),
            {"ordertype": "stop-loss", "price": "40000.5", "type": "sell"},
        ),
        (
            replace(
                exit_order(OrderType.TAKE_PROFIT, trigger_price=Decimal(60000)),
                order_type=OrderType.TAKE_PROFIT_LIMIT,
                price=Decimal(60100),
            ),
            {"ordertype": "take-profit-limit", "price": "60000", "price2": "60100"},
        ),
        (
            exit_order(OrderType.TRAILING_STOP, trailing_share=Decimal("0.02")),
            {"ordertype": "trailing-stop", "price": "+2%"},
        ),
        (
            exit_order(OrderType.TRAILING_STOP, trailing_share=Decimal("0.0125")),
            {"ordertype": "trailing-stop", "price": "+1.25%"},
        ),
        (
            order(time_in_force=TimeInForce.POST_ONLY),
            {"ordertype": "limit", "oflags": "post"},
        ),
        (
            order(symbol="DOGE/BTC", price=Decimal("0.0000023"), quantity=Decimal(50)),
            {"pair": "XDGXBT", "price": "0.0000023", "volume": "50"},
        ),
        (
            order(stop_loss=AttachedExit(trigger_price=Decimal(40000))),
            {"close[ordertype]": "stop-loss", "close[price]": "40000"},
        ),
        (
            order(take_profit=AttachedExit(trigger_price=Decimal(60000), price=Decimal(59900))),
            {
                "close[ordertype]": "take-profit-limit",
                "close[price]": "60000",
                "close[price2]": "59900",
            },
        ),
    ],
)
def test_each_order_is_said_in_kraken_words(
    request_: OrderRequest, expected: dict[str, str]
) -> None:
    transport = StubTransport(TAKEN)

    client(transport).place_order(request_, deadline=DEADLINE)

    assert sent(transport).items() >= expected.items()
    assert sent(transport)["cl_ord_id"] == "a" * 32


TWO_EXITS = {
    "stop_loss": AttachedExit(trigger_price=Decimal(40000)),
    "take_profit": AttachedExit(trigger_price=Decimal(60000)),
}


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (order(**TWO_EXITS), "more than one stop loss or take profit"),
        (
            order(**MARKET, side=OrderSide.SELL, quantity=None, quote_amount=Decimal(50)),
            "sized in quote currency",
        ),
        (
            exit_order(
                OrderType.TRAILING_STOP, trailing_share=Decimal(1), trigger_price=Decimal(1)
            ),
            "trailing stops that begin at a price",
        ),
        (order(**STOP_LIMIT, time_in_force=TimeInForce.POST_ONLY), "that are post_only"),
        (order(**STOP_LIMIT, time_in_force=TimeInForce.FOK), "that are fok"),
    ],
)
def test_what_kraken_has_not_is_refused_before_any_call(request_: OrderRequest, what: str) -> None:
    transport = StubTransport()

    with pytest.raises(Unsupported, match=what):
        client(transport).place_order(request_, deadline=DEADLINE)

    assert transport.requests == []


def test_order_lists_are_refused_before_any_call() -> None:
    transport = StubTransport()
    legs = (
        exit_order(OrderType.STOP_LOSS, trigger_price=Decimal(40000)),
        exit_order(OrderType.TAKE_PROFIT, trigger_price=Decimal(60000)),
    )
    pair = OrderListRequest(kind=OrderListKind.OCO, client_list_id="l", orders=legs)

    with pytest.raises(Unsupported, match=r"Kraken has no OCO order lists\. Nothing was sent\."):
        client(transport).place_order_list(pair, deadline=DEADLINE)

    assert transport.requests == []


@pytest.mark.parametrize("timeframe", [Timeframe.M3, Timeframe.H2])
def test_candles_of_other_lengths_are_refused_before_any_call(timeframe: Timeframe) -> None:
    transport = StubTransport()

    with pytest.raises(Unsupported, match=f"no {timeframe} candles"):
        client(transport).get_candles("BTC/USD", timeframe)

    assert transport.requests == []


@pytest.mark.parametrize("answer", [failure("EOrder:Unknown order"), result({"count": 0})])
def test_cancel_of_what_is_not_open_is_an_unknown_outcome(answer: HttpAnswer) -> None:
    with pytest.raises(OutcomeUnknown, match="order myid-0001 to cancel: it has ended or never"):
        client(StubTransport(answer)).cancel_order(BY_OUR_ID)


def test_cancel_names_the_order_by_the_exchange_where_it_can() -> None:
    transport = StubTransport(NOTED)
    both = OrderRef(symbol="BTC/USD", client_order_id="a", exchange_order_id="O1")

    assert client(transport).cancel_order(both) is None  # type: ignore[func-returns-value]
    assert sent(transport) == {"txid": "O1"}


@pytest.mark.parametrize(
    ("age", "cost"),
    [(None, 8), (0, 8), (4.9, 8), (5, 6), (14, 5), (30, 4), (60, 2), (299, 1), (300, 0)],
)
def test_young_orders_cost_more_to_cancel(age: float | None, cost: float) -> None:
    store = MemoryLimitStore(now=NOW.timestamp)
    kraken = KrakenClient(
        KEYS,
        base_url=HOST,
        limits=store,
        transport=StubTransport(NOTED),
        now=NOW.timestamp,
    )
    placed_at = None if age is None else NOW - timedelta(seconds=age)

    kraken.cancel_order(OrderRef(symbol="BTC/USD", exchange_order_id="O1", placed_at=placed_at))

    (level,) = store._levels.values()
    assert level.used == cost


def test_all_orders_of_one_symbol_are_cancelled_in_batches() -> None:
    mine = {f"O{i:03}": row() for i in range(60)}
    other = {"OX": row(descr=ORDER["descr"] | {"pair": "ETHXBT"})}
    transport = StubTransport(result({"open": mine | other}), noted(50), noted(10))

    client(transport).cancel_all_orders("BTC/USD")

    assert calls(transport) == ["OpenOrders", "CancelOrderBatch", "CancelOrderBatch"]
    bodies = [json.loads(request.body or "") for request in transport.requests[1:]]
    assert [len(body["orders"]) for body in bodies] == [50, 10]
    assert {txid for body in bodies for txid in body["orders"]} == mine.keys()
    last = transport.requests[-1]
    assert last.headers["Content-Type"] == "application/json"
    assert last.headers["API-Sign"] == sign(last.path, bodies[-1]["nonce"], last.body or "", SECRET)


def test_nothing_to_cancel_is_no_error() -> None:
    transport = StubTransport(result({"open": {}}))

    client(transport).cancel_all_orders("BTC/USD")

    assert calls(transport) == ["OpenOrders"]


def test_one_order_is_cancelled_by_itself() -> None:
    transport = StubTransport(result({"open": {"O1": row()}}), NOTED)

    client(transport).cancel_all_orders("BTC/USD")

    assert calls(transport) == ["OpenOrders", "CancelOrder"]
    assert sent(transport) == {"txid": "O1"}


def test_every_batch_is_sent_before_an_ended_order_is_told() -> None:
    mine = {f"O{i:03}": row() for i in range(60)}
    transport = StubTransport(result({"open": mine}), failure("EOrder:Unknown order"), noted(10))

    with pytest.raises(OutcomeUnknown, match="cancelled 10 of 60 orders in BTC/USD"):
        client(transport).cancel_all_orders("BTC/USD")

    assert len(transport.requests) == 3


@pytest.mark.parametrize("count", [0, 3])
def test_cancels_that_are_missing_are_told(count: int) -> None:
    mine = {f"O{i}": row() for i in range(10)}

    with pytest.raises(OutcomeUnknown) as caught:
        client(StubTransport(result({"open": mine}), noted(count))).cancel_all_orders("BTC/USD")

    assert str(caught.value) == (
        f"Kraken says it cancelled {count} of 10 orders in BTC/USD: look them up."
    )


def test_cancels_that_are_under_way_are_noted() -> None:
    under_way = result({"count": 0, "pending": True})
    mine = {f"O{i}": row() for i in range(10)}
    kraken = client(StubTransport(result({"open": mine}), under_way, under_way))

    kraken.cancel_all_orders("BTC/USD")
    kraken.cancel_order(BY_TXID)


@pytest.mark.parametrize(
    "answer", [failure("EOrder:Rate limit exceeded"), ConnectionCut("no answer"), NotSent("no way")]
)
def test_failure_after_a_good_batch_leaves_the_outcome_unknown(
    answer: HttpAnswer | Exception,
) -> None:
    mine = {f"O{i:03}": row() for i in range(120)}
    transport = StubTransport(result({"open": mine}), noted(49), answer)

    with pytest.raises(OutcomeUnknown, match="asked to cancel 50 of 120 orders in BTC/USD"):
        client(transport).cancel_all_orders("BTC/USD")

    assert len(transport.requests) == 3


def test_failure_of_the_first_batch_is_told_as_it_is() -> None:
    mine = {f"O{i:03}": row() for i in range(60)}
    transport = StubTransport(result({"open": mine}), failure("EOrder:Rate limit exceeded"))

    with pytest.raises(RateLimited):
        client(transport).cancel_all_orders("BTC/USD")


# Changing orders.


def test_order_is_amended_in_place(resting: OrderReport) -> None:
    transport = StubTransport(result({"amend_id": "T1"}))
    target = order(quantity=Decimal("0.4"), price=Decimal(49000), client_order_id="b" * 32)

    assert CAPABILITIES.can_amend(resting, target)
    edited = client(transport).edit_order(resting, target, deadline=DEADLINE)

    assert calls(transport) == ["AmendOrder"]
    assert sent(transport) == {
        "txid": "O1-A-B",
        "order_qty": "0.4",
        "limit_price": "49000",
        "deadline": "2026-01-02T00:00:05.000Z",
    }
    assert edited.method is EditMethod.AMENDED
    assert (edited.order.client_order_id, edited.order.exchange_order_id) == ("a" * 32, "O1-A-B")
    assert (edited.order.quantity, edited.order.price) == (Decimal("0.4"), Decimal(49000))
    assert edited.order.filled_quantity is None


def test_filled_part_counts_on_top_of_what_shall_rest(resting: OrderReport) -> None:
    transport = StubTransport(result({"amend_id": "T1"}))
    part = replace(resting, filled_quantity=Decimal("0.2"))

    edited = client(transport).edit_order(
        part, order(quantity=Decimal("0.1"), price=Decimal(50000)), deadline=DEADLINE
    )

    assert sent(transport)["order_qty"] == "0.3"
    assert "limit_price" not in sent(transport)
    assert edited.order.quantity == Decimal("0.3")


def test_trigger_of_a_stop_is_amended(resting: OrderReport) -> None:
    transport = StubTransport(result({"amend_id": "T1"}))
    stop = replace(
        resting,
        client_order_id=None,
        order_type=OrderType.STOP_LOSS,
        price=None,
        trigger_price=Decimal(40000),
    )
    target = order(
        order_type=OrderType.STOP_LOSS,
        quantity=Decimal("0.5"),
        price=None,
        trigger_price=Decimal(41000),
    )

    client(transport).edit_order(stop, target, deadline=DEADLINE)

    assert sent(transport).keys() == {"txid", "trigger_price", "deadline"}


def test_amended_price_may_stay_post_only(resting: OrderReport) -> None:
    transport = StubTransport(result({"amend_id": "T1"}))
    target = order(quantity=Decimal("0.5"), time_in_force=TimeInForce.POST_ONLY, price=Decimal(1))

    client(transport).edit_order(resting, target, deadline=DEADLINE)

    assert sent(transport)["post_only"] == "true"


def test_order_that_is_only_acknowledged_is_looked_up_before_its_change(
    resting: OrderReport,
) -> None:
    transport = StubTransport(
        result({"O1-A-B": row(vol_exec="0.2", cost="10000")}), result({"amend_id": "T1"})
    )
    acknowledged = replace(resting, filled_quantity=None, filled_quote=None)

    client(transport).edit_order(acknowledged, order(quantity=Decimal("0.1")), deadline=DEADLINE)

    assert calls(transport) == ["QueryOrders", "AmendOrder"]
    assert sent(transport)["order_qty"] == "0.3"


def test_nothing_is_sent_where_nothing_differs(resting: OrderReport) -> None:
    transport = StubTransport()

    edited = client(transport).edit_order(
        resting, order(quantity=Decimal("0.50")), deadline=DEADLINE
    )

    assert edited.order is resting
    assert transport.requests == []


@pytest.mark.parametrize(
    "target",
    [
        order(side=OrderSide.SELL),
        order(symbol="ETH/BTC"),
        order(**STOP_LIMIT | {"side": OrderSide.BUY}),
        order(stop_loss=AttachedExit(trigger_price=Decimal(1))),
        order(time_in_force=TimeInForce.IOC),
    ],
)
def test_what_can_not_be_amended_is_refused_before_any_call(
    resting: OrderReport, target: OrderRequest
) -> None:
    transport = StubTransport()

    with pytest.raises(Unsupported, match="Kraken has no changes of"):
        client(transport).edit_order(resting, target, deadline=DEADLINE)

    assert transport.requests == []


def test_other_changes_of_special_orders_are_refused(resting: OrderReport) -> None:
    trailing = replace(resting, order_type=OrderType.TRAILING_STOP, price=None)
    further = order(order_type=OrderType.TRAILING_STOP, price=None, trailing_share=Decimal("0.03"))
    in_quote = replace(resting, quantity=None, quote_amount=Decimal(50))

    for current, target in ((trailing, further), (in_quote, order())):
        assert not CAPABILITIES.can_amend(current, target)
        with pytest.raises(Unsupported, match="Kraken has no changes of"):
            client(StubTransport()).edit_order(current, target, deadline=DEADLINE)


def test_change_of_an_ended_order_did_nothing(resting: OrderReport) -> None:
    transport = StubTransport(failure("EOrder:Unknown order"))

    with pytest.raises(OrderNotFound):
        client(transport).edit_order(resting, order(), deadline=DEADLINE)


# Looking orders up.


def test_order_is_looked_up_by_the_id_of_the_exchange() -> None:
    transport = StubTransport(result({"O1": row(vol_exec="0.1", cost="5000")}))

    report = client(transport).fetch_order(
        OrderRef(symbol="BTC/USD", client_order_id="a", exchange_order_id="O1")
    )

    assert calls(transport) == ["QueryOrders"]
    assert sent(transport) == {"txid": "O1"}
    assert (report.symbol, report.status) == ("BTC/USD", OrderStatus.PARTIALLY_FILLED)
    assert report.fills == ()


def test_order_is_looked_up_by_our_id_among_the_open_then_the_ended() -> None:
    ours = row(cl_ord_id="myid-0001", status="closed", vol_exec="0.5", cost="25000")
    # A second order shows that what comes is looked at, whatever the question selects.
    transport = StubTransport(
        result({"open": {"O2": row(cl_ord_id="another")}}),
        result({"closed": {"O3": row(), "O1": ours}, "count": 2}),
    )

    report = client(transport).fetch_order(BY_OUR_ID)

    assert calls(transport) == ["OpenOrders", "ClosedOrders"]
    assert sent(transport, 0) == sent(transport, 1) == {"cl_ord_id": "myid-0001"}
    assert (report.exchange_order_id, report.status) == ("O1", OrderStatus.FILLED)


def test_open_order_needs_one_question() -> None:
    transport = StubTransport(result({"open": {"O1": row(cl_ord_id="myid-0001")}}))

    assert client(transport).fetch_order(BY_OUR_ID).exchange_order_id == "O1"


@pytest.mark.parametrize(
    ("ref", "answers"),
    [
        (BY_TXID, [result({})]),
        (BY_TXID, [failure("EOrder:Invalid order")]),
        (BY_TXID, [failure("EOrder:Unknown order")]),
        (BY_OUR_ID, [result({"open": {}}), result({"closed": {}, "count": 0})]),
    ],
)
def test_unknown_order_is_not_found(ref: OrderRef, answers: list[HttpAnswer]) -> None:
    with pytest.raises(OrderNotFound):
        client(StubTransport(*answers)).fetch_order(ref)


@pytest.mark.parametrize(
    ("txid", "changes"),
    [
        ("O2", {}),
        ("O1", {"cl_ord_id": "b"}),
        ("O1", {"descr": ORDER["descr"] | {"pair": "XETHXXBT"}}),
    ],
)
def test_answer_about_another_order_is_no_answer(txid: str, changes: dict[str, Any]) -> None:
    answer = result({txid: row(**changes)})
    transport = StubTransport(*[answer, result(PAIRS)] if "descr" in changes else [answer] * 3)
    ref = OrderRef(symbol="BTC/USD", client_order_id="a", exchange_order_id="O1")

    with pytest.raises(ExchangeUnavailable, match="is about"):
        client(transport).fetch_order(ref)


def test_order_of_a_market_that_is_not_listed_any_more_is_told_as_it_is() -> None:
    transport = StubTransport(
        result({"O1": row(descr=ORDER["descr"] | {"pair": "OLDUSD"})}), result(PAIRS)
    )

    report = client(transport).fetch_order(OrderRef(symbol="OLD2/USD", exchange_order_id="O1"))

    assert report.symbol == "OLDUSD"


def test_open_orders_of_one_symbol_need_no_market_list() -> None:
    other = row(descr=ORDER["descr"] | {"pair": "ETHXBT"})
    transport = StubTransport(
        result({"open": {"O2": row(opentm=2), "OX": other, "O1": row(opentm=1)}})
    )

    reports = client(transport).fetch_open_orders("BTC/USD")

    assert calls(transport) == ["OpenOrders"]
    assert [(r.exchange_order_id, r.symbol) for r in reports] == [
        ("O1", "BTC/USD"),
        ("O2", "BTC/USD"),
    ]


def test_open_orders_of_all_symbols_learn_the_names_once() -> None:
    delisted = row(descr=ORDER["descr"] | {"pair": "REPETH"}, opentm=3)
    answer = result({"open": {"O1": row(opentm=1), "O2": delisted}})
    transport = StubTransport(answer, result(PAIRS), answer)
    kraken = client(transport)

    for _ in range(2):
        reports = kraken.fetch_open_orders()
        # A pair that is not listed any more has only Kraken's name.
        assert [r.symbol for r in reports] == ["BTC/USD", "REPETH"]

    assert calls(transport) == ["OpenOrders", "AssetPairs", "OpenOrders"]


def closed_page(first: int, count: int, total: int | None) -> HttpAnswer:
    """A page of ended orders, newest first, one a second."""
    rows = {
        f"O{i:03}": row(status="closed", vol_exec="0.5", cost="1", opentm=NOW.timestamp() + 999 - i)
        for i in range(first, first + count)
    }
    return result({"closed": rows} | ({} if total is None else {"count": total}))


@pytest.mark.parametrize("total", [None, 120])
def test_ended_orders_are_paged_until_complete(total: int | None) -> None:
    transport = StubTransport(
        closed_page(0, 50, total), closed_page(50, 50, total), closed_page(100, 20, total)
    )

    reports = client(transport).fetch_closed_orders("BTC/USD", since=NOW)

    assert [sent(transport, i).get("ofs") for i in range(3)] == [None, "50", "100"]
    assert sent(transport, 0) == {"start": "1767311999", "closetime": "open"}
    assert len(reports) == 120
    assert reports == sorted(reports, key=lambda r: str(r.created_at))


def test_short_page_does_not_end_what_is_told_to_be_longer() -> None:
    transport = StubTransport(closed_page(0, 40, 60), closed_page(40, 20, 60))

    assert len(client(transport).fetch_closed_orders("BTC/USD", since=NOW)) == 60


def test_empty_page_ends_whatever_is_told() -> None:
    transport = StubTransport(closed_page(0, 50, 999), closed_page(50, 0, 999))

    assert len(client(transport).fetch_closed_orders("BTC/USD", since=NOW)) == 50


def test_rows_that_shift_to_a_later_page_come_once() -> None:
    transport = StubTransport(closed_page(0, 50, 60), closed_page(45, 15, 61))

    assert len(client(transport).fetch_closed_orders("BTC/USD", since=NOW)) == 60


def test_ended_orders_of_other_symbols_and_times_are_left_out() -> None:
    rows = {
        "O1": row(status="canceled", opentm=NOW.timestamp() - 0.5),
        "O2": row(status="canceled", opentm=NOW.timestamp()),
        "O3": row(status="canceled", descr=ORDER["descr"] | {"pair": "ETHXBT"}, opentm=2e9),
    }
    transport = StubTransport(result({"closed": rows, "count": 3}))

    reports = client(transport).fetch_closed_orders("BTC/USD", since=NOW)

    assert [report.exchange_order_id for report in reports] == ["O2"]


# Fills.


def test_fills_of_a_symbol_learn_their_fee_currency_from_their_orders() -> None:
    trades = {
        "T3": trade("OB", 3),
        "T2": trade("OX", 2, "XETHXXBT"),
        "T1": trade("OA", 1),
        "T0": trade("OA", -1),
    }
    transport = StubTransport(
        result({"trades": trades, "count": 4}),
        result(PAIRS),
        result({"OA": row(oflags="fcib"), "OB": row(oflags="fciq")}),
    )

    fills = client(transport).fetch_fills("BTC/USD", since=NOW)

    assert calls(transport) == ["TradesHistory", "AssetPairs", "QueryOrders"]
    assert sent(transport, 0) == {"start": "1767311999", "consolidate_taker": "false"}
    assert sent(transport) == {"txid": "OA,OB"}
    assert [(f.trade_id, f.exchange_order_id, f.fee_asset) for f in fills] == [
        ("T1", "OA", "BTC"),
        ("T3", "OB", "USD"),
    ]
    assert fills[0].executed_at == NOW + timedelta(seconds=1)


def test_orders_are_asked_for_their_fee_currency_fifty_at_a_time() -> None:
    trades = {f"T{i:03}": trade(f"O{i:03}", i, "XBTUSD") for i in range(120)}
    pages = [
        result({"trades": dict(list(trades.items())[first : first + 50]), "count": 120})
        for first in (0, 50, 100)
    ]
    answers = [result({}) for _ in range(3)]
    transport = StubTransport(*pages, result(PAIRS), *answers)

    fills = client(transport).fetch_fills("BTC/USD")

    asked = [sent(transport, i)["txid"].split(",") for i in (-3, -2, -1)]
    assert [len(txids) for txids in asked] == [50, 50, 20]
    assert [fill.trade_id for fill in fills] == sorted(trades)
    # Orders that are not kept any more: Kraken's figures are in quote.
    assert {fill.fee_asset for fill in fills} == {"USD"}


def test_fills_of_one_order_are_asked_for_by_name() -> None:
    ids = [f"T{i:02}" for i in range(25)]
    trades = {id_: trade("O1", i) for i, id_ in enumerate(ids)}
    transport = StubTransport(
        result({"O1": row(oflags="fcib", trades=ids)}),
        result({id_: trades[id_] for id_ in ids[:20]}),
        result({id_: trades[id_] for id_ in ids[20:]}),
    )

    fills = client(transport).fetch_fills("BTC/USD", exchange_order_id="O1")

    assert calls(transport) == ["QueryOrders", "QueryTrades", "QueryTrades"]
    assert sent(transport, 0) == {"txid": "O1", "trades": "true", "consolidate_taker": "false"}
    assert sent(transport, 1)["txid"] == ",".join(ids[:20])
    assert [fill.trade_id for fill in fills] == ids
    assert {fill.fee_asset for fill in fills} == {"BTC"}


def test_order_without_fills_needs_no_second_question() -> None:
    transport = StubTransport(result({"O1": row()}))

    assert client(transport).fetch_fills("BTC/USD", exchange_order_id="O1") == []


def test_fills_of_an_unknown_order_are_not_found() -> None:
    with pytest.raises(OrderNotFound):
        client(StubTransport(result({}))).fetch_fills("BTC/USD", exchange_order_id="O1")


def test_later_pages_wait_for_the_counter() -> None:
    # Each page costs 2 of a counter of 15, of which reads may use 9.
    pages = [
        result({"trades": {f"T{n}-{i}": trade("O1", i) for i in range(50)}, "count": 251})
        for n in range(5)
    ]
    last = result({"trades": {"T5": trade("O1", 0)}, "count": 251})
    transport = StubTransport(*pages, last, result(PAIRS), result({"O1": row()}))
    clock = [NOW.timestamp()]
    kraken = KrakenClient(
        KEYS,
        base_url=HOST,
        limits=MemoryLimitStore(now=lambda: clock[0]),
        transport=transport,
        now=NOW.timestamp,
    )
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds + 0.001

    kraken._session._sleep = wait
    kraken._session.http.throttle._sleep = wait

    assert len(kraken.fetch_fills("BTC/USD")) == 251
    assert waits
    assert max(waits) < 10


@pytest.mark.parametrize(("asked_before", "waits"), [(9, 0), (13, 1)])
def test_fills_of_an_order_are_a_look_up_that_is_ended_once_it_has_begun(
    asked_before: int, waits: int
) -> None:
    wired = result({"O1": row(trades=["T1"])})
    transport = StubTransport(*[wired] * asked_before, wired, result({"T1": trade("O1", 0)}))
    clock, waited = [NOW.timestamp()], []
    kraken = KrakenClient(
        KEYS,
        base_url=HOST,
        limits=MemoryLimitStore(now=lambda: clock[0]),
        transport=transport,
        now=NOW.timestamp,
    )

    def wait(seconds: float) -> None:
        waited.append(seconds)
        clock[0] += seconds + 0.001

    kraken._session._sleep = wait
    kraken._session.http.throttle._sleep = wait
    for _ in range(asked_before):
        kraken.fetch_order(OrderRef(symbol="BTC/USD", exchange_order_id="O1"))

    assert len(kraken.fetch_fills("BTC/USD", exchange_order_id="O1")) == 1
    assert len(waited) == waits


def test_first_page_does_not_wait() -> None:
    kraken = client(StubTransport(*[result({"trades": {}, "count": 0})] * 4))
    for _ in range(4):
        kraken.fetch_fills("BTC/USD")

    with pytest.raises(RateLimited, match=r"its limit .*counter is used up"):
        kraken.fetch_fills("BTC/USD")


# Limits.


def test_lockout_stops_the_key() -> None:
    transport = StubTransport(failure("EGeneral:Temporary lockout"))
    kraken = client(transport)

    with pytest.raises(RateLimited, match="Nothing is sent for 15 minutes"):
        kraken.get_balance()
    with pytest.raises(RateLimited, match="was not asked"):
        kraken.cancel_order(BY_TXID)

    assert len(transport.requests) == 1


def test_overrun_counter_stops_questions_but_no_orders() -> None:
    transport = StubTransport(failure("EAPI:Rate limit exceeded"), TAKEN, NOTED)
    kraken = client(transport)

    with pytest.raises(RateLimited, match="Kraken answered"):
        kraken.get_balance()
    with pytest.raises(RateLimited, match=r"its limit .*counter is used up"):
        kraken.get_balance()
    kraken.place_order(order(), deadline=DEADLINE)
    kraken.cancel_order(BY_TXID)

    assert calls(transport) == ["BalanceEx", "AddOrder", "CancelOrder"]


def test_limit_of_market_data_does_not_fill_the_counter_of_the_key() -> None:
    kraken = client(StubTransport(failure("EAPI:Rate limit exceeded"), FUNDS))

    with pytest.raises(RateLimited):
        kraken.get_server_time()

    assert len(kraken.get_balance()) == 1


def test_later_page_waits_for_an_overrun_counter() -> None:
    transport = StubTransport(
        closed_page(0, 50, 60), failure("EAPI:Rate limit exceeded"), closed_page(50, 10, 60)
    )
    time = [NOW.timestamp()]
    kraken = KrakenClient(
        KEYS,
        base_url=HOST,
        limits=MemoryLimitStore(now=lambda: time[0]),
        transport=transport,
        now=NOW.timestamp,
    )

    def wait(seconds: float) -> None:
        time[0] += seconds + 0.001

    kraken._session._sleep = wait
    kraken._session.http.throttle._sleep = wait

    assert len(kraken.fetch_closed_orders("BTC/USD", since=NOW)) == 60
    assert time[0] < NOW.timestamp() + 30


def test_full_engine_of_one_pair_stops_nothing_else() -> None:
    kraken = client(StubTransport(failure("EOrder:Rate limit exceeded"), NOTED))

    with pytest.raises(RateLimited):
        kraken.place_order(order(), deadline=DEADLINE)
    kraken.cancel_order(BY_TXID)


def test_entries_leave_room_for_exits_in_the_engine() -> None:
    transport = StubTransport(*[TAKEN] * 60)
    kraken = client(transport)
    soon = NOW + timedelta(seconds=2.001)
    for _ in range(54):
        kraken.place_order(order(), deadline=DEADLINE)

    def never(_seconds: float) -> None:
        raise AssertionError("an entry must not wait in this test")

    kraken._session.http.throttle._sleep = never
    kraken._session.http.throttle._monotonic = iter([0.0, 2.0, 2.0, 2.0]).__next__
    with pytest.raises(RateLimited, match="orders in BTC/USD is used up"):
        kraken.place_order(order(), deadline=soon)
    kraken._session.http.throttle._monotonic = lambda: 0.0
    kraken.place_order(order(is_exit=True), deadline=DEADLINE)
    kraken.place_order(order(symbol="ETH/BTC"), deadline=DEADLINE)


# Market data.


def test_ticker_is_asked_by_the_short_name(shared: Path) -> None:
    transport = StubTransport(
        HttpAnswer(status=200, body=body_of(shared, "tickers/jkorf_GetTicker"))
    )

    ticker = client(transport, None).get_ticker("BTC/USD")

    assert (ticker.symbol, ticker.last) == ("BTC/USD", Decimal("30303.20000"))
    assert (transport.requests[0].method, transport.requests[0].target) == (
        "GET",
        "/0/public/Ticker?pair=XBTUSD",
    )


def ticker_row(last: str) -> dict[str, Any]:
    """A ticker as the exchange tells it."""
    one = [last, "1", "1"]
    return {"a": one, "b": one, "c": one, "v": ["1", "2"], "h": ["1", "2"], "l": ["1", "2"]}


def test_all_tickers_have_canonical_names() -> None:
    rows = {"XXBTZUSD": ticker_row("5"), "XDGUSD": ticker_row("6"), "GONE": ticker_row("7")}
    transport = StubTransport(result(rows), result(PAIRS), result(rows))
    kraken = client(transport, None)

    for _ in range(2):
        tickers = kraken.fetch_tickers()
        assert {symbol: t.last for symbol, t in tickers.items()} == {
            "BTC/USD": Decimal(5),
            "DOGE/USD": Decimal(6),
        }
        assert [t.symbol for t in tickers.values()] == list(tickers)

    assert calls(transport) == ["Ticker", "AssetPairs", "Ticker"]
    assert transport.requests[0].query == ""


def test_named_tickers_are_asked_together() -> None:
    rows = {"XXBTZUSD": ticker_row("5"), "XDGUSD": ticker_row("6")}
    transport = StubTransport(result(rows), result(PAIRS))

    tickers = client(transport, None).fetch_tickers(["DOGE/USD", "BTC/USD"])

    assert list(tickers) == ["DOGE/USD", "BTC/USD"]
    assert transport.params(0) == {"pair": "XBTUSD,XDGUSD"}


def test_ticker_of_no_market_is_left_out() -> None:
    transport = StubTransport(
        failure("EQuery:Unknown asset pair"),
        result({"XXBTZUSD": ticker_row("5"), "XDGUSD": ticker_row("6")}),
        result(PAIRS),
    )

    tickers = client(transport, None).fetch_tickers({"BTC/USD", "NOPE/USD"})

    assert tickers.keys() == {"BTC/USD"}


def test_many_named_tickers_are_picked_from_all() -> None:
    transport = StubTransport(result({"XXBTZUSD": ticker_row("5")}), result(PAIRS))
    many = ["BTC/USD"] + [f"A{i}/USD" for i in range(60)]

    assert client(transport, None).fetch_tickers(many).keys() == {"BTC/USD"}
    assert transport.requests[0].query == ""


def test_no_ticker_needs_no_call() -> None:
    assert client(StubTransport()).fetch_tickers([]) == {}


def test_markets_are_listed(shared: Path) -> None:
    body = body_of(shared, "markets/jkorf_GetSymbols")
    transport = StubTransport(HttpAnswer(status=200, body=body))

    markets = client(transport, None).get_markets()

    assert [market.symbol for market in markets] == ["ETH/BTC", "BTC/USD"]
    assert calls(transport) == ["AssetPairs"]


def candle_rows(*minutes: int) -> HttpAnswer:
    """Candles that open so many minutes from now."""
    rows = [[int(NOW.timestamp()) + 60 * m, "1", "2", "0.5", "1.5", "1", "10", 3] for m in minutes]
    return result({"XXBTZUSD": rows, "last": 0})


def test_running_candle_is_not_closed_and_needs_one_question() -> None:
    transport = StubTransport(candle_rows(-2, -1, 0))

    candles = client(transport, None).get_candles("BTC/USD", Timeframe.M1)

    assert [candle.is_closed for candle in candles] == [True, True, False]
    assert sent(transport) == {"pair": "XBTUSD", "interval": "1"}


@pytest.mark.parametrize(("server_seconds", "closed"), [(0, 2), (-1, 1)])
def test_last_candle_is_closed_by_the_clock_of_the_exchange(
    server_seconds: int, closed: int
) -> None:
    time = result({"unixtime": int(NOW.timestamp()) + server_seconds})
    transport = StubTransport(candle_rows(-2, -1), time, candle_rows(-2, -1))

    candles = client(transport, None).get_candles("BTC/USD", Timeframe.M1)

    assert calls(transport) == ["OHLC", "Time", "OHLC"]
    assert candles.closed == closed


def test_candles_before_a_later_one_are_closed_though_it_is_cut_off() -> None:
    transport = StubTransport(candle_rows(-2, -1, 0))

    candles = client(transport, None).get_candles(
        "BTC/USD", Timeframe.M1, end=NOW - timedelta(minutes=1), limit=1
    )

    assert [(c.opened_at, c.is_closed) for c in candles] == [(NOW - timedelta(minutes=1), True)]


# The connection test.


def rights(*permissions: str, addresses: tuple[str, ...] = ("",)) -> HttpAnswer:
    """What a key may do."""
    return result({"permissions": permissions, "ip_allowlist": addresses})


ALL_NEEDED = ("query-funds", "query-open-trades", "query-closed-trades", "modify-trades")
SERVER_TIME = server_time(2)
FUNDS = result({"ZUSD": {"balance": "5", "hold_trade": "1"}})


def test_connection_report_of_a_good_key() -> None:
    transport = StubTransport(SERVER_TIME, FUNDS, rights(*ALL_NEEDED, addresses=("10.0.0.1",)))

    report = client(transport).test_connection()

    assert (report.ok, report.message) == (True, "Connected; the key may trade.")
    assert (report.can_trade, report.can_withdraw, report.is_ip_restricted) == (True, False, True)
    assert report.permissions == ALL_NEEDED
    assert report.server_time_offset == 2
    assert [(b.asset, b.free, b.locked) for b in report.balances] == [("USD", 4, 1)]


def test_key_that_may_withdraw_is_warned_of() -> None:
    transport = StubTransport(SERVER_TIME, FUNDS, rights(*ALL_NEEDED, "withdraw-funds"))

    report = client(transport).test_connection()

    assert (report.ok, report.can_withdraw, report.is_ip_restricted) == (True, True, False)
    assert "take that right away" in report.message


def test_key_without_a_right_is_not_ok() -> None:
    transport = StubTransport(SERVER_TIME, FUNDS, rights("query-funds", "query-open-trades"))

    report = client(transport).test_connection()

    assert (report.ok, report.can_trade) == (False, False)
    assert "give it query-closed-trades, modify-trades at Kraken" in report.message


NO_SUCH_CALL = [failure("EGeneral:Unknown method"), HttpAnswer(status=404, body=b"<html>")]


@pytest.mark.parametrize("answer", NO_SUCH_CALL)
def test_host_of_ones_own_need_not_know_rights(answer: HttpAnswer) -> None:
    transport = StubTransport(SERVER_TIME, FUNDS, answer)

    report = client(transport).test_connection()

    assert (report.ok, report.can_trade, report.can_withdraw) == (True, None, None)
    assert "was not told" in report.message


@pytest.mark.parametrize("answer", NO_SUCH_CALL)
def test_exchange_has_to_tell_the_rights(answer: HttpAnswer) -> None:
    kraken = KrakenClient(
        KEYS,
        limits=MemoryLimitStore(),
        transport=StubTransport(SERVER_TIME, FUNDS, answer),
        now=NOW.timestamp,
    )

    report = kraken.test_connection()

    assert (report.ok, report.can_withdraw) == (False, None)


@pytest.mark.parametrize(
    "answer",
    [
        failure("EAPI:Rate limit exceeded"),
        failure("EGeneral:Internal error"),
        HttpAnswer(status=429, body=b"<html>"),
        ConnectionCut("no answer"),
        HttpAnswer(status=200, body=b"<html>"),
    ],
)
def test_rights_that_could_not_be_read_are_no_harmless_ones(
    answer: HttpAnswer | Exception,
) -> None:
    report = client(StubTransport(SERVER_TIME, FUNDS, *[answer] * 3)).test_connection()

    assert (report.ok, report.can_withdraw) == (False, None)
    assert report.message.startswith("What the key may do could not be read: try again. ")


@pytest.mark.parametrize(
    "answers",
    [
        [SERVER_TIME, failure("EAPI:Invalid key")],
        [SERVER_TIME, failure("EGeneral:Permission denied")],
        [failure("EAPI:Rate limit exceeded")],
        [SERVER_TIME, failure("EAPI:Invalid nonce"), failure("EAPI:Invalid nonce")],
    ],
)
def test_connection_test_raises_nothing(answers: list[HttpAnswer]) -> None:
    report = client(StubTransport(*answers)).test_connection()

    assert not report.ok
    assert report.message.startswith("Kraken answered")


def test_fees_of_the_account(shared: Path) -> None:
    body = body_of(shared, "fees/ccxt_src_fetch_trading_fee_1")
    transport = StubTransport(HttpAnswer(status=200, body=body))

    fee = client(transport).get_fees("BTC/USD")

    assert (fee.maker, fee.taker) == (Decimal("0.0016"), Decimal("0.0026"))
    assert sent(transport) == {"pair": "XBTUSD"}
