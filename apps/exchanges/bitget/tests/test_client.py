"""Orders of one account against scripted answers."""

from dataclasses import replace
from decimal import Decimal

import pytest

from apps.domain.orders import OrderListKind, OrderSide, OrderStatus, OrderType, TimeInForce
from apps.exchanges.bitget.tests.payloads import (
    DEADLINE,
    NOW,
    NOW_MS,
    asked,
    client,
    failure,
    good,
    order_row,
    sent_body,
)
from apps.exchanges.errors import (
    DuplicateClientOrderId,
    OutcomeUnknown,
    RateLimited,
    Unsupported,
)
from apps.exchanges.http import ConnectionCut, HttpAnswer
from apps.exchanges.ports import (
    AttachedExit,
    OrderListRequest,
    OrderRef,
    OrderRequest,
)
from apps.exchanges.tests.stubs import StubTransport

ID = "a" * 32
LIMIT = OrderRequest(
    symbol="BTC/USDT",
    side=OrderSide.SELL,
    order_type=OrderType.LIMIT,
    client_order_id=ID,
    quantity=Decimal("0.10"),
    price=Decimal(50000),
)
STOP = OrderRequest(
    symbol="BTC/USDT",
    side=OrderSide.SELL,
    order_type=OrderType.STOP_LOSS_LIMIT,
    client_order_id=ID,
    quantity=Decimal("0.10"),
    price=Decimal(39000),
    trigger_price=Decimal("40000.50"),
)
MARKET_BUY = OrderRequest(
    symbol="BTC/USDT",
    side=OrderSide.BUY,
    order_type=OrderType.MARKET,
    client_order_id=ID,
    quote_amount=Decimal("50.00"),
)
PLACED = good({"orderId": "1001", "clientOid": ID})
CANCELLED = good({"orderId": "1001", "clientOid": ID})
NOT_FOUND = failure("43001", "The order does not exist")
NO_PLAN = failure("43025", "plan order does not exist")
STAMPS = {"requestTime": str(NOW_MS), "receiveWindow": "5000"}
REF = OrderRef(symbol="BTC/USDT", client_order_id=ID)


# Placing


def test_limit_order() -> None:
    transport = StubTransport(PLACED)

    report = client(transport).place_order(LIMIT, deadline=DEADLINE)

    assert asked(transport) == ["POST place-order"]
    assert sent_body(transport) == STAMPS | {
        "symbol": "BTCUSDT",
        "side": "sell",
        "orderType": "limit",
        "force": "gtc",
        "price": "50000",
        "size": "0.1",
        "clientOid": ID,
    }
    # It was taken, and no more is known.
    assert (report.exchange_order_id, report.client_order_id) == ("1001", ID)
    assert (report.status, report.filled_quantity, report.created_at) == (
        *(OrderStatus.OPEN, None, NOW),
    )
    assert report.raw["requestTime"] == NOW_MS


def test_market_buy_is_sized_by_what_to_spend() -> None:
    transport = StubTransport(PLACED)

    client(transport).place_order(MARKET_BUY, deadline=DEADLINE)

    assert sent_body(transport) == STAMPS | {
        "symbol": "BTCUSDT",
        "side": "buy",
        "orderType": "market",
        "force": "gtc",
        "size": "50",
        "clientOid": ID,
    }


def test_market_sell_is_sized_by_what_to_sell() -> None:
    transport = StubTransport(PLACED)
    request = replace(LIMIT, order_type=OrderType.MARKET, price=None)

    client(transport).place_order(request, deadline=DEADLINE)

    body = sent_body(transport)
    assert (body["side"], body["orderType"], body["size"]) == ("sell", "market", "0.1")


@pytest.mark.parametrize("time_in_force", TimeInForce)
def test_time_in_force(time_in_force: TimeInForce) -> None:
    transport = StubTransport(PLACED)

    client(transport).place_order(replace(LIMIT, time_in_force=time_in_force), deadline=DEADLINE)

    assert sent_body(transport)["force"] == time_in_force.value


def test_exits_travel_with_their_entry() -> None:
    transport = StubTransport(PLACED)
    request = replace(
        LIMIT,
        side=OrderSide.BUY,
        stop_loss=AttachedExit(trigger_price=Decimal(45000)),
        take_profit=AttachedExit(trigger_price=Decimal(60000), price=Decimal("59999.50")),
    )

    client(transport).place_order(request, deadline=DEADLINE)

    body = sent_body(transport)
    assert {name: value for name, value in body.items() if "Price" in name} == {
        "presetStopLossPrice": "45000",
        "presetTakeProfitPrice": "60000",
        "executeTakeProfitPrice": "59999.5",
    }


