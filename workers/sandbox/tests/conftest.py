"""A running zygote."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.strategies.sandbox import Sandbox
from workers.sandbox.tests.running import RunningZygote, wait_until


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningZygote]:
    """One for all tests that do not stop it."""
    if sys.platform != "linux":
        pytest.skip("the confinement is Linux's")
    running = RunningZygote(tmp_path_factory.mktemp("zygote") / "s")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def backtest_zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningZygote]:
    """One that does whole backtests."""
    if sys.platform != "linux":
        pytest.skip("the confinement is Linux's")
    running = RunningZygote(tmp_path_factory.mktemp("zygote") / "b", "backtest")
    yield running
    running.stop()


@pytest.fixture
def own_zygote(tmp_path: Path) -> Iterator[RunningZygote]:
    """One to stop."""
    if sys.platform != "linux":
        pytest.skip("the confinement is Linux's")
    running = RunningZygote(tmp_path / "s")
    yield running
    if running.process.returncode is None:
        running.stop()


@pytest.fixture
def sandbox(zygote: RunningZygote) -> Iterator[Sandbox]:
    """A client of the shared zygote that leaves no process behind."""
    with Sandbox(zygote.socket_path) as client:
        yield client
    wait_until(lambda: not zygote.list_children())
