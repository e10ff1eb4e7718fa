"""One run: start, trade while things break, let everything settle, judge."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.error import URLError

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from apps.bots.models import Activation
from apps.domain.environments import Exchange
from apps.domain.orders import OrderStatus
from apps.trading.models import Fill, Order
from workers.bench.chaos import faults
from workers.bench.chaos.judge import Violation, judge
from workers.bench.chaos.killers import Killers
from workers.bench.chaos.plan import Deed, Plan
from workers.bench.chaos.stage import Stage
from workers.bench.chaos.traders import Traders, open_books

DATABASE_AWAY = (DatabaseError, InterfaceError)
PRICE_SECONDS = 2.0
CANCEL_SECONDS = 1.0
JUDGE_SECONDS = 3.0
#: A latency is no fault that anybody could get wrong.
HARMLESS = {"latency"}


@dataclass(slots=True, kw_only=True)
class Report:
    """What was done to the installation, and what came of it."""

    plan: Plan
    faults: dict[Exchange, Counter[str]] = field(default_factory=dict)
    blows: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    fills: int = 0
    settled_after: float = 0.0
    violations: list[Violation] = field(default_factory=list)

    def describe(self) -> Iterator[str]:
        """Lines for the terminal."""
        faults = sum(self.faults.values(), Counter[str]())
        struck = sum(count for kind, count in faults.items() if kind not in HARMLESS)
        kills = sum(count for kind, count in self.blows.items() if kind.startswith(Deed.KILL))
        yield f"Seed {self.plan.seed}, {self.plan.seconds:.0f} s of chaos."
        yield f"{struck} faults at the exchanges, latencies not counted: {_list(faults)}."
        yield f"{kills} processes killed: {_list(self.blows)}."
        yield f"Signals: {_list(self.deeds)}."
        yield f"{self.outcomes.total()} orders, {self.fills} fills: {_list(self.outcomes)}."
        yield f"Tasks that ended in an exception: {_list(self.errors) or 'none'}."
        yield f"Everything was settled {self.settled_after:.0f} s after the last fault."
        for kind, count in sorted(Counter(each.kind for each in self.violations).items()):
            yield f"VIOLATIONS {kind}: {count}"
        yield from (f"  {violation}" for violation in self.violations[:40])
        yield f"Violations: {len(self.violations)}."


def run(
    plan: Plan, *, rate: float, settle_seconds: float, log: Path, say: Callable[[str], None]
) -> Report:
    """Carry out the plan with `rate` signals a second, and judge; `log` keeps what the processes print."""
    report = Report(plan=plan)
    with ExitStack() as stack:
        stage = Stage(log)
        stack.callback(stage.stop)
        stack.callback(connection.close)
        stage.wait_until_ready()
        traders = Traders(open_books(now=timezone.now()), seed=plan.seed)
        killers = Killers(plan, stage, is_sending=_is_sending)
        for exchange, rules in plan.rules.items():
            faults.set_rules(exchange, seed=plan.seed, rules=rules)
        say(f"Ready; {len(plan.blows)} blows in {plan.seconds:.0f} s ...")
        _trade(plan, traders, killers, rate=rate)
        say("Faults off; waiting until everything is settled ...")
        killers.end()
        for exchange in plan.rules:
            report.faults[exchange] = faults.count_hits(exchange)
            faults.set_rules(exchange, seed=plan.seed, rules=[])
        _settle(report, traders, settle_seconds)
        report.blows, report.deeds, report.errors = killers.blows, traders.deeds, stage.errors()
    return report


def _trade(plan: Plan, traders: Traders, killers: Killers, *, rate: float) -> None:
    started = time.monotonic()
    prices = _Every(PRICE_SECONDS)
    cancels = _Every(CANCEL_SECONDS)
    signals = _Every(1 / rate)
    while (elapsed := time.monotonic() - started) < plan.seconds:
        killers.strike(elapsed)
        try:
            if prices.is_due(elapsed):
                traders.look_at_prices()
            if cancels.is_due(elapsed):
                traders.cancel_what_rests(now=timezone.now())
            if signals.is_due(elapsed):
                traders.trade(now=timezone.now())
            else:
                time.sleep(0.005)
        except DATABASE_AWAY:
            traders.deeds["database away"] += 1
            connection.close()
            time.sleep(0.1)
        except URLError:
            traders.deeds["exchange away"] += 1


def _settle(report: Report, traders: Traders, seconds: float) -> None:
    """Judge until there is nothing to say, or the time is up; what is left then are violations."""
    started = time.monotonic()
    while True:
        try:
            _end_trading(traders)
            report.violations = judge()
            report.outcomes = Counter(Order.objects.values_list("status", flat=True))
            report.fills = Fill.objects.count()
        except DATABASE_AWAY:  # killed in the last second
            connection.close()
            report.violations = [Violation("unsettled", "all", "the database did not come back")]
        report.settled_after = time.monotonic() - started
        if not report.violations or report.settled_after > seconds:
            return
        time.sleep(JUDGE_SECONDS)


def _end_trading(traders: Traders) -> None:
    Activation.objects.update(is_active=False)
    traders.cancel_what_rests(now=timezone.now(), older_than=timedelta(0))


def _is_sending() -> bool:
    try:
        return Order.objects.filter(status=OrderStatus.SUBMITTED).exists()
    except DATABASE_AWAY:
        connection.close()
        return False


class _Every:
    """Due at most so often; what was missed is not made up for."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def is_due(self, elapsed: float) -> bool:
        if elapsed < self._next:
            return False
        self._next = max(self._next + self._seconds, elapsed)
        return True


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()) if count)
