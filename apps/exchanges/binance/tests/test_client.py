"""Calls of the client against scripted answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.domain.candles import Timeframe
from apps.domain.orders import OrderSide, OrderStatus, OrderType, TimeInForce
from apps.exchanges.binance import client as client_module
from apps.exchanges.binance.client import BinanceClient
from apps.exchanges.clock import forget_clocks
from apps.exchanges.errors import (
    ClockSkew,
    DuplicateClientOrderId,
    ExchangeError,
    ExchangeUnavailable,
    InvalidCredentials,
    OutcomeUnknown,
    RateLimited,
)
from apps.exchanges.http import ConnectionCut, NotSent
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import Credentials, OrderRef, OrderRequest
from apps.exchanges.tests.stubs import StubTransport, answer, payload_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
NOW_MS = 1_767_312_000_000
DEADLINE = NOW + timedelta(seconds=5)
KEYS = Credentials(api_key="the-key", api_secret="the-secret")
MARKET_BUY = OrderRequest(
    symbol="BTC/USDT",
    side=OrderSide.BUY,
    order_type=OrderType.MARKET,
    client_order_id="a" * 32,
    quote_amount=Decimal("50.00"),
)
REF = OrderRef(symbol="BTC/USDT", client_order_id=MARKET_BUY.client_order_id)
TOO_EARLY = answer({"code": -1021, "msg": "Timestamp for this request was ahead."}, 400)


def client(transport: StubTransport, credentials: Credentials | None = KEYS) -> BinanceClient:
    """A client whose clock stands still."""
    return BinanceClient(
        credentials,
        base_url="http://stub",
        limits=MemoryLimitStore(NOW.timestamp),
        transport=transport,
        now=NOW.timestamp,
    )


@pytest.fixture(autouse=True)
def _forget_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_symbols_of_host", {})
    forget_clocks()


@pytest.fixture
def order(shared: Path) -> dict[str, Any]:
    """A filled order as the exchange answers it, under the name of MARKET_BUY."""
    payload: dict[str, Any] = payload_of(shared, "orders/docs_New_order_TRADE__3")
    return payload | {"clientOrderId": MARKET_BUY.client_order_id}


def fill_rows(first: int, count: int) -> list[dict[str, object]]:
    """Rows of fills with ascending ids, one a second."""
    return [
        {
            "id": trade_id,
            "orderId": 28,
            "price": "1",
            "qty": "1",
            "commission": "0",
            "commissionAsset": "BNB",
            "time": NOW_MS + trade_id * 1000,
            "isBuyer": True,
            "isMaker": False,
        }
        for trade_id in range(first, first + count)
    ]


def test_market_order_by_quote_amount(order: dict[str, Any]) -> None:
    transport = StubTransport(answer(order))

    report = client(transport).place_order(MARKET_BUY, deadline=DEADLINE)

    assert (report.symbol, report.status, len(report.fills)) == ("BTC/USDT", OrderStatus.FILLED, 5)
    sent = transport.params()
    assert len(sent.pop("signature")) == 64
    assert sent == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "MARKET",
        "newClientOrderId": "a" * 32,
        "newOrderRespType": "FULL",
        "quoteOrderQty": "50",
        "recvWindow": "5000",
        "timestamp": str(NOW_MS),
    }
    assert transport.requests[0].headers["X-MBX-APIKEY"] == "the-key"
    assert (transport.requests[0].method, transport.requests[0].target) == (
        "POST",
        "/api/v3/order",
    )


def test_limit_order(order: dict[str, Any]) -> None:
    transport = StubTransport(answer(order))
    request = OrderRequest(
        symbol="BTC/USDT",
        side=OrderSide.SELL,
        order_type=OrderType.LIMIT,
        client_order_id=MARKET_BUY.client_order_id,
        quantity=Decimal("0.10"),
        price=Decimal(50000),
        time_in_force=TimeInForce.IOC,
    )

    client(transport).place_order(request, deadline=DEADLINE)

    sent = transport.params()
    assert (sent["side"], sent["type"], sent["timeInForce"]) == ("SELL", "LIMIT", "IOC")
    assert (sent["quantity"], sent["price"]) == ("0.1", "50000")


def test_kept_answer_holds_no_secret(order: dict[str, Any]) -> None:
    transport = StubTransport(answer(order | {"note": "for the-key"}))

    report = client(transport).place_order(MARKET_BUY, deadline=DEADLINE)

    assert report.raw["note"] == "for ***"


def test_order_past_its_deadline_is_not_sent() -> None:
    transport = StubTransport()

    with pytest.raises(ExchangeUnavailable, match="Not sent: its deadline 2026-01-02 00:00:00 UTC"):
        client(transport).place_order(MARKET_BUY, deadline=NOW)

    assert transport.requests == []


def test_receive_window_has_a_ceiling(order: dict[str, Any]) -> None:
    transport = StubTransport(answer(order))

    client(transport).place_order(MARKET_BUY, deadline=NOW + timedelta(hours=1))

    assert transport.params()["recvWindow"] == "60000"


def test_clock_is_corrected_once_and_the_same_order_repeated(order: dict[str, Any]) -> None:
    server_time = answer({"serverTime": NOW_MS - 3000})
    transport = StubTransport(TOO_EARLY, server_time, answer(order), answer(order))
    late = client(transport)

    late.place_order(MARKET_BUY, deadline=DEADLINE)
    late.fetch_order(REF)

    assert [request.path for request in transport.requests] == [
        "/api/v3/order",
        "/api/v3/time",
        "/api/v3/order",
        "/api/v3/order",
    ]
    assert transport.params(0)["newClientOrderId"] == transport.params(2)["newClientOrderId"]
    assert [transport.params(i)["timestamp"] for i in (0, 2, 3)] == [
        str(NOW_MS),
        str(NOW_MS - 3000),
        str(NOW_MS - 3000),
    ]


def test_second_refusal_of_the_time_is_final() -> None:
    transport = StubTransport(TOO_EARLY, answer({"serverTime": NOW_MS}), TOO_EARLY)

    with pytest.raises(ClockSkew):
        client(transport).get_balance()


def test_order_is_not_repeated_past_its_deadline() -> None:
    transport = StubTransport(TOO_EARLY, answer({"serverTime": NOW_MS}))
    clock = iter([0.0, 1.0, 2.0, 5.0])
    slow = BinanceClient(
        KEYS,
        base_url="http://stub",
        transport=transport,
        now=lambda: NOW.timestamp() + next(clock),
    )

    with pytest.raises(ExchangeUnavailable, match="Not sent"):
        slow.place_order(MARKET_BUY, deadline=DEADLINE)

    assert len(transport.requests) == 2


def test_duplicate_id_is_an_unknown_outcome() -> None:
    transport = StubTransport(answer({"code": -2010, "msg": "Duplicate order sent."}, 400))

    with pytest.raises(DuplicateClientOrderId):
        client(transport).place_order(MARKET_BUY, deadline=DEADLINE)


def test_cut_order_is_an_unknown_outcome_and_sent_once() -> None:
    transport = StubTransport(ConnectionCut("no answer"))

    with pytest.raises(OutcomeUnknown):
        client(transport).place_order(MARKET_BUY, deadline=DEADLINE)

    assert len(transport.requests) == 1


def test_cancel_answers_with_the_order(shared: Path) -> None:
    transport = StubTransport(answer(payload_of(shared, "orders/docs_Cancel_order_TRADE__1")))

    report = client(transport).cancel_order(OrderRef(symbol="LTC/BTC", client_order_id="myOrder1"))

    assert (report.client_order_id, report.status) == ("myOrder1", OrderStatus.CANCELLED)
    assert transport.requests[0].method == "DELETE"
    assert transport.params()["origClientOrderId"] == "myOrder1"


def test_cancel_of_an_order_that_is_not_open_means_look_up(shared: Path) -> None:
    transport = StubTransport(answer(payload_of(shared, "errors/docs_err_unknown_cancel"), 400))

    with pytest.raises(OutcomeUnknown, match="no open order myOrder1 to cancel") as caught:
        client(transport).cancel_order(OrderRef(symbol="LTC/BTC", client_order_id="myOrder1"))

    assert caught.value.code == "-2011"


def test_order_is_looked_up_by_our_id(order: dict[str, Any]) -> None:
    transport = StubTransport(answer(order))

    report = client(transport).fetch_order(REF)

    assert report.exchange_order_id == "28"
    assert transport.requests[0].method == "GET"
    assert transport.params()["origClientOrderId"] == "a" * 32


def test_open_orders_of_one_symbol_need_no_market_list(shared: Path) -> None:
    transport = StubTransport(answer(payload_of(shared, "orders/xchange_open-orders")))

    (report,) = client(transport).fetch_open_orders("LTC/BTC")

    assert report.symbol == "LTC/BTC"
    assert transport.params()["symbol"] == "LTCBTC"


def test_all_open_orders_learn_their_symbols_once(shared: Path) -> None:
    rows = answer([payload_of(shared, "orders/xchange_open-orders")[0] | {"symbol": "ETHBTC"}])
    info = answer(payload_of(shared, "markets/docs_Exchange_information_1"))
    transport = StubTransport(rows, info, rows)

    (first,) = client(transport).fetch_open_orders()
    (second,) = client(transport).fetch_open_orders()

    assert (first.symbol, second.symbol) == ("ETH/BTC", "ETH/BTC")
    assert transport.params(1) == {"symbols": '["ETHBTC"]'}
    assert len(transport.requests) == 3


def test_markets_are_listed(shared: Path) -> None:
    transport = StubTransport(answer(payload_of(shared, "markets/docs_Exchange_information_1")))

    assert [market.symbol for market in client(transport, None).get_markets()] == ["ETH/BTC"]


def test_ticker_is_asked_by_wire_symbol(shared: Path) -> None:
    ticker = payload_of(shared, "tickers/docs_24hr_ticker_price_change_statistics_1")
    transport = StubTransport(answer(ticker))

    assert client(transport, None).get_ticker("BNB/BTC").symbol == "BNB/BTC"
    assert transport.requests[0].target == "/api/v3/ticker/24hr?symbol=BNBBTC"


def test_last_candle_is_open_by_the_clock_of_the_exchange(shared: Path) -> None:
    rows = payload_of(shared, "klines/ccxt_src_fetch_ohlcv_1")
    # By our clock the last one may have ended; by the exchange's it has a millisecond to go.
    transport = StubTransport(answer(rows), answer({"serverTime": rows[-1][6]}), answer(rows))

    candles = client(transport, None).get_candles(
        "ETH/BTC", Timeframe.M1, start=NOW, end=NOW + timedelta(minutes=2), limit=3
    )

    assert [candle.is_closed for candle in candles] == [True, True, False]
    assert transport.params() == {
        "symbol": "ETHBTC",
        "interval": "1m",
        "limit": "3",
        "startTime": str(NOW_MS),
        "endTime": str(NOW_MS + 120_000),
    }


def test_balance_leaves_out_what_is_empty(shared: Path) -> None:
    transport = StubTransport(answer(payload_of(shared, "balances/ccxt_src_fetch_balance_1")))

    (balance,) = client(transport).get_balance()

    assert (balance.asset, balance.free) == ("BTC", Decimal("0.00219821"))
    assert transport.params()["omitZeroBalances"] == "true"


def test_fills_are_paged_to_the_end() -> None:
    transport = StubTransport(answer(fill_rows(1, 1000)), answer(fill_rows(1001, 2)))

    fills = client(transport).fetch_fills("BTC/USDT")

    assert [fills[0].trade_id, fills[-1].trade_id] == ["1", "1002"]
    assert [transport.params(i)["fromId"] for i in (0, 1)] == ["0", "1001"]


def test_exchange_that_goes_back_is_not_asked_for_ever() -> None:
    transport = StubTransport(*[answer(fill_rows(1, 1000))] * 3)

    with pytest.raises(ExchangeError, match="told rows before"):
        client(transport).fetch_fills("BTC/USDT")

    assert len(transport.requests) == 2


def test_fills_since_a_time() -> None:
    transport = StubTransport(answer(fill_rows(1, 1000)), answer([]))

    client(transport).fetch_fills("BTC/USDT", since=NOW)

    assert transport.params(0)["startTime"] == str(NOW_MS)
    assert "startTime" not in transport.params(1)


def test_fills_of_one_order_since_a_time() -> None:
    transport = StubTransport(answer(fill_rows(1, 3)))

    fills = client(transport).fetch_fills(
        "BTC/USDT", exchange_order_id="28", since=NOW + timedelta(seconds=2)
    )

    assert [fill.trade_id for fill in fills] == ["2", "3"]
    assert transport.params()["orderId"] == "28"


def test_account_calls_need_a_key() -> None:
    with pytest.raises(InvalidCredentials, match="enter one"):
        client(StubTransport(), None).get_balance()


def connection_answers(shared: Path, **rights: bool) -> list[Any]:
    """Time, account and rights of a key."""
    return [
        answer({"serverTime": NOW_MS + 250}),
        answer(payload_of(shared, "balances/ccxt_src_fetch_balance_1")),
        answer(payload_of(shared, "account/jkorf_GetAPIKeyPermissions") | rights),
    ]


def test_connection_of_a_trading_key(shared: Path) -> None:
    answers = connection_answers(shared, enableSpotAndMarginTrading=True)

    report = client(StubTransport(*answers)).test_connection()

    assert (report.ok, report.message) == (True, "Connected; the key may trade.")
    assert (report.can_trade, report.can_withdraw, len(report.balances)) == (True, False, 1)
    assert report.server_time_offset == pytest.approx(0.25)


def test_connection_warns_of_the_right_to_withdraw(shared: Path) -> None:
    rights = {"enableSpotAndMarginTrading": True, "enableWithdrawals": True}

    report = client(StubTransport(*connection_answers(shared, **rights))).test_connection()

    assert report.can_withdraw is True
    assert "take that right away" in report.message


def test_connection_without_the_right_to_trade_fails(shared: Path) -> None:
    report = client(StubTransport(*connection_answers(shared))).test_connection()

    assert (report.ok, report.can_trade) == (False, False)
    assert "allow spot trading" in report.message


def test_connection_where_rights_are_not_told(shared: Path) -> None:
    answers = [*connection_answers(shared)[:2], answer("nothing here", 404)]

    report = client(StubTransport(*answers)).test_connection()

    assert (report.ok, report.can_trade, report.can_withdraw) == (True, True, None)


@pytest.mark.parametrize(
    ("code", "words"),
    [(-2014, "not a Binance API key"), (-2015, "list of IP"), (-1022, "secret does not belong")],
)
def test_connection_says_what_is_wrong_with_the_key(code: int, words: str) -> None:
    refused = answer({"code": code, "msg": "No."}, 401)

    report = client(StubTransport(answer({"serverTime": NOW_MS}), refused)).test_connection()

    assert not report.ok
    assert words in report.message
    assert report.can_trade is None


def test_connection_says_that_the_host_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.exchanges.http.READ_TRIES", 1)
    transport = StubTransport(NotSent("no connection to http://stub"))

    report = client(transport).test_connection()

    assert not report.ok
    assert "no connection to http://stub. Check network and address." in report.message


def test_weight_that_the_exchange_has_counted_holds_back_the_next_read() -> None:
    told = answer({"serverTime": NOW_MS}, 200, **{"x-mbx-used-weight-1m": "3600"})
    transport = StubTransport(told)
    asking = client(transport)

    asking.get_server_time()
    with pytest.raises(RateLimited, match="weight") as caught:
        asking.get_server_time()

    assert len(transport.requests) == 1
    assert caught.value.retry_after is not None


def test_reads_leave_weight_for_cancels(shared: Path) -> None:
    told = answer({"serverTime": NOW_MS}, 200, **{"x-mbx-used-weight-1m": "5990"})
    cancelled = answer(payload_of(shared, "orders/docs_Cancel_order_TRADE__1"))
    asking = client(StubTransport(told, cancelled))

    asking.get_server_time()

    assert asking.cancel_order(OrderRef(symbol="LTC/BTC", client_order_id="myOrder1")) is not None


def test_entries_stop_before_the_limit_of_orders_and_exits_go_on(order: dict[str, Any]) -> None:
    told = answer(order, 200, **{"x-mbx-order-count-10s": "90"})
    asking = client(StubTransport(told, answer(order)))
    asking.place_order(MARKET_BUY, deadline=DEADLINE)

    with pytest.raises(RateLimited, match="orders in 10 s"):
        asking.place_order(MARKET_BUY, deadline=NOW + timedelta(milliseconds=1))

    assert asking.place_order(replace(MARKET_BUY, is_exit=True), deadline=DEADLINE)


@pytest.mark.parametrize("other", [{"symbol": "ETHBTC"}, {"clientOrderId": "of somebody else"}])
def test_answer_about_another_order_is_no_answer(
    order: dict[str, Any], other: dict[str, str]
) -> None:
    transport = StubTransport(*[answer(order | other)] * 4)

    with pytest.raises(OutcomeUnknown, match="it tells of"):
        client(transport).place_order(MARKET_BUY, deadline=DEADLINE)
    with pytest.raises(ExchangeUnavailable, match="it tells of"):
        client(transport).fetch_order(REF)


def test_rights_that_could_not_be_read_are_no_rights(shared: Path) -> None:
    account = payload_of(shared, "balances/docs_Account_information_USER_DATA__1")
    transport = StubTransport(
        answer({"serverTime": NOW_MS}),
        answer(account),
        answer({"code": -1003, "msg": "Too many requests."}, 429),
    )
    real = BinanceClient(
        KEYS, limits=MemoryLimitStore(NOW.timestamp), transport=transport, now=NOW.timestamp
    )

    report = real.test_connection()

    assert (report.ok, report.can_withdraw) == (False, None)
    assert "could not be read: try again" in report.message


def test_market_list_is_read_whole_where_prices_tell_of_unknown_markets(shared: Path) -> None:
    rows = payload_of(shared, "tickers/docs_24hr_ticker_price_change_statistics_2")
    info = payload_of(shared, "markets/docs_Exchange_information_1")
    prices = answer([rows[0] | {"symbol": "ETHBTC"}, rows[0] | {"symbol": "GONE"}])
    asking = client(StubTransport(prices, answer(info), prices))
    asking._symbols["BTCUSDT"] = "BTC/USDT"

    assert list(asking.fetch_tickers()) == ["ETH/BTC"]
    # Neither is asked for again.
    assert list(asking.fetch_tickers()) == ["ETH/BTC"]
