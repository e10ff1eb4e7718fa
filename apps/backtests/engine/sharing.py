"""Candles in a memory file, which two processes share without a copy."""

import ctypes
import fcntl
import mmap
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from apps.backtests.engine.candles import History

#: Opening times as int64, then five columns of float64, one after the other.
_COLUMNS = ("opened_at_ms", "open", "high", "low", "close", "volume")
_ROW_BYTES = 8 * len(_COLUMNS)
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long),
)


@contextmanager
def share_memory(candles: History) -> Iterator[int]:
    """The descriptor of a file in memory with these candles, which nobody can change any more."""
    columns = [np.ascontiguousarray(getattr(candles, name)) for name in _COLUMNS]
    descriptor = _write_sealed(columns) if sys.platform == "linux" else _write_read_only(columns)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def map_shared(descriptor: int, rows: int, duration_ms: int) -> History:
    """The `rows` candles of a file made by share_memory(), mapped for as long as this process lives. Makes no
    system call that a confined process may not make, as Python's own mmap would. Raises OSError."""
    size = rows * _ROW_BYTES
    if os.lseek(descriptor, 0, os.SEEK_END) != size:
        raise OSError(f"The file of the candles does not hold {rows} of them.")
    # Private: what is written here by mistake stays here.
    address = _libc.mmap(
        None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE, descriptor, 0
    )
    if address in {None, ctypes.c_void_p(-1).value}:
        raise OSError(ctypes.get_errno(), "The candles can't be mapped into memory.")
    memory = memoryview((ctypes.c_char * size).from_address(address)).cast("B")
    times = np.frombuffer(memory, np.int64, rows)
    prices = np.frombuffer(memory, np.float64, offset=8 * rows).reshape(len(_COLUMNS) - 1, rows)
    return History(
        duration_ms=duration_ms,
        opened_at_ms=times,
        **dict(zip(_COLUMNS[1:], prices, strict=True)),
    )


def _write_sealed(columns: list[np.ndarray[Any, Any]]) -> int:
    descriptor = os.memfd_create("candles", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.writelines(column.data for column in columns)
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def _write_read_only(columns: list[np.ndarray[Any, Any]]) -> int:
    with tempfile.NamedTemporaryFile() as file:
        file.writelines(column.data for column in columns)
        file.flush()
        return os.open(file.name, os.O_RDONLY)
