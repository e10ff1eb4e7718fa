"""What leaves for Binance, beside what a well-known client sends for the same wish."""

import json
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
from apps.exchanges.binance.client import BinanceClient
from apps.exchanges.binance.constants import CAPABILITIES
from apps.exchanges.binance.order_form import list_params, order_params
from apps.exchanges.errors import InvalidOrder, OutcomeUnknown, Unsupported
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import (
    Credentials,
    EditMethod,
    OrderListRequest,
    OrderRef,
    OrderReport,
    OrderRequest,
)
from apps.exchanges.tests.stubs import StubTransport, answer, payload_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DEADLINE = NOW + timedelta(seconds=5)
#: The secret that the captured requests are signed with.
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def order(**changes: Any) -> OrderRequest:
    """Buy 0.001 BTC at 50,000."""
    facts: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "side": OrderSide.BUY,
        "order_type": OrderType.LIMIT,
        "client_order_id": "myid-0001",
        "quantity": Decimal("0.001"),
        "price": Decimal(50_000),
    }
    return OrderRequest(**facts | changes)


def resting(**changes: Any) -> OrderReport:
    """That order, on the book."""
    facts: dict[str, Any] = {
        "symbol": "BTC/USDT",
        "client_order_id": None,
        "exchange_order_id": "28",
        "status": OrderStatus.OPEN,
        "exchange_status": "NEW",
        "side": OrderSide.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": Decimal("0.001"),
        "filled_quantity": Decimal(0),
        "filled_quote": Decimal(0),
        "price": Decimal(50_000),
    }
    return OrderReport(**facts | changes)


def sell(order_type: OrderType, **changes: Any) -> OrderRequest:
    """Sell 0.001 BTC."""
    return order(side=OrderSide.SELL, order_type=order_type, **{"price": None} | changes)


Call = Callable[[BinanceClient], object]
REF = OrderRef(symbol="BTC/USDT", exchange_order_id="28")

CALLS: dict[str, Call] = {
    "cancel_all": lambda c: c.cancel_all_orders("BTC/USDT"),
    "cancel_order_by_client_id": lambda c: c.cancel_order(
        OrderRef(symbol="BTC/USDT", client_order_id="myid-0001")
    ),
    "edit_order": lambda c: c.edit_order(
        resting(), order(quantity=Decimal("0.002"), price=Decimal(49_000)), deadline=DEADLINE
    ),
    "fetch_balance": lambda c: c.get_balance(),
    "fetch_ohlcv_1m_limit5": lambda c: c.get_candles("BTC/USDT", Timeframe.M1, limit=5),
    "fetch_open_orders": lambda c: c.fetch_open_orders("BTC/USDT"),
    "fetch_open_trigger_orders": lambda c: c.fetch_open_orders("BTC/USDT"),
    "fetch_order": lambda c: c.fetch_order(REF),
    "fetch_tickers_all": lambda c: c.fetch_tickers(),
    "limit_buy": lambda c: c.place_order(order(), deadline=DEADLINE),
    "limit_buy_client_id": lambda c: c.place_order(order(), deadline=DEADLINE),
    "limit_fok": lambda c: c.place_order(order(time_in_force=TimeInForce.FOK), deadline=DEADLINE),
    "limit_post_only": lambda c: c.place_order(
        order(time_in_force=TimeInForce.POST_ONLY), deadline=DEADLINE
    ),
    "market_buy_quote_cost": lambda c: c.place_order(
        order(
            order_type=OrderType.MARKET, price=None, quantity=None, quote_amount=Decimal("50.00")
        ),
        deadline=DEADLINE,
    ),
    "stop_loss_market_sell": lambda c: c.place_order(
        sell(OrderType.STOP_LOSS, trigger_price=Decimal(40_000)), deadline=DEADLINE
    ),
    "take_profit_market_sell": lambda c: c.place_order(
        sell(OrderType.TAKE_PROFIT, trigger_price=Decimal(60_000)), deadline=DEADLINE
    ),
    "trigger_limit_buy": lambda c: c.place_order(
        order(
            order_type=OrderType.STOP_LOSS_LIMIT,
            price=Decimal(51_000),
            trigger_price=Decimal(50_500),
        ),
        deadline=DEADLINE,
    ),
    "trigger_market_sell": lambda c: c.place_order(
        sell(OrderType.STOP_LOSS, trigger_price=Decimal(40_000)), deadline=DEADLINE
    ),
}
#: Not sent by us: their client passes what it does not know through, and the exchange refuses it.
NOT_OURS = {"limit_buy_attached_tp_sl"}
#: Ours are the order's own and the deadline's; theirs were made up for each request.
OF_THE_MOMENT = {"timestamp", "recvWindow", "signature", "newClientOrderId"}
#: We leave out empty balances, and replace no order that has filled meanwhile; the rest is the same.
OURS_BESIDES = {
    "fetch_balance": {"omitZeroBalances": "true"},
    "edit_order": {"cancelRestrictions": "ONLY_NEW"},
}


