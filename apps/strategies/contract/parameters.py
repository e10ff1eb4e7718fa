"""STRATEGY_PARAMS: what a strategy lets a person tune, and the values it runs with."""

from collections.abc import Mapping
from typing import Any, TypeGuard

MAX_PARAMETERS = 50
MAX_VALUE = 1e15
_KEYS = frozenset({"default", "min", "max", "step", "type", "label"})


def read_schema(declared: object) -> dict[str, dict[str, Any]]:
    """Check a STRATEGY_PARAMS dictionary and fill in what it leaves out: the type of the default, no
    bounds, the name as label. Raises ValueError that names the parameter."""
    if not isinstance(declared, dict) or len(declared) > MAX_PARAMETERS:
        raise ValueError(f"STRATEGY_PARAMS has to be a dictionary of at most {MAX_PARAMETERS}.")
    return {_read_name(name): _read_entry(name, entry) for name, entry in declared.items()}


def merge(schema: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults, overridden by the `given` values. Raises ValueError for a name the schema lacks
    and for a value outside its type or bounds."""
    if unknown := sorted(given.keys() - schema.keys()):
        known = ", ".join(schema) or "none"
        raise ValueError(f"There is no parameter {', '.join(unknown)}. Declared: {known}.")
    return {
        name: _read_value(name, given.get(name, entry["default"]), entry)
        for name, entry in schema.items()
    }


def is_number(value: object) -> TypeGuard[int | float]:
    """An int or a float that is finite and no more than 1e15 away from zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -MAX_VALUE <= value <= MAX_VALUE


def _read_name(name: object) -> str:
    if not isinstance(name, str) or not name.isidentifier() or len(name) > 50:
        raise ValueError(f"STRATEGY_PARAMS: {str(name)[:50]!r} is not a name.")
    return name


def _read_entry(name: str, entry: object) -> dict[str, Any]:
    if not isinstance(entry, dict) or "default" not in entry:
        raise ValueError(f"STRATEGY_PARAMS: {name} has to be a dictionary with a default.")
    if unknown := entry.keys() - _KEYS:
        raise ValueError(
            f"STRATEGY_PARAMS: {name} has an unknown entry {sorted(map(str, unknown))}."
        )
    kind = entry.get("type", "int" if type(entry["default"]) is int else "float")
    if kind not in ("int", "float"):
        raise ValueError(f'STRATEGY_PARAMS: the type of {name} has to be "int" or "float".')
    bounds = {key: _read_bound(name, key, entry.get(key)) for key in ("min", "max", "step")}
    schema = {"type": kind, **bounds, "label": str(entry.get("label", name))[:100]}
    return {"default": _read_value(name, entry["default"], schema), **schema}


def _read_bound(name: str, key: str, value: object) -> int | float | None:
    if value is None or is_number(value):
        return value
    raise ValueError(f"STRATEGY_PARAMS: {key} of {name} has to be a number.")


def _read_value(name: str, value: object, entry: Mapping[str, Any]) -> int | float:
    if not is_number(value) or (entry["type"] == "int" and value != int(value)):
        raise ValueError(f"Parameter {name} has to be of type {entry['type']}, not {value!r:.50}.")
    low, high = entry["min"], entry["max"]
    if (low is not None and value < low) or (high is not None and value > high):
        raise ValueError(f"Parameter {name} has to be from {low} to {high}, not {value!r:.50}.")
    return int(value) if entry["type"] == "int" else float(value)