@pytest.mark.parametrize(
    ("order_type", "price", "word"),
    [
        (OrderType.STOP_LOSS, None, "market"),
        (OrderType.STOP_LOSS_LIMIT, Decimal(39000), "limit"),
        (OrderType.TAKE_PROFIT, None, "market"),
        (OrderType.TAKE_PROFIT_LIMIT, Decimal(39000), "limit"),
    ],
)
def test_conditional_order_is_a_plan_order_with_our_id(
    order_type: OrderType, price: Decimal | None, word: str
) -> None:
    transport = StubTransport(PLACED)

    report = client(transport).place_order(
        replace(STOP, order_type=order_type, price=price), deadline=DEADLINE
    )

    assert asked(transport) == ["POST place-plan-order"]
    limit = {} if price is None else {"executePrice": "39000"}
    assert sent_body(transport) == STAMPS | limit | {
        "symbol": "BTCUSDT",
        "side": "sell",
        "orderType": word,
        "force": "gtc",
        "size": "0.1",
        "clientOid": ID,
        "planType": "amount",
        "triggerType": "fill_price",
        "triggerPrice": "40000.5",
    }
    assert (report.order_type, report.trigger_price) == (order_type, Decimal("40000.50"))


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (
            replace(MARKET_BUY, quote_amount=None, quantity=Decimal(1)),
            "a market buy sized in base currency: give the amount to spend",
        ),
        (replace(MARKET_BUY, side=OrderSide.SELL), "market sell orders sized in quote currency"),
        (
            replace(
                STOP,
                order_type=OrderType.TRAILING_STOP,
                price=None,
                trailing_share=Decimal("0.01"),
            ),
            "orders of type trailing_stop",
        ),
        (
            replace(STOP, stop_loss=AttachedExit(trigger_price=Decimal(1))),
            "attached to a conditional order",
        ),
    ],
)
def test_order_that_bitget_lacks_is_refused_unsent(request_: OrderRequest, why: str) -> None:
    transport = StubTransport()

    with pytest.raises(Unsupported, match=f"{why}.*Nothing was sent"):
        client(transport).place_order(request_, deadline=DEADLINE)

    assert transport.requests == []


@pytest.mark.parametrize("kind", OrderListKind)
def test_order_lists_are_refused_unsent(kind: OrderListKind) -> None:
    transport = StubTransport()
    entry, stop = replace(LIMIT, client_order_id="e"), replace(STOP, client_order_id="s")
    orders = {
        OrderListKind.OCO: (LIMIT, stop),
        OrderListKind.OTO: (entry, stop),
        OrderListKind.OTOCO: (entry, LIMIT, stop),
    }[kind]
    request = OrderListRequest(kind=kind, client_list_id="l", orders=orders)

    with pytest.raises(Unsupported, match=f"Bitget has no {kind.upper()} order lists"):
        client(transport).place_order_list(request, deadline=DEADLINE)

    assert transport.requests == []


@pytest.mark.parametrize("code", ["40786", "43118", "45034", "40708", "50060"])
def test_used_id_is_doubt_and_no_refusal(code: str) -> None:
    transport = StubTransport(failure(code, "clientOid duplicate"))

    with pytest.raises(DuplicateClientOrderId, match="never send it again"):
        client(transport).place_order(LIMIT, deadline=DEADLINE)


@pytest.mark.parametrize("request_", [LIMIT, STOP])
def test_acknowledgement_of_another_order_is_doubt(request_: OrderRequest) -> None:
    transport = StubTransport(good({"orderId": "1001", "clientOid": "another"}))

    with pytest.raises(OutcomeUnknown, match=f"it tells of clientOid another, not of {ID}"):
        client(transport).place_order(request_, deadline=DEADLINE)


@pytest.mark.parametrize("name", [None, ""])
def test_acknowledgement_need_not_name_the_order(name: str | None) -> None:
    transport = StubTransport(good({"orderId": "1001", "clientOid": name}))

    report = client(transport).place_order(LIMIT, deadline=DEADLINE)

    assert (report.exchange_order_id, report.client_order_id) == ("1001", ID)


