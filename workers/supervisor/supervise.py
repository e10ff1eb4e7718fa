"""Watching, restarting and stopping a set of processes: one loop, one thread."""

import os
import selectors
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from workers.supervisor.log import Log
from workers.supervisor.process import MOST_FAILURES, Child, ProcessSpec, Stage

TICK_SECONDS = 0.1
#: A task that still runs this long after the wish to stop is cut; its row brings it back.
CUT_AFTER_SECONDS = 25.0
#: What the stages that follow get after a cut, so that everything has ended within 30 s.
SHORTEST_STOP_SECONDS = 1.5
SLOW_START_SECONDS = 60


class StartFailed(Exception):
    """A process that is needed does not start."""


class Supervisor:
    """Keeps its children running until SIGINT, SIGTERM or SIGHUP asks it to stop."""

    def __init__(self, log: Log, cwd: Path) -> None:
        self._log = log
        self._cwd = cwd
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()
        self._interruptible = False
        self.stop_requested = False

    def listen_to_signals(self) -> None:
        """From now on a signal asks for a stop in order, a second one changes nothing."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """While this process itself works: a signal raises KeyboardInterrupt."""
        self._interruptible = True
        try:
            if self.stop_requested:
                raise KeyboardInterrupt
            yield
        finally:
            self._interruptible = False

    def start(self, specs: Iterable[ProcessSpec]) -> None:
        """Start `specs` without waiting for them."""
        for spec in specs:
            child = Child(spec)
            self._children.append(child)
            self._start(child)

    def wait_until_ready(self, specs: Iterable[ProcessSpec]) -> None:
        """Return when all are ready or a stop is asked for; StartFailed when it is hopeless."""
        waiting = {spec.name: spec for spec in specs}
        slow_at = time.monotonic() + SLOW_START_SECONDS
        while waiting and not self.stop_requested:
            for spec in list(waiting.values()):
                if spec.is_ready():
                    self._log.line(spec.name, "ready")
                    del waiting[spec.name]
            self.tick(TICK_SECONDS / 2)
            self._raise_for_failed(waiting)
            if waiting and time.monotonic() > slow_at:
                self._log.say(f"Still waiting for {', '.join(waiting)}: see their lines above.")
                slow_at += SLOW_START_SECONDS

    def run(self) -> None:
        """Supervise until a stop is asked for."""
        while not self.stop_requested:
            self.tick(TICK_SECONDS)

    def tick(self, seconds: float) -> None:
        """Pass on what the children write for this long, then notice who ended or is due again."""
        self._pump(seconds)
        if self.stop_requested:
            return
        now = time.monotonic()
        for child in self._children:
            if child.restart_at is not None:
                if now >= child.restart_at:
                    self._restart(child)
            elif child.returncode is not None:
                self._note_end(child, now)

    def stop(self) -> None:
        """Stop stage by stage, the last started first; who is too slow is cut. Nothing is left."""
        self.stop_requested = True
        if self._children:
            self._log.say("Stopping; running tasks get up to 25 s to finish ...")
        deadline = time.monotonic() + CUT_AFTER_SECONDS
        for stage in sorted(Stage, reverse=True):
            group = [child for child in self._children if child.spec.stage == stage]
            for child in group:
                child.send(child.spec.stop_signal)
            until = max(deadline, time.monotonic() + SHORTEST_STOP_SECONDS)
            while any(child.is_running for child in group) and time.monotonic() < until:
                self._pump(TICK_SECONDS / 2)
            for child in group:
                if child.is_running:
                    self._log.line(child.spec.name, "did not stop in time; killed")
                self._end(child)

    def _start(self, child: Child) -> None:
        child.start(time.monotonic(), self._cwd)
        self._selector.register(child.output, selectors.EVENT_READ, child)

    def _restart(self, child: Child) -> None:
        self._end(child)
        self._start(child)

    def _end(self, child: Child) -> None:
        if child.pid:
            self._drain(child)
            self._forget(child)
        child.end()

    def _note_end(self, child: Child, now: float) -> None:
        self._drain(child)
        returncode, name = child.returncode, child.spec.name
        pause = child.note_failure(now)
        if pause is None:
            self._end(child)
            self._log.line(name, f"exited with {returncode}")
            self._log.say(
                f"{name} has failed {MOST_FAILURES} times and stays down. Look at"
                f" {child.spec.look_at}, then start `up` again."
            )
        else:
            self._log.line(name, f"exited with {returncode}; restarting in {pause:.0f} s")

    def _raise_for_failed(self, waiting: Iterable[str]) -> None:
        for child in self._children:
            hopeless = child.has_given_up and child.spec.name in waiting
            if hopeless or (child.failures and child.spec.must_start):
                raise StartFailed(
                    f"{child.spec.name} does not start: look at {child.spec.look_at}."
                )

    def _pump(self, seconds: float) -> None:
        if not self._selector.get_map():
            time.sleep(seconds)
        for key, _events in self._selector.select(seconds):
            self._read(key.data)

    def _drain(self, child: Child) -> None:
        while self._read(child):
            pass

    def _read(self, child: Child) -> bool:
        if child.output not in self._selector.get_map():
            return False
        try:
            data = os.read(child.output, 65536)
        except BlockingIOError:
            return False
        *lines, child.unfinished_line = (child.unfinished_line + data).split(b"\n")
        if not data:
            self._forget(child)
            lines, child.unfinished_line = (
                [child.unfinished_line] * bool(child.unfinished_line),
                b"",
            )
        for line in lines:
            self._log.line(child.spec.name, line.decode(errors="replace").rstrip())
        return bool(data)

    def _forget(self, child: Child) -> None:
        if child.output in self._selector.get_map():
            self._selector.unregister(child.output)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.stop_requested = True
        if self._interruptible:
            raise KeyboardInterrupt
