"""Columns with a meaning: money and secrets."""

from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models


class QuantityField(models.DecimalField[Any, Any]):
    """An amount of an asset or a price: 18 digits before the point, 12 behind it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"], kwargs["decimal_places"] = 30, 12
        super().__init__(*args, **kwargs)


class OrderedJSONField(models.JSONField):
    """A dictionary that keeps the order of its keys, which PostgreSQL's jsonb does not: it is stored as a
    list of pairs."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: Any = False) -> Any:  # noqa: FBT002  Django's signature
        """Its pairs."""
        pairs = [[key, entry] for key, entry in value.items()]
        return super().get_db_prep_value(pairs, connection, prepared)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """The dictionary again."""
        return dict(super().from_db_value(value, expression, connection))


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _current_cipher() -> MultiFernet:
    return _cipher(tuple(settings.ENCRYPTION_KEYS))


class EncryptedTextField(models.TextField[Any, Any]):
    """Text that is encrypted in the database with the newest of ARISTOBOT_ENCRYPTION_KEYS and read with
    any of them; a key that fits none raises cryptography.fernet.InvalidToken. It can't be searched."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt; empty stays empty."""
        text = super().get_prep_value(value)
        return _current_cipher().encrypt(text.encode()).decode() if text else text

    def from_db_value(self, value: str | None, *_args: object) -> str | None:
        """Decrypt."""
        return _current_cipher().decrypt(value.encode()).decode() if value else value

    def get_lookup(self, lookup_name: str) -> Any:
        """Only `isnull`: the same text never encrypts to the same value."""
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted and can't be searched.")
        return super().get_lookup(lookup_name)