# Cancelling


@pytest.mark.parametrize(
    "ref",
    [
        replace(REF, order_type=OrderType.LIMIT),
        replace(REF, order_type=OrderType.STOP_LOSS),
        OrderRef(symbol="BTC/USDT", exchange_order_id="7", order_type=OrderType.LIMIT),
    ],
)
def test_cancel_of_another_order_is_doubt(ref: OrderRef) -> None:
    transport = StubTransport(good({"orderId": "8", "clientOid": "another"}))

    with pytest.raises(OutcomeUnknown, match=f"not of {ref}"):
        client(transport).cancel_order(ref)


def test_cancels_in_another_market_are_doubt() -> None:
    with pytest.raises(OutcomeUnknown, match="it tells of symbol ETHUSDT, not of BTCUSDT"):
        client(StubTransport(good({"symbol": "ETHUSDT"}))).cancel_all_orders("BTC/USDT")


def test_cancel_is_only_taken_note_of() -> None:
    transport = StubTransport(CANCELLED)
    ref = replace(REF, order_type=OrderType.LIMIT)

    client(transport).cancel_order(ref)

    assert asked(transport) == ["POST cancel-order"]
    assert sent_body(transport) == {"symbol": "BTCUSDT", "clientOid": ID}


def test_order_of_somebody_else_is_cancelled_by_its_exchange_id() -> None:
    transport = StubTransport(CANCELLED)
    ref = OrderRef(symbol="BTC/USDT", exchange_order_id="1001", order_type=OrderType.LIMIT)

    client(transport).cancel_order(ref)

    assert sent_body(transport) == {"symbol": "BTCUSDT", "orderId": "1001"}


def test_conditional_order_is_cancelled_where_it_waits() -> None:
    transport = StubTransport(good({"result": "success"}))

    client(transport).cancel_order(replace(REF, order_type=OrderType.STOP_LOSS))

    assert asked(transport) == ["POST cancel-plan-order"]
    assert sent_body(transport) == {"clientOid": ID}


def test_conditional_order_that_fired_is_cancelled_as_what_it_placed() -> None:
    transport = StubTransport(NO_PLAN, good({"orderId": "77", "clientOid": "b"}))
    ref = replace(REF, order_type=OrderType.STOP_LOSS_LIMIT, exchange_order_id="77")

    client(transport).cancel_order(ref)

    assert asked(transport) == ["POST cancel-plan-order", "POST cancel-order"]
    assert sent_body(transport) == {"symbol": "BTCUSDT", "orderId": "77"}


def test_order_of_unknown_type_is_looked_for_everywhere() -> None:
    transport = StubTransport(NOT_FOUND, NO_PLAN, good({"orderId": "77", "clientOid": "b"}))

    client(transport).cancel_order(replace(REF, exchange_order_id="77"))

    assert asked(transport) == [
        *("POST cancel-order", "POST cancel-plan-order", "POST cancel-order"),
    ]
    assert sent_body(transport) == {"symbol": "BTCUSDT", "orderId": "77", "tpslType": "tpsl"}


@pytest.mark.parametrize(
    ("order_type", "answers"),
    [
        (OrderType.LIMIT, [NOT_FOUND]),
        (OrderType.STOP_LOSS, [NO_PLAN]),
        (None, [NOT_FOUND, NO_PLAN]),
    ],
)
def test_cancel_that_finds_nothing_is_to_be_looked_up(
    order_type: OrderType | None, answers: list[HttpAnswer]
) -> None:
    transport = StubTransport(*answers)

    with pytest.raises(OutcomeUnknown, match=f"no open order {ID} to cancel: it has ended or"):
        client(transport).cancel_order(replace(REF, order_type=order_type))

    assert len(transport.requests) == len(answers)


def test_doubt_about_a_cancel_ends_the_search() -> None:
    transport = StubTransport(failure("40010"))

    with pytest.raises(OutcomeUnknown):
        client(transport).cancel_order(REF)

    assert len(transport.requests) == 1


