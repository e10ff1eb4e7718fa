"""Kraken's payloads, recorded or from its documents, read in place."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.exchanges.kraken import parse
from apps.exchanges.kraken.tests.payloads import (
    body_of,
    fixture_of,
    names,
    payload_of,
    wrapped,
)
from apps.exchanges.ports import Balance, Ticker

TICKERS = {
    "ccxt_static_ticker": "XBTUSDT",
    "jkorf_GetTicker": "XXBTZUSD",
    "nautilus_http_ticker": "XBTUSDT",
    "xchange_example-ticker-data": "XXBTZEUR",
}
#: Markets by file: symbol, tick, step, least quantity, least cost, precision in quote, open.
MARKETS: dict[str, list[tuple[str, str, str, str, str, str, bool]]] = {
    "jkorf_GetSymbols": [
        ("ETH/BTC", "0.00001", "1E-8", "0.01", "0.00002", "0.000001", True),
        ("BTC/USD", "0.1", "1E-8", "0.0001", "0.5", "0.00001", True),
    ],
    # An old recording: it tells neither costs nor a status.
    "jkorf_json_GetSymbols": [
        ("ETH/BTC", "0.00001", "1E-8", "0.005", "0", "0", False),
        ("BTC/USD", "0.1", "1E-8", "0.0002", "0", "0", False),
    ],
    "nautilus_http_asset_pairs": [
        ("BTC/USDT", "0.1", "1E-8", "0.00005", "0.5", "0.00001", True),
    ],
    "nautilus_http_asset_pairs_tokenized": [
        ("AAPLx/USD", "0.01", "1E-8", "1E-8", "0.5", "0.00001", True),
    ],
}
#: Balances by file; None for answers to other questions, which are refused.
BALANCES: dict[str, list[Balance] | None] = {
    "jkorf_GetAvailableBalances": [
        Balance(asset="USD", free=Decimal("17185.45"), locked=Decimal("8249.76")),
        Balance(asset="BTC", free=Decimal("0.4012"), locked=Decimal("0.8423")),
    ],
    "jkorf_GetBalances": None,
    "jkorf_json_GetBalances": None,
    "nautilus_http_spot_trade_balance": None,
    "xchange_example-tradebalanceinfo-data": None,
}


def at(text: str) -> datetime:
    """A UTC time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_server_time_is_read(shared: Path) -> None:
    expected = {
        "ccxt_src_fetch_time_1": at("2020-06-07T04:07:53"),
        "xchange_example-servertime-data": at("2014-02-08T05:04:36"),
    }
    read = {
        name: parse.parse_server_time(body_of(shared, f"time/{name}"))
        for name in names(shared, "time")
    }

    assert read == expected


def test_markets_are_read(shared: Path) -> None:
    assert names(shared, "markets") == MARKETS.keys()
    for name, expected in MARKETS.items():
        listings = parse.parse_markets(body_of(shared, f"markets/{name}"))
        rules = [
            (
                *(m.symbol, m.tick_size, m.step_size, m.min_quantity, m.min_notional),
                *(m.quote_step, m.is_trading),
            )
            for _names, m in listings
        ]
        assert rules == [
            (symbol, *map(Decimal, numbers), is_open) for symbol, *numbers, is_open in expected
        ], name
        assert all(f"{m.base}/{m.quote}" == m.symbol for _names, m in listings)


def test_market_is_known_by_all_its_names(shared: Path) -> None:
    eth, btc = parse.parse_markets(body_of(shared, "markets/jkorf_GetSymbols"))

    assert eth.names == ("XETHXXBT", "ETHXBT", "ETH/XBT")
    assert btc.names == ("XXBTZUSD", "XBTUSD", "XBT/USD")


def test_dark_pools_are_left_out_and_a_closed_market_is_told(shared: Path) -> None:
    pairs = payload_of(shared, "markets/nautilus_http_asset_pairs")["result"]
    pair = pairs["XBTUSDT"]
    dark = {key: value for key, value in pair.items() if key != "wsname"}
    closed = pair | {"status": "cancel_only", "wsname": "XDG/USD"}

    (listing,) = parse.parse_markets(wrapped({"XBTUSDT.d": dark, "XDGUSD": closed}))

    assert listing.market.symbol == "DOGE/USD"
    assert not listing.market.is_trading


