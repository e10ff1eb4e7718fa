"""Parameters of a request, read one by one so that what nobody read is noticed."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from urllib.parse import parse_qsl

from workers.paper_exchange.dialects.kraken import errors
from workers.paper_exchange.dialects.kraken.errors import KrakenError

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_TRUE, _FALSE = {"true", "1"}, {"false", "0"}
#: What every private request may carry beside its own parameters.
_ENVELOPE = frozenset({"nonce", "otp", "asset_class"})
_LARGEST = Decimal(10) ** 15


class Parameters:
    """What a client sent, by name; from JSON also lists and nested objects."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = dict(values)
        self._read: set[str] = set()

    def __contains__(self, name: str) -> bool:
        """Whether it was sent with a value."""
        value = self._values.get(name)
        return value is not None and value != ""

    def value(self, name: str) -> object:
        """A value as it was sent."""
        self._read.add(name)
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        """A value as text, or None when it was not sent or is empty."""
        value = self.value(name)
        if isinstance(value, list | dict):
            raise errors.invalid_arguments(name)
        if isinstance(value, bool):
            return "true" if value else "false"
        return None if value is None or value == "" else str(value)

    def required(self, name: str) -> str:
        """A value that has to be there."""
        value = self.text(name)
        if value is None:
            raise errors.invalid_arguments(name)
        return value

    def flag(self, name: str) -> bool:
        """True or false in any spelling; false when it was not sent."""
        value = (self.text(name) or "false").lower()
        if value not in _TRUE | _FALSE:
            raise errors.invalid_arguments(name)
        return value in _TRUE

    def integer(self, name: str) -> int | None:
        """A whole number."""
        value = self.text(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise errors.invalid_arguments(name)
        return int(value)

    def number(self, name: str) -> Decimal | None:
        """An amount or an absolute price, not negative."""
        value = self.text(name)
        return None if value is None else read_number(value, errors.invalid_arguments(name))

    def names(self, name: str) -> list[str]:
        """A list: JSON's own, one written into a form's field, or names with commas between."""
        value = self.value(name)
        if isinstance(value, str) and value.startswith("["):
            value = _json(value, name)
        if isinstance(value, list):
            return [str(each) for each in value]
        return [each for each in (self.text(name) or "").split(",") if each]

    def rows(self, name: str) -> list["Parameters"]:
        """A list of objects."""
        value = self.value(name)
        if isinstance(value, str):
            value = _json(value, name)
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise errors.invalid_arguments(name)
        return [Parameters(flattened(row)) for row in value]

    def finish(self) -> None:
        """Raise when something was sent that nobody has read: a writing endpoint's last check."""
        if self._values.keys() - self._read - _ENVELOPE:
            raise errors.invalid_arguments()


def read_number(text: str, error: KrakenError) -> Decimal:
    """A number that is written plainly; else raises `error`."""
    if not _NUMBER.fullmatch(text) or Decimal(text) > _LARGEST:
        raise error
    return Decimal(text)


def read_moment(text: str, name: str) -> int:
    """A time with its offset, in milliseconds since 1970."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise errors.invalid_arguments(name)
    return int(moment.timestamp() * 1000)


def parse_form(encoded: str) -> dict[str, object]:
    """The fields of a query string or a form; a name that is sent twice is refused."""
    pairs = parse_qsl(encoded, keep_blank_values=True)
    values: dict[str, object] = dict(pairs)
    if len(values) != len(pairs):
        raise errors.invalid_arguments()
    return values


def parse_json(body: str) -> dict[str, object]:
    """The fields of a JSON body."""
    value = _json(body, "")
    if not isinstance(value, dict):
        raise errors.invalid_arguments()
    return flattened(value)


def flattened(values: Mapping[str, object]) -> dict[str, object]:
    """Nested objects as forms have them: `close[price]`."""
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}[{inner}]": each for inner, each in value.items()}
        else:
            flat[name] = value
    return flat


def _json(text: str, name: str) -> object:
    try:
        # Numbers stay as they were written.
        value: object = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise errors.invalid_arguments(name) from None
    return value
