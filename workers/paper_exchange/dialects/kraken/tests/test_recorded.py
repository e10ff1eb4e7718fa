"""What we answer has whatever recorded answers of the real exchange have."""

import json
from pathlib import Path
from typing import Any

import pytest

from workers.paper_exchange.dialects.kraken.tests.bare import BareClient

MARKET = {"pair": "XBTUSDT", "type": "buy", "ordertype": "market", "volume": "0.1"}
LIMIT = {"pair": "XBTUSDT", "type": "buy", "ordertype": "limit", "volume": "0.1", "price": "90"}
#: Of assets, what only margin trading has.
MARGIN = {"margin_rate", "collateral_value"}


def recorded(shared: Path, name: str) -> Any:
    path = shared / "exchanges" / "fixtures" / "kraken" / f"{name}.json"
    return json.loads(path.read_text())["payload"]["result"]


def first(rows: Any) -> Any:
    return next(iter(rows.values()))


def test_open_order(client: BareClient, shared: Path) -> None:
    real = first(recorded(shared, "orders/jkorf_GetOpenOrders")["open"])
    client.private("AddOrder", **LIMIT)
    ours = first(client.private("OpenOrders")["open"])

    # None of its trades is there yet.
    assert real.keys() - ours.keys() == {"trades"}
    assert real["descr"].keys() <= ours["descr"].keys()


def test_closed_order(client: BareClient, shared: Path) -> None:
    path = "orders/ccxt_static_closed_canceled_client_id"
    real = first(recorded(shared, path)["closed"])
    client.private("AddOrder", **LIMIT, cl_ord_id="123")
    client.private("CancelAll")
    ours = first(client.private("ClosedOrders")["closed"])

    assert real.keys() <= ours.keys()
    assert (real["status"], real["reason"]) == (ours["status"], ours["reason"])


def test_trade(client: BareClient, shared: Path) -> None:
    real = first(recorded(shared, "fills/jkorf_GetUserTrades")["trades"])
    client.private("AddOrder", **MARKET)
    ours = first(client.private("TradesHistory")["trades"])

    assert real.keys() <= ours.keys()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("GetApiKeyInfo", "account/jkorf_GetApiKeyInfo"),
        ("TradeBalance", "balances/xchange_example-tradebalanceinfo-data"),
        ("CancelAllOrdersAfter", "order_ack/jkorf_CancelAllOrdersAfter"),
    ],
)
def test_private_answers(client: BareClient, shared: Path, name: str, path: str) -> None:
    fields = {"timeout": "60"} if name == "CancelAllOrdersAfter" else {}

    assert recorded(shared, path).keys() <= client.private(name, **fields).keys()


def test_public_answers(client: BareClient, shared: Path) -> None:
    asset = recorded(shared, "currencies/jkorf_GetAssets")["XXBT"]
    ticker = first(recorded(shared, "tickers/jkorf_GetTicker"))

    assert asset.keys() - MARGIN <= client.public("Assets")["XXBT"].keys()
    assert ticker.keys() == client.public("Ticker")["XBTUSDT"].keys()
    status = recorded(shared, "system/jkorf_GetSystemStatus")
    assert status.keys() == client.public("SystemStatus").keys()
