"""Inside a confined process: one strategy, asked again and again over one connection."""

import io
import json
import linecache
import os
import resource
import struct
import sys
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from types import ModuleType
from typing import Any, BinaryIO, TypeGuard

import numpy as np
import pandas as pd
import pandas_ta_classic as ta

from apps.strategies.contract import PositionView, Strategy, wire
from apps.strategies.contract.layers import Layer
from apps.strategies.contract.parameters import read_schema
from workers.sandbox.policy import Limits
from workers.sandbox.profiles import Profile
from workers.sandbox.warmup import warm_up

SOURCE = "strategy.py"
CPU_SECONDS = 20
_COLUMNS = pd.Index(["open", "high", "low", "close", "volume"])
_MODULE = "strategy"
_SIMPLE = (bool, int, float, str, Decimal, np.generic)


#: What every process does once before it is needed: it copies the pages that any strategy writes to.
PRACTICE = """
class Practice(Strategy):
    def __init__(self, candles, balance, position=None):
        super().__init__(candles, balance, position)
        self.fast = ta.ema(candles["close"], length=10).iloc[-1]
        self.slow = ta.ema(candles["close"], length=20).iloc[-2]

    def should_long(self): return bool(self.fast > self.slow)
    def should_short(self): return False
    def calculate_position_size(self): return self.balance * 0.1
    def calculate_stop_loss(self): return None
    def calculate_take_profit(self): return None
"""


class Output(io.TextIOBase):
    """Keeps the beginning of what a strategy prints."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def write(self, text: str) -> int:
        """Keep what still fits; all of it counts as written."""
        self._text += text[: wire.MAX_OUTPUT - len(self._text)]
        return len(text)

    def take(self) -> str:
        """Everything since the last call."""
        text, self._text = self._text, ""
        return text


def serve(connection: int, layers: Layer) -> None:
    """Say which `layers` are on, then answer requests until the other side hangs up, or half of the CPU
    time that a process may use is gone: the next one starts afresh, so that the limit hits no healthy
    strategy."""
    output = Output()
    sys.stdout = sys.stderr = output
    with open(connection, "rb", closefd=False) as requests:
        _write(connection, wire.pack_reply({"layers": layers.names}))
        strategy_class: type[Strategy] | None = None
        before = _peak_memory()
        while request := _read_request(requests):
            try:
                if strategy_class is None:
                    strategy_class = load(request[0]["code"])
                    reply = describe(strategy_class)
                else:
                    began = time.process_time()
                    reply = answer(strategy_class, *request)
                    reply["cpu_ms"] = (time.process_time() - began) * 1000
                    reply["memory_bytes"] = _peak_memory() - before
                data = wire.pack_reply(reply | {"output": output.take()})
            except BaseException as error:  # noqa: BLE001  the process boundary: the code is not ours
                data = wire.pack_reply(describe_failure(error) | {"output": output.take()})
            _write(connection, data)
            if time.process_time() > CPU_SECONDS / 2:
                return


def practise() -> None:
    """Answer a question that nobody asked."""
    question: dict[str, Any] = {"balance": 1.0, "position": None, "params": {}, "asks_all": True}
    candles = struct.pack("500q", *range(500)) + struct.pack("2500d", *range(2500))
    strategy_class = load(PRACTICE)
    describe(strategy_class)
    wire.pack_reply(answer(strategy_class, question, candles))


def load(code: str) -> type[Strategy]:
    """Run the module `code` and find its one class that inherits Strategy and is complete."""
    linecache.cache[SOURCE] = (len(code), None, code.splitlines(keepends=True), SOURCE)
    module = ModuleType(_MODULE)
    module.__dict__.update(Strategy=Strategy, np=np, pd=pd, ta=ta)
    sys.modules[_MODULE] = module
    exec(compile(code, SOURCE, "exec"), module.__dict__)  # noqa: S102  this process exists for it
    found: set[type[Strategy]] = set(filter(_is_strategy, module.__dict__.values()))
    final = [one for one in found if not any(one in other.__mro__[1:] for other in found)]
    if len(final) != 1:
        names = ", ".join(sorted(one.__name__ for one in final)) or "none"
        raise ValueError(f"The code has to have one class that inherits Strategy. Found: {names}.")
    if missing := sorted(final[0].__abstractmethods__):
        raise ValueError(f"{final[0].__name__} does not define {'(), '.join(missing)}().")
    return final[0]


def describe(strategy_class: type[Strategy]) -> dict[str, Any]:
    """What the class declares, for its reader to check."""
    return {
        "class_name": strategy_class.__name__,
        "parameters": read_schema(strategy_class.STRATEGY_PARAMS),
        "lookback": _to_scalar(strategy_class.lookback),
    }


def answer(
    strategy_class: type[Strategy], question: dict[str, Any], candles: bytes
) -> dict[str, Any]:
    """Make an instance and ask what the question needs, for the reader to check."""
    position = PositionView(**question["position"]) if question["position"] else None
    strategy = strategy_class.build(
        candles=_read_candles(candles),
        balance=question["balance"],
        position=position,
        params=question["params"],
    )
    if question["asks_all"]:
        answers = _ask_all(strategy)
    elif position:
        answers = _ask(strategy.should_short)
    else:
        answers = _ask(strategy.should_long)
        if answers["should_long"] is True:
            answers |= _ask(strategy.calculate_position_size)
            answers |= _ask(strategy.calculate_stop_loss)
            answers |= _ask(strategy.calculate_take_profit)
    return answers | {"values": _find_values(strategy)}


def describe_failure(error: BaseException) -> dict[str, Any]:
    """Why there is no answer, with the strategy's own lines and none of ours."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == SOURCE]
    words = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SyntaxError) and error.filename == SOURCE:
        failure = f"Line {error.lineno}: {error.msg}."
        return {"failure": failure, "line": error.lineno, "traceback": words}
    if not frames:
        return {"failure": str(error) or type(error).__name__, "traceback": ""}
    lines = "".join(["Traceback (most recent call last):\n", *traceback.format_list(frames), words])
    return {
        "failure": f"Line {frames[-1].lineno}: {words}"[:500],
        "line": frames[-1].lineno,
        "traceback": lines[-wire.MAX_TRACEBACK :],
    }