def test_all_orders_of_a_symbol_are_cancelled_of_every_kind() -> None:
    tied = order_row(5, tpslType="tpsl", triggerPrice="1")
    transport = StubTransport(
        good({"symbol": "BTCUSDT"}),
        good([tied]),
        good({"orderId": "5", "clientOid": "b"}),
        good({"successList": [], "failureList": []}),
    )

    client(transport).cancel_all_orders("BTC/USDT")

    assert asked(transport) == [
        "POST cancel-symbol-order",
        "GET unfilled-orders",
        "POST cancel-order",
        "POST batch-cancel-plan-order",
    ]
    assert sent_body(transport, 0) == {"symbol": "BTCUSDT"}
    assert sent_body(transport, 2) == {"symbol": "BTCUSDT", "orderId": "5", "tpslType": "tpsl"}
    assert sent_body(transport, 3) == {"symbolList": ["BTCUSDT"]}


def test_nothing_to_cancel_is_no_error() -> None:
    transport = StubTransport(failure("22001", "No order to cancel"), good([]), NO_PLAN)

    client(transport).cancel_all_orders("BTC/USDT")

    assert len(transport.requests) == 3


@pytest.mark.parametrize(
    "answers",
    [
        [good({"symbol": "BTCUSDT"}), good([]), failure("1001")],
        [good({"symbol": "BTCUSDT"}), failure("40014")],
        [good({"symbol": "BTCUSDT"}), good([]), good({"failureList": [{"orderId": "1"}]})],
    ],
)
def test_half_of_the_cancels_is_unknown(answers: list[HttpAnswer]) -> None:
    with pytest.raises(OutcomeUnknown):
        client(StubTransport(*answers)).cancel_all_orders("BTC/USDT")


def test_none_of_the_cancels_is_no_doubt() -> None:
    transport = StubTransport(failure("1001"))

    with pytest.raises(RateLimited):
        client(transport).cancel_all_orders("BTC/USDT")


# The account


RIGHTS = {"authorities": ["stow", "wwow"], "ips": "1.2.3.4"}
SERVER_TIME = good({"serverTime": str(NOW_MS)})
ASSETS = [{"coin": "USDT", "available": "7", "frozen": "1", "locked": "0"}]


def test_connection_report() -> None:
    server_time = good({"serverTime": str(NOW_MS + 500)})
    transport = StubTransport(good(ASSETS), server_time, good(RIGHTS))

    report = client(transport).test_connection()

    assert (report.ok, report.can_trade, report.can_withdraw) == (True, True, True)
    assert (report.is_ip_restricted, report.permissions) == (True, ("stow", "wwow"))
    assert [(b.asset, b.free, b.locked) for b in report.balances] == [("USDT", 7, 1)]
    assert report.server_time_offset == pytest.approx(0.5)
    assert "take that right away" in report.message


def test_key_that_may_not_trade_is_no_good_one() -> None:
    transport = StubTransport(good([]), SERVER_TIME, good({"authorities": ["stor"], "ips": ""}))

    report = client(transport).test_connection()

    assert (report.ok, report.can_trade, report.can_withdraw) == (False, False, False)
    assert "allow spot trading for it at Bitget" in report.message


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        (
            [failure("40012", "apikey/password is incorrect")],
            "demo and the real exchange have keys",
        ),
        ([failure("40018", "Invalid IP")], "add it at Bitget"),
        ([failure("40085", "You are in Unified Account mode")], "switch it to the classic mode"),
        ([failure("40014", "Incorrect permissions")], "Incorrect permissions"),
        ([good(ASSETS), *[HttpAnswer(status=503, body=b"")] * 3], "HTTP 503"),
    ],
)
def test_failed_connection_is_told_in_words(answers: list[HttpAnswer], words: str) -> None:
    report = client(StubTransport(*answers)).test_connection()

    assert report.ok is False
    assert words in report.message


@pytest.mark.parametrize(
    "refusal",
    [
        failure("429", "Too Many Requests", 429),
        ConnectionCut("silence"),
        failure("40404", "Request URL NOT FOUND", 404),
    ],
)
def test_key_whose_rights_are_not_told_is_no_good_one(
    refusal: HttpAnswer | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.exchanges.http.READ_TRIES", 1)
    transport = StubTransport(good(ASSETS), SERVER_TIME, refusal)

    report = client(transport).test_connection()

    assert (report.ok, report.can_withdraw) == (False, None)
    assert "what the key may do could not be read: try again" in report.message


def test_connection_without_a_passphrase_asks_nothing() -> None:
    transport = StubTransport()

    report = client(transport, None).test_connection()

    assert (report.ok, transport.requests) == (False, [])
