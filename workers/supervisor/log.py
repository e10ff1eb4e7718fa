"""One log of all processes: each line with its time and the name of who wrote it."""

import os
import sys
import time
from typing import TextIO

#: Cyan, yellow, green, magenta, blue, and their bright forms; red is left for what went wrong.
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class Log:
    """Writes to `stream`, in colour on a terminal unless NO_COLOR is set."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}

    def line(self, name: str, text: str) -> None:
        """Write one line of the process `name`."""
        prefix = f"{time.strftime('%H:%M:%S')} {name:<13} |"
        if self._coloured:
            number = len(self._colours) % len(COLOURS)
            prefix = f"\033[{self._colours.setdefault(name, COLOURS[number])}m{prefix}\033[0m"
        self._write(f"{prefix} {text}\n")

    def say(self, text: str) -> None:
        """Write words of the supervisor itself, which stand out from the processes'."""
        self._write(f"\033[1m{text}\033[0m\n" if self._coloured else f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            return  # the terminal is gone; the processes still have to be stopped in order
