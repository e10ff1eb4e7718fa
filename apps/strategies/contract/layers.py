"""The walls around a strategy, and what it could do where one is missing."""

from collections.abc import Collection
from enum import Flag, auto
from typing import Self


class Layer(Flag):
    """One wall around a strategy."""

    LIMITS = auto()
    LANDLOCK = auto()
    SECCOMP = auto()

    @classmethod
    def from_names(cls, names: Collection[str]) -> Self:
        """The layers called so; a name that is none is no layer."""
        layers = cls(0)
        for layer in cls:
            if layer.name in names:
                layers |= layer
        return layers

    @property
    def names(self) -> list[str]:
        """What they are called on the wire."""
        return [str(layer.name) for layer in self]

    @property
    def tier(self) -> str:
        """How far the walls hold: strict, seccomp (files of this user are seen only by the system calls
        that are allowed), or process (against mistakes, not against malice)."""
        if Layer.SECCOMP not in self:
            return "process"
        return "strict" if Layer.LANDLOCK in self else "seccomp"

    @property
    def words(self) -> str:
        """The layers by name."""
        return ", ".join(_NAMES[layer] for layer in _NAMES if layer in self)

    @property
    def risk(self) -> str:
        """What a strategy could do if these layers were missing."""
        return " ".join(_RISKS[layer] for layer in _RISKS if layer in self)


#: All walls there are.
STRICT = Layer.LIMITS | Layer.LANDLOCK | Layer.SECCOMP
_NAMES = {Layer.LANDLOCK: "Landlock", Layer.SECCOMP: "seccomp", Layer.LIMITS: "limits"}
_RISKS = {
    Layer.LANDLOCK: "Without Landlock only seccomp keeps a strategy from files and network: one mistake in"
    " it, or in the kernel's part of it, is no longer caught by a second wall.",
    Layer.SECCOMP: "Without seccomp a strategy can open network connections, talk to local servers and"
    " start programs, with the rights of the user that runs the sandbox.",
    Layer.LIMITS: "Without limits a strategy can use all memory and processor time.",
}