def params(query: str, body: str | None) -> dict[str, str]:
    """All parameters, wherever they stand."""
    return {k: v[0] for text in (query, body or "") for k, v in parse_qs(text).items()}


def sent_by(call: Call, transport: StubTransport) -> dict[str, Any]:
    """The last request of a call; whatever the stub's empty answer makes of it does not matter."""
    client = BinanceClient(
        Credentials(api_key="key", api_secret=SECRET),
        base_url="http://stub",
        limits=MemoryLimitStore(NOW.timestamp),
        transport=transport,
        now=NOW.timestamp,
    )
    with pytest.raises(Exception):  # noqa: B017, PT011  the stub has no answers
        call(client)
    request = transport.requests[-1]
    return {
        "method": request.method,
        "path": request.path,
        "headers": dict(request.headers),
        **params(request.query, request.body),
    }


@pytest.mark.parametrize("name", CALLS)
def test_same_wish_makes_the_same_request(shared: Path, name: str) -> None:
    path = f"exchanges/fixtures/binance/client_requests/ccxt_req_{name}.json"
    (theirs,) = json.loads((shared / path).read_text())["payload"]
    expected = {
        "method": theirs["method"],
        "path": theirs["path"],
        "headers": theirs["headers"],
        **params(theirs["query"], theirs["body"]),
        **OURS_BESIDES.get(name, {}),
    }

    ours = sent_by(CALLS[name], StubTransport())

    for key in OF_THE_MOMENT:
        # Where nothing is placed there is no deadline, and the exchange's own window is enough.
        assert key in ours or key not in expected or key == "recvWindow", key
        ours.pop(key, None)
        expected.pop(key, None)
    assert ours == expected


def test_every_captured_request_is_compared(shared: Path) -> None:
    folder = shared / "exchanges" / "fixtures" / "binance" / "client_requests"
    captured = {path.stem.removeprefix("ccxt_req_") for path in folder.glob("*.json")}

    assert captured == set(CALLS) | NOT_OURS


def test_trailing_stop_trails_in_basis_points_from_its_activation_price() -> None:
    request = sell(
        OrderType.TRAILING_STOP, trailing_share=Decimal("0.0125"), trigger_price=Decimal(60_000)
    )

    assert (
        order_params(request).items()
        >= {
            "type": "STOP_LOSS",
            "trailingDelta": "125",
            "stopPrice": "60000",
        }.items()
    )


def test_trailing_share_finer_than_a_basis_point_is_refused() -> None:
    with pytest.raises(InvalidOrder, match=r"0\.01 %") as caught:
        order_params(sell(OrderType.TRAILING_STOP, trailing_share=Decimal("0.00015")))

    assert caught.value.filter_name == "TRAILING_DELTA"


def test_conditional_order_can_not_be_post_only() -> None:
    request = order(
        order_type=OrderType.STOP_LOSS_LIMIT,
        trigger_price=Decimal(50_500),
        time_in_force=TimeInForce.POST_ONLY,
    )

    with pytest.raises(Unsupported, match="post-only"):
        order_params(request)


TARGET = sell(OrderType.LIMIT, price=Decimal(60_000), client_order_id="target")
STOP = sell(
    OrderType.STOP_LOSS_LIMIT,
    price=Decimal(39_900),
    trigger_price=Decimal(40_000),
    client_order_id="stop",
)


def test_exits_of_a_long_position_stand_above_and_below() -> None:
    request = OrderListRequest(kind=OrderListKind.OCO, client_list_id="list", orders=(STOP, TARGET))

    assert list_params(request) == {
        "symbol": "BTCUSDT",
        "listClientOrderId": "list",
        "newOrderRespType": "RESULT",
        "side": "SELL",
        "quantity": "0.001",
        "aboveType": "LIMIT_MAKER",
        "abovePrice": "60000",
        "aboveClientOrderId": "target",
        "belowType": "STOP_LOSS_LIMIT",
        "belowPrice": "39900",
        "belowStopPrice": "40000",
        "belowTimeInForce": "GTC",
        "belowClientOrderId": "stop",
    }


def test_stop_of_a_buying_pair_stands_above() -> None:
    legs = (replace(STOP, side=OrderSide.BUY), replace(TARGET, side=OrderSide.BUY))

    written = list_params(
        OrderListRequest(kind=OrderListKind.OCO, client_list_id="list", orders=legs)
    )

    assert (written["aboveClientOrderId"], written["belowClientOrderId"]) == ("stop", "target")


