import pytest
from django.test import Client
from django.urls import reverse

from apps.brokers.capabilities import Cell, list_capability_rows
from apps.brokers.models import Broker
from apps.domain.environments import Exchange

PAGE = "admin:brokers_broker_capabilities"


def cells(name: str) -> tuple[Cell, ...]:
    (row,) = [row for row in list_capability_rows() if row.name == name]
    return row.cells


def test_every_row_explains_itself_and_tells_of_every_exchange() -> None:
    for row in list_capability_rows():
        assert row.explanation.count(".") == 1, row
        assert len(row.cells) == len(Exchange)
        assert all(cell.words for cell in row.cells), row


@pytest.mark.parametrize(
    ("name", "of_bitget"),
    [
        ("Order types", Cell("", "market, stop loss limit")),
        ("Exits attached to an entry", Cell("yes", "one at a time")),
        ("Order lists", Cell("no", "no")),
        ("Trailing stop from a price on", Cell("no", "no trailing stop")),
        ("Changed by replacing", Cell("no", "nothing")),
        ("Candles", Cell("", "1m, 5m")),
        ("Candle history", Cell("", "the last 720 candles")),
        ("Passphrase", Cell("", "needed")),
        ("Testnet", Cell("yes", "yes")),
    ],
)
def test_capabilities_are_put_into_words(name: str, of_bitget: Cell) -> None:
    assert cells(name)[list(Exchange).index(Exchange.BITGET)] == of_bitget


def test_the_page_shows_the_table(client: Client, broker: Broker) -> None:
    client.force_login(broker.owner)

    page = client.get(reverse(PAGE)).content.decode()

    assert all(exchange.title() in page for exchange in Exchange)
    assert "one at a time" in page


def test_the_page_of_a_broker_leads_to_it(client: Client, broker: Broker) -> None:
    client.force_login(broker.owner)
    button = reverse("admin:brokers_broker_show_capabilities", args=[broker.pk])

    page = client.get(reverse("admin:brokers_broker_change", args=[broker.pk])).content.decode()

    assert button in page
    assert client.get(button)["Location"] == reverse(PAGE)


def test_strangers_are_asked_to_log_in(client: Client, db: None) -> None:
    assert client.get(reverse(PAGE)).status_code == 302
