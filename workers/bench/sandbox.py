"""What asking a strategy costs: kept and fresh processes, a fresh interpreter, and none at all."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from django.conf import settings

from apps.strategies.sandbox import Answer, Candles, Question, Sandbox
from workers.sandbox.private import start_sandbox

ROWS = 500
ACTIVATIONS = 20
AIMS_MS = {"kept": 2.0, "fresh": 6.0}
SAMPLE = settings.BASE_DIR / "apps" / "strategies" / "samples" / "ema_cross.py"
#: Starts Python, imports pandas, asks so many times, and prints how long each took.
_INTERPRETER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from workers.sandbox import runner
sys.modules["pandas_ta"] = runner.ta
question = {"balance": 1000.0, "position": None, "params": {}, "asks_all": False}
strategy, candles, times = runner.load(Path(sys.argv[2]).read_text()), sys.stdin.buffer.read(), []
for _ in range(int(sys.argv[3])):
    started = time.perf_counter()
    runner.answer(strategy, question, candles)
    times.append((time.perf_counter() - started) * 1000)
print(json.dumps(times))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One way to ask, in milliseconds."""

    what: str
    milliseconds: Sequence[float]

    def percentile(self, share: float) -> float:
        """The time that `share` of all stayed under, the nearest measured one."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def describe(self) -> str:
        """A line for the terminal."""
        return (
            f"{self.what:44} p50 {self.percentile(0.5):7.2f} ms, p95 {self.percentile(0.95):7.2f} ms,"
            f" p99 {self.percentile(0.99):7.2f} ms ({len(self.milliseconds)})"
        )


def measure(*, seconds: float, say: Callable[[str], None]) -> None:
    """Ask the EMA cross on 500 candles in every way by turns for so long, then many at once."""
    code, question = SAMPLE.read_text(encoding="utf-8"), make_question()
    with start_sandbox() as (path, pid), Sandbox(path) as kept:
        ways: dict[str, Callable[[], object]] = {
            "kept": partial(kept.evaluate, key="kept", code=code, question=question),
            "fresh": partial(_ask_afresh, path, code, question),
            "fresh interpreter": partial(_ask_interpreter, question, times=1),
        }
        times = _take_turns(ways, seconds)
        times["in process"] = _ask_interpreter(question, times=200)[20:]
        timings = {name: Timing(what=name, milliseconds=times[name]) for name in times}
        for timing in timings.values():
            say(timing.describe())
        for line in _compare(timings):
            say(line)
        say(_measure_candle(kept, code, question).describe())
        for name, rate in _measure_rates(path, code, question, seconds=seconds / 4):
            say(f"{name:44} {rate:7.0f} a second")
        say(_describe_memory(pid))


def make_question() -> Question:
    """500 candles that wander."""
    chance = random.Random(1)  # noqa: S311  prices, not secrets
    close = [100.0]
    while len(close) < ROWS:
        close.append(close[-1] * (1 + chance.gauss(0, 0.01)))
    candles = Candles.from_columns(
        opened_at_ms=[1_767_225_600_000 + 3_600_000 * row for row in range(ROWS)],
        open=[*close[:1], *close[:-1]],
        high=[price * 1.01 for price in close],
        low=[price * 0.99 for price in close],
        close=close,
        volume=[1.0] * ROWS,
    )
    return Question(candles=candles, balance=Decimal(1000), position=None, params={})


def _take_turns(ways: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    until = time.monotonic() + seconds
    while time.monotonic() < until or not times["fresh interpreter"]:
        for name, way in ways.items():
            # It takes as long as hundreds of the others.
            if name == "fresh interpreter" and len(times["kept"]) % 20 != 1:
                continue
            started = time.perf_counter()
            way()
            times[name].append((time.perf_counter() - started) * 1000)
            # Until another process is ready: candles close seconds apart.
            time.sleep(0.03)
    return times


def _compare(timings: dict[str, Timing]) -> Iterator[str]:
    for name, aim in AIMS_MS.items():
        p50 = timings[name].percentile(0.5)
        peer = timings["fresh interpreter"].percentile(0.5) / p50
        limit = p50 / timings["in process"].percentile(0.5)
        verdict = "met" if p50 <= aim else "MISSED"
        yield (
            f"{name}: {peer:.0f} times as fast as a fresh interpreter, {limit:.1f} times the time in"
            f" process; aim {aim:g} ms: {verdict}"
        )


def _measure_candle(kept: Sandbox, code: str, question: Question) -> Timing:
    times = []
    for _ in range(30):
        started = time.perf_counter()
        for _key, _outcome in kept.evaluate_all(
            (f"candle-{number}", code, question) for number in range(ACTIVATIONS)
        ):
            pass
        times.append((time.perf_counter() - started) * 1000)
        time.sleep(0.03)
    # The first candle starts their processes.
    return Timing(what=f"{ACTIVATIONS} activations on one candle, the last", milliseconds=times[1:])


def _measure_rates(
    path: str, code: str, question: Question, *, seconds: float
) -> Iterator[tuple[str, float]]:
    for name, max_kept in (("kept, side by side", ACTIVATIONS), ("fresh, side by side", 0)):
        with Sandbox(path, max_kept=max_kept) as sandbox:
            asked, started = 0, time.monotonic()
            while time.monotonic() - started < seconds:
                outcomes = sandbox.evaluate_all(
                    (f"{number}", code, question) for number in range(ACTIVATIONS)
                )
                asked += sum(isinstance(outcome, Answer) for _key, outcome in outcomes)
            yield name, asked / (time.monotonic() - started)


def _describe_memory(pid: int) -> str:
    # Until the processes of the last measurement have ended and those that are ready wait again.
    time.sleep(1)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    try:
        zygote, child = _read_memory(pid), _read_memory(int(children[-1]))
    except PermissionError:
        return "Memory: only root may look into confined processes."
    return (
        f"Memory: zygote {zygote['Pss']:.0f} MB proportional, a process that is ready"
        f" {child['Private_Dirty'] + child['Private_Clean']:.1f} MB of its own"
    )


def _read_memory(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {name.rstrip(":"): int(size) / 1024 for name, size, _unit in map(str.split, lines)}


def _ask_afresh(path: str, code: str, question: Question) -> None:
    with Sandbox(path) as sandbox:
        sandbox.evaluate(key="fresh", code=code, question=question)


def _ask_interpreter(question: Question, *, times: int) -> list[float]:
    argv = [sys.executable, "-c", _INTERPRETER, str(settings.BASE_DIR), str(SAMPLE), str(times)]
    result = subprocess.run(argv, input=question.candles.columns, check=True, capture_output=True)
    return [float(one) for one in json.loads(result.stdout)]
