import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from apps.brokers.models import Broker
from apps.domain.orders import OrderSide
from apps.domain.positions import CostMethod
from apps.trading import ledger
from apps.trading.models import EquitySnapshot, Order, Transfer
from apps.trading.statements import write_year
from apps.trading.tests.fakes import make_fill

MakeOrder = Callable[..., Order]
YEAR_END = datetime(2025, 12, 31, 23, 59, tzinfo=UTC)


@pytest.fixture
def trades(make_order: MakeOrder) -> None:
    """Two purchases and a sale before the end of 2025, a sale after it."""
    for number, (quantity, price, after) in enumerate(
        [
            ("0.001", "45000", -3),
            ("0.002", "46000", -2),
            ("-0.0015", "47000", -1),
            ("-0.001", "48000", 1),
        ]
    ):
        amount, at = Decimal(quantity), YEAR_END + timedelta(minutes=after)
        side = OrderSide.BUY if amount > 0 else OrderSide.SELL
        order = make_order(side=side, status="filled")
        fill = make_fill(f"{abs(amount)}", price, trade_id=f"t{number}", side=side, executed_at=at)
        ledger.record_fills(order=order, fills=[fill])


def read(broker: Broker, year: int, method: CostMethod) -> list[dict[str, str]]:
    file = io.StringIO()
    write_year(broker=broker, year=year, method=method, file=file)
    return list(csv.DictReader(io.StringIO(file.getvalue())))


@pytest.mark.usefixtures("trades")
def test_by_fifo_a_sale_is_a_row_for_each_purchase_it_takes_from(broker: Broker) -> None:
    first, second = read(broker, 2025, CostMethod.FIFO)

    assert first == {
        "sold_utc": "2025-12-31 23:58:00",
        "acquired_utc": "2025-12-31 23:56:00",
        "asset": "BTC",
        "quantity": "0.001",
        "cost": "45",
        "cost_currency": "USDT",
        "proceeds": "47",
        "fees": "0",
        "gain": "2",
        "currency": "USDT",
        "kind": "sale",
        "origin": "bought",
        "symbol": "BTC/USDT",
        "trade_id": "t2",
    }
    assert (second["quantity"], second["gain"]) == ("0.0005", "0.5")


@pytest.mark.usefixtures("trades")
@pytest.mark.parametrize(
    ("method", "gains"), [("average", [2.0]), ("fifo", [2.0, 0.5]), ("lifo", [1.5])]
)
def test_the_method_is_a_question_of_the_statement_alone(
    broker: Broker, method: str, gains: list[float]
) -> None:
    rows = read(broker, 2025, CostMethod(method))

    assert [float(row["gain"]) for row in rows] == pytest.approx(gains)


@pytest.mark.usefixtures("trades")
def test_a_year_ends_at_midnight_utc(broker: Broker) -> None:
    assert [row["trade_id"] for row in read(broker, 2026, CostMethod.AVERAGE)] == ["t3"]


def test_what_is_not_known_says_so(broker: Broker, make_order: MakeOrder, now: datetime) -> None:
    Transfer.objects.create(owner=broker.owner, broker=broker, asset="BTC", quantity=1, at=now)
    sale = make_fill("1", side=OrderSide.SELL, executed_at=now + timedelta(minutes=1))
    ledger.record_fills(order=make_order(side="sell"), fills=[sale])

    (row,) = read(broker, 2026, CostMethod.FIFO)

    assert (row["origin"], row["cost"], row["gain"]) == ("adopted", "unknown", "unknown")


@pytest.mark.usefixtures("trades")
def test_the_page_gives_a_file(client: Client, broker: Broker) -> None:
    client.force_login(broker.owner)
    url = reverse("trading:statement")

    assert b"<form" in client.get(url).content
    file = client.get(url, {"broker": broker.pk, "year": 2025, "method": "lifo"})

    assert file["Content-Disposition"] == 'attachment; filename="paper-2025-lifo.csv"'
    assert file.content.count(b"\r\n") == 2


def test_equity_over_time_is_a_line_a_broker(client: Client, broker: Broker, now: datetime) -> None:
    for hour in (0, 1, 30):
        at = now + timedelta(hours=hour)
        EquitySnapshot.objects.create(owner=broker.owner, broker=broker, at=at, equity=hour)
    client.force_login(broker.owner)

    (line,) = client.get(reverse("trading:equity")).json()["lines"]

    assert line["name"] == "Paper"
    assert [point["value"] for point in line["points"]] == [0, 1, 30]
