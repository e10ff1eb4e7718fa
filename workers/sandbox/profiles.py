"""What a sandbox is for: single questions of live strategies, or whole backtests."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from apps.strategies.contract.layers import Layer
from workers.sandbox.policy import Limits

#: Imported by name, since only one of them needs a compiler.
_MODULES = {"live": "workers.sandbox.runner", "backtest": "workers.sandbox.backtests"}
NAMES = tuple(_MODULES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One kind of sandbox: `warm_up` is called once in the zygote, `practise` in each process before it is
    needed, and `serve` with its connection and the layers that confine it."""

    limits: Limits
    #: At work at once, and waiting for a connection.
    max_children: int
    ready: int
    warm_up: Callable[[], None]
    practise: Callable[[], None]
    serve: Callable[[int, Layer], None]


def load_profile(name: str) -> Profile:
    """The profile of this name, with everything it needs imported."""
    profile: Profile = importlib.import_module(_MODULES[name]).PROFILE
    return profile
