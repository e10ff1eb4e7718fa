"""The fills by numba: compiled when this module is imported, or read from numba's cache.

Only a process that runs many backtests, or was made ready for one, imports it: numba takes longer to load
than a single run takes without it.
"""

import numba
import numpy as np
from numba.extending import register_jitable

from apps.backtests.engine import fills, positions, rules
from apps.backtests.engine.candles import sealed
from apps.backtests.engine.settings import Fees, Settings

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
)


_FLOATS, _ROWS = sealed([], np.float64), sealed([], np.int64)
_RULES = rules.rules_of(Settings(balance=1.0, fees=Fees(maker=0.0, taker=0.0)))
_TABLE = numba.types.Array(numba.float64, 2, "C")

for _helper in _HELPERS:
    register_jitable(_helper)

walk = numba.njit(
    numba.types.UniTuple(numba.int64, 3)(
        numba.typeof(_RULES),
        numba.typeof(fills.Prices(_FLOATS, _FLOATS, _FLOATS, _FLOATS)),
        numba.typeof(fills.Finer(_ROWS, _ROWS, _FLOATS, _FLOATS, _FLOATS)),
        numba.typeof(fills.Answers(_ROWS, _ROWS, _FLOATS, _FLOATS, _FLOATS, _FLOATS)),
        numba.float64,
        _TABLE,
        _TABLE,
    ),
    cache=True,
)(fills.walk)
