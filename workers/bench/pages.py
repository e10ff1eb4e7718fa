"""How fast the pages of orders are when there are a million of them."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import psutil
from django.conf import settings
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.services import create_user
from apps.brokers.services import open_paper_broker
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.markets.models import Candle, Symbol
from apps.markets.services import follow
from apps.trading.models import Fill, Order, OrderEvent, Position
from apps.trading.ticket import manual_book

Query = dict[str, str | int]

AIM_MS = 200
ROUNDS = 10
SYMBOLS = 20
CANDLES = 10_000
#: Nearly all orders are filled, as in an installation that works; 30 seconds lie between two of them.
_ORDER = {
    "client_order_id": "replace(gen_random_uuid()::text, '-', '')",
    "exchange_order_id": "n::text",
    "dedup_key": "'bench-' || n",
    "created_at": "now() - n * interval '30 seconds'",
    "symbol_id": f"symbol_id + n %% {SYMBOLS}",
    "status": """CASE WHEN n < 50 THEN 'open' WHEN n %% 1000 = 0 THEN 'denied'
        WHEN n %% 1000 = 1 THEN 'rejected' WHEN n %% 50 = 2 THEN 'cancelled' ELSE 'filled' END""",
    "source": """CASE WHEN n < 50 THEN 'external' WHEN n %% 1000 = 3 THEN 'manual'
        ELSE 'strategy' END""",
    "order_type": """CASE WHEN n %% 1000 = 4 THEN 'stop_loss' WHEN n %% 20 = 5 THEN 'limit'
        ELSE 'market' END""",
}
_FILL = {
    "trade_id": "n::text",
    "symbol_id": f"symbol_id + n %% {SYMBOLS}",
    "order_id": "order_id + n",
    "executed_at": "now() - n * interval '30 seconds'",
}
_POSITION = {
    "symbol_id": f"symbol_id + n %% {SYMBOLS}",
    "opened_at": "now() - n * interval '1 hour'",
    "closed_at": f"CASE WHEN n >= {SYMBOLS} THEN now() END",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One address: its fastest round on the clock, what a round cost in processor time of ours and of the
    database's, and how many queries it took."""

    what: str
    milliseconds: float
    ours: float
    database: float
    queries: int

    def describe(self) -> str:
        """A line for the terminal."""
        verdict = "met" if self.milliseconds < AIM_MS else "MISSED"
        work = f"{self.ours:4.0f} ms of work here, {self.database:4.0f} in the database"
        return (
            f"{self.what:38} {self.milliseconds:5.0f} ms: {work}, {self.queries} queries: {verdict}"
        )


def measure(*, orders: int, say: Callable[[str], None]) -> Iterator[Page]:
    """Each page on a database with so many orders and fills of one user."""
    settings.ALLOWED_HOSTS = ["*"]
    admin.autodiscover()
    say(f"{orders:,} orders with a fill each are made ...")
    newest = seed(orders)
    client = Client()
    client.force_login(newest.owner)
    for what, name, query in _addresses(newest):
        yield _time(client, what, name, query)


def _addresses(order: Order) -> Iterator[tuple[str, str, Query]]:
    orders = reverse("admin:trading_order_changelist")
    yield "Orders", orders, {}
    yield "Orders, the last page that is counted", orders, {"p": 200}
    yield "Open orders", orders, {"state": "open"}
    yield "Orders that have ended", orders, {"state": "ended"}
    for status in ("filled", "cancelled", "denied", "unknown"):
        yield f"Orders, {status}", orders, {"status__exact": status}
    for order_type in ("market", "limit", "stop_loss"):
        yield f"Orders, {order_type.replace('_', ' ')}", orders, {"order_type__exact": order_type}
    for source in ("strategy", "manual", "external"):
        yield f"Orders, {source}", orders, {"source__exact": source}
    yield "Orders of a broker", orders, {"broker__id__exact": order.broker.pk}
    month_ago = f"{timezone.now() - timedelta(days=30):%Y-%m-%d}"
    yield "Orders until a month ago", orders, {"created_at__lt": f"{month_ago} 00:00:00+00:00"}
    yield "Orders by their symbol", orders, {"q": "BTC/USDT"}
    yield "An order by its id", orders, {"q": order.client_order_id}
    yield "An order", reverse("admin:trading_order_change", args=[order.pk]), {}
    yield "Fills", reverse("admin:trading_fill_changelist"), {}
    yield "Positions", reverse("admin:trading_position_changelist"), {}
    yield "Open positions", reverse("admin:trading_position_changelist"), {"closed_at__isempty": 1}
    yield "Dashboard", reverse("admin:index"), {}
    yield "Manual trading", reverse("live:ticket"), {}


