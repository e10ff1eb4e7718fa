"""A simulated exchange in its own process, shared by the tests that talk to a whole one."""

from collections.abc import Iterator

import pytest

from workers.paper_exchange.tests.serving import Process


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A market at speed 60 whose accounts begin with 10,000 USDT."""
    state = tmp_path_factory.mktemp("paper") / "state.jsonl"
    process = Process("--speed", "60", "--state", str(state))
    yield process
    process.stop()
