"""The file behind the exchange's memory: one JSON object per line, only ever appended to."""

import errno
import logging
import os
from pathlib import Path

import msgspec

from workers.paper_exchange.startup import StartError
from workers.paper_exchange.state import Record, State

logger = logging.getLogger(__name__)


class Journal:
    """Appends records; each is with the operating system when `append` returns."""

    def __init__(self, path: Path) -> None:
        # Unbuffered: a process that is killed loses nothing it has answered for.
        self._file = path.open("ab", buffering=0)

    def append(self, record: Record) -> None:
        """Write one record in one piece; raises OSError, and after half a line nothing else works."""
        line = _line(record)
        if self._file.write(line) != len(line):
            self._file.close()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._file.name)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def read_journal(path: Path, state: State) -> None:
    """Bring `state` to where the journal ends; a file that is missing is an empty one.

    Raises StartError for a line that can't be read; a last line without its end was never answered
    for and is dropped.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise StartError(
            f"{path}: can't be read ({error.strerror}). Give another --state file."
        ) from error
    if lines.pop():
        logger.warning("%s: the last line was cut off while it was written; dropped.", path)
    for number, line in enumerate(lines, start=1):
        try:
            state.apply(msgspec.json.decode(line, type=dict))
        except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise StartError(
                f"{path}:{number}: can't be read ({type(error).__name__}: {error}). "
                "Remove the line, or the file to start anew."
            ) from error


def compact_journal(path: Path, state: State) -> None:
    """Replace the journal by the shortest one that leads to `state`, never leaving none."""
    fresh = path.with_name(path.name + ".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whoever knows a paper key owns its account: nobody else reads the file.
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for record in state.records():
            file.write(_line(record))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _line(record: Record) -> bytes:
    return msgspec.json.encode(record) + b"\n"
