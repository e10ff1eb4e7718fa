"""Inside a confined process: one strategy and the engine around it, over all candles of a run."""

import importlib
import os
import pkgutil
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from apps.backtests import engine, wire
from apps.backtests.engine.candles import History
from apps.backtests.engine.honesty import Honesty, judge
from apps.backtests.engine.recording import record_columns
from apps.backtests.engine.results import BacktestResult, State
from apps.backtests.engine.run import run_backtest
from apps.backtests.engine.settings import Fees
from apps.backtests.engine.sharing import map_shared
from apps.backtests.packing import pack
from apps.strategies.contract import wire as live_wire
from apps.strategies.contract.layers import Layer
from apps.strategies.contract.strategy import Strategy
from workers.sandbox import warmup
from workers.sandbox.policy import Limits
from workers.sandbox.profiles import Profile
from workers.sandbox.runner import PRACTICE, Output, describe_failure, load

#: Between two words on how far it is.
_PAUSE_SECONDS = 0.2
_MOST_FILES = 2


def serve(connection: int, layers: Layer) -> None:
    """Say which `layers` are on, then do the one run that is asked for."""
    output = Output()
    sys.stdout = sys.stderr = output
    _write(connection, live_wire.pack_reply({"layers": layers.names}))
    try:
        asked = _read_request(connection)
        replies = _answer(*asked, _Teller(connection), output) if asked else []
    except BaseException as error:  # noqa: BLE001  the process boundary: the code is not ours
        replies = [_describe(error, output)]
    for reply in replies:
        _write(connection, wire.pack_reply(reply))


def practise() -> None:
    """Do a run that nobody asked for: it copies the pages that any run writes to."""
    rows = 100
    wave = 100 + np.sin(np.arange(rows) / 9) + np.arange(rows) / 100
    candles = History(
        duration_ms=60_000,
        opened_at_ms=np.arange(rows) * 60_000,
        open=wave,
        high=wave + 1,
        low=wave - 1,
        close=wave,
        volume=np.ones(rows),
    )
    fees = Fees(maker=0.001, taker=0.001)
    run_backtest(load(PRACTICE), candles, balance=1000.0, fees=fees)


def _answer(
    request: wire.Request, histories: list[History], teller: "_Teller", output: Output
) -> list[bytes]:
    settings = request.settings
    candles, *detail = histories
    if request.wants_indicators:
        return _compute_indicators(load(request.code), candles, settings.params)
    strategy, finer = load(request.code), detail[0] if detail else None
    result = run_backtest(
        strategy,
        candles,
        detail=finer,
        balance=settings.balance,
        fees=settings.fees,
        market=settings.market,
        slippage_bps=settings.slippage_bps,
        params=settings.params,
        mode=settings.mode,
        finalize=settings.finalize,
        warmup=settings.warmup,
        progress=teller.tell,
    )
    failure = describe_failure(result.failure) if result.failure else {"traceback": ""}
    report = wire.Report(
        state=result.state,
        reason=_sendable(result.reason),
        stopped_at_ms=result.stopped_at_ms,
        evaluation=result.evaluation,
        warnings=[_sendable(words) for words in result.warnings],
        metrics=dict(result.metrics),
        honesty=_judge(strategy, candles, result, finer),
        traceback=_sendable(failure["traceback"]),
        output=_sendable(output.take()),
    )
    tables = [pack(result.positions), pack(result.refused), result.equity.tobytes()]
    return [msgspec.json.encode(report), *tables]


def _compute_indicators(
    strategy: type[Strategy], candles: History, params: Mapping[str, Any]
) -> list[bytes]:
    recorded = list(record_columns(strategy, candles.frame, params).values())[
        : wire.MOST_INDICATORS
    ]
    names = [_sendable(one.name) for one in recorded]
    values = np.array([one.values for one in recorded])
    return [msgspec.json.encode(wire.Indicators(names=names)), values.tobytes()]


def _judge(
    strategy: type[Strategy], candles: History, result: BacktestResult, detail: History | None
) -> Honesty | None:
    if result.state is not State.DONE or result.decisions is None:
        return None
    return judge(strategy, candles, result.decisions, result.settings, detail)


class _Teller:
    """Says how far a run is, not too often."""

    def __init__(self, connection: int) -> None:
        self._connection = connection
        self._next = 0.0

    def tell(self, done: int, candles: int, trades: int) -> None:
        """So far."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PAUSE_SECONDS
            progress = wire.Progress(done=done, candles=candles, trades=trades)
            _write(self._connection, wire.pack_reply(msgspec.json.encode(progress)))


def _describe(error: BaseException, output: Output) -> bytes:
    failure = describe_failure(error)
    return msgspec.json.encode(
        wire.Failure(
            message=_sendable(failure["failure"]),
            traceback=_sendable(failure["traceback"]),
            line=failure.get("line"),
            output=_sendable(output.take()),
        )
    )


def _sendable(text: str) -> str:
    """Words of the strategy's, with what UTF-8 does not have as question marks."""
    return text.encode("utf-8", "replace").decode()


def _read_request(connection: int) -> tuple[wire.Request, list[History]] | None:
    """The request and its candles; None where the other side has hung up."""
    # Its kind is told, since a confined process may not ask for it.
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, connection)
    data, files, _flags, _address = socket.recv_fds(listening, wire.REQUEST.size, _MOST_FILES)
    listening.detach()
    with open(connection, "rb", closefd=False) as requests:
        data += requests.read(wire.REQUEST.size - len(data))
        if len(data) < wire.REQUEST.size:
            return None
        (size,) = wire.REQUEST.unpack(data)
        request = wire.read_request(requests.read(size))
    return request, [
        map_shared(file, shape.rows, shape.duration_ms)
        for file, shape in zip(files, request.shapes, strict=True)
    ]


def _write(connection: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(connection, rest) :]


def warm_up() -> None:
    """Import and use what strategies and the engine use."""
    warmup.warm_up()
    for module in pkgutil.walk_packages(engine.__path__, f"{engine.__name__}."):
        if ".tests" not in module.name:  # they need what only developers have installed
            importlib.import_module(module.name)
    practise()


#: The memory is for five years of minutes with two dozen indicators.
PROFILE = Profile(
    limits=Limits(memory_bytes=2 * 2**30, cpu_seconds=2 * 60 * 60),
    max_children=8,
    ready=1,
    warm_up=warm_up,
    practise=practise,
    serve=serve,
)
