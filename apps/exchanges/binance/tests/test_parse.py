"""Binance's payloads, recorded or from its documents, read in place."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from apps.exchanges.binance import parse
from apps.exchanges.tests.stubs import payload_of


def body_of(shared: Path, name: str) -> bytes:
    """A recorded payload as it came over the wire."""
    return json.dumps(payload_of(shared, name)).encode()


def at(text: str) -> datetime:
    """A UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "count", "close"),
    [("ccxt_src_fetch_ohlcv_1", 3, 0.025), ("nautilus_http_spot_market_klines", 10, 60719.27)],
)
def test_candles_are_read(shared: Path, name: str, count: int, close: float) -> None:
    candles = parse.parse_candles(body_of(shared, f"klines/{name}"))

    assert (len(candles), candles[0].close) == (count, close)


def test_all_candles_but_the_last_are_closed(shared: Path) -> None:
    body = body_of(shared, "klines/ccxt_src_fetch_ohlcv_1")

    first, second, third = parse.parse_candles(body)

    assert (first.opened_at, first.open, first.volume) == (at("2020-06-06T21:22"), 0.025013, 22.19)
    assert (first.high, first.low) == (0.025018, 0.025)
    assert [c.is_closed for c in (first, second, third)] == [True, True, False]


@pytest.mark.parametrize("name", ["docs_Exchange_information_1", "jkorf_GetExchangeInfo"])
def test_market_without_filters_has_no_rules(shared: Path, name: str) -> None:
    market = parse.parse_markets(body_of(shared, f"markets/{name}"))["ETHBTC"]

    assert (market.symbol, market.base, market.quote) == ("ETH/BTC", "ETH", "BTC")
    assert market.is_trading
    assert not any((market.step_size, market.max_quantity, market.min_notional))


def with_filters(shared: Path, **changes: dict[str, str]) -> bytes:
    """One market with every documented filter, some of them changed."""
    info = payload_of(shared, "markets/docs_Exchange_information_1")
    filters = payload_of(shared, "markets/docs_all_filters")
    info["symbols"][0]["filters"] = [f | changes.get(f["filterType"], {}) for f in filters]
    return json.dumps(info).encode()


def test_filters_become_rules(shared: Path) -> None:
    no_step = {"stepSize": "0.00000000", "minQty": "9", "maxQty": "9"}

    market = parse.parse_markets(with_filters(shared, MARKET_LOT_SIZE=no_step))["ETHBTC"]

    assert market.tick_size == Decimal("0.000001")
    assert (market.step_size, market.min_quantity) == (Decimal("0.001"), Decimal("0.001"))
    assert (market.max_quantity, market.min_notional) == (Decimal(100_000), Decimal(10))


def test_market_orders_have_a_lot_of_their_own(shared: Path) -> None:
    coarse = {"stepSize": "0.1", "minQty": "0.2", "maxQty": "50"}

    market = parse.parse_markets(with_filters(shared, MARKET_LOT_SIZE=coarse))["ETHBTC"]

    assert (market.step_size, market.max_quantity) == (Decimal("0.001"), Decimal(100_000))
    assert (market.market_step_size, market.market_min_quantity) == (Decimal("0.1"), Decimal("0.2"))
    assert (market.market_max_quantity, market.quote_step) == (50, Decimal("1E-8"))


def test_older_notional_filter_counts(shared: Path) -> None:
    body = with_filters(shared, NOTIONAL={"filterType": "SOMETHING"})

    assert parse.parse_markets(body)["ETHBTC"].min_notional == Decimal("0.001")


@pytest.mark.parametrize("change", [{"status": "BREAK"}, {"isSpotTradingAllowed": False}])
def test_suspended_market_is_not_trading(shared: Path, change: dict[str, object]) -> None:
    info = payload_of(shared, "markets/docs_Exchange_information_1")
    info["symbols"][0] |= change

    assert not parse.parse_markets(json.dumps(info).encode())["ETHBTC"].is_trading


@pytest.mark.parametrize(
    ("name", "last", "bid", "ask"),
    [
        ("ccxt_src_parse_ticker_2", "118449.03", "118449.02", "118449.03"),
        ("docs_24hr_ticker_price_change_statistics_1", "4.000002", "4", "4.000002"),
        ("docs_24hr_ticker_price_change_statistics_3", "4.000002", None, None),
        ("xchange_single-24hr-ticker", "4.000002", "4", "4.000002"),
    ],
)
def test_ticker_is_read(
    shared: Path, name: str, last: str, bid: str | None, ask: str | None
) -> None:
    ticker = parse.parse_ticker(body_of(shared, f"tickers/{name}"), "BTC/USDT")

    assert (ticker.symbol, ticker.last) == ("BTC/USDT", Decimal(last))
    assert ticker.bid == (Decimal(bid) if bid else None)
    assert ticker.ask == (Decimal(ask) if ask else None)


@pytest.mark.parametrize(
    "name", ["ccxt_src_fetch_balance_1", "docs_Account_information_USER_DATA__1"]
)
def test_account_is_read(shared: Path, name: str) -> None:
    account = parse.parse_account(body_of(shared, f"balances/{name}"))

    assert account.can_trade
    assert (account.balances[0].asset, account.balances[0].locked) == ("BTC", Decimal(0))


def test_key_rights_are_read(shared: Path) -> None:
    rights = parse.parse_key_rights(body_of(shared, "account/jkorf_GetAPIKeyPermissions"))

    assert (rights.enable_spot_and_margin_trading, rights.enable_withdrawals) == (False, False)


def test_server_time_is_read(shared: Path) -> None:
    body = body_of(shared, "time/docs_Check_server_time_1")

    assert parse.parse_server_time(body) == at("2017-07-12T02:41:59.559")
