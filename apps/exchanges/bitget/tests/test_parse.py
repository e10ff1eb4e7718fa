"""Payloads about markets and accounts, recorded or from the documents, read in place."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from apps.domain.markets import Market
from apps.exchanges.bitget import parse
from apps.exchanges.bitget.tests.payloads import body_of, fixture_of, good, names
from apps.exchanges.ports import Balance, Fee

#: tick, step, least and largest quantity, least notional, step in quote.
MARKETS: dict[str, dict[str, tuple[str, str, str, str, str, str]]] = {
    "jkorf_GetSymbols": {"BTC/USDT": ("0.0001", "1E-8", "0.0001", "10000", "5", "0.0001")},
    "xchange_api_v2_spot_public_symbols": {
        "BTC/USDT": ("0.01", "0.000001", "0", "10000000000", "1", "0.000001"),
        "ETH/USDT": ("0.01", "0.0001", "0", "10000000000", "1", "0.000001"),
        "BGB/USDT": ("0.0001", "0.0001", "0", "10000000000", "1", "0.000001"),
    },
}
TIMES = {"ccxt_src_fetch_time_1": 1_700_111_073_740, "jkorf_GetServerTime": 1_688_008_631_614}
FEES = {
    "ccxt_src_fetch_trading_fee_1": ("0.001", "0.001"),
    "ccxt_src_fetch_trading_fee_2": ("0.001", "0.001"),
    "jkorf_GetTradeFee": ("0.0002", "0.0006"),
}
TICKERS = {"ccxt_src_fetch_ticker_1", "jkorf_GetTickers"}
#: How many of the rows are told: the documents repeat the time of a row.
KLINES = {"jkorf_GetHistoricalKlines": 4, "jkorf_GetKlines": 1}


def bad(parser: Callable[[bytes], object], body: bytes) -> str:
    """Why a body can't be read."""
    with pytest.raises(msgspec.DecodeError) as caught:
        parser(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("markets", set(MARKETS)),
        ("time", set(TIMES)),
        ("fees", set(FEES)),
        ("tickers", TICKERS),
        ("klines", set(KLINES)),
        ("balances", {"ccxt_src_fetch_balance_3", "ccxt_src_parse_balance_1"}),
        ("account", {"jkorf_GetAccountInfo"}),
    ],
)
def test_no_payload_is_forgotten(shared: Path, kind: str, table: set[str]) -> None:
    assert names(shared, kind) == table


@pytest.mark.parametrize("name", TIMES)
def test_server_time(shared: Path, name: str) -> None:
    told = parse.parse_server_time(body_of(shared, f"time/{name}"))

    assert told == datetime.fromtimestamp(TIMES[name] / 1000, UTC)


@pytest.mark.parametrize("name", MARKETS)
def test_markets(shared: Path, name: str) -> None:
    markets = parse.parse_markets(body_of(shared, f"markets/{name}"))

    assert {
        market.symbol: tuple(
            str(number)
            for number in (
                *(market.tick_size, market.step_size, market.min_quantity),
                *(market.max_quantity, market.min_notional, market.quote_step),
            )
        )
        for market in markets.values()
    } == MARKETS[name]
    assert all(market.is_trading for market in markets.values())
    assert all(wire == market.base + market.quote for wire, market in markets.items())


def market(**changes: object) -> Market:
    """One market as told, with changes."""
    wire = {
        "symbol": "ETHBTC",
        "baseCoin": "eth",
        "quoteCoin": "BTC",
        "pricePrecision": "6",
        "quantityPrecision": "4",
        "quotePrecision": "8",
        "minTradeUSDT": "1",
        "maxTradeAmount": "",
        "status": "online",
    }
    return parse.parse_markets(good([wire | changes]).body)["ETHBTC"]


def test_least_value_in_usdt_is_no_rule_of_another_quote() -> None:
    assert (market().symbol, market().min_notional) == ("ETH/BTC", 0)
    assert market(quoteCoin="USDT").min_notional == 1


@pytest.mark.parametrize("status", ["offline", "gray", "halt", "something new"])
def test_only_online_markets_trade(status: str) -> None:
    assert market(status=status).is_trading is False


def test_untold_rule_is_no_rule() -> None:
    assert market(maxTradeAmount="").max_quantity == 0


