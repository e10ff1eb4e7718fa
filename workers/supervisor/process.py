"""One supervised process: what it is, and its life over its restarts."""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from workers.supervisor.spawn import OURSELVES, Identity, kill_group, spawn

#: A process that lived this long is well again: its failures are forgotten.
WELL_AFTER_SECONDS = 60
LONGEST_PAUSE_SECONDS = 30
MOST_FAILURES = 10


class Stage(IntEnum):
    """Started in this order, stopped in the reverse one: nothing outlives what it needs."""

    SERVERS = 0
    OUTSIDE = 1
    WORKERS = 2
    DOORS = 3


def _nothing() -> None:
    """Do nothing before a start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """One process: how it is started, when it counts as ready, and when it is stopped."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    is_ready: Callable[[], bool]
    stage: Stage
    look_at: str
    #: Without it nothing else makes sense: if it ends while everything starts, the start has failed.
    must_start: bool = False
    before_start: Callable[[], None] = _nothing
    stop_signal: signal.Signals = signal.SIGTERM
    identity: Identity = OURSELVES


class Child:
    """A supervised process over its restarts."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.failures = 0
        self.started_at = 0.0
        self.restart_at: float | None = None
        self.unfinished_line = b""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id, also the id of its session; 0 before its first start."""
        return self._process.pid if self._process else 0

    @property
    def output(self) -> int:
        """Descriptor of what it writes."""
        if self._process is None or self._process.stdout is None:
            raise RuntimeError(f"{self.spec.name} has not been started")
        return self._process.stdout.fileno()

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll() if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the process itself is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def has_given_up(self) -> bool:
        """Whether it has failed so often that it stays down."""
        return self.failures >= MOST_FAILURES

    def start(self, now: float, cwd: Path) -> None:
        """Start it; `now` is the monotonic time in seconds."""
        spec = self.spec
        spec.before_start()
        self.started_at, self.restart_at = now, None
        self._process = spawn(
            spec.argv,
            env=spec.env,
            cwd=cwd,
            output=subprocess.PIPE,
            identity=spec.identity,
            death_signal=spec.stop_signal,
        )
        os.set_blocking(self.output, False)

    def send(self, number: signal.Signals) -> None:
        """Signal its own pid, never its group: a pool's children finish the task they run."""
        if self._process and self.is_running:
            self._process.send_signal(number)

    def end(self) -> None:
        """Kill it and whatever it has left behind, and close its output."""
        if self._process is None:
            return
        self.send(signal.SIGKILL)
        self._process.wait()
        kill_group(self.pid)
        if self._process.stdout:
            self._process.stdout.close()
        self._process = None

    def note_failure(self, now: float) -> float | None:
        """Count a failure; returns the seconds before the next start, None after the last."""
        self.failures = 1 if now - self.started_at > WELL_AFTER_SECONDS else self.failures + 1
        if self.has_given_up:
            return None
        pause = float(min(LONGEST_PAUSE_SECONDS, 2 ** (self.failures - 1)))
        self.restart_at = now + pause
        return pause
