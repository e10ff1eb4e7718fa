"""Every payload of every kind that we read goes through its reader; what is something else is refused."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.domain.orders import OrderStatus
from apps.exchanges.binance import orders, parse
from apps.exchanges.binance.order_stream import parse_execution
from apps.exchanges.ports import OrderReport, Ticker

SHARED = Path(__file__).resolve().parents[5] / "shared"
FOLDER = SHARED / "exchanges" / "fixtures" / "binance"


def names(*kinds: str) -> list[str]:
    """All fixtures of these kinds; none where the folder is not there, and then the tests say so."""
    return sorted(
        f"{kind}/{path.stem}" for kind in kinds for path in (FOLDER / kind).glob("*.json")
    )


def fixture(shared: Path, name: str) -> Any:
    """A fixture with its provenance."""
    path = shared / "exchanges" / "fixtures" / "binance" / f"{name}.json"
    return json.loads(path.read_text())


def body(payload: object) -> bytes:
    """As it came over the wire."""
    return json.dumps(payload).encode()


def rows(payload: Any) -> list[Any]:
    """One or many."""
    return payload if isinstance(payload, list) else [payload]


def read_tickers(payload: Any) -> list[Ticker]:
    """By the wire symbol."""
    listed = rows(payload)
    return list(
        parse.parse_tickers(body(listed), {r["symbol"]: r["symbol"] for r in listed}).values()
    )


def read_orders(payload: Any) -> list[OrderReport]:
    """As placed or asked for; the answer to a cancel tells the order's own name elsewhere."""
    return [orders.parse_order(row, is_cancel="origClientOrderId" in row) for row in rows(payload)]


def parse_list(payload: Any) -> list[OrderReport]:
    """All orders of a list."""
    wire = orders.parse_order_list(body(payload))
    return [orders.parse_order(raw) for raw in wire.order_reports]


def read_event(payload: Any) -> list[OrderReport]:
    """The events of a dialogue, or a single one, however it is wrapped."""
    messages = [
        part["message"] if isinstance(part, dict) and "message" in part else part
        for part in rows(payload)
        if not (isinstance(part, dict) and part.get("from") in {"client", "server"})
    ]
    events = [message.get("event") or message.get("data") or message for message in messages]
    return [parse_execution(body(event)) for event in events]


READERS: dict[str, Callable[[Any], object]] = {
    "time": lambda payload: parse.parse_server_time(body(payload)),
    "markets": lambda payload: parse.parse_markets(body(payload)),
    "tickers": read_tickers,
    "klines": lambda payload: parse.parse_candles(body(payload)),
    "balances": lambda payload: parse.parse_account(body(payload)),
    "account": lambda payload: parse.parse_key_rights(body(payload)),
    "fees": lambda payload: parse.parse_fees(body(payload), "BTC/USDT"),
    "fills": lambda payload: orders.parse_fills(body(payload), "BTC/USDT"),
    "orders": read_orders,
    "order_lists": parse_list,
    "amend": lambda payload: orders.parse_order(orders.parse_amended(body(payload))),
    "cancel_replace": lambda payload: orders.parse_order(orders.parse_replacement(body(payload))),
    "ws_private": read_event,
}

#: Answers to other questions than ours, which must not be taken for an answer to ours.
OTHERS = {
    "markets/docs_Query_relevant_filters_USER_DATA__1": "filters of one symbol and account",
    "markets/docs_all_filters": "the list of all filters",
    "tickers/docs_Current_average_price_1": "an average price",
    "tickers/docs_Symbol_order_book_ticker_1": "best bid and ask alone",
    "tickers/nautilus_http_spot_market_avg_price": "an average price",
    "tickers/nautilus_http_spot_market_ticker_price": "a price alone",
    "balances/ccxt_src_fetch_balance_2": "the funding wallet",
    "fees/ccxt_src_fetch_trading_fee_1": "the older list of fees",
    "fees/nautilus_http_wallet_trading_fee": "a row of the older list of fees",
    "fills/ccxt_src_fetch_my_trades_2": "stocks, not spot",
    "fills/ccxt_src_parse_trade_1": "a public aggregated trade",
    "fills/ccxt_src_parse_trade_2": "a public trade",
    "orders/ccxt_src_cancel_all_orders_1": "an acknowledgement without orders",
    "orders/ccxt_src_cancel_all_orders_2": "an acknowledgement without orders",
    "orders/ccxt_src_parse_order_11": "stocks, not spot",
    "orders/ccxt_src_parse_order_4": "an error",
    "orders/ccxt_src_parse_order_7": "stocks, not spot",
    "orders/docs_New_order_TRADE__1": "the short acknowledgement that we never ask for",
    "orders/jkorf_PlaceTestOrder": "a dry run",
    "order_lists/docs_Query_Order_list_USER_DATA__1": "a list without the state of its orders",
    "order_lists/docs_Query_all_Order_lists_USER_DATA__1": "lists without the state of their orders",
    "ws_private/ccxt_src_handle_balance_1": "a deposit",
    "ws_private/ccxt_src_handle_balance_2": "balances",
    "cancel_replace/jkorf_ReplaceOrder": "wrapped as errors are",
}


