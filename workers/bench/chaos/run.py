"""One run: start, trade while things break, let everything settle, judge."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from apps.bots.models import Activation
from apps.brokers.models import Broker
from apps.domain.environments import Exchange
from apps.domain.orders import OrderStatus
from apps.trading.models import Fill, Order
from workers.bench.chaos.faults import Faults, revoke
from workers.bench.chaos.judge import Violation, judge
from workers.bench.chaos.killers import Killers
from workers.bench.chaos.plan import Deed, Plan
from workers.bench.chaos.stage import Stage
from workers.bench.chaos.traders import Traders, open_books

DATABASE_AWAY = (DatabaseError, InterfaceError)
PRICE_SECONDS = 2.0
DOUBT_SECONDS = 1.0
FAULT_SECONDS = 1.0
NEWS_SECONDS = 60.0
JUDGE_SECONDS = 3.0
#: A latency is no fault that anybody could get wrong.
HARMLESS = {"latency"}


@dataclass(slots=True, kw_only=True)
class Report:
    """What was done to the installation, and what came of it."""

    plan: Plan
    faults: dict[Exchange, Faults] = field(default_factory=dict)
    blows: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    edits: int = 0
    fills: int = 0
    settled_after: float = 0.0
    violations: list[Violation] = field(default_factory=list)

    def describe(self) -> Iterator[str]:
        """Lines for the terminal."""
        faults = sum((each.hits for each in self.faults.values()), Counter[str]())
        yield f"Seed {self.plan.seed}, {self.plan.seconds:.0f} s of chaos."
        yield self.sum_up()
        yield f"Faults at the exchanges: {_list(faults)}."
        yield f"Blows: {_list(self.blows)}."
        yield f"Signals: {_list(self.deeds)}."
        yield f"Orders: {_list(self.outcomes)}; {self.edits} edits, {self.fills} fills."
        yield f"Tasks that ended in an exception: {_list(self.errors) or 'none'}."
        yield f"Everything was settled {self.settled_after:.0f} s after the last fault."
        for kind, count in sorted(Counter(each.kind for each in self.violations).items()):
            yield f"VIOLATIONS {kind}: {count}"
        yield from (f"  {violation}" for violation in self.violations[:40])
        yield f"Violations: {len(self.violations)}."

    def sum_up(self) -> str:
        """The three figures that count."""
        passed = self.outcomes.total() - self.outcomes[OrderStatus.DENIED]
        hits = (hit for each in self.faults.values() for hit in each.hits.items())
        struck = sum(count for kind, count in hits if kind not in HARMLESS)
        kills = sum(count for kind, count in self.blows.items() if kind.startswith(Deed.KILL))
        return (
            f"{passed} orders past the gate, {struck} faults, latencies not counted,"
            f" and {kills} processes killed."
        )

    def count_orders(self) -> None:
        """What there is now; raises DatabaseError or InterfaceError."""
        edits = Order.objects.filter(dedup_key__startswith="edit-")
        self.outcomes = Counter(Order.objects.values_list("status", flat=True))
        self.edits = edits.exclude(status=OrderStatus.DENIED).count()
        self.fills = Fill.objects.count()


def run(
    plan: Plan, *, rate: float, settle_seconds: float, log: Path, say: Callable[[str], None]
) -> Report:
    """Carry out the plan with `rate` signals a second, and judge; `log` keeps what the processes print."""
    with ExitStack() as stack:
        stage = Stage(log)
        stack.callback(stage.stop)
        stack.callback(connection.close)
        stage.wait_until_ready()
        traders = Traders(open_books(now=timezone.now()), seed=plan.seed)
        killers = Killers(plan, stage, is_sending=_is_sending)
        faults = {exchange: _faults_of(exchange, plan) for exchange in Exchange}
        report = Report(plan=plan, faults=faults, blows=killers.blows, deeds=traders.deeds)
        say(f"Ready; {len(plan.blows)} blows in {plan.seconds:.0f} s ...")
        _trade(report, traders, killers, rate=rate, say=say)
        say("Faults off; waiting until everything is settled ...")
        killers.end()
        _end_faults(faults.values())
        _settle(report, traders, settle_seconds)
        report.errors = stage.errors()
    return report


def _faults_of(exchange: Exchange, plan: Plan) -> Faults:
    brokers = Broker.objects.filter(exchange=exchange).order_by("-pk")
    keys = [broker.api_key for broker in brokers]
    return Faults(exchange, [*plan.rules[exchange], *revoke(keys, plan.revoked)], seed=plan.seed)


def _trade(
    report: Report,
    traders: Traders,
    killers: Killers,
    *,
    rate: float,
    say: Callable[[str], None],
) -> None:
    started = time.monotonic()
    faults = _Every(FAULT_SECONDS)
    prices = _Every(PRICE_SECONDS)
    doubts = _Every(DOUBT_SECONDS)
    signals = _Every(1 / rate)
    news = _Every(NEWS_SECONDS)
    while (elapsed := time.monotonic() - started) < report.plan.seconds:
        killers.strike(elapsed)
        try:
            if faults.is_due(elapsed):
                _keep_faults(report.faults.values(), elapsed)
            if prices.is_due(elapsed):
                traders.look_at_prices()
            if doubts.is_due(elapsed):
                traders.think_again(now=timezone.now())
            if news.is_due(elapsed):
                report.count_orders()
                say(f"{elapsed:5.0f} s: {report.sum_up()}")
            if signals.is_due(elapsed):
                traders.trade(now=timezone.now())
            else:
                time.sleep(0.005)
        except DATABASE_AWAY:
            traders.deeds["database away"] += 1
            connection.close()
            time.sleep(0.1)


def _keep_faults(faults: Iterable[Faults], elapsed: float) -> None:
    for each in faults:
        with suppress(OSError):  # killed, and not there again yet
            each.keep(elapsed)


def _end_faults(faults: Iterable[Faults]) -> None:
    for each in faults:
        while True:
            try:
                each.end()
                break
            except OSError:  # as above
                time.sleep(0.2)


def _settle(report: Report, traders: Traders, seconds: float) -> None:
    """Judge until there is nothing to say, or the time is up; what is left then are violations."""
    started = time.monotonic()
    while True:
        try:
            _end_trading(traders)
            report.violations = judge()
            report.count_orders()
        except DATABASE_AWAY:  # killed in the last second
            connection.close()
            report.violations = [Violation("unsettled", "all", "the database did not come back")]
        report.settled_after = time.monotonic() - started
        if not report.violations or report.settled_after > seconds:
            return
        time.sleep(JUDGE_SECONDS)


def _end_trading(traders: Traders) -> None:
    Activation.objects.update(is_active=False)
    traders.cancel_everything(now=timezone.now())


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
