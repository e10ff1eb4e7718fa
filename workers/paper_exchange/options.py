"""What the exchange is started with, read from the words of a command line."""

import math
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from apps.domain.environments import Exchange
from workers.paper_exchange.startup import StartError

MARKET_KINDS = ("simulated", "replay", "live")
DEFAULT_BALANCES = ("USDT=10000",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where to listen, which market to show and at what speed, and what a new account owns."""

    exchange: Exchange
    host: str
    port: int
    market_kind: str
    market_source: str
    speed: float
    state_path: Path
    seed: int
    start_ms: int | None
    balances: dict[str, Decimal]
    has_depth: bool = True
    faults_path: Path | None = None

    @property
    def waits_for_clients(self) -> bool:
        """Whether the clock stands at each candle until its clients go on: in lock-step."""
        return self.market_kind != "live" and (not self.has_depth or self.speed == math.inf)

    @property
    def speed_word(self) -> str:
        """The speed as it was asked for."""
        return "max" if self.speed == math.inf else f"{self.speed:g}"


def parse_market(word: str) -> tuple[str, str]:
    """Kind and source of `simulated`, `replay:FILE[,FILE...]` or `live[:BASE_URL]`."""
    kind, _, source = word.partition(":")
    if kind not in MARKET_KINDS:
        raise StartError(
            f"--market {word}: there is no such market. "
            "Use simulated, replay:FILE[,FILE...] or live[:BASE_URL]."
        )
    if kind == "replay" and not source:
        raise StartError("--market replay: which recording? Use replay:FILE[,FILE...].")
    if kind == "simulated" and source:
        raise StartError(f"--market {word}: a simulated market has no source. Use simulated.")
    return kind, source


def parse_speed(word: str, market_kind: str) -> float:
    """How fast market time runs, or infinity for `max`; a live market can only run at 1."""
    if word == "max" and market_kind != "live":
        return math.inf
    try:
        speed = float(word)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 100_000:
        raise StartError(
            f"--speed {word}: must be a number above 0 and up to 100000, such as 60, or max."
        )
    if market_kind == "live" and speed != 1:
        raise StartError(f"--speed {word}: a live market runs at speed 1. Use --speed 1.")
    return speed


def parse_port(word: str) -> int:
    """A TCP port; 0 lets the system choose."""
    if not word.isdigit() or int(word) > 65_535:
        raise StartError(f"--port {word}: must be a number up to 65535, such as 9001.")
    return int(word)


def parse_balances(words: list[str]) -> dict[str, Decimal]:
    """Starting balances from ASSET=AMOUNT."""
    balances: dict[str, Decimal] = {}
    for word in words or DEFAULT_BALANCES:
        asset, _, number = word.partition("=")
        try:
            amount = Decimal(number)
        except InvalidOperation:
            amount = Decimal(0)
        if not (asset.isalnum() and amount.is_finite() and amount > 0):
            raise StartError(f"--balance {word}: use ASSET=AMOUNT, such as USDT=10000.")
        balances[asset.upper()] = amount
    return balances


def parse_start(word: str | None, market_kind: str) -> int | None:
    """Where a replay begins, in milliseconds, from an ISO time that names its offset."""
    if word is None:
        return None
    if market_kind != "replay":
        raise StartError("--start: only a replay can choose where it begins. Leave it out.")
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise StartError(f"--start {word}: use a time with its offset, as 2024-03-01T12:00+00:00.")
    return int(moment.timestamp() * 1000)
