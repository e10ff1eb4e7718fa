"""`manage.py bench`: measured on servers that exist for this run alone, also while `up` is running."""

import os
import socket
from collections.abc import Sequence

from django.core.management import execute_from_command_line

from workers.supervisor.testing import throw_away_installation


def run_bench(arguments: Sequence[str]) -> None:
    """Run the command on a throw-away installation; its settings are read only inside it."""
    with throw_away_installation():
        port = _free_port()
        os.environ |= {
            "ARISTOBOT_PAPER_BINANCE_URL": f"http://127.0.0.1:{port}",
            "ARISTOBOT_PAPER_MARKET": "simulated",
        }
        execute_from_command_line(list(arguments))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
