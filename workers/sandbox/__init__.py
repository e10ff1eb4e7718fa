"""Where strategies run: a zygote that forks one confined process for each."""

import sys
from pathlib import Path


def zygote_command(socket_path: str, profile: str = "live") -> list[str]:
    """The argv of a zygote that listens on `socket_path`; run it with an empty environment. The profile
    says what for: see profiles.py."""
    return [sys.executable, "-I", str(Path(__file__).with_name("start.py")), socket_path, profile]
