"""A sandbox for one command, where none is running."""

import select
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.strategies.sandbox import SandboxUnavailable
from workers.sandbox import zygote_command

_START_SECONDS = 60


@contextmanager
def start_sandbox(profile: str = "live") -> Iterator[tuple[str, int]]:
    """The path on which a new sandbox listens until the block is left, and its process id. Raises
    SandboxUnavailable."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "sandbox.sock")
        process = subprocess.Popen(
            zygote_command(path, profile), env={}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            if not _is_ready(process):
                raise SandboxUnavailable("A sandbox could not be started on this machine.")
            yield path, process.pid
        finally:
            process.terminate()
            process.communicate()


def _is_ready(process: subprocess.Popen[bytes]) -> bool:
    """Its first words are that it is ready; one that ends says nothing."""
    if process.stdout is None:
        return False
    said, _, _ = select.select([process.stdout], [], [], _START_SECONDS)
    return bool(said and process.stdout.readline())
