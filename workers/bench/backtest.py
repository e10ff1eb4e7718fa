"""What a backtest costs beside its peers, in CPU time, by turns."""

import gc
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pandas_ta_classic as ta

from apps.backtests.engine.candles import History
from apps.backtests.engine.evaluation.standins import WholeHistory
from apps.backtests.engine.evaluation.trace import trace
from apps.backtests.engine.evaluation.views import ViewAsker
from apps.backtests.engine.honesty import judge
from apps.backtests.engine.results import Evaluation
from apps.backtests.engine.run import run_backtest, trade
from apps.backtests.engine.settings import Fees, Mode, Settings
from apps.markets.history.parquet import read_parquet
from apps.strategies.catalogue import get_sample
from apps.strategies.contract import Strategy
from workers.sandbox import runner
from workers.sandbox.warmup import warm_up

YEAR = 525_600
PARAMS = {"fast": 10, "slow": 50}
FEES = Fees(maker=0.001, taker=0.001)
SETTINGS = Settings(balance=10_000.0, fees=FEES, slippage_bps=0, mode=Mode.PARITY, params=PARAMS)
_MINUTE_MS = 60_000
_START_MS = 1_735_689_600_000
_AGAIN = Evaluation(way="", reason="")
#: The EMA cross again, with a look at the position that can't be answered for all candles at once.
_ASIDE = """
class Aside(Strategy):
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        self.fast = ta.ema(candles["close"], length=10)
        self.slow = ta.ema(candles["close"], length=50)

    def should_long(self):
        return self.fast.iloc[-1] > self.slow.iloc[-1] and self.fast.iloc[-2] <= self.slow.iloc[-2]

    def should_short(self):
        crossed = self.fast.iloc[-1] < self.slow.iloc[-1] and self.fast.iloc[-2] >= self.slow.iloc[-2]
        return crossed and self.position.quantity > 0

    def calculate_position_size(self): return self.balance * 0.1
    def calculate_stop_loss(self): return 0.02
    def calculate_take_profit(self): return 0.04
"""
_HEAVY = """
class Heavy(Strategy):
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        close = candles["close"]
        self.rsi = ta.rsi(close, length=14)
        self.line = ta.macd(close)["MACD_12_26_9"]
        self.atr = ta.atr(candles["high"], candles["low"], close, length=14)
        self.slow = ta.ema(close, length=200)

    def should_long(self):
        return self.rsi.iloc[-1] < 30 and self.candles["close"].iloc[-1] > self.slow.iloc[-1]

    def should_short(self): return self.line.iloc[-1] < 0 and self.rsi.iloc[-1] > 70
    def calculate_position_size(self): return self.balance * 0.1
    def calculate_stop_loss(self): return 0.02
    def calculate_take_profit(self): return 0.04
"""
#: A cold process: a file of candles in, the net profit out.
_COLD = """
import sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from apps.backtests.engine.candles import History
from apps.backtests.engine.run import run_backtest
from apps.backtests.engine.settings import Fees
from workers.sandbox import runner
sys.modules["pandas_ta"] = runner.ta
columns = np.load(sys.argv[1])
names = ("open", "high", "low", "close", "volume")
candles = History(duration_ms=60_000, opened_at_ms=columns["times"], **{n: columns[n] for n in names})
strategy = runner.load(open(sys.argv[2]).read())
result = run_backtest(strategy, candles, balance=10_000.0, fees=Fees(maker=0.001, taker=0.001))
# Not ru_maxrss, which a new process inherits from the one that started it.
status = open("/proc/self/status").read()
print(status.split("VmHWM:")[1].split()[0])
"""


@dataclass
class Way:
    """One way to run the same backtest, and the CPU seconds that each turn took."""

    name: str
    run: Callable[[], int]
    trades: int = 0
    seconds: list[float] = field(default_factory=list)

    def take_turn(self) -> None:
        """Once more."""
        gc.collect()
        started = time.process_time()
        self.trades = self.run()
        self.seconds.append(time.process_time() - started)

    @property
    def typical(self) -> float:
        """The median turn."""
        return median(self.seconds)

    def describe(self) -> str:
        """A line for the terminal."""
        return f"{self.name:56} {1000 * self.typical:10,.1f} ms {self.trades:8,} trades"