@pytest.mark.parametrize("name", sorted(TICKERS))
def test_ticker(shared: Path, name: str) -> None:
    fixture = fixture_of(shared, f"tickers/{name}")
    wire, other = fixture["payload"]["data"][0], fixture["ccxt_reading"][0]

    ticker = parse.parse_ticker(body_of(shared, f"tickers/{name}"), "BTC/USDT", "BTCUSDT")

    assert (ticker.symbol, ticker.at_ms) == (other["symbol"], other["timestamp"])
    told = (ticker.last, ticker.high, ticker.low, ticker.volume, ticker.quote_volume)
    fields = ("last", "high", "low", "baseVolume", "quoteVolume")
    assert [float(number or 0) for number in told] == [other[field] for field in fields]
    # An empty side of the book is told as zero, and told on as nothing.
    assert ticker.bid == (Decimal(wire["bidPr"]) or None)
    assert ticker.ask == (Decimal(wire["askPr"]) or None)
    assert ticker.change is not None
    assert float(ticker.change * 100) == pytest.approx(other["percentage"])


def ticker_row(**changes: object) -> dict[str, object]:
    """A row of tickers."""
    return {"symbol": "BTCUSDT", "lastPr": "5", "ts": "1700532903261", "bidPr": "", **changes}


def test_untold_prices_are_none_and_markets_without_a_price_left_out() -> None:
    body = good([ticker_row(), ticker_row(symbol="NEWUSDT", lastPr="")]).body

    tickers = parse.parse_tickers(body, {"BTCUSDT": "BTC/USDT", "NEWUSDT": "NEW/USDT"})

    assert list(tickers) == ["BTC/USDT"]
    ticker = tickers["BTC/USDT"]
    assert (ticker.bid, ticker.ask, ticker.high, ticker.volume) == (None, None, None, None)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e30", "-1e30"])
@pytest.mark.parametrize("field", ["lastPr", "bidPr", "baseVolume", "change24h"])
def test_price_that_is_no_number_is_refused(field: str, number: str) -> None:
    full = ticker_row(bidPr="1", askPr="1", high24h="1", low24h="1", baseVolume="1")
    full |= {"quoteVolume": "1", "change24h": "0.1", field: number}
    body = good([full]).body

    assert "is no amount or price" in bad(
        lambda b: parse.parse_tickers(b, {"BTCUSDT": "BTC/USDT"}), body
    )


def test_ticker_of_another_market_is_no_answer() -> None:
    body = good([ticker_row(symbol="ETHUSDT")]).body

    assert bad(lambda b: parse.parse_ticker(b, "BTC/USDT", "BTCUSDT"), body) == (
        "it tells no last price of BTC/USDT"
    )


@pytest.mark.parametrize("name", KLINES)
def test_candles(shared: Path, name: str) -> None:
    fixture = fixture_of(shared, f"klines/{name}")
    # Of a repeated time the later row counts, and rows come in the order of their times.
    expected = {row[0]: row for row in sorted(fixture["ccxt_reading"], key=lambda row: row[0])}

    candles = parse.to_candles(parse.parse_klines(body_of(shared, f"klines/{name}")))

    assert len(candles) == KLINES[name]
    columns = (candles.opened_at_ms, candles.open, candles.high, candles.low, candles.close)
    rows = zip(*columns, candles.volume, strict=True)
    assert [list(row) for row in rows] == list(expected.values())
    assert candles.closed == len(candles) - 1


@pytest.mark.parametrize(
    "row",
    [
        ["1", "1", "1", "1", "NaN", "1"],
        ["1", "1", "Infinity", "1", "1", "1"],
        ["1", "1", "1", "1", "1e300", "1"],
        ["1", "1", "1", "1", "1", "-1"],
        ["-1", "1", "1", "1", "1", "1"],
        ["9999999999999999", "1", "1", "1", "1", "1"],
        ["1", "1", "1", "1", "1"],
        ["1", "1", "1", "1", "1", ""],
        ["1", "1", "1", "1", "1", None],
        {"ts": "1"},
    ],
)
def test_row_that_is_no_candle_is_refused(row: object) -> None:
    assert bad(parse.parse_klines, good([row]).body)


def test_market_without_candles_has_none() -> None:
    assert len(parse.to_candles(parse.parse_klines(good(None).body))) == 0


def test_recorded_balance_of_nothing_is_left_out(shared: Path) -> None:
    fixture = fixture_of(shared, "balances/ccxt_src_fetch_balance_3")

    assert parse.parse_balances(body_of(shared, "balances/ccxt_src_fetch_balance_3")) == []
    # Which is what the other reading says too.
    assert fixture["ccxt_reading"] == {"USDT": {"free": 0.0, "used": 0.0, "total": 0.0}}


