import json
from pathlib import Path

import pytest

from workers.paper_exchange.dialects.kraken.tests.bare import BareClient
from workers.paper_exchange.tests.builders import START_MS, Wall

START = START_MS // 1000


def test_time_is_the_market_s(client: BareClient) -> None:
    assert client.public("Time")["unixtime"] == START


@pytest.mark.parametrize("name", ["XBTUSDT", "XBT/USDT", "BTCUSDT", "BTC/USDT", "xbtusdt"])
def test_pair_by_any_name(client: BareClient, name: str) -> None:
    assert list(client.public("Ticker", pair=name)) == ["XBTUSDT"]


def test_unknown_pair_and_asset(client: BareClient) -> None:
    assert client.public("Ticker", pair="XBTUSDT,NOSUCH") == "EQuery:Unknown asset pair"
    assert client.public("OHLC", pair="NOSUCH") == "EQuery:Unknown asset pair"
    assert client.public("Assets", asset="NOSUCH") == "EQuery:Unknown asset"


def test_pair_row_has_what_kraken_s_has(client: BareClient, shared: Path) -> None:
    (row,) = client.public("AssetPairs").values()

    rules = ("pair_decimals", "lot_decimals", "tick_size", "ordermin", "costmin", "status")
    assert [row[name] for name in rules] == [2, 5, "0.01", "0.00001", "5", "online"]
    path = shared / "exchanges/fixtures/kraken/markets/nautilus_http_asset_pairs.json"
    real = json.loads(path.read_text())["payload"]["result"]["XBTUSDT"]
    missing = real.keys() - row.keys()
    assert missing == {"long_position_limit", "short_position_limit"}


def test_candles_are_the_newest_and_the_last_one_is_running(client: BareClient, wall: Wall) -> None:
    client.public("Time")
    wall.now += 190
    answer = client.public("OHLC", pair="XBTUSDT")

    assert [row[0] for row in answer["XBTUSDT"]] == [START, START + 60, START + 120, START + 180]
    assert answer["XBTUSDT"][0][1:5] == ["100.00", "101.50", "99.50", "101.00"]
    assert answer["last"] == START + 120


def test_book_has_a_spread_even_where_the_candle_is_a_point(client: BareClient) -> None:
    ticker = client.public("Ticker", pair="XBTUSDT")["XBTUSDT"]

    assert (ticker["b"][0], ticker["c"][0], ticker["a"][0]) == ("99.99", "100.00", "100.01")


def test_since_is_exclusive(client: BareClient, wall: Wall) -> None:
    wall.now += 190
    rows = client.public("OHLC", pair="XBTUSDT", since=START + 60)["XBTUSDT"]

    assert [row[0] for row in rows] == [START + 120, START + 180]


def test_interval_that_is_none(client: BareClient) -> None:
    assert (
        client.public("OHLC", pair="XBTUSDT", interval=7) == "EGeneral:Invalid arguments:interval"
    )


def test_book_trades_and_spread_agree_with_the_ticker(client: BareClient, wall: Wall) -> None:
    wall.now += 232
    book = client.public("Depth", pair="XBTUSDT", count=3)["XBTUSDT"]
    ticker = client.public("Ticker", pair="XBTUSDT")["XBTUSDT"]
    trades = client.public("Trades", pair="XBTUSDT")["XBTUSDT"]
    spread = client.public("Spread", pair="XBTUSDT")["XBTUSDT"]

    assert [len(book["bids"]), len(book["asks"])] == [3, 3]
    assert (book["bids"][0][0], book["asks"][0][0]) == (ticker["b"][0], ticker["a"][0])
    assert trades[-1][0] == ticker["c"][0]
    assert float(spread[-1][1]) < float(spread[-1][2])