def measure(*, rounds: int, recording: Path | None, say: Callable[[str], None]) -> Iterator[str]:
    """The EMA cross 10/50 with SL 2 % and TP 4 % over a simulated year of minutes, over recorded ones, and
    what else a run is made of."""
    sys.modules["pandas_ta"] = ta
    warnings.simplefilter("ignore")
    warm_up()
    # Loaded before anything is timed, as in the sandbox.
    import_module("apps.backtests.engine.compiled")
    year = simulate(YEAR)
    yield from _compare("a simulated year of minutes", year, rounds, say)
    if recording:
        yield from _compare(recording.name, _read_2025(recording), rounds, say)
    yield from _measure_parts(year, rounds)
    yield from _measure_cold(year)


def simulate(rows: int) -> History:
    """Minutes that wander, the same ones every time."""
    chance = np.random.default_rng(1)
    close = 50_000 * np.exp(np.cumsum(chance.normal(0, 0.0006, rows)))
    opened = np.append(50_000.0, close[:-1])
    reach = np.abs(chance.normal(0, 0.0003, (2, rows)))
    return History(
        duration_ms=_MINUTE_MS,
        opened_at_ms=_START_MS + _MINUTE_MS * np.arange(rows),
        open=opened,
        high=np.maximum(opened, close) * (1 + reach[0]),
        low=np.minimum(opened, close) * (1 - reach[1]),
        close=close,
        volume=chance.uniform(1, 10, rows),
    )


def _read_2025(recording: Path) -> History:
    frame = read_parquet(recording)
    times = frame["open_time"].to_numpy()
    of_2025 = (times >= _START_MS) & (times < _START_MS + 365 * 86_400_000)
    columns = {
        name: frame[name].to_numpy()[of_2025] for name in ("open", "high", "low", "close", "volume")
    }
    return History(duration_ms=_MINUTE_MS, opened_at_ms=times[of_2025], **columns)


def _compare(what: str, candles: History, rounds: int, say: Callable[[str], None]) -> Iterator[str]:
    cross = runner.load(get_sample("ema_cross").code)
    aside = runner.load(_ASIDE)
    ours = Way("ours, all candles at once", partial(_run_traced, cross, candles, PARAMS))
    views = Way("ours, candle by candle on light views", partial(_run_views, aside, candles))
    peers = []
    for name, build in (("vectorbt", _build_vectorbt), ("backtesting", _build_backtesting)):
        with suppress(ModuleNotFoundError):
            peers.append(Way(name, build(candles)))
    say(f"{what}: {len(candles):,} candles")
    for way in (ours, *peers, views):
        way.run()
    for _ in range(rounds):
        for _ in range(5):
            ours.take_turn()
        for way in (views, *peers):
            way.take_turn()
    yield from (way.describe() for way in (ours, views, *peers))
    aims = {"vectorbt": (5, 10, 0), "backtesting": (200, 400, 7)}
    for peer in peers:
        least, aim, least_views = aims[peer.name]
        factor = peer.typical / ours.typical
        met = "met" if factor >= aim else "the least" if factor >= least else "MISSED"
        line = f"{factor:,.1f} times as fast as {peer.name} (at least {least}, aim {aim}): {met}"
        if least_views:
            slower = peer.typical / views.typical
            line += f"; light views {slower:.1f} times (at least 7, aim 10)"
        yield line


def _run_traced(strategy: type[Strategy], candles: History, params: dict[str, Any]) -> int:
    signals = trace(strategy, WholeHistory(candles.frame), params)
    result = trade(signals, candles, SETTINGS, evaluation=_AGAIN)
    return int(result.metrics["trades"] or 0)


def _run_views(strategy: type[Strategy], candles: History) -> int:
    asker = ViewAsker(strategy, WholeHistory(candles.frame), {})
    result = trade(asker, candles, SETTINGS, evaluation=_AGAIN)
    return int(result.metrics["trades"] or 0)


