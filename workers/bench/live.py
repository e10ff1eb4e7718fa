"""From a closed candle on the market's stream to the order at the exchange's door."""

import json
import multiprocessing
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from apps.accounts.services import create_user
from apps.bots.services import activate
from apps.brokers.services import open_paper_broker, refresh_balances
from apps.domain.candles import Timeframe
from apps.domain.environments import Environment, Exchange
from apps.markets.selectors import find_default_symbol
from apps.markets.symbols import sync_symbols
from apps.strategies.models import Strategy
from apps.strategies.services import save_version, validate_code
from apps.trading.models import Order
from workers.bench.probe import serve_with_probe
from workers.paper_exchange.options import Options
from workers.supervisor import table
from workers.supervisor.log import Log
from workers.supervisor.supervise import Supervisor

PROCESSES = {"sandbox", "orders", "monitor", "strategies", "heartbeat"}
#: The EMA cross's work on every candle, and an order on every candle.
STRATEGY = """
class EveryCandle(Strategy):
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        self.fast = ta.ema(candles["close"], length=10).iloc[-1]
        self.slow = ta.ema(candles["close"], length=20).iloc[-1]

    def should_long(self):
        return self.fast > 0 and self.slow > 0

    def should_short(self):
        return self.fast > 0 and self.slow > 0

    def calculate_position_size(self):
        return 100

    def calculate_stop_loss(self):
        return None

    def calculate_take_profit(self):
        return None
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Milliseconds from a closed frame leaving the exchange to the arrival there of its order, the last one
    where several strategies wait for it."""

    milliseconds: Sequence[float]
    orders: int

    def percentile(self, share: float) -> float:
        """The latency that `share` of all orders stayed under, the nearest measured one."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def describe(self) -> str:
        """One line for the terminal."""
        if not self.milliseconds:
            return "Nothing measured: no order came after the first ten candles."
        return (
            f"{self.orders} orders on {len(self.milliseconds)} candles: p50 {self.percentile(0.5):.1f} ms, "
            f"p90 {self.percentile(0.9):.1f} ms, p95 {self.percentile(0.95):.1f} ms, "
            f"p99 {self.percentile(0.99):.1f} ms, "
            f"mean {statistics.fmean(self.milliseconds):.1f} ms"
        )


def measure(
    *, candles: int, activations: int, candles_per_second: float, say: Callable[[str], None]
) -> Latencies:
    """Trade on so many candles with the real processes, each time with all activations, and return how long
    the last order took; the first ten candles, which warm everything, are left out."""
    supervisor = Supervisor(Log(), settings.BASE_DIR)
    supervisor.listen_to_signals()
    wanted = {spec.name: spec for spec in table.processes() if spec.name in PROCESSES}
    sandbox = wanted.pop("sandbox")
    others = list(wanted.values())
    trace = Path(settings.VAR_DIR) / "trace.json"
    with paper_exchange(trace, speed=60 * candles_per_second):
        try:
            supervisor.start([sandbox])
            supervisor.wait_until_ready([sandbox])
            _prepare(activations)
            supervisor.start(others)
            supervisor.wait_until_ready(others)
            say(f"Trading on every candle, {candles_per_second:g} candles a second ...")
            _wait_for_orders(supervisor, (candles + 10) * activations)
        finally:
            supervisor.stop()
    frames = _read_frames(trace)[10:]
    return Latencies(
        milliseconds=[max(frame) for frame in frames], orders=sum(len(frame) for frame in frames)
    )


@contextmanager
def paper_exchange(trace: Path, *, speed: float) -> Iterator[None]:
    """One with simulated prices, which writes down when candles closed and orders came."""
    trace.parent.mkdir(parents=True, exist_ok=True)
    options = Options(
        exchange=Exchange.BINANCE,
        host="127.0.0.1",
        port=urlsplit(settings.PAPER_EXCHANGE_URLS["binance"]).port or 0,
        market_kind="simulated",
        market_source="",
        speed=speed,
        state_path=trace.with_name("paper.jsonl"),
        seed=1,
        start_ms=None,
        balances={"USDT": Decimal(10_000)},
    )
    process = multiprocessing.get_context("spawn").Process(
        target=serve_with_probe, args=(options, trace)
    )
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join(10)


def _prepare(activations: int) -> None:
    """A trader whose strategies trade on every candle."""
    user, _password = create_user(username="bench", is_administrator=False)
    environment = Environment.SIMULATED
    sync_symbols(exchange=Exchange.BINANCE, environment=environment)
    broker = open_paper_broker(
        owner=user, name="Bench", exchange=Exchange.BINANCE, environment=environment
    )
    refresh_balances(broker_id=broker.pk, now=timezone.now())
    strategy = Strategy.objects.create(owner=user, name="Every candle")
    report, now = validate_code(STRATEGY, user), timezone.now()
    version = save_version(strategy=strategy, code=STRATEGY, report=report, now=now)
    for _number in range(activations):
        activate(
            version=version,
            broker=broker,
            symbol=find_default_symbol(Exchange.BINANCE, environment),
            timeframe=Timeframe.M1,
            parameters={},
            now=now,
        )


def _wait_for_orders(supervisor: Supervisor, count: int) -> None:
    while Order.objects.filter(is_settled=True).count() < count and not supervisor.stop_requested:
        supervisor.tick(0.5)


def _read_frames(trace: Path) -> list[list[float]]:
    """Of each closed frame that orders followed, after how many milliseconds each of them came."""
    frames: list[list[float]] = []
    closed_ns = 0
    for kind, at_ns in json.loads(trace.read_text()):
        if kind == "kline_closed":
            closed_ns = at_ns
            frames.append([])
        elif frames:
            frames[-1].append((at_ns - closed_ns) / 1e6)
    return [frame for frame in frames if frame]
