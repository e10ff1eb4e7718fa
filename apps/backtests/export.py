"""Results as files."""

from dataclasses import asdict
from enum import StrEnum

import pandas as pd

from apps.backtests.engine.results import BacktestResult


class Part(StrEnum):
    """What of a result a file holds."""

    TRADES = "trades"
    ORDERS = "orders"
    EQUITY = "equity"


def tabulate(result: BacktestResult, part: Part) -> pd.DataFrame:
    """One part of a result; times in UTC milliseconds."""
    if part is Part.EQUITY:
        return pd.DataFrame({"open_time": result.opened_at_ms, "equity": result.equity})
    if part is Part.ORDERS:
        return pd.DataFrame([asdict(order) for order in result.orders])
    open_ones = [result.open_trade] if result.open_trade else []
    return pd.DataFrame([asdict(trade) for trade in (*result.trades, *open_ones)])
