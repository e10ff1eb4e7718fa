"""Model instances in queries written by hand, where building one would take longer than running it."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.db import connection, models


class Rows:
    """Which models a row consists of: `Rows(c=Candle, s=Series)` selects all columns of both under the
    aliases c and s, and splits a fetched row back into instances."""

    def __init__(self, **parts: type[models.Model]) -> None:
        self._parts = parts

    @property
    def columns(self) -> str:
        """What to put after SELECT, before any columns of your own."""
        return ", ".join(
            f'{alias}."{field.column}"'
            for alias, model in self._parts.items()
            for field in model._meta.concrete_fields
        )

    def split(self, row: Sequence[Any]) -> tuple[list[Any], Sequence[Any]]:
        """The instances in the order of the parts, None where an outer join found nothing, and the
        values of the columns that followed."""
        instances, start = [], 0
        for model, converters in self._readers:
            values = row[start : start + len(converters)]
            start += len(converters)
            instances.append(_read(model, converters, values))
        return instances, row[start:]

    @cached_property
    def _readers(self) -> list[tuple[type[models.Model], list[tuple[str, list[Any], Any]]]]:
        return [
            (
                model,
                [
                    (field.attname, field.get_db_converters(connection), field)
                    for field in model._meta.concrete_fields
                ],
            )
            for model in self._parts.values()
        ]


class NewRow:
    """A new instance of a model in an INSERT: its columns, what stands for them after VALUES, and what
    that is for an instance."""

    def __init__(self, model: type[models.Model]) -> None:
        self._fields = [field for field in model._meta.concrete_fields if not field.primary_key]

    @property
    def columns(self) -> str:
        """All but the key, which the database gives."""
        return ", ".join(f'"{field.column}"' for field in self._fields)

    @property
    def placeholders(self) -> str:
        """In the same order."""
        return ", ".join(f"%({field.attname})s" for field in self._fields)

    def values(self, instance: models.Model) -> dict[str, Any]:
        """What the placeholders name; fields that fill themselves are filled."""
        return {
            field.attname: field.get_db_prep_save(field.pre_save(instance, add=True), connection)
            for field in self._fields
        }

    def is_stored(self, instance: models.Model, key: int) -> None:
        """The instance is the row of that key from now on."""
        instance.pk = key
        instance._state.adding, instance._state.db = False, connection.alias


def _read(
    model: type[models.Model], converters: list[tuple[str, list[Any], Any]], values: Sequence[Any]
) -> models.Model | None:
    if all(value is None for value in values):
        return None
    names, converted = [], []
    for (name, convert, field), value in zip(converters, values, strict=True):
        for function in convert:
            value = function(value, field.cached_col, connection)  # noqa: PLW2901  one after the other
        names.append(name)
        converted.append(value)
    return model.from_db(connection.alias, names, converted)
