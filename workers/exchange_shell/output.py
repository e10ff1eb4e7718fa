"""An exchange's answer as text: JSON for programs, aligned columns for people."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from apps.exchanges.parsing import moment
from apps.exchanges.ports import Candles

#: Too much for a line; JSON has it.
_NOT_IN_TABLES = {"raw", "fills"}
_UNKNOWN = "-"
_NUMBER = re.compile(r"-|-?\d+(\.\d+)?")


def as_json(found: object) -> str:
    """Decimals are strings, times ISO 8601 in UTC, sets in order."""
    return json.dumps(_plain(found), indent=2)


def as_table(found: object) -> str:
    """A line for each of many, or for each fact of a single thing; what is not known is `-`."""
    plain = _plain(found)
    if isinstance(plain, dict):
        names = [name for name in plain if name not in _NOT_IN_TABLES]
        return _lines([[_title(name), _cell(plain[name])] for name in names], [str.ljust] * 2)
    if not plain:
        return "None."
    names = [name for name in plain[0] if name not in _NOT_IN_TABLES]
    known = [name for name in names if any(row[name] is not None for row in plain)]
    cells = [[_cell(row[name]) for name in known] for row in plain]
    sides = [
        str.rjust if all(map(_NUMBER.fullmatch, column)) else str.ljust
        for column in zip(*cells, strict=True)
    ]
    return _lines([[_title(name) for name in known], *cells], sides)


def _plain(found: object) -> Any:
    """What JSON can hold, in rows where it came in columns."""
    rows = list(found) if isinstance(found, Candles) else found
    return _readable(
        msgspec.to_builtins(rows, builtin_types=(Decimal, datetime), order="deterministic")
    )


def _readable(value: Any) -> Any:
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    if isinstance(value, dict):
        return dict(_fact(name, item) for name, item in value.items())
    return value


def _fact(name: str, value: Any) -> tuple[str, Any]:
    # Tickers come by the thousand, and carry their time as a number for that.
    if name == "at_ms":
        return "at", None if value is None else _readable(moment(value))
    return name, _readable(value)


def _title(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_cell, value)) or _UNKNOWN
    if isinstance(value, dict):
        return " ".join(f"{name}={_cell(item)}" for name, item in value.items())
    return _UNKNOWN if value is None or value == "" else str(value)


def _lines(rows: Sequence[Sequence[str]], sides: Sequence[Any]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            side(cell, width) for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    )
