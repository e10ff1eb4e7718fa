"""Parameters of a request, read one by one so that what nobody read is noticed."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Self
from urllib.parse import parse_qsl

from workers.paper_exchange.dialects.binance import errors

_INTEGER = r"^[0-9]{1,20}$"
_NUMBER = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_SYMBOL = r"^[A-Z0-9-_.]{1,20}$"
_CLIENT_ID = r"^[a-zA-Z0-9-_]{1,36}$"
#: Decimals of every asset and price.
PRECISION = 8


class Parameters:
    """What query string and body say; where both carry a name, the query string wins."""

    def __init__(self, query: str, body: str) -> None:
        """Raises BinanceError for a name that is sent twice in one of them."""
        self._values = _unique(body) | _unique(query)
        self._read: set[str] = set()

    @classmethod
    def of_json(cls, values: Mapping[str, object]) -> Self:
        """The parameters of a WebSocket request, as if they had been sent as text."""
        parameters = cls("", "")
        parameters._values = {name: _as_text(value) for name, value in values.items()}
        return parameters

    @property
    def sorted_payload(self) -> bytes:
        """What the signature of a WebSocket request covers."""
        pairs = sorted((n, v) for n, v in self._values.items() if n != "signature")
        return "&".join(f"{name}={value}" for name, value in pairs).encode()

    def text(self, name: str, legal: str | None = None) -> str | None:
        """A value, or None when it was not sent; `legal` is the pattern it must have."""
        self._read.add(name)
        value = self._values.get(name)
        if value == "":
            raise errors.empty_parameter(name)
        if value is not None and legal is not None and not re.fullmatch(legal, value, re.ASCII):
            raise errors.illegal_characters(name, legal)
        return value

    def required(self, name: str, legal: str | None = None) -> str:
        """A value that has to be there."""
        self._read.add(name)
        if not self._values.get(name):
            raise errors.missing_parameter(name)
        return self.text(name, legal) or ""

    def symbol(self) -> str | None:
        """The symbol, in the exchange's spelling."""
        return self.text("symbol", _SYMBOL)

    def required_symbol(self) -> str:
        """The symbol that has to be there."""
        return self.required("symbol", _SYMBOL)

    def integer(self, name: str) -> int | None:
        """A whole number, such as an id or a time in milliseconds."""
        value = self.text(name, _INTEGER)
        return None if value is None else int(value)

    def required_integer(self, name: str) -> int:
        """A whole number that has to be there."""
        return int(self.required(name, _INTEGER))

    def limit(self, *, default: int, largest: int) -> int:
        """How many rows are wanted; more than `largest` means `largest`."""
        limit = self.integer("limit")
        if limit == 0:
            raise errors.invalid_data("limit")
        return default if limit is None else min(limit, largest)

    def number(self, name: str) -> Decimal | None:
        """An amount or a price."""
        value = self.text(name, _NUMBER)
        if value is None:
            return None
        if len(value.partition(".")[2].rstrip("0")) > PRECISION:
            raise errors.too_precise(name)
        return Decimal(value)

    def required_number(self, name: str) -> Decimal:
        """An amount or a price that has to be there."""
        self.required(name)
        return self.number(name) or Decimal(0)

    def client_id(self, name: str) -> str | None:
        """A client's own name for an order."""
        return self.text(name, _CLIENT_ID)

    def flag(self, name: str) -> bool:
        """True or false; false when it was not sent."""
        value = self.text(name)
        if value not in {None, "true", "false"}:
            raise errors.invalid_data(name)
        return value == "true"

    def refuse(self, *names: str) -> None:
        """Raise for a parameter that must not be sent with the others."""
        for name in names:
            if name in self._values:
                raise errors.not_required(name)

    def rename(self, names: Mapping[str, str], added: Mapping[str, str]) -> None:
        """Go on under other names, with some parameters more."""
        self._values = {names.get(n, n): v for n, v in self._values.items()} | dict(added)

    def peek(self, name: str) -> str | None:
        """A value as it was sent, not counted as read."""
        return self._values.get(name)

    def finish(self) -> None:
        """Raise when something was sent that nobody has read: an endpoint's last check."""
        unread = self._values.keys() - self._read
        if unread and not self._read:
            raise errors.too_many_parameters(0, len(unread))
        if unread:
            raise errors.unread_parameters(len(self._values) - len(unread), len(self._values))


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _unique(encoded: str) -> dict[str, str]:
    pairs = parse_qsl(encoded, keep_blank_values=True)
    values = dict(pairs)
    if len(values) != len(pairs):
        raise errors.duplicate_parameter()
    return values
