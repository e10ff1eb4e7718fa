"""What goes over the socket of the backtest sandbox: one connection is one run in one confined process.

The sandbox speaks first, as for live strategies: the names of its layers, or why it is unavailable. The
client sends a Request, with the files of the candles; then come replies, each with a REPLY header: any
number of Progress, and at the end one Failure, or one Report that is followed by three more replies, the
bytes of the result's tables: positions, refused orders, and equity. Asked for indicators instead, there is
one reply with their names, and one with their values.
"""

import struct
from typing import TypeAlias

import msgspec

from apps.backtests.engine.honesty import Honesty
from apps.backtests.engine.results import Evaluation, State
from apps.backtests.engine.settings import Settings

#: Bytes of JSON.
REQUEST = struct.Struct("<I")
REPLY = struct.Struct("<I")
MAX_MESSAGE = 256 * 1024
#: More lines than a chart can show.
MOST_INDICATORS = 6
MAX_TABLE = 256 * 2**20


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of candles holds."""

    rows: int
    duration_ms: int


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One run; its candles are in the file sent along, finer ones for `detail` in a second one."""

    code: str
    settings: Settings
    candles: Shape
    detail: Shape | None = None
    wants_indicators: bool = False

    @property
    def shapes(self) -> list[Shape]:
        """Of the files, in the order they are sent in."""
        return [self.candles, self.detail] if self.detail else [self.candles]


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """How many of the candles are done, and how many trades there have been."""

    done: int
    candles: int
    trades: int

    @property
    def share(self) -> float:
        """From 0 to 1, whatever they said."""
        return min(max(self.done / self.candles, 0.0), 1.0) if self.candles > 0 else 0.0


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Why there is no result at all: the code can't be run, or the candles can't be traded on."""

    message: str
    traceback: str = ""
    output: str = ""
    line: int | None = None


class Indicators(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a strategy computes of its candles, by the names in its code."""

    names: list[str]


class Report(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A result but for its tables; the fields are those of BacktestResult. A run that came to its end has
    `honesty`; where the strategy failed, `traceback` shows its own lines. `output` is what it printed."""

    state: State
    reason: str
    stopped_at_ms: int | None
    evaluation: Evaluation
    warnings: list[str]
    metrics: dict[str, float | None]
    honesty: Honesty | None = None
    traceback: str = ""
    output: str = ""


def pack_request(request: Request) -> bytes:
    """As it is sent."""
    body = msgspec.json.encode(request)
    return REQUEST.pack(len(body)) + body


def pack_reply(body: bytes) -> bytes:
    """As it is sent."""
    return REPLY.pack(len(body)) + body


Reply: TypeAlias = Progress | Failure | Indicators | Report
read_request = msgspec.json.Decoder(Request).decode
read_reply = msgspec.json.Decoder(Reply).decode
