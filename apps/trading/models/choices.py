"""What the fields of the tables share."""

from enum import StrEnum


def choices_of(enum: type[StrEnum]) -> list[tuple[str, str]]:
    """Its values, and for people the same without underscores."""
    return [(member.value, member.value.replace("_", " ")) for member in enum]
