"""The fills by numba: compiled when this module is imported, or read from numba's cache.

Only a process that runs many backtests, or is made ready for one, imports it: numba takes longer to load
than a single run takes without it.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
from numba.extending import register_jitable

from apps.backtests.engine import fills, positions, rules
from apps.backtests.engine.candles import Floats, sealed
from apps.backtests.engine.fills import Answers, Finer, Prices
from apps.backtests.engine.rules import Rules
from apps.backtests.engine.settings import Fees, Settings
from apps.strategies.contract import answers as contract_answers
from apps.strategies.contract import parameters

Walk = Callable[[Rules, Prices, Finer, Answers, float, Floats, Floats], tuple[int, int, int]]

_SOURCES = (rules, positions, fills, contract_answers, parameters)
_HELPERS = (
    rules.count_steps,
    rules.round_down,
    rules.round_up,
    rules.price_bought,
    rules.price_sold,
    rules.stop_price,
    rules.target_price,
    rules.falls_short,
    rules.enter,
    rules.judge,
    rules.settle_doubt,
    rules.price_stopped,
    rules.price_taken,
    positions.buy,
    positions.sell,
    positions.keep,
    fills.put,
    fills.skip,
    fills.pick,
    fills.is_usable,
    fills.wish_of,
    fills.resolve,
    fills.end,
    fills.hold,
    fills.walk,
)
_FLOATS, _ROWS = sealed([], np.float64), sealed([], np.int64)
_RULES = rules.rules_of(Settings(balance=1.0, fees=Fees(maker=0.0, taker=0.0)))
_TABLE = numba.types.Array(numba.float64, 2, "C")
_SIGNATURE = numba.types.UniTuple(numba.int64, 3)(
    numba.typeof(_RULES),
    numba.typeof(Prices(_FLOATS, _FLOATS, _FLOATS, _FLOATS)),
    numba.typeof(Finer(_ROWS, _ROWS, _FLOATS, _FLOATS, _FLOATS)),
    numba.typeof(Answers(_ROWS, _ROWS, _FLOATS, _FLOATS, _FLOATS, _FLOATS)),
    numba.float64,
    _TABLE,
    _TABLE,
)


def _compile() -> Walk:
    walk = fills.walk
    # numba's cache tells versions of a function apart by its own code and by what it encloses, not by the
    # code of what it calls: this stands for that.
    digest = hashlib.sha256()
    for module in _SOURCES:
        digest.update(Path(str(module.__file__)).read_bytes())
    version = digest.hexdigest()

    @numba.njit(_SIGNATURE, cache=True)
    def walk_this_version(rules, prices, finer, answers, balance, held, refused):  # type: ignore[no-untyped-def]
        version  # noqa: B018  enclosed by being named
        return walk(rules, prices, finer, answers, balance, held, refused)

    return walk_this_version


for _helper in _HELPERS:
    register_jitable(_helper)
walk = _compile()