@pytest.mark.parametrize("told", ["NaN", "sNaN", "Infinity", "9e999999"])
@pytest.mark.parametrize("field", ["available", "frozen", "locked"])
def test_balance_that_is_no_number_is_refused(field: str, told: str) -> None:
    row = {"coin": "A", "available": "1", "frozen": "9e999999", "locked": "0", field: told}

    with pytest.raises(msgspec.ValidationError, match="is no amount or price"):
        parse.parse_balances(good([row]).body)


def test_one_balance_row_is_read(shared: Path) -> None:
    row = fixture_of(shared, "balances/ccxt_src_parse_balance_1")["payload"]

    balances = parse.parse_balances(
        good([row | {"coin": "btc", "available": "3.0", "frozen": "1", "locked": "0.5"}]).body
    )

    assert balances == [Balance(asset="BTC", free=Decimal("3.0"), locked=Decimal("1.5"))]


@pytest.mark.parametrize("name", FEES)
def test_fees(shared: Path, name: str) -> None:
    maker, taker = map(Decimal, FEES[name])

    fee = parse.parse_fees(body_of(shared, f"fees/{name}"), "BTC/USDT")

    assert fee == Fee(symbol="BTC/USDT", maker=maker, taker=taker)


def test_key_rights_in_words(shared: Path) -> None:
    rights = parse.parse_key_rights(body_of(shared, "account/jkorf_GetAccountInfo"))

    assert rights == parse.KeyRights(
        can_trade=True, can_withdraw=False, is_ip_restricted=True, words=("trade", "readonly")
    )


@pytest.mark.parametrize(
    ("words", "can_trade", "can_withdraw"),
    [
        (["stow"], True, False),
        (["stor", "coor"], False, False),
        (["stow", "wwow"], True, True),
        ([], False, False),
    ],
)
def test_key_rights_in_codes(words: list[str], *, can_trade: bool, can_withdraw: bool) -> None:
    rights = parse.parse_key_rights(good({"authorities": words, "ips": ""}).body)

    assert (rights.can_trade, rights.can_withdraw) == (can_trade, can_withdraw)
    assert rights.is_ip_restricted is False


def test_untold_address_list_is_unknown() -> None:
    rights = parse.parse_key_rights(good({"authorities": []}).body)

    assert rights.is_ip_restricted is None


PARSERS: dict[str, Callable[[bytes], object]] = {
    "time/jkorf_GetServerTime": parse.parse_server_time,
    "markets/jkorf_GetSymbols": parse.parse_markets,
    "tickers/jkorf_GetTickers": lambda body: parse.parse_tickers(body, {}),
    "klines/jkorf_GetKlines": parse.parse_klines,
    "balances/ccxt_src_fetch_balance_3": parse.parse_balances,
    "fees/jkorf_GetTradeFee": lambda body: parse.parse_fees(body, "BTC/USDT"),
    "account/jkorf_GetAccountInfo": parse.parse_key_rights,
}


@pytest.mark.parametrize("name", PARSERS)
def test_garbage_is_refused(shared: Path, name: str) -> None:
    body = body_of(shared, name)

    for garbage in (b"", b"<html></html>", b"null", b"[]", b"{}", body[:-20], b"\xff" + body):
        assert bad(PARSERS[name], garbage)


#: What a payload can do without: it is told as None, or as a rule that there is not.
OPTIONAL = {
    *("requestTime", "msg", "code", "ips", "minTradeAmount", "maxTradeAmount", "minTradeUSDT"),
    *("bidPr", "askPr", "high24h", "low24h", "baseVolume", "quoteVolume", "change24h"),
}
#: What is told but not read.
IGNORED = {
    *("takerFeeRate", "makerFeeRate", "buyLimitPriceRatio", "sellLimitPriceRatio", "open"),
    *("usdtVolume", "bidSz", "askSz", "openUtc", "changeUtc24h", "limitAvailable", "uTime"),
    *("userId", "inviterId", "parentId", "traderType", "channelCode", "channel", "regisTime"),
}


@pytest.mark.parametrize("name", sorted(PARSERS.keys() - {"klines/jkorf_GetKlines"}))
def test_missing_or_wrong_field_is_refused_by_name(shared: Path, name: str) -> None:
    payload = json.loads(body_of(shared, name))
    is_list = isinstance(payload["data"], list)
    row = payload["data"][0] if is_list else payload["data"]
    read_fields = set(row) - OPTIONAL - (IGNORED if not name.startswith("fees") else set())

    for field in read_fields:
        rest = {key: value for key, value in row.items() if key != field}
        why = bad(PARSERS[name], good([rest] if is_list else rest).body)
        assert f"`{field}`" in why
        wrong = row | {field: {"a": 1}}
        why = bad(PARSERS[name], good([wrong] if is_list else wrong).body)
        assert field in why
    assert read_fields
