"""Carrying out the plan's blows."""

import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random

import psutil

from workers.bench.chaos.plan import Blow, Deed, Plan, Victim
from workers.bench.chaos.stage import Stage


class Killers:
    """Strikes whatever is due; never waits. `is_sending` tells whether an order is at this moment
    between its claim and its answer: that is when a sender is frozen."""

    def __init__(self, plan: Plan, stage: Stage, *, is_sending: Callable[[], bool]) -> None:
        self.blows: Counter[str] = Counter()
        self._due = list(plan.blows)
        self._stage = stage
        self._is_sending = is_sending
        self._random = Random(plan.seed)  # noqa: S311  repeatable on purpose
        self._frozen: list[tuple[float, list[psutil.Process]]] = []
        self._held: dict[Victim, float] = {}

    def strike(self, elapsed: float) -> None:
        """Do what is due at this moment of the run."""
        for until, frozen in list(self._frozen):
            if elapsed >= until:
                _signal(frozen, signal.SIGCONT)
                self._frozen.remove((until, frozen))
        for victim, until in list(self._held.items()):
            self._kill(victim)
            if elapsed >= until:
                del self._held[victim]
        while self._due and self._due[0].at <= elapsed:
            if not self._carry_out(self._due[0], elapsed):
                break
            self._due.pop(0)

    def end(self) -> None:
        """Let everybody go on."""
        for _until, frozen in self._frozen:
            _signal(frozen, signal.SIGCONT)
        self._frozen.clear()
        self._held.clear()

    def _carry_out(self, blow: Blow, elapsed: float) -> bool:
        """False when its moment has not come yet."""
        if blow.deed is Deed.FREEZE:
            if elapsed < blow.at + 3 and not self._is_sending():
                return False
            frozen = list(self._stage.tree(blow.victim))
            _signal(frozen, signal.SIGSTOP)
            self._frozen.append((elapsed + blow.seconds, frozen))
            self.blows[f"{blow.deed} {blow.victim} for {blow.seconds:.0f} s"] += 1
        elif blow.deed is Deed.HOLD_DOWN:
            self._held[blow.victim] = elapsed + blow.seconds
            self.blows[f"{blow.deed} {blow.victim} for {blow.seconds:.0f} s"] += 1
        else:
            self._kill(blow.victim)
        return True

    def _kill(self, victim: Victim) -> None:
        found = self._stage.find(victim)
        if found:
            _signal([self._random.choice(found)], signal.SIGKILL)
            self.blows[f"{Deed.KILL} {victim}"] += 1


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
