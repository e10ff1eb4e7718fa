import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.supervisor.preflight import CanNotStart, Port, check_market, check_ports


def port(number: int, owner: str = "the admin") -> Port:
    return Port(owner, "127.0.0.1", number, "--port", "ARISTOBOT_PORT")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_taken_port_is_named_with_its_holder_and_the_way_out(taken: int) -> None:
    with pytest.raises(CanNotStart) as refusal:
        check_ports([port(taken)])

    message = str(refusal.value)
    assert f"Port {taken} for the admin is taken" in message
    assert f"(process {os.getpid()})" in message
    assert message.endswith("Choose another with --port N or ARISTOBOT_PORT.")


def test_a_free_port_passes(taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]

    check_ports([port(free)])


def test_one_port_for_two_servers_is_refused() -> None:
    with pytest.raises(CanNotStart, match="meant for both the admin and webhooks"):
        check_ports([port(0), port(0, "webhooks")])


@pytest.mark.parametrize("market", ["simulated", "live", "live:http://127.0.0.1:1"])
def test_markets_without_files_pass(market: str, tmp_path: Path) -> None:
    check_market(market, 60.0, tmp_path)


@pytest.mark.parametrize(
    ("market", "message"),
    [("replayed", "there is no such market"), ("replay:a.csv,gone.csv", "gone.csv can't be read")],
)
def test_a_market_that_can_not_be_played_is_refused(
    market: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").touch()

    with pytest.raises(CanNotStart, match=message):
        check_market(market, 60.0, tmp_path)


def test_a_market_that_stands_still_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CanNotStart, match="must be a number above 0"):
        check_market("simulated", 0.0, tmp_path)