def test_entry_with_a_bracket_names_every_order() -> None:
    request = OrderListRequest(
        kind=OrderListKind.OTOCO, client_list_id="list", orders=(order(), TARGET, STOP)
    )

    assert (
        list_params(request).items()
        >= {
            "workingType": "LIMIT",
            "workingSide": "BUY",
            "workingPrice": "50000",
            "workingQuantity": "0.001",
            "workingTimeInForce": "GTC",
            "workingClientOrderId": "myid-0001",
            "pendingSide": "SELL",
            "pendingQuantity": "0.001",
            "pendingAboveType": "LIMIT_MAKER",
            "pendingAbovePrice": "60000",
            "pendingAboveClientOrderId": "target",
            "pendingBelowType": "STOP_LOSS_LIMIT",
            "pendingBelowStopPrice": "40000",
            "pendingBelowClientOrderId": "stop",
        }.items()
    )


def test_entry_with_one_exit() -> None:
    request = OrderListRequest(
        kind=OrderListKind.OTO, client_list_id="list", orders=(order(), STOP)
    )

    assert (
        list_params(request).items()
        >= {
            "workingType": "LIMIT",
            "pendingType": "STOP_LOSS_LIMIT",
            "pendingSide": "SELL",
            "pendingQuantity": "0.001",
            "pendingStopPrice": "40000",
            "pendingPrice": "39900",
            "pendingTimeInForce": "GTC",
            "pendingClientOrderId": "stop",
        }.items()
    )


def test_list_can_not_begin_with_a_market_order() -> None:
    entry = order(order_type=OrderType.MARKET, price=None)

    with pytest.raises(Unsupported, match="begins with a market order"):
        list_params(
            OrderListRequest(kind=OrderListKind.OTO, client_list_id="list", orders=(entry, STOP))
        )


def client(transport: StubTransport) -> BinanceClient:
    """A client whose clock stands still."""
    return BinanceClient(
        Credentials(api_key="key", api_secret=SECRET),
        base_url="http://stub",
        limits=MemoryLimitStore(NOW.timestamp),
        transport=transport,
        now=NOW.timestamp,
    )


def test_placed_list_tells_its_orders_in_the_sequence_of_the_request(shared: Path) -> None:
    payload = payload_of(shared, "order_lists/docs_New_Order_list_-_OCO_TRADE__1")
    stop_name, target_name = (row["clientOrderId"] for row in payload["orderReports"])
    request = OrderListRequest(
        kind=OrderListKind.OCO,
        client_list_id=payload["listClientOrderId"],
        orders=(
            replace(TARGET, client_order_id=target_name),
            replace(STOP, client_order_id=stop_name),
        ),
    )
    transport = StubTransport(answer(payload))

    report = client(transport).place_order_list(request, deadline=DEADLINE)

    assert [o.client_order_id for o in report.orders] == [target_name, stop_name]
    assert (report.exchange_list_id, report.client_list_id) == ("1", payload["listClientOrderId"])
    assert transport.requests[0].path == "/api/v3/orderList/oco"


def test_list_that_tells_of_other_orders_is_unknown(shared: Path) -> None:
    payload = payload_of(shared, "order_lists/docs_New_Order_list_-_OCO_TRADE__1")
    request = OrderListRequest(kind=OrderListKind.OCO, client_list_id="l", orders=(TARGET, STOP))

    with pytest.raises(OutcomeUnknown, match="does not tell of order target"):
        client(StubTransport(answer(payload))).place_order_list(request, deadline=DEADLINE)


def amended(shared: Path, name: str) -> dict[str, Any]:
    """The recorded answer to an amendment, about an order of this name."""
    payload: dict[str, Any] = payload_of(shared, "amend/jkorf_AmendOrder")
    order_id = {"orderId": 28, "clientOrderId": name}
    return payload | {"amendedOrder": payload["amendedOrder"] | order_id}


def test_smaller_quantity_is_amended_in_place_under_the_same_name(shared: Path) -> None:
    transport = StubTransport(answer(amended(shared, "mine")))
    current = resting(client_order_id="mine", filled_quantity=Decimal("0.0002"))

    target = order(quantity=Decimal("0.0005"))

    assert CAPABILITIES.can_amend(current, target)
    edited = client(transport).edit_order(current, target, deadline=DEADLINE)

    assert edited.method is EditMethod.AMENDED
    assert (transport.requests[0].method, transport.requests[0].path) == (
        "PUT",
        "/api/v3/order/amend/keepPriority",
    )
    # The new total counts what is filled already.
    assert (
        transport.params().items()
        >= {
            "origClientOrderId": "mine",
            "newClientOrderId": "mine",
            "newQty": "0.0007",
        }.items()
    )


