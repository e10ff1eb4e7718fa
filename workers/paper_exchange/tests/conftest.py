"""Simulated exchanges in processes of their own, shared by the tests that talk to a whole one."""

from collections.abc import Callable, Iterator

import pytest

from apps.domain.environments import Exchange
from workers.paper_exchange.tests.serving import Process


@pytest.fixture(scope="session")
def simulated_as(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Exchange], Process]]:
    """A market at speed 60 whose accounts begin with 10,000 USDT, one for each dialect asked for."""
    processes: dict[Exchange, Process] = {}

    def start(spoken: Exchange) -> Process:
        if spoken not in processes:
            state = str(tmp_path_factory.mktemp("paper") / "state.jsonl")
            processes[spoken] = Process("--exchange", spoken, "--speed", "60", "--state", state)
        return processes[spoken]

    yield start
    for process in processes.values():
        process.stop()


@pytest.fixture(scope="session")
def simulated(simulated_as: Callable[[Exchange], Process]) -> Process:
    """The one that speaks Binance's protocol."""
    return simulated_as(Exchange.BINANCE)