def _time(client: Client, what: str, address: str, query: Query) -> Page:
    with CaptureQueriesContext(connection) as captured:
        client.get(address, query)  # the first one finds templates and tables cold
        queries = len(captured)
    backend = psutil.Process(backend_pid())
    seconds, ours, database = [], time.process_time(), sum(backend.cpu_times()[:2])
    for _ in range(ROUNDS):
        started = time.perf_counter()
        response = client.get(address, query)
        seconds.append(time.perf_counter() - started)
        assert response.status_code == 200, address  # noqa: S101  an error page is none of these
    return Page(
        what=what,
        milliseconds=1000 * min(seconds),
        ours=1000 * (time.process_time() - ours) / ROUNDS,
        database=1000 * (sum(backend.cpu_times()[:2]) - database) / ROUNDS,
        queries=queries,
    )


def backend_pid() -> int:
    """The database's process for our connection: it runs on this machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def seed(orders: int) -> Order:
    """One row of each kind by the ORM, then as many as wanted of each by the database."""
    now = timezone.now()
    user, _password = create_user(username="bench", is_administrator=False)
    exchange, environment = Exchange.BINANCE, Environment.SIMULATED
    symbols = [
        Symbol.objects.create(
            exchange=exchange,
            environment=environment,
            name="BTC/USDT" if number == 0 else f"C{number}/USDT",
            base="BTC",
            quote="USDT",
            tick_size=Decimal("0.01"),
            step_size=Decimal("0.00001"),
            min_quantity=Decimal("0.00001"),
            max_quantity=Decimal(9000),
            min_notional=Decimal(5),
        )
        for number in range(SYMBOLS)
    ]
    broker = open_paper_broker(owner=user, name="Bench", exchange=exchange, environment=environment)
    book = manual_book(broker)
    order = Order.objects.create(
        owner=user,
        book=book,
        broker=broker,
        symbol=symbols[0],
        dedup_key="bench",
        source="strategy",
        purpose="entry",
        side="buy",
        order_type="market",
        quantity=1,
        filled_quantity=1,
        filled_quote=100,
        reference_price=100,
        status="filled",
        is_settled=True,
        valid_until=now,
    )
    OrderEvent.objects.create(order=order, at=now, status="filled", message="Filled.")
    fill = Fill.objects.create(
        owner=user,
        order=order,
        broker=broker,
        symbol=symbols[0],
        trade_id="bench",
        side="buy",
        quantity=1,
        price=100,
        fee=0,
        fee_asset="USDT",
        is_maker=False,
        executed_at=now,
    )
    position = Position.objects.create(
        owner=user, book=book, symbol=symbols[0], quantity=1, cost=100, opened_at=now, closed_at=now
    )
    for symbol in symbols:
        candle = Candle.objects.create(
            series=follow(symbol, Timeframe.M1),
            opened_at=now,
            received_at=now,
            **dict.fromkeys(("open", "high", "low", "close", "volume"), 100.0),
        )
        _multiply(candle, CANDLES, {"opened_at": "opened_at - n * interval '1 minute'"})
    _multiply(order, orders, _ORDER)
    _multiply(fill, orders, _FILL)
    _multiply(position, orders // 50, _POSITION)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return order


def _multiply(row: Model, count: int, values: Mapping[str, str]) -> None:
    """Copies of a row, the n-th with these expressions instead of what the row has."""
    meta = row._meta  # noqa: SLF001  a model's _meta is Django's own interface
    columns = [str(field.column) for field in meta.concrete_fields if not field.primary_key]
    selected = ", ".join(values.get(column, f'"{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{meta.db_table}" ({names}) SELECT {selected}'  # noqa: S608  written above
            f' FROM "{meta.db_table}", generate_series(1, %s) AS n WHERE id = %s ORDER BY n',
            [count, row.pk],
        )
