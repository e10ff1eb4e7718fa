"""A zygote to test with, and strategies for it."""

import math
import random
import select
import signal
import subprocess
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from textwrap import indent
from typing import Any

from apps.strategies.contract import PositionView
from apps.strategies.sandbox import Answer, Candles, Question, Sandbox
from workers.sandbox import zygote_command

#: How many processes a zygote has ready.
READY = 4

POSITION = PositionView(side="long", quantity=2.0, entry_price=100.0, unrealized_pnl=5.0)
_TEMPLATE = """
class Tested(Strategy):
    def should_long(self):
{should_long}
    def should_short(self): return True
    def calculate_position_size(self): return self.balance * 0.1
    def calculate_stop_loss(self): return 0.02
    def calculate_take_profit(self): return None
"""


def write_strategy(should_long: str) -> str:
    """A complete strategy; the statements of should_long() begin on line 4."""
    return _TEMPLATE.format(should_long=indent(should_long, " " * 8))


def walk(count: int = 500) -> list[float]:
    """Prices that wander."""
    chance = random.Random(7)
    prices = [100.0]
    while len(prices) < count:
        prices.append(prices[-1] * math.exp(chance.gauss(0, 0.01)))
    return prices


def make_candles(close: list[float]) -> Candles:
    """Hourly candles with these closing prices."""
    return Candles.from_columns(
        opened_at_ms=[1_767_225_600_000 + 3_600_000 * row for row in range(len(close))],
        open=[*close[:1], *close[:-1]],
        high=[price * 1.01 for price in close],
        low=[price * 0.99 for price in close],
        close=close,
        volume=[1.0] * len(close),
    )


CANDLES = make_candles(walk())


def ask(
    sandbox: Sandbox,
    code: str,
    *,
    key: str = "a",
    position: PositionView | None = None,
    params: dict[str, Any] | None = None,
    candles: Candles = CANDLES,
) -> Answer:
    """One question, with a balance of 1000."""
    question = Question(
        candles=candles, balance=Decimal(1000), position=position, params=params or {}
    )
    return sandbox.evaluate(key=key, code=code, question=question)


class RunningZygote:
    """One zygote in a process of its own, started as the supervisor does."""

    def __init__(self, socket_path: Path, profile: str = "live") -> None:
        self.socket_path = str(socket_path)
        self._profile = profile
        self.start()

    def start(self) -> None:
        """Return when it is ready."""
        command = zygote_command(self.socket_path, self._profile)
        self.process = subprocess.Popen(command, env={}, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], 60)
        assert readable, "the sandbox did not become ready"
        self.ready_line = self.process.stdout.readline()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal it and wait; the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=5)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def list_children(self) -> list[int]:
        """Ids of its confined processes that have a connection; those that wait for one are younger."""
        return self._list_all()[:-READY]

    def list_ready(self) -> list[int]:
        """Ids of its confined processes that wait for a connection."""
        return self._list_all()[-READY:]

    def _list_all(self) -> list[int]:
        time.sleep(0.02)  # until as many are ready as always
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [int(child) for child in children.split()]


def wait_until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Fail unless it holds before the deadline."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
