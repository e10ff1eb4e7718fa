"""What a strategy answered, read from its process without trust."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.strategies.contract import wire
from apps.strategies.contract.parameters import is_number, read_schema

MAX_LOOKBACK = 5_000
MAX_TAKE_PROFIT = 100


class StrategyFailed(Exception):
    """The strategy has no usable answer: `message` says why, `line` where, if it is at one line of its
    code, `traceback` shows its own lines where it raised, `output` is what it printed until then."""

    def __init__(
        self, message: str, traceback: str = "", output: str = "", line: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.traceback = traceback
        self.output = output
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyInfo:
    """What the code declares; `parameters` is STRATEGY_PARAMS with every entry filled in."""

    class_name: str
    parameters: dict[str, dict[str, Any]]
    lookback: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`should_long` is None in a position and `should_short` without one. `amount` is quote currency to
    spend, `stop_loss` and `take_profit` are fractions of the entry price or None; all three come with a
    should_long that is True. `values` are the simple public attributes of the instance. `memory_bytes` is
    how much its process has grown at most since it has the code, `cpu_ms` how long it computed, as it says
    itself."""

    should_long: bool | None
    should_short: bool | None
    amount: Decimal | None
    stop_loss: Decimal | None
    take_profit: Decimal | None
    values: dict[str, float | bool | str | None]
    output: str
    elapsed_ms: float
    memory_bytes: int | None = None
    cpu_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """Every method asked, first without a position and then with one: both answers have all five.
    `elapsed_ms` is the time of all of it, a new process included, `output` all that was printed."""

    info: StrategyInfo
    flat: Answer
    holding: Answer
    elapsed_ms: float
    memory_bytes: int
    output: str


def parse_reply(raw: bytes) -> dict[str, Any]:
    """Decode one reply; raises StrategyFailed for a failure and for what is no reply at all."""
    try:
        reply = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise StrategyFailed("The strategy's process sent something that can't be read.") from error
    if not isinstance(reply, dict):
        raise StrategyFailed("The strategy's process sent something that is no answer.")
    if "failure" in reply:
        raise StrategyFailed(
            _read_text(reply["failure"], 500) or "The strategy failed without saying why.",
            _read_text(reply.get("traceback"), wire.MAX_TRACEBACK),
            read_output(reply),
            _read_count(reply.get("line")),
        )
    return reply


def read_info(reply: Mapping[str, Any]) -> StrategyInfo:
    """What the code declares; raises StrategyFailed for declarations that can't be used."""
    name, lookback = reply.get("class_name"), reply.get("lookback")
    if not isinstance(name, str) or not name.isidentifier() or len(name) > 100:
        raise StrategyFailed("The name of the strategy's class has more than 100 characters.")
    if type(lookback) is not int or not 0 < lookback <= MAX_LOOKBACK:
        raise StrategyFailed(f"lookback has to be a whole number from 1 to {MAX_LOOKBACK}.")
    try:
        parameters = read_schema(reply.get("parameters"))
    except ValueError as error:
        raise StrategyFailed(str(error)) from error
    return StrategyInfo(class_name=name, parameters=parameters, lookback=lookback)


def read_output(reply: Mapping[str, Any]) -> str:
    """What was printed for this reply, as much as is kept of it."""
    return _read_text(reply.get("output"), wire.MAX_OUTPUT)


def read_answer(
    reply: Mapping[str, Any], *, in_position: bool, elapsed_ms: float, asks_all: bool = False
) -> Answer:
    """The answer to one question, or to one that `asks_all` methods; raises StrategyFailed that names the
    method with a wrong one."""
    should_long = _read_flag(reply, "should_long") if asks_all or not in_position else None
    enters = asks_all or should_long is True
    return Answer(
        should_long=should_long,
        should_short=_read_flag(reply, "should_short") if asks_all or in_position else None,
        amount=_read_amount(reply) if enters else None,
        stop_loss=_read_fraction(reply, "calculate_stop_loss", 1) if enters else None,
        take_profit=_read_fraction(reply, "calculate_take_profit", MAX_TAKE_PROFIT)
        if enters
        else None,
        values=_read_values(reply.get("values")),
        output=read_output(reply),
        elapsed_ms=elapsed_ms,
        memory_bytes=_read_count(reply.get("memory_bytes")),
        cpu_ms=_read_duration(reply.get("cpu_ms")),
    )


def check_flag(method: str, value: object) -> bool:
    """The answer of a should_ method; raises StrategyFailed for anything but True and False."""
    if not isinstance(value, bool):
        raise _wrong(method, value, "True or False")
    return value


def check_amount(value: object) -> float:
    """The answer of calculate_position_size(); raises StrategyFailed for what can't be spent."""
    if not is_number(value) or value < 0:
        wanted = "an amount of quote currency, such as self.balance * 0.1"
        raise _wrong("calculate_position_size", value, wanted)
    return value


def check_fraction(method: str, value: object, limit: int) -> float | None:
    """The answer of a method that may return None, for none; raises StrategyFailed outside 0 to `limit`."""
    if value is not None and not (is_number(value) and 0 <= value < limit):
        raise _wrong(method, value, f"a fraction of the price from 0 to {limit}, or None")
    return value or None


def _read_flag(reply: Mapping[str, Any], method: str) -> bool:
    return check_flag(method, reply.get(method))


def _read_amount(reply: Mapping[str, Any]) -> Decimal:
    return Decimal(str(check_amount(reply.get("calculate_position_size"))))


def _read_fraction(reply: Mapping[str, Any], method: str, limit: int) -> Decimal | None:
    value = check_fraction(method, reply.get(method), limit)
    return None if value is None else Decimal(str(value))


def _wrong(method: str, value: object, wanted: str) -> StrategyFailed:
    shown = _read_text(repr(value), 80)
    return StrategyFailed(f"{method}() returned {shown}; it has to return {wanted}.")


def _read_values(values: object) -> dict[str, float | bool | str | None]:
    if not isinstance(values, dict):
        return {}
    return {
        _read_text(name, 50): _read_value(values[name]) for name in list(values)[: wire.MAX_VALUES]
    }


def _read_value(value: object) -> float | bool | str | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        # What JSON and the database have no number for is shown as unknown.
        return float(value) if -1e300 < value < 1e300 else None
    return _read_text(value, 100) if isinstance(value, str) else None


def _read_count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**53 else None


def _read_duration(value: object) -> float | None:
    return float(value) if is_number(value) and value >= 0 else None


def _read_text(value: object, limit: int) -> str:
    """At most `limit` characters that a database takes: no NUL, no half of a surrogate pair."""
    text = value if isinstance(value, str) else ""
    return text[:limit].replace("\0", "").encode("utf-8", "replace").decode()