def _peak_memory() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _is_strategy(value: object) -> TypeGuard[type[Strategy]]:
    return isinstance(value, type) and issubclass(value, Strategy) and value.__module__ == _MODULE


def _read_request(requests: BinaryIO) -> tuple[dict[str, Any], bytes] | None:
    header = requests.read(wire.REQUEST.size)
    if len(header) < wire.REQUEST.size:
        return None
    size, rows = wire.REQUEST.unpack(header)
    return json.loads(requests.read(size)), requests.read(rows * wire.COLUMNS * 8)


def _write(connection: int, data: bytes) -> None:
    while data:
        data = data[os.write(connection, data) :]


def _read_candles(raw: bytes) -> pd.DataFrame:
    rows = len(raw) // (wire.COLUMNS * 8)
    times = np.frombuffer(raw, np.int64, rows).view("datetime64[ms]")
    # A copy, since a strategy may write into its candles.
    prices = np.frombuffer(raw, np.float64, offset=rows * 8).reshape(len(_COLUMNS), rows).copy()
    index = pd.DatetimeIndex(times, tz="UTC")
    return pd.DataFrame(prices.T, index=index, columns=_COLUMNS, copy=False)


def _ask(method: Callable[[], object]) -> dict[str, object]:
    return {method.__name__: _to_scalar(method())}


def _ask_all(strategy: Strategy) -> dict[str, object]:
    methods = (
        strategy.should_long,
        strategy.should_short,
        strategy.calculate_position_size,
        strategy.calculate_stop_loss,
        strategy.calculate_take_profit,
    )
    return {method.__name__: _to_scalar(method()) for method in methods}


def _to_scalar(value: object) -> bool | float | str | None:
    """What JSON can say of a value: numbers of every library, and the type's name of anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return value[:100]
    return float(value) if isinstance(value, Decimal) else f"a {type(value).__name__}"


def _find_values(strategy: Strategy) -> dict[str, bool | float | str | None]:
    """The simple public attributes of the instance: what its author looked at to decide."""
    names = [
        name
        for name, value in vars(strategy).items()
        if isinstance(value, _SIMPLE) and not name.startswith("_") and name != "balance"
    ]
    return {name[:50]: _to_scalar(getattr(strategy, name)) for name in names[: wire.MAX_VALUES]}


PROFILE = Profile(
    limits=Limits(memory_bytes=512 * 2**20, cpu_seconds=CPU_SECONDS),
    max_children=64,
    ready=4,
    warm_up=warm_up,
    practise=practise,
    serve=serve,
)
