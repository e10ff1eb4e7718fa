"""What goes wrong on purpose: rules by kind, chance and time, and when one of them strikes."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import Meta

from workers.paper_exchange.startup import StartError

Wait = Annotated[float, Meta(ge=0, le=3600)]
#: Seconds, or the shortest and the longest of them.
Seconds = Wait | Annotated[list[Wait], Meta(min_length=2, max_length=2)]
DIGITS = r"^\d+(\.\d+)?$"


class FaultsUnreadable(Exception):
    """Rules that can't be understood: the line and what is wrong with it."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class Rule(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"
):
    """When a fault strikes: in a share of the cases, at most so many times, and only between two
    moments, in seconds since the rules were set."""

    chance: Annotated[float, Meta(gt=0, le=1)] = 1.0
    times: Annotated[int, Meta(ge=1)] | None = None
    start: Annotated[float, Meta(ge=0)] = 0.0
    end: Annotated[float, Meta(ge=0)] | None = None

    is_drawn_once: ClassVar[bool] = False


class RequestRule(Rule, frozen=True, kw_only=True):
    """Strikes HTTP requests, WebSocket handshakes included; `path` may have stars, `contains` is looked
    for in query and body."""

    method: str = ""
    path: str = "*"
    key: str = ""
    contains: str = ""


class FrameRule(Rule, frozen=True, kw_only=True):
    """Strikes frames that a WebSocket sends; `contains` is looked for in the frame."""

    path: str = "*"
    contains: str = ""


class OrderRule(Rule, frozen=True, kw_only=True):
    """Strikes orders."""

    key: str = ""
    symbol: str = ""


class Latency(RequestRule, tag="latency", frozen=True, kw_only=True):
    """The request waits before it is looked at."""

    seconds: Seconds = 1.0


class TimeoutBefore(RequestRule, tag="timeout_before", frozen=True, kw_only=True):
    """The request is swallowed: nothing happens and no answer comes."""

    seconds: Seconds = 30.0


class TimeoutAfter(RequestRule, tag="timeout_after", frozen=True, kw_only=True):
    """What was asked for happens, and no answer comes."""

    seconds: Seconds = 30.0


class RateLimited(RequestRule, tag="rate_limited", frozen=True, kw_only=True):
    """HTTP 429 with Retry-After."""

    retry_after: Annotated[int, Meta(ge=0)] = 10


class Banned(RequestRule, tag="banned", frozen=True, kw_only=True):
    """HTTP 418 with Retry-After."""

    retry_after: Annotated[int, Meta(ge=0)] = 120


class ServerError(RequestRule, tag="server_error", frozen=True, kw_only=True):
    """HTTP 5xx in the exchange's own form; `after`: the request was carried out all the same."""

    status: Annotated[int, Meta(ge=500, le=599)] = 503
    after: bool = False


class HtmlPage(RequestRule, tag="html_page", frozen=True, kw_only=True):
    """A page of whoever stands before the exchange, with any status."""

    status: Annotated[int, Meta(ge=200, le=599)] = 502
    after: bool = False


class ClockSkew(RequestRule, tag="clock_skew", frozen=True, kw_only=True):
    """The server time that is told is wrong by so much."""

    skew_ms: int


class Maintenance(RequestRule, tag="maintenance", frozen=True, kw_only=True):
    """Nothing is answered but that the exchange is down, and WebSockets are cut."""


class KeyRevoked(RequestRule, tag="key_revoked", frozen=True, kw_only=True):
    """An API key is no longer known."""

    key: Annotated[str, Meta(min_length=1)]


class SocketCut(FrameRule, tag="socket_cut", frozen=True, kw_only=True):
    """The connection breaks instead of sending a frame."""


class FrameMissed(FrameRule, tag="frame_missed", frozen=True, kw_only=True):
    """The frame is not sent."""


class FrameRepeated(FrameRule, tag="frame_repeated", frozen=True, kw_only=True):
    """The frame is sent twice."""


