"""The whole thing: one command, a browser, and an exchange that keeps its own books."""

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from workers.paper_exchange.tests.serving import Client
from workers.tests.installation import PROJECT, Installation, running, wait_for

CHROMIUM = Path("/usr/bin/chromium")
RECORDED = PROJECT.parent / "shared" / "data" / "BINANCE_BTCUSDT_1m.parquet"
#: Every order that was sent and the keys of its broker: what the exchange's own book is compared with. A leg
#: that rests for its position is as settled as it gets.
BOOKS = """
import json
from apps.brokers.models import Broker
from apps.trading.models import Order
print(json.dumps({
    "key": Broker.objects.get(name__startswith="Demo Binance").api_key,
    "orders": {o.client_order_id: [o.status, str(o.filled_quantity), o.fills.count(), o.is_settled
                                   or o.status == "open" and bool(o.position and o.position.is_open)]
               for o in Order.objects.filter(broker__exchange="binance")
               .exclude(status__in=["denied", "expired"])
               .exclude(status="cancelled", exchange_order_id="")},
}))
"""
#: A second strategy, beside the sample, that wants an order on every candle.
EVERY_CANDLE = """
import json
from django.utils import timezone
from apps.bots.models import Activation
from apps.bots.services import activate
from apps.domain.candles import Timeframe
from apps.strategies.models import Strategy
from apps.strategies.services import save_version, validate_code
from workers.bench.live import STRATEGY
demo = Activation.objects.get(book__broker__exchange="binance")
strategy = Strategy.objects.create(owner=demo.owner, name="Every candle")
version = save_version(strategy=strategy, code=STRATEGY, report=validate_code(STRATEGY, demo.owner),
                       now=timezone.now())
activate(version=version, broker=demo.book.broker, symbol=demo.series.symbol, timeframe=Timeframe.M1,
         parameters={}, now=timezone.now())
print(json.dumps(None))
"""
STOP_TRADING = """
import json
from apps.bots.models import Activation
Activation.objects.update(is_active=False)
print(json.dumps(None))
"""
#: Every fill with the candle of its minute.
FILLS = """
import json
from apps.domain.candles import Timeframe
from apps.markets.models import Candle
from apps.trading.models import Fill
rows = []
for fill in Fill.objects.all():
    opened_at = Timeframe.M1.floor(fill.executed_at)
    for candle in Candle.objects.filter(series__symbol=fill.symbol, opened_at=opened_at):
        rows.append([candle.low, float(fill.price), candle.high])
print(json.dumps(rows))
"""


@pytest.fixture(scope="module")
def installations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Installation]]:
    """One on the simulated market and, where there are some, one on recorded candles; five a second."""
    markets = ["simulated", *([f"replay:{RECORDED}"] if RECORDED.exists() else [])]
    with running(tmp_path_factory.mktemp("whole"), *markets, speed=300) as started:
        yield started


@pytest.fixture(scope="module")
def simulated(installations: list[Installation]) -> Installation:
    """What a new user sees."""
    return installations[0]


@pytest.fixture
def page(simulated: Installation) -> Iterator[Page]:
    """A browser, signed in as the demo user."""
    if not CHROMIUM.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"needs {CHROMIUM}")
        pytest.skip(f"needs {CHROMIUM}: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto(simulated.url)
        page.fill("#id_username", "demo")
        page.fill("#id_password", simulated.password("demo"))
        page.click("button[type=submit]")
        yield page
        browser.close()


def test_a_newcomer_watches_the_sample_strategy_trade(page: Page) -> None:
    expect(page.locator(".status.filled", has_text=re.compile("^filled$")).first).to_be_visible(
        timeout=30_000
    )
    expect(page.get_by_text("Simulated market").first).to_be_attached()
    expect(page.get_by_text("Paper money, simulated prices").first).to_be_visible()
    expect(page.locator("#chart canvas").first).to_be_visible()
    expect(page.locator(".processes .dot.off")).to_have_count(0)

    page.get_by_role("link", name="All positions").click()
    expect(page.locator("#result_list tbody tr").first).to_contain_text("USDT")


@pytest.mark.usefixtures("shared")
def test_recorded_candles_fill_orders_at_prices_within_them(
    installations: list[Installation],
) -> None:
    rows: list[list[float]] = []

    def has_fills() -> bool:
        rows[:] = installations[1].ask(FILLS)
        return len(rows) >= 2

    wait_for(has_fills, seconds=30)

    assert all(low <= price <= high for low, price, high in rows), rows
    assert installations[1].stop() == 0  # the other one has the machine for itself


def exchange_orders(installation: Installation, key: str) -> dict[str, dict[str, Any]]:
    client = Client(installation.exchange_url, key)
    client.timestamp_ms = int(time.time() * 1000)
    status, orders = client.signed("GET", "/api/v3/allOrders", symbol="BTCUSDT", limit=1000)
    assert status == 200, orders
    names = [order["clientOrderId"] for order in orders]
    assert len(names) == len(set(names)), "an order was placed twice"
    return {order["clientOrderId"]: order for order in orders}


def test_a_killed_orders_worker_comes_back_and_no_order_is_lost_or_doubled(
    simulated: Installation,
) -> None:
    simulated.ask(EVERY_CANDLE)

    def filled() -> int:
        return sum(row[0] == "filled" for row in simulated.ask(BOOKS)["orders"].values())

    for victim in (0, -1):  # the worker itself, then a child of its pool
        processes = simulated.processes("-Q orders")
        processes[victim].send_signal(signal.SIGKILL)
        before = filled()
        # Orders flow again before the next blow.
        wait_for(lambda before=before: filled() > before + 2, seconds=40)
    simulated.ask(STOP_TRADING)

    books: dict[str, Any] = {}

    def is_settled() -> bool:
        books.update(simulated.ask(BOOKS))
        return all(settled for *_rest, settled in books["orders"].values())

    wait_for(is_settled, seconds=60, describe=lambda: str(books))
    theirs = exchange_orders(simulated, books["key"])
    ours = {name: row for name, row in books["orders"].items() if row[0] != "rejected"}
    assert theirs.keys() == ours.keys()
    for name, (_status, filled, fills, _settled) in ours.items():
        assert float(theirs[name]["executedQty"]) == float(filled)
        assert (fills > 0) == (float(filled) > 0)
    assert "orders        | exited with -9; restarting" in simulated.log


def test_ctrl_c_stops_everything(simulated: Installation) -> None:
    assert simulated.stop() == 0
    assert "nothing is left running" in simulated.log
