"""Parameters of a request: of a query string, or of a JSON body."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from urllib.parse import parse_qsl

from workers.paper_exchange.dialects.bitget import errors

_Choice = TypeVar("_Choice")
#: Longer numbers are no numbers of a market.
_LONGEST_NUMBER = 40
_LARGEST = Decimal("1e20")


class Parameters:
    """What a client sent; numbers may be JSON numbers or text. What nobody reads is ignored."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        """A value, or None when it was not sent or is empty."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise errors.malformed(name)
        return value

    def required(self, name: str) -> str:
        """A value that has to be there."""
        value = self.text(name)
        if value is None:
            raise errors.missing(name)
        return value

    def choice(self, name: str, choices: Mapping[str, _Choice], default: str = "") -> _Choice:
        """One of several words, in any case; required unless there is a default."""
        word = (self.text(name) or default or self.required(name)).lower()
        if word not in choices:
            raise errors.wrong(name)
        return choices[word]

    def integer(self, name: str) -> int | None:
        """A whole number, such as a time in milliseconds."""
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdecimal() and len(value) <= _LONGEST_NUMBER):
            raise errors.malformed(name)
        return int(value)

    def limit(self, *, default: int, largest: int) -> int:
        """How many rows are wanted; more than `largest` means `largest`."""
        limit = self.integer("limit")
        if limit == 0:
            raise errors.wrong("limit")
        return default if limit is None else min(limit, largest)

    def number(self, name: str) -> Decimal | None:
        """An amount or a price above zero, or None when it was not sent."""
        value = self.text(name)
        if value is None:
            return None
        try:
            number = Decimal(value) if len(value) <= _LONGEST_NUMBER else Decimal(-1)
        except InvalidOperation:
            raise errors.malformed(name) from None
        if not number.is_finite() or not 0 <= number < _LARGEST:
            raise errors.malformed(name)
        return number or None

    def required_number(self, name: str) -> Decimal:
        """An amount or a price that has to be there."""
        number = self.number(name)
        if number is None:
            raise errors.missing(name)
        return number

    def texts(self, name: str) -> list[str]:
        """A list of texts; empty when it was not sent."""
        values = self._sequence(name)
        if not all(isinstance(value, str) for value in values):
            raise errors.malformed(name)
        return [str(value) for value in values]

    def items(self, name: str, *, most: int) -> "list[Parameters]":
        """A list of objects that has to be there."""
        values = self._sequence(name)
        if not values:
            raise errors.missing(name)
        if len(values) > most:
            raise errors.wrong(name)
        return [Parameters(value) for value in values if isinstance(value, dict)]

    def with_defaults(self, **values: str) -> "Parameters":
        """The same, and these values where nothing else was sent."""
        return Parameters({**values, **self._values})

    def _sequence(self, name: str) -> Sequence[object]:
        values = self._values.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            raise errors.malformed(name)
        return values


def read_query(query: str) -> Parameters:
    """The parameters of a GET."""
    return Parameters(dict(parse_qsl(query, keep_blank_values=True)))


def read_body(body: bytes) -> Parameters:
    """The parameters of a POST; raises BitgetError for what is no JSON object."""
    try:
        values = json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise errors.unreadable_body() from None
    if not isinstance(values, dict):
        raise errors.unreadable_body()
    return Parameters(values)
