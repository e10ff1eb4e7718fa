import json
from pathlib import Path

import pytest

from apps.domain.environments import Exchange
from workers.paper_exchange.dialects.kraken import names
from workers.paper_exchange.dialects.kraken.auth import sign
from workers.paper_exchange.dialects.kraken.tests.bare import FORM, BareClient
from workers.paper_exchange.tests.builders import BTC, Wall, exchange_of, feed_of, rising_candles
from workers.paper_exchange.tests.serving import serve

#: The documentation's own example.
SECRET = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
BODY = b"nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25"
SIGNATURE = (
    "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
)


def test_signature_is_the_documented_one() -> None:
    assert sign(SECRET, "/0/private/AddOrder", "1616492376594", BODY) == SIGNATURE


def test_wrong_secret(client: BareClient) -> None:
    assert client.signed("Balance", b"nonce=1000", FORM, SECRET) == "EAPI:Invalid signature"


@pytest.mark.parametrize("key", ["", "short", "with spaces in it"])
def test_key_that_can_not_be_one(client: BareClient, key: str) -> None:
    client.key = key

    assert client.private("Balance") == "EAPI:Invalid key"


def test_nonce_has_to_rise(client: BareClient) -> None:
    client.private("Balance")
    client.nonce -= 1

    assert client.private("Balance") == "EAPI:Invalid nonce"
    assert client.signed("Balance", b"", FORM) == "EAPI:Invalid nonce"


def test_brackets_verify_however_they_are_sent(client: BareClient) -> None:
    order = "pair=XBTUSDT&type=buy&ordertype=limit&volume=0.1&price=90"
    client.nonce += 1
    plain = f"nonce={client.nonce}&{order}&close[ordertype]=stop-loss&close[price]=80"
    first = client.signed("AddOrder", plain.encode(), FORM)
    client.nonce += 1
    coded = f"nonce={client.nonce}&{order}&close%5Bordertype%5D=stop-loss&close%5Bprice%5D=80"

    assert first["descr"]["close"] == "close position @ stop loss 80.00"
    assert client.signed("AddOrder", coded.encode(), FORM)["descr"] == first["descr"]


def test_many_refusals_lock_a_key_out(client: BareClient, wall: Wall) -> None:
    for _ in range(30):
        client.signed("Balance", b"nonce=1000", FORM, SECRET)

    assert client.private("Balance") == "EGeneral:Temporary lockout"
    wall.now += 901
    assert "ZUSD" not in client.private("Balance")


def test_counter_gives_back_with_time(client: BareClient, wall: Wall) -> None:
    for _ in range(10):
        client.private("TradesHistory")

    assert client.private("Balance") == "EAPI:Rate limit exceeded"
    wall.now += 2
    assert "XXBT" in client.private("Balance")


def test_counter_gives_back_as_fast_as_the_market_runs(wall: Wall) -> None:
    exchange = exchange_of(feed_of(rising_candles(50)), wall, speed=300, spoken=Exchange.KRAKEN)
    with serve(exchange) as url:
        client = BareClient(url)
        for _ in range(10):
            client.private("TradesHistory")

        assert client.private("Balance") == "EAPI:Rate limit exceeded"
        wall.now += 2 / 300
        assert "XXBT" in client.private("Balance")


def test_unknown_endpoints(client: BareClient) -> None:
    assert client.public("Nothing") == "EGeneral:Unknown method"
    assert client.private("Nothing") == "EGeneral:Unknown method"
    assert client.send("GET", "/0/private/Balance", b"", {}) == "EGeneral:Unknown method"


def test_ids_can_be_undone() -> None:
    ids = [names.order_txid(number) for number in range(1, 200)]

    assert len(set(ids)) == 199
    assert [names.read_id("O", txid) for txid in ids] == list(range(1, 200))
    assert names.read_id("T", ids[0]) is None
    assert names.read_id("O", ids[0].lower()) is None


def test_pair_has_the_names_that_kraken_gives_it(shared: Path) -> None:
    path = shared / "exchanges/fixtures/kraken/markets/nautilus_http_asset_pairs.json"
    listed = json.loads(path.read_text())["payload"]["result"]["XBTUSDT"]

    assert names.pair_id(BTC) == "XBTUSDT"
    assert names.pair_altname(BTC) == listed["altname"]
    assert names.pair_wsname(BTC) == listed["wsname"]
    assert names.asset_code("BTC") == listed["base"]