@pytest.mark.parametrize("name", names(*READERS))
def test_every_fixture_is_read_or_refused(shared: Path, name: str) -> None:
    read, payload = READERS[name.split("/", maxsplit=1)[0]], fixture(shared, name)["payload"]

    if name in OTHERS:
        with pytest.raises((msgspec.DecodeError, KeyError)):
            read(payload)
    else:
        assert read(payload)


def test_no_fixture_is_listed_that_is_not_there(shared: Path) -> None:
    assert set(OTHERS) <= set(names(*READERS))


def same(ours: Decimal | None, theirs: float | None) -> bool:
    """Whether an independent reading, a float, is the same number; it says 0 for what is not told."""
    return theirs is None or float(ours or 0) == pytest.approx(theirs)


STATUS_WORDS = {
    "open": {OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED},
    "closed": {OrderStatus.FILLED},
    "canceled": {OrderStatus.CANCELLED},
    "expired": {OrderStatus.EXPIRED},
}


@pytest.mark.parametrize("name", [n for n in names("orders") if n not in OTHERS])
def test_orders_read_as_an_independent_reader_does(shared: Path, name: str) -> None:
    recorded = fixture(shared, name)

    for ours, theirs in zip(
        read_orders(recorded["payload"]), recorded.get("ccxt_reading", []), strict=False
    ):
        assert ours.exchange_order_id == theirs["id"]
        assert ours.side == theirs["side"]
        assert ours.status in STATUS_WORDS[theirs["status"]]
        assert same(ours.quantity, theirs.get("amount"))
        assert same(ours.filled_quantity, theirs.get("filled"))
        assert same(ours.filled_quote, theirs.get("cost"))
        # Their price of a filled market order is its average; ours stays unknown.
        assert same(ours.price or ours.average_price, theirs.get("price"))


@pytest.mark.parametrize("name", [n for n in names("tickers") if n not in OTHERS])
def test_tickers_read_as_an_independent_reader_does(shared: Path, name: str) -> None:
    recorded = fixture(shared, name)

    for ours, theirs in zip(
        read_tickers(recorded["payload"]), recorded.get("ccxt_reading", []), strict=False
    ):
        assert same(ours.last, theirs.get("last"))
        assert same(ours.bid, theirs.get("bid"))
        assert same(ours.ask, theirs.get("ask"))
        assert same(ours.volume, theirs.get("baseVolume"))
        assert same(ours.quote_volume, theirs.get("quoteVolume"))
        # They work out a change that is not told; we leave it unknown.
        if ours.change is not None:
            assert same(ours.change * 100, theirs.get("percentage"))
        assert ours.at_ms == theirs["timestamp"]


@pytest.mark.parametrize("name", names("klines"))
def test_candles_read_as_an_independent_reader_does(shared: Path, name: str) -> None:
    recorded = fixture(shared, name)

    candles = parse.parse_candles(body(recorded["payload"]))

    columns = zip(
        candles.opened_at_ms,
        *(candles.open, candles.high, candles.low, candles.close, candles.volume),
        strict=True,
    )
    assert [list(row) for row in columns] == recorded["ccxt_reading"]


@pytest.mark.parametrize("name", [n for n in names("balances") if n not in OTHERS])
def test_balances_read_as_an_independent_reader_does(shared: Path, name: str) -> None:
    recorded = fixture(shared, name)

    balances = parse.parse_account(body(recorded["payload"])).balances

    for balance in balances:
        theirs = recorded["ccxt_reading"][balance.asset]
        assert same(balance.free, theirs["free"])
        assert same(balance.locked, theirs["used"])