def replaced(shared: Path) -> dict[str, Any]:
    """The recorded answer to a replacement, about `order()`."""
    payload: dict[str, Any] = payload_of(
        shared, "cancel_replace/docs_Cancel_an_Existing_Order_and_Send_a_New_Order_TRADE__1"
    )
    new = payload["newOrderResponse"] | {"clientOrderId": "myid-0001"}
    return payload | {"newOrderResponse": new}


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": Decimal("0.002")},
        {"price": Decimal(49_000)},
        {"time_in_force": TimeInForce.POST_ONLY},
    ],
)
def test_any_other_change_cancels_and_replaces(shared: Path, changes: dict[str, Any]) -> None:
    transport = StubTransport(answer(replaced(shared)))

    current, target = resting(client_order_id="mine"), order(**changes)

    assert not CAPABILITIES.can_amend(current, target)
    edited = client(transport).edit_order(current, target, deadline=DEADLINE)

    assert (edited.method, edited.order.exchange_order_id) == (EditMethod.REPLACED, "10")
    assert (
        transport.params().items()
        >= {
            "cancelOrigClientOrderId": "mine",
            "newClientOrderId": "myid-0001",
            "cancelReplaceMode": "STOP_ON_FAILURE",
            "cancelRestrictions": "ONLY_NEW",
        }.items()
    )


def queried(shared: Path, filled: str) -> dict[str, Any]:
    """The order of `resting()`, filled so far."""
    payload: dict[str, Any] = payload_of(shared, "orders/xchange_open-orders")[0]
    return payload | {"symbol": "BTCUSDT", "orderId": 28, "executedQty": filled}


def test_partly_filled_order_is_read_again_before_it_is_replaced(shared: Path) -> None:
    transport = StubTransport(answer(queried(shared, "0.0005")), answer(replaced(shared)))

    client(transport).edit_order(
        resting(filled_quantity=Decimal("0.0005")), order(price=Decimal(1)), deadline=DEADLINE
    )

    assert "cancelRestrictions" not in transport.params()


def test_order_that_has_filled_further_is_not_replaced(shared: Path) -> None:
    transport = StubTransport(answer(queried(shared, "0.0007")))

    with pytest.raises(InvalidOrder, match="filled further meanwhile: nothing was changed"):
        client(transport).edit_order(
            resting(filled_quantity=Decimal("0.0005")), order(price=Decimal(1)), deadline=DEADLINE
        )

    assert len(transport.requests) == 1


@pytest.mark.parametrize("number", ["2", "5"])
def test_half_a_replacement_is_an_unknown_outcome(shared: Path, number: str) -> None:
    name = f"errors/docs_Cancel_an_Existing_Order_and_Send_a_New_Order_TRADE__{number}"

    with pytest.raises(OutcomeUnknown):
        client(StubTransport(answer(payload_of(shared, name), 400))).edit_order(
            resting(), order(price=Decimal(1)), deadline=DEADLINE
        )


def test_nothing_to_cancel_is_no_error(shared: Path) -> None:
    transport = StubTransport(answer(payload_of(shared, "errors/docs_err_unknown_cancel"), 400))

    client(transport).cancel_all_orders("BTC/USDT")

    assert len(transport.requests) == 1


def test_named_prices_are_asked_for_together(shared: Path) -> None:
    rows = payload_of(shared, "tickers/docs_24hr_ticker_price_change_statistics_2")
    transport = StubTransport(answer(rows))

    tickers = client(transport).fetch_tickers(["BNB/BTC"])

    assert tickers["BNB/BTC"].change == Decimal("-0.95960")
    assert transport.params() == {"symbols": '["BNBBTC"]'}


def test_name_that_does_not_exist_is_left_out(shared: Path) -> None:
    rows = payload_of(shared, "tickers/docs_24hr_ticker_price_change_statistics_2")
    info = payload_of(shared, "markets/docs_Exchange_information_1")
    info["symbols"][0] |= {"symbol": "BNBBTC", "baseAsset": "BNB"}
    transport = StubTransport(
        answer({"code": -1121, "msg": "Invalid symbol."}, 400), answer(rows), answer(info)
    )

    assert list(client(transport).fetch_tickers(["BNB/BTC", "NO/SUCH"])) == ["BNB/BTC"]


def test_closed_orders_are_paged_by_id_and_resting_ones_left_out(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.exchanges.binance.client.MAX_ROWS", 2)
    filled = payload_of(shared, "orders/xchange_filled-market-order")
    first = [filled | {"orderId": 1}, filled | {"orderId": 2, "status": "NEW"}]
    transport = StubTransport(answer(first), answer([filled | {"orderId": 7}]))

    closed = client(transport).fetch_closed_orders("ETH/BTC", since=NOW)

    assert [report.exchange_order_id for report in closed] == ["1", "7"]
    assert transport.params(0)["startTime"] == str(int(NOW.timestamp() * 1000))
    assert transport.params(1)["orderId"] == "3"
    assert "startTime" not in transport.params(1)
