from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.markets.history.deltas import unpack_deltas
from apps.markets.history.parquet import read_parquet

SIZE, MINIBLOCKS = 32, 4
numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 100)


def pack(values: list[int]) -> bytes:
    """As the format's description says, one block after the other."""
    deltas = [later - earlier for earlier, later in pairwise(values)]
    packed = (
        varint(SIZE * MINIBLOCKS) + varint(MINIBLOCKS) + varint(len(values)) + zigzag(values[0])
    )
    for start in range(0, len(deltas), SIZE * MINIBLOCKS):
        block = [wrap(delta) for delta in deltas[start : start + SIZE * MINIBLOCKS]]
        least = min(block)
        rest = [(delta - least) % 2**64 for delta in block]
        rest += [0] * (SIZE * MINIBLOCKS - len(rest))
        parts = [rest[i : i + SIZE] for i in range(0, len(rest), SIZE)]
        widths = [max(part).bit_length() for part in parts]
        packed += zigzag(least) + bytes(widths)
        for part, width in zip(parts, widths, strict=True):
            bits = sum(number << (i * width) for i, number in enumerate(part))
            packed += bits.to_bytes(width * SIZE // 8, "little")
    return packed


def wrap(number: int) -> int:
    return (number + 2**63) % 2**64 - 2**63


def zigzag(number: int) -> bytes:
    return varint((number << 1) ^ (number >> 63) if number >= 0 else (-number << 1) - 1)


def varint(number: int) -> bytes:
    head = bytearray()
    while number > 0x7F:
        head.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*head, number])


@given(st.lists(numbers, min_size=1, max_size=300))
def test_whatever_was_packed_comes_back(values: list[int]) -> None:
    assert unpack_deltas(np.frombuffer(pack(values), np.uint8)).tolist() == values


def test_a_page_that_breaks_off_is_told() -> None:
    packed = np.frombuffer(pack([0, 2**40, 5]), np.uint8)

    with pytest.raises((IndexError, ValueError)):
        unpack_deltas(packed[:-3])


def test_times_after_a_long_gap_are_on_the_grid(shared: Path) -> None:
    opened = read_parquet(shared / "data" / "BINANCE_BTCUSDT_1m.parquet")["open_time"].to_numpy()

    assert len(opened) == 445_797
    assert (np.diff(opened) > 0).all()
    assert (opened % 60_000 == 0).all()
