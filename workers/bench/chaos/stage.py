"""`manage.py up` on an installation of its own, as a user starts it, and its processes."""

import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from django.conf import settings

from workers.bench.chaos.plan import Victim

READY_SECONDS = 90
#: Words of a command line that only this process has.
_WORDS = {
    Victim.ORDERS: "-Q orders",
    Victim.MONITOR: "-Q monitor",
    Victim.STRATEGIES: "-Q strategies",
    Victim.BEAT: "aristobot beat",
    Victim.HEARTBEAT: "manage.py heartbeat",
    Victim.VALKEY: "valkey-server",
    Victim.POSTGRES: "bin/postgres",
    Victim.WEB: "aristobot.asgi",
    Victim.WEBHOOK: "aristobot.wsgi",
    Victim.STREAMS: "manage.py streams",
    Victim.SANDBOX: "sandbox/start.py",
    Victim.BINANCE: "--exchange binance",
    Victim.BITGET: "--exchange bitget",
    Victim.KRAKEN: "--exchange kraken",
}
_UNEXPECTED = re.compile(r"Task ([a-z_.]+)\[\S+\] raised unexpected: (\w+)")
_PARENTS = {Victim.ORDERS_CHILD: Victim.ORDERS, Victim.MONITOR_CHILD: Victim.MONITOR}


class NotReady(Exception):
    """The installation did not start; the message is its log."""


class Stage:
    """The running installation; what it prints is kept in `log`."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._output = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=settings.BASE_DIR,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_until_ready(self) -> None:
        """Return when it says so; raises NotReady."""
        deadline = time.monotonic() + READY_SECONDS
        while b"Ready in" not in self.log.read_bytes():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NotReady(self.log.read_text(errors="replace"))
            time.sleep(0.1)

    def find(self, victim: Victim) -> list[psutil.Process]:
        """The process itself, or all children of a pool; nothing while it is down."""
        words = _WORDS[_PARENTS.get(victim, victim)]
        supervised = psutil.Process(self._process.pid).children()
        found = [each for each in supervised if words in _command_line(each)]
        if not victim.is_child:
            return found
        return [child for parent in found for child in _children(parent)]

    def tree(self, victim: Victim) -> Iterator[psutil.Process]:
        """The process and all its children."""
        for process in self.find(victim):
            yield process
            yield from _children(process)

    def errors(self) -> Counter[str]:
        """How often which task ended in an exception that nobody expected."""
        log = self.log.read_text(errors="replace")
        return Counter(" ".join(found) for found in _UNEXPECTED.findall(log))

    def stop(self) -> None:
        """Ctrl-C, and what it takes if that is not enough."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()


def _children(parent: psutil.Process) -> list[psutil.Process]:
    try:
        children: list[psutil.Process] = parent.children()
    except psutil.NoSuchProcess:
        return []
    return children


def _command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
