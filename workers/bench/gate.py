"""What our own side of an order costs: the gate, the claim and their events."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from statistics import quantiles

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.brokers.models import Balance, Broker
from apps.domain.orders import OrderPurpose, OrderSide, OrderSource, OrderType
from apps.markets.models import Candle, Symbol
from apps.trading.claims import claim
from apps.trading.gate import Signal, place
from apps.trading.models import Book, BrokerWatch, Order, RiskScope
from workers.bench.pages import seed

AIM_MS = 4.0
AIM_QUERIES = 6
WARM_UP = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One thing that was done many times, in milliseconds."""

    what: str
    p50: float
    p99: float

    def describe(self) -> str:
        """A line for the terminal."""
        return f"{self.what:40} p50 {self.p50:6.2f} ms, p99 {self.p99:6.2f} ms"


def measure(*, orders: int, rounds: int, say: Callable[[str], None]) -> Iterator[Timing]:
    """In a database with so many orders: a bare round trip, and an order through gate and claim, by
    turns, for a user who has set every limit."""
    say(f"{orders:,} orders with a fill each are made ...")
    book, candle = _prepare(seed(orders))
    symbol = candle.series.symbol
    trips: list[float] = []
    own: list[float] = []
    for number in range(-WARM_UP, rounds):
        now = timezone.now()
        BrokerWatch.objects.update(polled_at=now)
        Candle.objects.filter(pk=candle.pk).update(received_at=now)
        trips.append(_time(_ask))
        own.append(_time(partial(_order, book, symbol, number)))
        Order.objects.filter(book=book).update(status="filled", is_settled=True)
    with CaptureQueriesContext(connection) as captured:
        _order(book, symbol, rounds)
    queries = [query for query in captured if query["sql"] not in {"BEGIN", "COMMIT"}]
    verdict = "met" if len(queries) <= AIM_QUERIES else "MISSED"
    say(f"An order takes {len(queries)} queries, at most {AIM_QUERIES}: {verdict}")
    yield _summarise("SELECT 1", trips[WARM_UP:])
    yield _summarise("gate, claim and events", own[WARM_UP:])


def _prepare(order: Order) -> tuple[Book, Candle]:
    now = timezone.now()
    Broker.objects.update(balances_as_of=now)
    Balance.objects.create(broker=order.broker, asset="USDT", free=10**9, locked=0)
    BrokerWatch.objects.create(broker=order.broker, polled_at=now, reconciled_at=now)
    book = Book.objects.create(
        owner=order.owner, broker=order.broker, kind=Book.Kind.ACTIVATION, label="Bench"
    )
    for scope in ({}, {"broker": order.broker}, {"book": book}):
        RiskScope.objects.create(
            owner=order.owner,
            max_order_value=10**9,
            max_position_value=10**9,
            max_open_positions=10**6,
            max_orders_per_minute=10**6,
            **scope,
        )
    candles = Candle.objects.filter(series__symbol=order.symbol).select_related("series__symbol")
    return book, candles.latest("opened_at")


def _order(book: Book, symbol: Symbol, number: int) -> None:
    now = timezone.now()
    signal = Signal(
        side=OrderSide.BUY,
        order_type=OrderType.MARKET,
        purpose=OrderPurpose.ENTRY,
        source=OrderSource.STRATEGY,
        dedup_key=f"gate-{number}",
        reason="Measured.",
        reference_price=Decimal(100),
        valid_until=now + timedelta(minutes=1),
        quote_amount=Decimal(100),
    )
    order = place(book=book, symbol=symbol, signal=signal, now=now)
    assert claim(order_id=order.pk), order.denial_words  # noqa: S101  a denial is no measurement


def _ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _time(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - started)


def _summarise(what: str, milliseconds: list[float]) -> Timing:
    percentiles = quantiles(milliseconds, n=100)
    return Timing(what=what, p50=percentiles[49], p99=percentiles[98])