def test_legacy_names_agree_with_the_exchange(shared: Path) -> None:
    for name in names(shared, "currencies"):
        assets = payload_of(shared, f"currencies/{name}")["result"]
        for code, asset in assets.items():
            if code != "KFEE":  # fee credits, which nobody trades
                assert parse.asset_name(code) == parse.asset_name(asset["altname"]), code


@pytest.mark.parametrize(
    ("symbol", "name"),
    [("BTC/USD", "XBTUSD"), ("DOGE/BTC", "XDGXBT"), ("ETH/USDT", "ETHUSDT"), ("XTZ/EUR", "XTZEUR")],
)
def test_names_of_pairs(symbol: str, name: str) -> None:
    assert parse.wire_symbol(symbol) == name


def test_only_known_letters_are_taken_off() -> None:
    assert [parse.asset_name(code) for code in ("XXBT", "ZUSD", "XTZ", "ZRX", "XXDG")] == [
        *("BTC", "USD", "XTZ", "ZRX", "DOGE")
    ]


def test_tickers_are_read_as_ccxt_reads_them(shared: Path) -> None:
    assert names(shared, "tickers") == TICKERS.keys()
    for name, pair in TICKERS.items():
        fixture = fixture_of(shared, f"tickers/{name}")
        reading = fixture["ccxt_reading"][pair] | fixture.get("expected_ccxt_static", {})
        ticker = parse.parse_ticker(body_of(shared, f"tickers/{name}"), "A/B")
        assert {
            "last": ticker.last,
            "bid": ticker.bid,
            "ask": ticker.ask,
            "high": ticker.high,
            "low": ticker.low,
            "baseVolume": ticker.volume,
        } == {
            key: Decimal(str(reading[key]))
            for key in ("last", "bid", "ask", "high", "low", "baseVolume")
        }, name
        # ccxt makes its quote volume of an average and its change of the day's open: neither is told.
        assert (ticker.quote_volume, ticker.change, ticker.at) == (None, None, None)


def test_empty_book_and_day_are_not_told_as_zero() -> None:
    zero = {"a": ["0", "0", "0"], "b": ["0", "0"], "c": ["5.0", "1"]}
    idle = {"v": ["0", "0"], "h": ["0", "0"], "l": ["0", "0"]}

    ticker = parse.parse_ticker(wrapped({"AB": zero | idle}), "A/B")

    assert ticker == Ticker(
        symbol="A/B", last=Decimal("5.0"), bid=None, ask=None, at_ms=None, volume=Decimal(0)
    )


def test_candles_are_read_as_ccxt_reads_them(shared: Path) -> None:
    counts = {
        "ccxt_src_parse_ohlcv_1": 1,
        "jkorf_GetKlines": 4,
        "nautilus_http_ohlc": 721,
        "xchange_example-ohlc-data": 720,
    }
    assert names(shared, "klines") == counts.keys()
    for name, count in counts.items():
        fixture = fixture_of(shared, f"klines/{name}")
        payload = fixture["payload"]
        if isinstance(payload, list):  # one row alone
            payload = {"error": [], "result": {"AB": [payload], "last": 0}}
        reading = fixture.get("ccxt_reading", [[1591475640000, *[0.025] * 4, 9.12201]])
        candles = parse.parse_candles(json.dumps(payload).encode())
        rows = zip(
            *(candles.opened_at_ms, candles.open, candles.high, candles.low),
            *(candles.close, candles.volume),
            strict=True,
        )
        # The reading of a long recording ends after 50 rows.
        assert [list(row) for row in rows][: len(reading)] == reading, name
        assert len(reading) >= min(count, 50)
        assert (len(candles), candles.closed) == (count, count - 1)


