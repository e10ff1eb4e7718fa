"""Results as they are kept: packed and compressed."""

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.backtests.curves import CURVE, draw_curve
from apps.backtests.engine.candles import History
from apps.backtests.engine.positions import Held, Refused
from apps.backtests.engine.results import BacktestResult, Evaluation, State
from apps.backtests.inputs import settings_of
from apps.backtests.models import BacktestRun, StoredResult
from apps.backtests.packing import pack, unpack

#: Equity hardly gets smaller with more effort.
_LEVEL = 1
_DAILY = np.dtype([("at_ms", np.int64), ("equity", np.float64)])


def store(run: BacktestRun, result: BacktestResult, candles: History) -> None:
    """Keep what a run has brought on these candles, its figures apart: they are in the run's row."""
    tables = {
        "curve": draw_curve(result, candles).tobytes(),
        # Differences are nearly all the same, and pack to nearly nothing.
        "times": np.diff(result.opened_at_ms, prepend=0).tobytes(),
        "equity": result.equity.tobytes(),
        "daily_equity": np.array(result.daily_equity, _DAILY).tobytes(),
        "positions": pack(result.positions),
        "refused": pack(result.refused),
    }
    compressed = {name: zlib.compress(raw, _LEVEL) for name, raw in tables.items()}
    StoredResult.objects.update_or_create(run=run, defaults=compressed)


def load_curve(run: BacktestRun) -> npt.NDArray[Any]:
    """The lines of its charts. Raises StoredResult.DoesNotExist."""
    stored = StoredResult.objects.only("curve").get(run=run)
    return np.frombuffer(zlib.decompress(stored.curve), CURVE)


def load(run: BacktestRun) -> BacktestResult:
    """What a run has brought. Raises StoredResult.DoesNotExist."""
    stored = StoredResult.objects.defer("curve").get(run=run)
    is_done = run.state == BacktestRun.State.DONE
    return BacktestResult(
        state=State.DONE if is_done else State.ERROR,
        reason=run.error,
        stopped_at_ms=None,
        failure=None,
        evaluation=Evaluation(**run.evaluation),
        settings=settings_of(run),
        warnings=tuple(run.warnings),
        opened_at_ms=np.cumsum(np.frombuffer(zlib.decompress(stored.times), np.int64)),
        equity=np.frombuffer(zlib.decompress(stored.equity)),
        daily_equity=np.frombuffer(zlib.decompress(stored.daily_equity), _DAILY).tolist(),
        metrics=run.metrics,
        positions=unpack(Held, zlib.decompress(stored.positions)),
        refused=unpack(Refused, zlib.decompress(stored.refused)),
    )
