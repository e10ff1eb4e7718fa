"""Supervisors of small Python programs, with what they say kept in memory."""

import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from workers.supervisor.log import Log
from workers.supervisor.process import ProcessSpec, Stage
from workers.supervisor.supervise import Supervisor


def program(name: str, code: str, stage: Stage = Stage.WORKERS) -> ProcessSpec:
    """A process that runs this Python code; its writes are seen at once."""
    return ProcessSpec(
        name=name,
        argv=[sys.executable, "-S", "-u", "-c", code],
        env={},
        is_ready=lambda: True,
        stage=stage,
        look_at="its lines above",
    )


def ends(pid: int, seconds: float = 5) -> bool:
    """Whether this process ends soon; who is killed needs a moment for it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


class Scene:
    """A supervisor and its log."""

    def __init__(self, cwd: Path) -> None:
        self._stream = io.StringIO()
        self.supervisor = Supervisor(Log(self._stream), cwd)

    @property
    def said(self) -> str:
        """Everything in the log so far."""
        return self._stream.getvalue()

    def run_until(self, happened: Callable[[], bool], seconds: float = 10) -> None:
        """Supervise until something has happened; fails when it doesn't."""
        deadline = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < deadline, self.said
            self.supervisor.tick(0.02)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A supervisor whose children are stopped after the test."""
    scene = Scene(tmp_path)
    yield scene
    scene.supervisor.stop()