@pytest.mark.parametrize(
    ("start", "end", "limit", "minutes", "closed"),
    [
        (None, None, 10, [0, 1, 2, 3], 3),
        (None, None, 2, [2, 3], 1),
        (1, None, 2, [1, 2], 2),
        (1, 1, 9, [1], 1),
        (None, 2, 2, [1, 2], 2),
        (4, None, 9, [], 0),
        (3, 1, 9, [], 0),
        (None, None, 0, [], 0),
    ],
)
def test_candles_are_cut_to_what_was_asked_for(
    shared: Path,
    start: int | None,
    end: int | None,
    limit: int,
    minutes: list[int],
    closed: int,
) -> None:
    candles = parse.parse_candles(body_of(shared, "klines/jkorf_GetKlines"))
    moments = [candle.opened_at for candle in candles] + [at("2023-07-06T19:24")]

    cut = parse.cut_candles(
        candles,
        None if start is None else moments[start],
        None if end is None else moments[end],
        limit,
    )

    assert [candle.opened_at for candle in cut] == [moments[i] for i in minutes]
    assert cut.closed == closed


def test_balances_are_read(shared: Path) -> None:
    assert names(shared, "balances") == BALANCES.keys()
    for name, expected in BALANCES.items():
        body = body_of(shared, f"balances/{name}")
        if expected is None:
            with pytest.raises(msgspec.ValidationError):
                parse.parse_balances(body)
            continue
        assert parse.parse_balances(body) == expected
        reading = fixture_of(shared, f"balances/{name}")["ccxt_reading"]
        assert {b.asset: (b.free, b.locked, b.free + b.locked) for b in expected} == {
            asset: tuple(Decimal(str(row[key])) for key in ("free", "used", "total"))
            for asset, row in reading.items()
        }


def test_only_what_can_be_traded_is_told() -> None:
    def row(balance: str, hold: str = "0", **credit: str) -> dict[str, str]:
        return {"balance": balance, "hold_trade": hold, **credit}

    balances = parse.parse_balances(
        wrapped(
            {
                "XXBT": row("1.5", "0.5"),
                "XBT.F": row("0.25"),
                "XBT.M": row("7"),
                "ETH2.S": row("7"),
                "DOT.P": row("7"),
                "USD.HOLD": row("7"),
                "AAPLx.T": row("7"),
                "TAO.B": row("7"),
                "ZEUR": row("10", "1", credit="5", credit_used="2"),
                "XTZ": row("0"),
            }
        )
    )

    assert balances == [
        Balance(asset="BTC", free=Decimal("1.25"), locked=Decimal("0.5")),
        Balance(asset="EUR", free=Decimal(12), locked=Decimal(1)),
    ]


def test_fees_are_read(shared: Path) -> None:
    expected = {
        "ccxt_src_fetch_trading_fee_1": ("0.0016", "0.0026"),
        "xchange_example-tradevolume-data": ("0.0016", "0.0030"),
    }
    read = {}
    for name in names(shared, "fees"):
        fee = parse.parse_fees(body_of(shared, f"fees/{name}"), "BTC/USD")
        read[name] = (str(fee.maker.normalize()), str(fee.taker.normalize()))

    assert read == {
        name: (maker, str(Decimal(taker).normalize())) for name, (maker, taker) in expected.items()
    }


def test_pair_without_a_makers_schedule_has_one_fee() -> None:
    fee = parse.parse_fees(wrapped({"fees": {"AB": {"fee": "0.2000"}}}), "A/B")

    assert (fee.symbol, fee.maker, fee.taker) == ("A/B", Decimal("0.002"), Decimal("0.002"))


def test_account_answers_are_read(shared: Path) -> None:
    assert names(shared, "account") == {
        "jkorf_GetApiKeyInfo",
        "xchange_example-krakenWebsocketToken-data",
    }
    rights = parse.parse_key_rights(body_of(shared, "account/jkorf_GetApiKeyInfo"))
    token = parse.parse_stream_token(
        body_of(shared, "account/xchange_example-krakenWebsocketToken-data")
    )

    assert rights.permissions[:3] == ("query-funds", "add-funds", "withdraw-funds")
    assert not rights.is_ip_restricted  # its list has one empty entry
    assert token == "4" * 32


@pytest.mark.parametrize(
    ("listed", "is_restricted"), [(None, None), ([], False), (["10.0.0.1"], True)]
)
def test_list_of_addresses(listed: list[str] | None, is_restricted: bool | None) -> None:
    rights = parse.parse_key_rights(wrapped({"permissions": [], "ip_allowlist": listed}))

    assert rights.is_ip_restricted is is_restricted


