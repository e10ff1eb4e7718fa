"""Whole numbers that Parquet stores as differences (DELTA_BINARY_PACKED), such as the times of candles.

fastparquet 2026.9 loses bits of differences that need more than some 28: after a gap of a few days in
milliseconds every further time of the page is wrong. `mend_fastparquet` has it use the reader here.
Format: https://parquet.apache.org/docs/file-format/data-pages/encodings/
"""

from collections.abc import Iterator

import fastparquet.cencoding
import numpy as np
from numpy.typing import NDArray


def mend_fastparquet() -> None:
    """Replace its reader of such pages, for this process."""
    fastparquet.cencoding.delta_binary_unpack = _unpack_into


def unpack_deltas(packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The numbers of one page. Raises IndexError or ValueError for a page that breaks off."""
    stream = _Stream(packed)
    block_size, miniblocks, count = stream.number(), stream.number(), stream.number()
    first = stream.signed()
    deltas = [np.array([first], np.int64).view(np.uint64)]
    wanted = count - 1
    while wanted > 0:
        for some in _read_block(stream, block_size // miniblocks, miniblocks):
            deltas.append(some[:wanted])
            wanted -= len(deltas[-1])
            if not wanted:
                break
    # Differences wrap around at 64 bits, as the numbers do.
    return np.concatenate(deltas).cumsum(dtype=np.uint64).view(np.int64)[:count]


def _read_block(stream: "_Stream", size: int, miniblocks: int) -> Iterator[NDArray[np.uint64]]:
    least = np.array([stream.signed()], np.int64).view(np.uint64)
    for width in stream.take(miniblocks).tolist():
        bits = np.unpackbits(stream.take(width * size // 8), bitorder="little")
        powers = np.uint64(1) << np.arange(width, dtype=np.uint64)
        yield bits.reshape(size, width).astype(np.uint64) @ powers + least


class _Stream:
    def __init__(self, packed: NDArray[np.uint8]) -> None:
        self._packed = packed
        self._at = 0

    def take(self, count: int) -> NDArray[np.uint8]:
        taken = self._packed[self._at : self._at + count]
        self._at += count
        return taken

    def number(self) -> int:
        """Seven bits a byte, the lowest first."""
        value = shift = 0
        while True:
            byte = int(self._packed[self._at])
            self._at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def signed(self) -> int:
        """Zigzag: 0, -1, 1, -2, ..."""
        number = self.number()
        return (number >> 1) ^ -(number & 1)


def _unpack_into(
    source: fastparquet.cencoding.NumpyIO, target: fastparquet.cencoding.NumpyIO, longval: int = 0
) -> None:
    values = unpack_deltas(np.asarray(source.read()))
    for half in values.view(np.int32).tolist() if longval else values.astype(np.int32).tolist():
        target.write_int(half)
