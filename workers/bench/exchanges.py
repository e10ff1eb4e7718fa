"""What an exchange client costs by itself: our clients and ccxt, the same answers, in one run."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from apps.domain.candles import Timeframe
from apps.domain.environments import Exchange
from apps.domain.orders import OrderSide, OrderType
from apps.exchanges.clients import create_client
from apps.exchanges.limits import MemoryLimitStore
from apps.exchanges.ports import Credentials, ExchangeClient, OrderRequest
from workers.bench import payloads
from workers.bench.loopback import loopback_server

_KEYS = Credentials(
    api_key="key",
    api_secret="c2VjcmV0IG9mIHRoZSBiZW5jaG1hcms=",  # noqa: S106  Kraken's have to be base64
    passphrase="passphrase",  # noqa: S106  of nobody
)
_SYMBOL = "BTC/USDT"
#: Calls in a row before the other side's turn, by action.
_BURST = {"place order": 50, "balance": 10, "tickers": 3, "candles": 10}
#: What the ratio should be at least. CPU time counts: the rest of a call is the server's, the same for both.
AIMS = {"place order": 3.0, "balance": 5.0, "tickers": 8.0, "candles": 4.0}
SIZES = {
    "place order": "",
    "balance": f"{payloads.ASSETS} assets",
    "tickers": f"{payloads.SYMBOLS:,} symbols",
    "candles": f"{payloads.CANDLES:,} candles",
}


@dataclass(slots=True)
class Cost:
    """Wall and CPU seconds of single calls of one client."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, call: Callable[[], object], times: int) -> None:
        """Call `times` times and keep what each took."""
        for _ in range(times):
            wall, cpu = time.perf_counter(), time.process_time()
            call()
            self.cpu.append(time.process_time() - cpu)
            self.wall.append(time.perf_counter() - wall)

    @property
    def calls_per_second(self) -> float:
        """At the median."""
        return 1 / statistics.median(self.wall)

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of a call, at the median."""
        return statistics.median(self.cpu) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One action of one exchange, our client beside ccxt."""

    exchange: Exchange
    action: str
    ours: Cost
    theirs: Cost

    @property
    def rate_ratio(self) -> float:
        """How many calls ours makes in the time of one of theirs, the server's share included."""
        return self.ours.calls_per_second / self.theirs.calls_per_second

    @property
    def ratio(self) -> float:
        """How many calls ours makes with the CPU time of one of theirs."""
        return self.theirs.cpu_ms / self.ours.cpu_ms


class _HurriedClock:
    """Hours pass between two looks: limits are kept, and never in the way."""

    def __init__(self) -> None:
        self._at = 0.0

    def __call__(self) -> float:
        self._at += 100_000.0
        return self._at


def measure(*, rounds: int, say: Callable[[str], None]) -> Iterator[Comparison]:
    """Every action of every exchange; both clients in turn, `rounds` times. Needs ccxt."""
    for exchange in Exchange:
        say(f"{exchange.title()} ...")
        bodies = {
            Exchange.BINANCE: payloads.binance,
            Exchange.BITGET: payloads.bitget,
            Exchange.KRAKEN: payloads.kraken,
        }[exchange]()
        with loopback_server(bodies) as base_url:
            limits = MemoryLimitStore(_HurriedClock())
            ours = _our_actions(exchange, base_url, limits)
            theirs = _their_actions(_make_ccxt(exchange, base_url))
            for action, burst in _BURST.items():
                yield _compare(exchange, action, (ours[action], theirs[action]), rounds, burst)


def _compare(
    exchange: Exchange,
    action: str,
    calls: tuple[Callable[[], object], Callable[[], object]],
    rounds: int,
    burst: int,
) -> Comparison:
    costs = (Cost(), Cost())
    for call in calls:
        call()  # connections, market lists and caches are warm on both sides
    for _ in range(rounds):
        for call, cost in zip(calls, costs, strict=True):
            cost.measure(call, burst)
    return Comparison(exchange=exchange, action=action, ours=costs[0], theirs=costs[1])


def _our_actions(
    exchange: Exchange, base_url: str, limits: MemoryLimitStore
) -> dict[str, Callable[[], object]]:
    """Each call builds its client, as the trading code does."""

    def client() -> ExchangeClient:
        return create_client(exchange, _KEYS, base_url=base_url, limits=limits)

    def place() -> object:
        request = OrderRequest(
            symbol=_SYMBOL,
            side=OrderSide.BUY,
            order_type=OrderType.LIMIT,
            client_order_id="0" * 32,
            quantity=Decimal("0.001"),
            price=Decimal(64_000),
        )
        return client().place_order(request, deadline=timezone.now() + timedelta(seconds=5))

    return {
        "place order": place,
        "balance": lambda: client().get_balance(),
        "tickers": lambda: client().fetch_tickers(),
        "candles": lambda: client().get_candles(_SYMBOL, Timeframe.M1, limit=payloads.CANDLES),
    }


def _their_actions(judge: Any) -> dict[str, Callable[[], object]]:
    return {
        "place order": lambda: judge.create_order(_SYMBOL, "limit", "buy", 0.001, 64_000),
        "balance": judge.fetch_balance,
        "tickers": judge.fetch_tickers,
        "candles": lambda: judge.fetch_ohlcv(_SYMBOL, "1m", limit=payloads.CANDLES),
    }


def _make_ccxt(exchange: Exchange, base_url: str) -> Any:
    import ccxt  # noqa: PLC0415  a judge of tests and benchmarks, not installed to trade

    judge = getattr(ccxt, exchange.value)(
        {
            "apiKey": _KEYS.api_key,
            "secret": _KEYS.api_secret,
            "password": _KEYS.passphrase,
            "enableRateLimit": False,
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
                "warnOnFetchOpenOrdersWithoutSymbol": False,
            },
        }
    )
    judge.has["fetchCurrencies"] = exchange is Exchange.KRAKEN
    judge.urls["api"] = _at(judge.urls["api"], base_url)
    judge.load_markets()
    return judge


def _at(urls: Any, base_url: str) -> Any:
    """The same addresses at the loopback server."""
    if isinstance(urls, dict):
        return {name: _at(url, base_url) for name, url in urls.items()}
    host, _, path = urls.partition("://")[2].partition("/")
    del host
    return f"{base_url}/{path}" if path else base_url


def describe(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """A table, a line at a time."""
    yield (
        f"{'exchange':9} {'action':12} {'':14} {'ours':>18} {'ccxt':>18} {'calls':>6} {'CPU':>6}  aim"
    )
    for row in comparisons:
        aim = AIMS[row.action]
        yield (
            f"{row.exchange:9} {row.action:12} {SIZES[row.action]:14}"
            f" {row.ours.calls_per_second:7.0f}/s {row.ours.cpu_ms:6.2f} ms"
            f" {row.theirs.calls_per_second:7.0f}/s {row.theirs.cpu_ms:6.2f} ms"
            f" {row.rate_ratio:5.1f}x {row.ratio:5.1f}x  {aim:g}"
            f" {'met' if row.ratio >= aim else 'MISSED'}"
        )
