"""A whole installation, started the way a user starts it, in a directory of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).resolve().parents[2]
READY_SECONDS = 120
PORT_FLAGS = (
    "--port",
    "--webhook-port",
    "--flower-port",
    "--paper-port",
    "--paper-bitget-port",
    "--paper-kraken-port",
)


class Installation:
    """`manage.py up` and what it printed."""

    def __init__(self, directory: Path, market: str, *, speed: int) -> None:
        self.ports = free_ports(len(PORT_FLAGS))
        self.url = f"http://127.0.0.1:{self.ports[0]}"
        self.exchange_url = f"http://127.0.0.1:{self.ports[3]}"
        flags = zip(PORT_FLAGS, self.ports, strict=True)
        words = [word for flag, port in flags for word in (flag, str(port))]
        # What the test run itself uses is none of this installation's business.
        ours = ("ARISTOBOT_", "SECRET_KEY", "DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.env |= {"ARISTOBOT_VAR": str(directory), "PYTHONWARNINGS": "ignore"}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "manage.py", "up", *words),
                *("--market", market, "--speed", str(speed)),
            ],
            cwd=PROJECT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            self.lines.extend(line.rstrip() for line in output)

    @property
    def log(self) -> str:
        """All that it has printed."""
        return "\n".join(self.lines)

    def wait_until_ready(self) -> None:
        """Return when it says so."""
        wait_for(lambda: "Ready in" in self.log, seconds=READY_SECONDS, describe=lambda: self.log)

    def password(self, username: str) -> str:
        """The password it printed once."""
        found = re.search(rf"{username}\s+password: (\S+)", self.log)
        assert found, self.log
        return found[1]

    def ask(self, code: str) -> Any:
        """What `code` prints as JSON, run by `manage.py shell` beside the running processes."""
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
            cwd=PROJECT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def processes(self, words: str) -> list[psutil.Process]:
        """Its processes whose command line contains `words`, parents first."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if words in command_line(child)]

    def stop(self) -> int:
        """Press Ctrl-C, and the exit code."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(35)
        self._reader.join()
        return code


@contextmanager
def running(directory: Path, *markets: str, speed: int) -> Iterator[list[Installation]]:
    """Installations side by side, one for each market."""
    with ExitStack() as stack:
        started = []
        for number, market in enumerate(markets):
            installation = Installation(directory / str(number), market, speed=speed)
            stack.callback(kill, installation)
            started.append(installation)
        for installation in started:
            installation.wait_until_ready()
        yield started


def kill(installation: Installation) -> None:
    """Leave nothing running, however the tests ended."""
    if installation.process.poll() is None:
        installation.stop()


def command_line(process: psutil.Process) -> str:
    """Its words, none of a process that has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [server.getsockname()[1] for server in servers]


def wait_for(
    condition: Callable[[], bool], *, seconds: float, describe: Callable[[], str] = str
) -> None:
    """Return when `condition` holds; an AssertionError with the description when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.1)
