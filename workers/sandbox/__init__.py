"""Where strategies run: a zygote that forks one confined process for each."""

import sys
from pathlib import Path


def zygote_command(socket_path: str) -> list[str]:
    """The argv of a zygote that listens on `socket_path`; run it with an empty environment."""
    return [sys.executable, "-I", str(Path(__file__).with_name("start.py")), socket_path]