def _build_vectorbt(candles: History) -> Callable[[], int]:
    peer = import_module("vectorbt")
    prices = candles.frame

    def run() -> int:
        fast = ta.ema(prices["close"], length=PARAMS["fast"]).to_numpy()
        slow = ta.ema(prices["close"], length=PARAMS["slow"]).to_numpy()
        above = fast > slow
        # Of arrays: with an index of times it takes a hundred times as long.
        portfolio = peer.Portfolio.from_signals(
            candles.close,
            entries=np.append([False, False], above[1:-1] & ~above[:-2]),
            exits=np.append([False, False], ~above[1:-1] & above[:-2]),
            price=candles.open,
            open=candles.open,
            high=candles.high,
            low=candles.low,
            sl_stop=0.02,
            tp_stop=0.04,
            fees=FEES.taker,
            size=0.1,
            size_type="percent",
            init_cash=SETTINGS.balance,
            freq="1min",
        )
        portfolio.value()
        return int(portfolio.trades.count())

    return run


def _build_backtesting(candles: History) -> Callable[[], int]:
    peer = import_module("backtesting")
    prices = candles.frame.rename(columns=str.capitalize)

    class Cross(peer.Strategy):  # type: ignore[name-defined, misc]  # of a package without types
        def init(self) -> None:
            close = pd.Series(self.data.Close)
            self.fast = self.I(ta.ema, close, PARAMS["fast"])
            self.slow = self.I(ta.ema, close, PARAMS["slow"])

        def next(self) -> None:
            is_above = self.fast[-1] > self.slow[-1]
            was_above = self.fast[-2] > self.slow[-2]
            if self.position:
                if was_above and not is_above:
                    self.position.close()
            elif is_above and not was_above:
                price = self.data.Close[-1]
                self.buy(size=0.1, sl=price * 0.98, tp=price * 1.04)

    def run() -> int:
        backtest = peer.Backtest(
            prices, Cross, cash=1e7, commission=FEES.taker, finalize_trades=False
        )
        return int(backtest.run()["# Trades"])

    return run


def _measure_parts(year: History, rounds: int) -> Iterator[str]:
    cross, heavy = runner.load(get_sample("ema_cross").code), runner.load(_HEAVY)
    signals = trace(cross, WholeHistory(year.frame), PARAMS)
    options: dict[str, Any] = {"balance": 10_000.0, "fees": FEES, "params": PARAMS}
    five = simulate(5 * YEAR)

    def run_proven() -> int:
        return int(run_backtest(cross, year, **options).metrics["trades"] or 0)

    def run_judged() -> int:
        return len(judge(cross, year, signals, SETTINGS).findings)

    ways = [
        Way("a run with the proof of its answers", run_proven),
        Way("its report on how far to trust it (8 findings)", run_judged),
        Way("RSI, MACD, ATR and EMA 200; aim 40 ms", partial(_run_traced, heavy, year, {})),
        Way("five years of minutes at once", partial(_run_traced, cross, five, PARAMS)),
    ]
    for way in ways:
        way.run()
        for _ in range(rounds):
            way.take_turn()
        yield way.describe()


def _measure_cold(year: History) -> Iterator[str]:
    """A new process from its start to the result, with the memory it had at most."""
    with tempfile.TemporaryDirectory() as folder:
        candles, code = Path(folder) / "candles.npz", Path(folder) / "cross.py"
        names = ("open", "high", "low", "close", "volume")
        np.savez(candles, times=year.opened_at_ms, **{name: getattr(year, name) for name in names})
        code.write_text(get_sample("ema_cross").code)
        argv = [sys.executable, "-c", _COLD, str(candles), str(code)]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = subprocess.run(argv, check=True, capture_output=True, text=True)
        wall = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = int(done.stdout) / 1024
    yield f"cold process to result: {cpu:.2f} s of CPU, {wall:.2f} s by the clock (at most 1.2, aim 0.6)"
    yield f"largest memory of that process: {memory:.0f} MB (at most 350)"
