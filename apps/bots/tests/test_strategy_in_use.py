"""A strategy that was switched on is history."""

from datetime import datetime

from django.test import Client
from django.urls import reverse

from apps.bots.models import Activation
from apps.markets.models import Series
from apps.strategies.models import Strategy, StrategyVersion
from apps.trading.models import Book


def test_it_is_not_deleted_and_its_page_says_where_it_runs(
    client: Client, series: Series, book: Book, now: datetime
) -> None:
    owner = book.owner
    strategy = Strategy.objects.create(owner=owner, name="Mine")
    version = StrategyVersion.objects.create(
        owner=owner, strategy=strategy, number=1, code="one", code_hash=""
    )
    Activation.objects.create(owner=owner, version=version, series=series, book=book, starts_at=now)
    client.force_login(owner)

    address = reverse("admin:strategies_strategy_delete", args=[strategy.pk])
    page = client.post(address, {"post": "yes"}, follow=True).content.decode()

    assert "Mine can&#x27;t be deleted" in page
    assert "(Mine on BTC/USDT 1m)" in page
    assert ">BTC/USDT 1m at Paper</a>" in page
    assert Strategy.objects.exists()
