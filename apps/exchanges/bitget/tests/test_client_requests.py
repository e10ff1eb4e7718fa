"""Requests that another client was seen to send: ours are the same, or differ for a reason."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from apps.domain.candles import Timeframe
from apps.domain.orders import OrderSide, OrderType, TimeInForce
from apps.exchanges.bitget.auth import signature, signed_target
from apps.exchanges.bitget.client import BitgetClient
from apps.exchanges.bitget.tests.payloads import (
    DEADLINE,
    NOW_MS,
    SECRET,
    client,
    good,
    names,
    payload_of,
)
from apps.exchanges.errors import Unsupported
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import Credentials, OrderRef, OrderRequest
from apps.exchanges.tests.stubs import StubTransport

LIMIT = OrderRequest(
    symbol="BTC/USDT",
    side=OrderSide.BUY,
    order_type=OrderType.LIMIT,
    client_order_id="myid-0001",
    quantity=Decimal("0.001"),
    price=Decimal(50000),
)
#: What every order of ours carries beyond what was captured: its name and its deadline.
ALWAYS = {"requestTime", "receiveWindow"}
NAMED = ALWAYS | {"clientOid"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """The same wish: `more` are parameters that only we send, `other` values that differ."""

    ask: Callable[[BitgetClient], object]
    answers: tuple[object, ...]
    more: frozenset[str] | set[str] = frozenset()
    less: frozenset[str] | set[str] = frozenset()
    other: Mapping[str, str] | None = None
    index: int = 0


def place(**changes: Any) -> Case:
    """Placing an order; words are in lower case, as the documents write them."""
    request = replace(LIMIT, **changes)
    return Case(
        ask=lambda trader: trader.place_order(request, deadline=DEADLINE),
        answers=({"orderId": "1"},),
        more=NAMED,
        other={"force": request.time_in_force.value},
    )


CASES: dict[str, Case] = {
    "ccxt_req_cancel_all": Case(
        ask=lambda trader: trader.cancel_all_orders("BTC/USDT"),
        answers=({}, [], {}),
    ),
    "ccxt_req_cancel_order": Case(
        ask=lambda trader: trader.cancel_order(
            OrderRef(symbol="BTC/USDT", exchange_order_id="1001", order_type=OrderType.LIMIT)
        ),
        answers=({},),
    ),
    "ccxt_req_fetch_balance": Case(ask=BitgetClient.get_balance, answers=([],)),
    "ccxt_req_fetch_my_trades_since": Case(
        ask=lambda trader: trader.fetch_fills(
            "BTC/USDT", since=datetime.fromtimestamp(1_700_000_000, UTC)
        ),
        answers=([], [], []),
        # Asked for in windows and in the largest pages: all of them are wanted, and a start that
        # is longer ago than Bitget tells would be refused.
        more={"endTime"},
        other={"limit": "100", "startTime": str(NOW_MS - 30 * 86_400_000 + 60_000)},
    ),
    "ccxt_req_fetch_ohlcv_1m_limit5": Case(
        ask=lambda trader: trader.get_candles("BTC/USDT", Timeframe.M1, limit=5), answers=([],)
    ),
    "ccxt_req_fetch_open_trigger_orders": Case(
        ask=lambda trader: trader.fetch_open_orders("BTC/USDT"),
        answers=([], [], {"orderList": []}),
        index=2,
        # Without it a page has 20 rows.
        more={"limit"},
    ),
    "ccxt_req_fetch_order": Case(
        ask=lambda trader: trader.fetch_order(
            OrderRef(symbol="BTC/USDT", exchange_order_id="1001", order_type=OrderType.LIMIT)
        ),
        answers=(
            [
                {
                    "symbol": "BTCUSDT",
                    "orderId": "1001",
                    "status": "live",
                    "orderType": "limit",
                    "side": "buy",
                    "size": "1",
                    "cTime": "1",
                }
            ],
        ),
    ),
    "ccxt_req_fetch_ticker": Case(
        ask=lambda trader: trader.get_ticker("BTC/USDT"),
        answers=([{"symbol": "BTCUSDT", "lastPr": "1", "ts": "1"}],),
    ),
    "ccxt_req_fetch_time": Case(ask=BitgetClient.get_server_time, answers=({"serverTime": "1"},)),
    "ccxt_req_limit_buy": place(),
    "ccxt_req_limit_buy_client_id": place(),
    "ccxt_req_limit_fok": place(time_in_force=TimeInForce.FOK),
    "ccxt_req_limit_ioc": place(time_in_force=TimeInForce.IOC),
    # Trigger by the last price, at which the order then trades; the trigger price is a text like
    # all other numbers, and of a limit order the limit is told once.
    "ccxt_req_trigger_limit_buy": replace(
        place(
            order_type=OrderType.STOP_LOSS_LIMIT,
            price=Decimal(51000),
            trigger_price=Decimal(50500),
        ),
        less={"price"},
        other={"force": "gtc", "triggerType": "fill_price", "triggerPrice": "50500"},
    ),
    "ccxt_req_trigger_market_sell": replace(
        place(
            side=OrderSide.SELL,
            order_type=OrderType.STOP_LOSS,
            price=None,
            trigger_price=Decimal(40000),
        ),
        other={"force": "gtc", "triggerType": "fill_price", "triggerPrice": "40000"},
    ),
}
#: What we refuse to send.
REFUSED: dict[str, Callable[[BitgetClient], object]] = {
    # There is no timeframe of a day.
    "ccxt_req_fetch_ohlcv_1d": lambda trader: trader.get_candles("BTC/USDT", Timeframe.H2),
    # Bitget has no trailing stop: what was captured is a plain market order.
    "ccxt_req_trailing_percent_sell": lambda trader: trader.place_order(
        replace(
            LIMIT,
            side=OrderSide.SELL,
            order_type=OrderType.TRAILING_STOP,
            price=None,
            trailing_share=Decimal("0.01"),
        ),
        deadline=DEADLINE,
    ),
}


def params_of(query: str, body: str | None) -> dict[str, object]:
    """Parameters, whether in the query or in a JSON body."""
    if body:
        told: dict[str, object] = json.loads(body)
        return told
    return {name: values[0] for name, values in parse_qs(query).items()}


def captured(shared: Path, name: str) -> dict[str, Any]:
    """The one request of a capture."""
    (request,) = payload_of(shared, f"client_requests/{name}")
    whole: dict[str, Any] = request
    return whole


def test_every_captured_request_is_compared(shared: Path) -> None:
    assert CASES.keys() | REFUSED.keys() == names(shared, "client_requests")


@pytest.mark.parametrize("name", CASES)
def test_request_is_the_same(shared: Path, name: str) -> None:
    case, theirs = CASES[name], captured(shared, name)
    transport = StubTransport(*[good(data) for data in case.answers])

    case.ask(client(transport))

    ours = transport.requests[case.index]
    assert (ours.method, ours.path) == (theirs["method"], theirs["path"])
    sent, expected = (
        params_of(ours.query, ours.body),
        params_of(theirs["query"], theirs["body"]),
    )
    assert case.more - sent.keys() == set()
    only_ours = case.more - expected.keys()
    common = {key: value for key, value in sent.items() if key not in only_ours}
    wanted = {key: value for key, value in expected.items() if key not in case.less}
    assert common == wanted | dict(case.other or {})


@pytest.mark.parametrize("name", REFUSED)
def test_request_is_refused_unsent(shared: Path, name: str) -> None:
    transport = StubTransport()

    with pytest.raises(Unsupported):
        REFUSED[name](client(transport))

    assert captured(shared, name)["method"]
    assert transport.requests == []


@pytest.mark.parametrize("name", sorted(CASES.keys() | REFUSED.keys()))
def test_captured_signature_is_ours(shared: Path, name: str) -> None:
    request = captured(shared, name)
    headers = request["headers"]
    if "ACCESS-SIGN" not in headers:
        return
    params = {key: values[0] for key, values in parse_qs(request["query"]).items()}
    target = signed_target(request["path"], params)
    payload = headers["ACCESS-TIMESTAMP"] + request["method"] + target + request["body"]

    assert signature(payload, SECRET) == headers["ACCESS-SIGN"]


def test_captured_headers_are_ours(shared: Path) -> None:
    request = captured(shared, "ccxt_req_cancel_order")
    keys = Credentials(api_key="key", api_secret=SECRET, passphrase="pass")
    transport = StubTransport(good({}))
    ref = OrderRef(symbol="BTC/USDT", exchange_order_id="1001", order_type=OrderType.LIMIT)

    trader = BitgetClient(
        keys,
        base_url="http://stub",
        limits=MemoryLimitStore(),
        transport=transport,
        now=lambda: int(request["headers"]["ACCESS-TIMESTAMP"]) / 1000,
    )
    trader.cancel_order(ref)

    sent = transport.requests[0]
    assert sent.body == request["body"]
    # The one that only they send names them as a broker.
    theirs = {
        key: value for key, value in request["headers"].items() if key != "X-CHANNEL-API-CODE"
    }
    assert sent.headers == theirs | {"locale": "en-US"}