class FrameSwapped(FrameRule, tag="frame_swapped", frozen=True, kw_only=True):
    """The frame is sent after the one that follows it."""


class DuplicateAcknowledgement(
    OrderRule, tag="duplicate_acknowledgement", frozen=True, kw_only=True
):
    """Private streams tell twice that an order was accepted."""


class PartialCancel(OrderRule, tag="partial_cancel", frozen=True, kw_only=True):
    """An order is filled to this share of its quantity, and the exchange cancels the rest."""

    share: Annotated[float, Meta(gt=0, lt=1)] = 0.5


class OrderHidden(OrderRule, tag="order_hidden", frozen=True, kw_only=True):
    """An accepted order is neither among the open ones nor in the history for a while."""

    seconds: Seconds = 20.0


class FillsLate(OrderRule, tag="fills_late", frozen=True, kw_only=True):
    """A fill is in the list of fills only after a while; its order shows it at once."""

    seconds: Seconds = 30.0


class PrecisionChange(Rule, tag="precision_change", frozen=True, kw_only=True):
    """A market gets other steps for prices, quantities, or both."""

    symbol: Annotated[str, Meta(min_length=1)]
    tick_size: Annotated[str, Meta(pattern=DIGITS)] = ""
    step_size: Annotated[str, Meta(pattern=DIGITS)] = ""

    is_drawn_once: ClassVar[bool] = True


