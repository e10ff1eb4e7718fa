from collections.abc import Iterator
from itertools import pairwise

import pytest

from apps.domain.environments import Exchange
from workers.paper_exchange.dialects.kraken.gateway import Gateway
from workers.paper_exchange.dialects.kraken.names import order_txid
from workers.paper_exchange.dialects.kraken.tests.bare import BareClient
from workers.paper_exchange.exchange import PaperExchange
from workers.paper_exchange.orders import EndReason
from workers.paper_exchange.tests.builders import (
    KEY,
    START_MS,
    Wall,
    engine_of,
    feed_of,
    rising_candles,
)
from workers.paper_exchange.tests.serving import Process, serve, wait_for

LIMIT = {"pair": "XBTUSDT", "type": "buy", "ordertype": "limit", "volume": "0.1", "price": "90"}


@pytest.fixture
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """Follows an exchange that speaks Binance's protocol."""
    folder = tmp_path_factory.mktemp("live")
    upstream = Process("--state", str(folder / "upstream"))
    words = ("--exchange", "kraken", "--market", f"live:{upstream.url}")
    process = Process(*words, "--state", str(folder / "state"))
    yield process
    process.stop()
    upstream.stop()


def test_order_expires_after_a_restart_too(
    client: BareClient, exchange: PaperExchange, wall: Wall
) -> None:
    client.private("AddOrder", **LIMIT, timeinforce="GTD", expiretm="+60")
    account = exchange.engine.accounts[KEY]
    again = PaperExchange(
        clock=exchange.clock,
        feed=feed_of(rising_candles(50)),
        engine=engine_of(accounts={KEY: account}, exchange=Exchange.KRAKEN),
        record_clock=lambda _at_ms: None,
    )
    gateway = Gateway(again, None)

    wall.now += 61
    gateway.advance()

    assert account.orders[1].end_reason is EndReason.EXCHANGE


def test_order_that_the_exchange_ends_early_is_cancelled(
    client: BareClient, exchange: PaperExchange
) -> None:
    client.private("AddOrder", **LIMIT)
    account = exchange.engine.accounts[KEY]
    exchange.engine.cancel(account, account.orders[1], START_MS, EndReason.EXCHANGE)

    row = client.private("QueryOrders", txid=order_txid(1))[order_txid(1)]

    assert (row["status"], row["reason"]) == ("canceled", "Canceled by exchange")


def test_new_orders_are_told_to_a_probe(exchange: PaperExchange) -> None:
    told: list[tuple[str, dict[str, object]]] = []
    with serve(exchange, lambda name, facts: told.append((name, facts))) as url:
        BareClient(url).private("AddOrder", **LIMIT, cl_ord_id="mine")

    assert told == [("order_request", {"client_order_id": "mine"})]


def test_exchange_without_a_market_is_unavailable(exchange: PaperExchange) -> None:
    exchange.feed.markets.clear()

    with serve(exchange) as url:
        client = BareClient(url)
        assert client.public("Time") == "EService:Unavailable"
        assert client.private("Balance") == "EService:Unavailable"


def test_past_of_a_live_market_is_the_upstream_s(live: Process) -> None:
    client = BareClient(live.url)
    wait_for(lambda: "XBTUSDT" in client.public("AssetPairs"))

    for minutes in (1, 15):
        rows = client.public("OHLC", pair="XBTUSDT", interval=minutes)["XBTUSDT"]
        steps = {later[0] - earlier[0] for earlier, later in pairwise(rows)}
        assert steps == {minutes * 60}
