"""Webhooks: how fast they are answered, and how soon their orders are at the exchange's door."""

import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psutil
from django.conf import settings
from django.utils import timezone

from apps.accounts.services import create_user
from apps.brokers.models import Automation, Broker
from apps.brokers.services import open_paper_broker, refresh_balances
from apps.core.schedules import create_missing_schedules
from apps.domain.environments import Environment, Exchange
from apps.domain.orders import OrderStatus
from apps.markets.symbols import sync_symbols
from apps.trading.models import Book, BrokerWatch, Order
from apps.webhooks.models import Destination, Webhook, WebhookSource
from apps.webhooks.tokens import hash_token, make_token
from workers.bench.live import paper_exchange
from workers.bench.posts import Post, make_request, send_posts
from workers.supervisor import table
from workers.supervisor.log import Log
from workers.supervisor.supervise import Supervisor

PROCESSES = {"orders", "monitor", "webhook", "beat"}
#: None sends more than a source may, even if all that is sent in a minute comes at once.
SOURCES = 60
WARMING = 10
DRAIN_SECONDS = 300
PATIENCE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many a second: how they were answered and after how many milliseconds, how many rows there are for
    them, how long after the last post none waited any more, and the CPU time of all our processes."""

    rate: float
    posts: Sequence[Post]
    stored: int
    drained_seconds: float
    cpu_seconds: float

    @property
    def is_whole(self) -> bool:
        """Whether each was answered 200, and stored."""
        return self.stored == len(self.posts) and {post.status for post in self.posts} == {200}

    def describe(self) -> str:
        """One line for the terminal."""
        times = [post.milliseconds for post in self.posts]
        answers = ", ".join(
            f"{count:,} x {status or 'no answer'}"
            for status, count in Counter(post.status for post in self.posts).items()
        )
        return (
            f"{self.rate:g}/s: {answers}; {self.stored:,} stored; answered after {_percentiles(times)};"
            f" nothing waits {self.drained_seconds:.1f} s after the last;"
            f" {1000 * self.cpu_seconds / len(self.posts):.2f} ms of CPU time each"
        )


def measure(
    *, orders: int, rates: Sequence[float], seconds: float, say: Callable[[str], None]
) -> list[Load]:
    """First orders, one after the other; then webhooks at each of the rates, for so many seconds."""
    supervisor = Supervisor(Log(), settings.BASE_DIR)
    supervisor.listen_to_signals()
    wanted = [spec for spec in table.processes() if spec.name in PROCESSES]
    trace = Path(settings.VAR_DIR) / "trace.json"
    loads = []
    with paper_exchange(trace, speed=60):
        try:
            tokens = _prepare()
            supervisor.start(wanted)
            supervisor.wait_until_ready(wanted)
            _wait(supervisor, BrokerWatch.objects.filter(reconciled_at__isnull=False).exists)
            say(f"{orders} orders, one after the other ...")
            posted = [_trade(tokens[0], number, supervisor) for number in range(orders + WARMING)]
            for rate in rates:
                say(f"{rate:g} webhooks a second of {SOURCES} sources, for {seconds:g} s ...")
                loads.append(_load(tokens, rate, seconds))
        finally:
            supervisor.stop()
    arrived = [at for kind, at in json.loads(trace.read_text()) if kind != "kline_closed"]
    waits = [(there - sent) / 1e6 for sent, there in zip(posted, arrived, strict=False)]
    say(f"Webhook sent -> order request received: {_percentiles(waits[WARMING:])}")
    return loads


def _prepare() -> list[str]:
    """The tokens of the sources of a trader with a paper broker that webhooks may trade."""
    user, _password = create_user(username="bench", is_administrator=False)
    environment = Environment.SIMULATED
    sync_symbols(exchange=Exchange.BINANCE, environment=environment)
    broker = open_paper_broker(
        owner=user, name="Bench", exchange=Exchange.BINANCE, environment=environment
    )
    Broker.objects.filter(pk=broker.pk).update(automation=Automation.WEBHOOKS)
    refresh_balances(broker_id=broker.pk, now=timezone.now())
    create_missing_schedules()
    return [_make_source(broker, number) for number in range(SOURCES)]


def _make_source(broker: Broker, number: int) -> str:
    token = make_token()
    source = WebhookSource.objects.create(
        owner=broker.owner, name=f"Source {number}", token_hash=hash_token(token)
    )
    book = Book.objects.create(
        owner=broker.owner, broker=broker, kind=Book.Kind.WEBHOOK, label=source.name
    )
    Destination.objects.create(owner=broker.owner, source=source, broker=broker, book=book)
    return token


def _trade(token: str, number: int, supervisor: Supervisor) -> int:
    """Buy and sell by turns; when it was sent, once its order is settled."""
    verb, percent = ("SellMarket", "100") if number % 2 else ("BuyMarket", "10")
    close = str(_last_price())
    fields = {
        "Action": verb, "Symbol": "BTCUSDT", "PourCent": percent, "Close": close,
        "IndicateurName": f"Order {number}",
    }  # fmt: skip
    sent_ns = time.monotonic_ns()
    with socket.create_connection(("127.0.0.1", settings.WEBHOOK_PORT)) as connection:
        connection.sendall(make_request(token, fields))
        answer = connection.recv(65536)
    if b" 200 " not in answer:
        raise SystemExit(f"A webhook was not taken: {answer.decode()}")
    filled = Order.objects.filter(status=OrderStatus.FILLED, is_settled=True)
    _wait(supervisor, lambda: filled.count() > number)
    return sent_ns


def _wait(supervisor: Supervisor, is_done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        supervisor.tick(0.05)
        if supervisor.stop_requested or time.monotonic() > until:
            newest = Webhook.objects.first()
            raise SystemExit(f"Nothing happens any more. {newest and newest.reason}")


def _last_price() -> Decimal:
    newest = Order.objects.filter(filled_quantity__gt=0).order_by("-pk").first()
    return (newest and newest.average_price) or Decimal(60_000)


def _load(tokens: Sequence[str], rate: float, seconds: float) -> Load:
    before, cpu = Webhook.objects.count(), _cpu_seconds()
    posts = send_posts(port=settings.WEBHOOK_PORT, tokens=tokens, rate=rate, seconds=seconds)
    ended = time.monotonic()
    while Webhook.objects.filter(state__in=Webhook.WAITING).exists():
        time.sleep(0.1)
        if time.monotonic() - ended > DRAIN_SECONDS:
            break
    return Load(
        rate=rate,
        posts=posts,
        stored=Webhook.objects.count() - before,
        drained_seconds=time.monotonic() - ended,
        cpu_seconds=_cpu_seconds() - cpu,
    )


def _cpu_seconds() -> float:
    """Of all that this command has started, without the sender, which has ended by then."""
    processes = psutil.Process().children(recursive=True)
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _percentiles(times: Sequence[float]) -> str:
    ordered = sorted(times)
    return ", ".join(
        f"p{share:g} {ordered[min(len(ordered) - 1, int(share / 100 * len(ordered)))]:.1f} ms"
        for share in (50, 90, 99)
    )