AnyRule = (
    Latency
    | TimeoutBefore
    | TimeoutAfter
    | RateLimited
    | Banned
    | ServerError
    | HtmlPage
    | ClockSkew
    | Maintenance
    | KeyRevoked
    | SocketCut
    | FrameMissed
    | FrameRepeated
    | FrameSwapped
    | DuplicateAcknowledgement
    | PartialCancel
    | OrderHidden
    | FillsLate
    | PrecisionChange
)
R = TypeVar("R", bound=Rule)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Rules, and what their chance is drawn from: the same seed strikes the same cases."""

    rules: tuple[AnyRule, ...] = ()
    seed: int = 1


@dataclass(slots=True)
class Armed:
    """A rule at work."""

    rule: Rule
    random: Random
    hits: int = 0
    is_on: bool | None = None


class Faults:
    """The rules that are at work now."""

    def __init__(self, wall_ms: Callable[[], int], plan: Plan | None = None) -> None:
        self._wall_ms = wall_ms
        self.set_plan(plan or Plan())

    @property
    def is_quiet(self) -> bool:
        """Whether there is no rule at all."""
        return not self._armed

    def set_plan(self, plan: Plan) -> None:
        """Put these rules in the place of all others; their seconds count from now."""
        self.plan = plan
        self._since_ms = self._wall_ms()
        self._armed = [
            Armed(rule, Random(f"{plan.seed}:{number}"))  # noqa: S311  repeatable on purpose
            for number, rule in enumerate(plan.rules)
        ]

    def strike(self, kind: type[R], concerns: Callable[[R], bool] = lambda _rule: True) -> R | None:
        """The first rule of a kind that strikes this case."""
        for armed in self._armed:
            rule = armed.rule
            if isinstance(rule, kind) and concerns(rule) and self._strikes(armed):
                armed.hits += 1
                return rule
        return None

    def draw(self, seconds: float | list[float], rule: Rule) -> float:
        """How long this time."""
        if not isinstance(seconds, list):
            return seconds
        armed = next((armed for armed in self._armed if armed.rule is rule), None)
        if armed is None:
            return seconds[1]  # other rules have come meanwhile
        return armed.random.uniform(seconds[0], seconds[1])

    def describe(self) -> list[dict[str, Any]]:
        """Every rule as it was given, and how often it has struck."""
        return [{**msgspec.to_builtins(armed.rule), "hits": armed.hits} for armed in self._armed]

    def active(self, kind: type[R]) -> Iterator[R]:
        """All rules of a kind that hold now, without using one up."""
        for armed in self._armed:
            if isinstance(armed.rule, kind) and self._holds(armed):
                if armed.is_on is None:
                    armed.is_on = armed.random.random() < armed.rule.chance
                    armed.hits += armed.is_on
                if armed.is_on:
                    yield armed.rule

    def _strikes(self, armed: Armed) -> bool:
        rule = armed.rule
        if not self._holds(armed) or (rule.times is not None and armed.hits >= rule.times):
            return False
        return rule.chance == 1 or armed.random.random() < rule.chance

    def _holds(self, armed: Armed) -> bool:
        elapsed, rule = (self._wall_ms() - self._since_ms) / 1000, armed.rule
        return rule.start <= elapsed and (rule.end is None or elapsed < rule.end)


def matches_path(rule: RequestRule | FrameRule, path: str) -> bool:
    """Whether a rule is about this path."""
    return rule.path == "*" or fnmatchcase(path, rule.path)


def read_faults(path: Path) -> Plan:
    """The rules of a TOML or JSON file; raises StartError with its line."""
    try:
        return parse_plan(path.read_text(encoding="utf-8"), is_toml=path.suffix == ".toml")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise StartError(
            f"{path}: can't be read ({reason}). Give another --faults file."
        ) from error
    except FaultsUnreadable as error:
        raise StartError(
            f"{path}:{error.line}: {error.reason}. docs/paper-exchange.md lists the faults."
        ) from error


def parse_plan(text: str, *, is_toml: bool = False) -> Plan:
    """Rules from TOML or JSON: `seed`, and a list `rules`; raises FaultsUnreadable."""
    words = _parse_toml(text) if is_toml else _parse_json(text)
    unknown = sorted(set(words) - {"seed", "rules"})
    rules = words.get("rules", [])
    if unknown or not isinstance(rules, list):
        raise FaultsUnreadable(1, "only seed, and rules as a list, can be given")
    checked: list[AnyRule] = []
    for number, rule in enumerate(rules):
        try:
            checked.append(msgspec.convert(rule, AnyRule))
        except msgspec.ValidationError as error:
            line = _line_of(text, number, is_toml=is_toml)
            raise FaultsUnreadable(line, f"rule {number + 1}: {error}") from error
    seed = words.get("seed", 1)
    if not isinstance(seed, int):
        raise FaultsUnreadable(1, "seed must be a whole number")
    return Plan(rules=tuple(checked), seed=seed)


def _parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        # What is missing at the end of the document has no line of its own.
        line = int(found[1]) if found else text.count("\n") + 1
        raise FaultsUnreadable(line, str(error)) from error


def _parse_json(text: str) -> dict[str, Any]:
    try:
        words = json.loads(text)
    except json.JSONDecodeError as error:
        raise FaultsUnreadable(error.lineno, error.msg) from error
    if not isinstance(words, dict):
        raise FaultsUnreadable(1, "must be an object with seed and rules")
    return words


def _line_of(text: str, number: int, *, is_toml: bool) -> int:
    """The line on which a rule begins, as well as it can be told."""
    if is_toml:
        starts = [
            found.start() for found in re.finditer(r"^\s*\[\[\s*rules\s*\]\]", text, re.MULTILINE)
        ]
    else:
        starts = list(_starts_of_rules(text))
    position = starts[number] if number < len(starts) else 0
    position += len(text[position:]) - len(text[position:].lstrip())
    return text.count("\n", 0, position) + 1


def _starts_of_rules(text: str) -> Iterator[int]:
    """Where each element of the list `rules` begins in a JSON text."""
    found = re.search(r'"rules"\s*:\s*\[', text)
    position = found.end() if found else len(text)
    decoder = json.JSONDecoder()
    while position < len(text):
        position += len(text[position:]) - len(text[position:].lstrip(" \t\r\n,"))
        if text[position : position + 1] in {"", "]"}:
            return
        yield position
        position = decoder.raw_decode(text, position)[1]
