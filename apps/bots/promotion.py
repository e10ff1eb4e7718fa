"""The way of a strategy to real money: found valid, then proved on paper, then with little money, and only
then with all of it. Each step is of one version: what was changed is proved anew."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from django.conf import settings

from apps.bots.selectors import list_days_at_work
from apps.brokers.models import Broker
from apps.domain.environments import Environment
from apps.strategies.models import StrategyVersion

_DAY = timedelta(days=1)
#: Where a strategy can prove itself without real money.
PRACTICE = tuple(environment for environment in Environment if environment is not Environment.LIVE)


class Gate(StrEnum):
    """What a version has to pass, in this order."""

    VALIDATED = "validated"
    PAPER = "paper"
    CAPPED = "capped"

    @property
    def is_skippable(self) -> bool:
        """Whether its owner may go on without it, with a reason; nothing runs code that is not valid."""
        return self is not Gate.VALIDATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A gate, whether a version passes it, and why (not)."""

    gate: Gate
    is_passed: bool
    words: str


def check_gates(
    *, version: StrategyVersion, broker: Broker, capital: Decimal | None
) -> list[Check]:
    """The gates between a version and a broker, for as much of its money as `capital` (None: all of it)."""
    is_real_money = broker.environment == Environment.LIVE
    check = {
        Gate.VALIDATED: _check_validation,
        Gate.PAPER: _check_practice,
        Gate.CAPPED: _check_small_money,
    }
    return [check[gate](version) for gate in find_gates(capital, is_real_money=is_real_money)]


def find_gates(capital: Decimal | None, *, is_real_money: bool) -> list[Gate]:
    """What has to be passed."""
    if not is_real_money:
        return [Gate.VALIDATED]
    if capital is not None and capital <= settings.PROMOTION_CAPITAL:
        return [Gate.VALIDATED, Gate.PAPER]
    return list(Gate)


def longest_run(days: Iterable[date]) -> int:
    """The largest number of these days that follow on each other."""
    longest = current = 0
    previous: date | None = None
    for day in sorted(set(days)):
        current = current + 1 if previous is not None and day - previous == _DAY else 1
        longest, previous = max(longest, current), day
    return longest


def _check_validation(version: StrategyVersion) -> Check:
    if version.validated_at:
        words = f"{version} was found valid on {version.validated_at:%Y-%m-%d}."
    else:
        words = f"{version} was not found valid: mend what its page names, and save."
    return Check(gate=Gate.VALIDATED, is_passed=version.validated_at is not None, words=words)


def _check_practice(version: StrategyVersion) -> Check:
    days = longest_run(list_days_at_work(version, environments=PRACTICE))
    return _judge_days(Gate.PAPER, version, days, "on paper or a testnet")


def _check_small_money(version: StrategyVersion) -> Check:
    cap: int = settings.PROMOTION_CAPITAL
    days = longest_run(
        list_days_at_work(version, environments=(Environment.LIVE,), most_capital=cap)
    )
    return _judge_days(
        Gate.CAPPED, version, days, f"with real money and a capital of at most {cap}"
    )


def _judge_days(gate: Gate, version: StrategyVersion, days: int, how: str) -> Check:
    needed: int = settings.PROMOTION_DAYS
    words = f"{version} decided {how} on {days} days in a row (UTC); {needed} are asked for."
    if days < needed:
        words += f" Activate it {how} first, or say why you skip that."
    return Check(gate=gate, is_passed=days >= needed, words=words)
