"""Changes to a source at places of its syntax tree; everything else stays as it was written."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

_NEWLINE = re.compile(rb"\r\n|\r|\n")
_WORD = re.compile(rb"\w", re.ASCII)


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the bytes from `start` to `end` by `text`; the same number twice inserts."""

    start: int
    end: int
    text: str


class Places:
    """Where the lines and nodes of a source are in its UTF-8 bytes, which is how Python counts columns."""

    def __init__(self, code: str) -> None:
        self._source = code.encode()
        self._lines = [0, *(found.end() for found in _NEWLINE.finditer(self._source))]

    def line(self, number: int) -> int:
        """The start of a line, counted from 1; of the one after the last, the end."""
        return self._lines[number - 1] if number <= len(self._lines) else len(self._source)

    def start(self, node: ast.expr) -> int:
        """The first byte of a node."""
        return self.line(node.lineno) + node.col_offset

    def end(self, node: ast.expr) -> int:
        """The byte after a node."""
        return self.line(node.end_lineno or node.lineno) + (node.end_col_offset or 0)

    def text(self, start: int, end: int) -> str:
        """The source between two places."""
        return self._source[start:end].decode()

    def replace(self, node: ast.expr, text: str) -> Edit:
        """Put `text` where `node` is, apart from a word that it would grow together with."""
        start = self.start(node)
        glued = start > 0 and _WORD.match(self._source, start - 1)
        return Edit(start, self.end(node), f" {text}" if glued else text)

    def apply(self, edits: Iterable[Edit]) -> str:
        """The source with all edits made; they may not overlap. Those at one place keep their order."""
        source = self._source
        for edit in reversed(sorted(edits, key=lambda edit: edit.start)):  # noqa: C413  not the same
            source = source[: edit.start] + edit.text.encode() + source[edit.end :]
        return source.decode()
