"""`manage.py bench`: measured on servers that exist for this run alone, also while `up` is running."""

import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.core.management import execute_from_command_line

from workers.supervisor.environment import LOOPBACK, make_secrets
from workers.supervisor.testing import throw_away_installation


def run_bench(arguments: Sequence[str]) -> None:
    """Run the command on a throw-away installation; its settings are read only inside it."""
    is_chaos = "chaos" in arguments[2:3]
    with installation_to_break() if is_chaos else throw_away_installation():
        if not is_chaos:
            paper, webhook = _free_ports(2)
            os.environ |= {
                "ARISTOBOT_PAPER_BINANCE_URL": LOOPBACK.format(paper),
                "ARISTOBOT_WEBHOOK_PORT": str(webhook),
                "ARISTOBOT_PAPER_MARKET": "simulated",
            }
        execute_from_command_line(list(arguments))


@contextmanager
def installation_to_break() -> Iterator[None]:
    """Secrets, a directory and ports for an `up` that starts and loses its servers itself."""
    names = ("ARISTOBOT_PORT", "ARISTOBOT_WEBHOOK_PORT")
    urls = ("FLOWER", "PAPER_BINANCE", "PAPER_BITGET", "PAPER_KRAKEN")
    with tempfile.TemporaryDirectory(prefix="aristobot-chaos-") as base:
        Path(base).chmod(0o711)  # PostgreSQL, as somebody else, may have to pass through
        for name in ("DATABASE_URL", "REDIS_URL", "ARISTOBOT_SANDBOX_SOCKET"):
            os.environ.pop(name, None)
        ports = _free_ports(len(names) + len(urls))
        os.environ |= make_secrets()
        os.environ |= {"ARISTOBOT_VAR": f"{base}/var", "ARISTOBOT_RUN": f"{base}/run"}
        os.environ |= {name: str(ports.pop()) for name in names}
        os.environ |= {f"ARISTOBOT_{name}_URL": LOOPBACK.format(ports.pop()) for name in urls}
        os.environ |= {"ARISTOBOT_PAPER_MARKET": "simulated", "ARISTOBOT_PAPER_SPEED": "60"}
        yield


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [int(server.getsockname()[1]) for server in servers]
