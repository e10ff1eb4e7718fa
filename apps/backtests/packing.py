"""Positions and refused orders as bytes: on the wire, and in the database."""

from typing import TypeAlias

import numpy as np

from apps.backtests.engine.figures import Table, table_of
from apps.backtests.engine.positions import Held, Refused

Kind: TypeAlias = type[Held] | type[Refused]


def pack(table: Table) -> bytes:
    """Its columns, one after the other."""
    return np.array(list(table.values())).tobytes()


def unpack(kind: Kind, raw: bytes) -> Table:
    """The table again; raises ValueError for what is none of this kind."""
    return table_of(kind, np.frombuffer(raw).reshape(len(kind._fields), -1))
