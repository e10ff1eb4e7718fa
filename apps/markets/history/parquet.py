"""Reading a Parquet file in a process of its own: a damaged one can crash the library that reads it.

`python -m apps.markets.history.parquet SOURCE TARGET` writes the columns of SOURCE to TARGET as plain
arrays, times as UTC milliseconds.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import fastparquet
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from apps.markets.history.deltas import mend_fastparquet

MAX_ROWS = 6_000_000
_MAX_MEMORY = 4 * 2**30
_SECONDS = 120
_PROJECT = Path(__file__).resolve().parents[3]


class Unreadable(Exception):
    """It is no Parquet file, or a damaged one."""


def read_parquet(path: Path) -> pd.DataFrame:
    """The columns of a file that nobody vouches for; raises Unreadable."""
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "columns.npz"
        command = [
            sys.executable,
            "-m",
            "apps.markets.history.parquet",
            str(path.resolve()),
            str(target),
        ]
        try:
            subprocess.run(
                command, cwd=_PROJECT, env={}, timeout=_SECONDS, capture_output=True, check=True
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            raise Unreadable from None
        with np.load(target) as arrays:
            names, *columns = (arrays[key] for key in arrays.files)
            return pd.DataFrame(dict(zip(names.tolist(), columns, strict=True)))


def _convert(source: str, target: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    mend_fastparquet()
    file = fastparquet.ParquetFile(source)
    if file.count() > MAX_ROWS:
        sys.exit(f"more than {MAX_ROWS} rows")
    frame = file.to_pandas(index=False)
    names = np.array([str(name) for name in frame.columns])
    np.savez(target, names, *(_plain(frame.iloc[:, i]) for i in range(frame.shape[1])))


def _plain(column: "pd.Series[object]") -> NDArray[np.generic]:
    """As numbers or as text, which need no pickle to be read again."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if column.dtype.kind == "M":
        return np.asarray(column.astype("datetime64[ms]"), np.int64)
    return np.asarray(column) if column.dtype.kind in "iuf" else np.asarray(column.astype(str), "U")


if __name__ == "__main__":
    _convert(*sys.argv[1:])