PARSERS: dict[str, Callable[[bytes], Any]] = {
    "time": parse.parse_server_time,
    "markets": parse.parse_markets,
    "ticker": lambda body: parse.parse_ticker(body, "A/B"),
    "candles": parse.parse_candles,
    "balances": parse.parse_balances,
    "fees": lambda body: parse.parse_fees(body, "A/B"),
    "rights": parse.parse_key_rights,
    "token": parse.parse_stream_token,
}


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b'{"error":[],"resul',
        b"[]",
        b"null",
        b'{"error":[]}',
        b'{"error":"x","result":{}}',
        b'{"error":[],"result":null}',
        b'{"error":[],"result":[1]}',
        b'{"error":[],"result":{"A":7,"B":null}}',
        b"\xff\xfe",
    ],
)
def test_garbage_is_refused(parser: Callable[[bytes], Any], body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        parser(body)


GOOD_PAIR = {"altname": "AB", "wsname": "A/B", "base": "A", "quote": "B", "pair_decimals": 1}
GOOD_TICKER = {
    "a": ["1", "1", "1"],
    "b": ["1", "1", "1"],
    "c": ["1", "1"],
    "v": ["1", "1"],
    "h": ["1", "1"],
    "l": ["1", "1"],
}


@pytest.mark.parametrize(
    ("parser", "result"),
    [
        ("time", {"unixtime": "soon"}),
        ("time", {"unixtime": 10**30}),
        ("markets", {"AB": GOOD_PAIR}),
        ("markets", {"AB": GOOD_PAIR | {"lot_decimals": 10**9}}),
        ("markets", {"AB": GOOD_PAIR | {"lot_decimals": 8, "wsname": "AB"}}),
        ("markets", {"AB": GOOD_PAIR | {"lot_decimals": 8, "ordermin": "NaN"}}),
        ("markets", {"AB": GOOD_PAIR | {"lot_decimals": 8, "tick_size": "1e400"}}),
        ("ticker", {"AB": GOOD_TICKER | {"c": []}}),
        ("ticker", {"AB": GOOD_TICKER | {"c": ["NaN"]}}),
        ("ticker", {"AB": GOOD_TICKER | {"h": ["1", "Infinity"]}}),
        ("ticker", {"AB": GOOD_TICKER | {"b": ["1e99"]}}),
        ("ticker", {"AB": GOOD_TICKER, "CD": GOOD_TICKER}),
        ("ticker", {}),
        ("candles", {"last": 1}),
        ("candles", {"AB": [[1, "1", "1", "1", "1"]], "last": 1}),
        ("candles", {"AB": [[1, "1", "1", "1", "NaN", "1", "1"]], "last": 1}),
        ("candles", {"AB": [[1, "1", "1", "1", "1", "1", "inf"]], "last": 1}),
        ("candles", {"AB": [[10**15, "1", "1", "1", "1", "1", "1"]], "last": 1}),
        ("candles", {"AB": [[60, *"111111"], [0, *"111111"]], "last": 1}),
        ("candles", {"AB": [[60, *"111111"], [60, *"111111"]], "last": 1}),
        ("balances", {"ZUSD": {"balance": "1"}}),
        ("balances", {"ZUSD": {"balance": "NaN", "hold_trade": "0"}}),
        ("balances", {"ZUSD": {"balance": "sNaN", "hold_trade": "0"}}),
        ("balances", {"ZUSD": {"balance": "9e999999", "hold_trade": "-9e999999"}}),
        ("balances", {"ZUSD": {"balance": "1", "hold_trade": "0", "credit": "sNaN"}}),
        ("balances", {"ZUSD": {"balance": "1", "hold_trade": "0", "credit_used": "1e30"}}),
        ("balances", {"ZUSD": {"balance": "1", "hold_trade": "-Infinity"}}),
        ("balances", {"ZUSD": {"balance": "1e30", "hold_trade": "0"}}),
        ("fees", {"fees": {}}),
        ("fees", {"fees": {"AB": {"fee": "NaN"}}}),
        ("rights", {"permissions": "all"}),
        ("token", {"token": None}),
    ],
)
def test_wrong_facts_are_refused(parser: str, result: object) -> None:
    with pytest.raises(msgspec.DecodeError):
        PARSERS[parser](wrapped(result))
