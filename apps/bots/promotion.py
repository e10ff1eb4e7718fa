"""The way of a strategy to real money: found valid, backtested, then proved on paper, then with little money,
and only then with all of it. Each step is of one version: what was changed is proved anew."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import partial
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from apps.bots.selectors import list_days_at_work
from apps.brokers.models import Broker
from apps.domain.environments import Environment
from apps.strategies.models import StrategyVersion
from apps.strategies.selectors import list_verdicts

_DAY = timedelta(days=1)
#: Where candles are those of a real market.
REAL_PRICES = (Environment.LIVE, Environment.PAPER, Environment.REPLAY)
#: Where a strategy can prove itself without real money.
PRACTICE = tuple(environment for environment in Environment if environment is not Environment.LIVE)


class Gate(StrEnum):
    """What a version has to pass, in this order."""

    VALIDATED = "validated"
    BACKTESTED = "backtested"
    PAPER = "paper"
    CAPPED = "capped"

    @property
    def is_skippable(self) -> bool:
        """Whether its owner may go on without it, with a reason; nothing runs code that is not valid."""
        return self is not Gate.VALIDATED


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A gate, whether a version passes it, and why (not). `address` is the page where it can be passed, if
    there is one."""

    gate: Gate
    is_passed: bool
    words: str
    address: str = ""


def check_gates(
    *,
    version: StrategyVersion,
    broker: Broker,
    symbol: str,
    timeframe: str,
    capital: Decimal | None,
) -> list[Check]:
    """The gates between a version and a broker, on candles of `symbol`, for as much of its money as `capital`
    (None: all of it)."""
    is_real_money = broker.environment == Environment.LIVE
    check: dict[Gate, Callable[[StrategyVersion], Check]] = {
        Gate.VALIDATED: _check_validation,
        Gate.BACKTESTED: partial(_check_backtest, symbol=symbol, timeframe=timeframe),
        Gate.PAPER: _check_practice,
        Gate.CAPPED: _check_small_money,
    }
    return [check[gate](version) for gate in find_gates(capital, is_real_money=is_real_money)]


def find_gates(capital: Decimal | None, *, is_real_money: bool) -> list[Gate]:
    """What has to be passed."""
    if not is_real_money:
        return [Gate.VALIDATED]
    if capital is not None and capital <= settings.PROMOTION_CAPITAL:
        return [Gate.VALIDATED, Gate.BACKTESTED, Gate.PAPER]
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


def _check_backtest(version: StrategyVersion, *, symbol: str, timeframe: str) -> Check:
    verdicts = list_verdicts(version)
    asked = {"version": version.pk, "symbol_name": symbol, "timeframe": timeframe}
    check = partial(
        Check,
        gate=Gate.BACKTESTED,
        address=f"{reverse('admin:backtests_backtestrun_add')}?{urlencode(asked)}",
    )
    if leak := verdicts.filter(looks_ahead=True).first():
        words = f"{version} knows candles that are still to come: {leak.words} Mend that first."
        return check(is_passed=False, words=words)
    alike = verdicts.filter(
        symbol__name=symbol, symbol__environment__in=REAL_PRICES, timeframe=timeframe
    )
    if found := alike.first():
        words = f"{version} was backtested on {found} on {found.found_at:%Y-%m-%d}. {found.words}"
        return check(is_passed=True, words=words)
    return check(
        is_passed=False,
        words=f"{version} was not backtested on {symbol} {timeframe} with real prices, to the end: do that"
        " first, or say why you skip it.",
    )


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
