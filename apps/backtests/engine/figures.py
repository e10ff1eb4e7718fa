"""Equity at each candle, and the figures of a run."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from apps.backtests.engine.candles import Floats, History, Integers
from apps.backtests.engine.positions import SIGNAL, Held, Refused
from apps.backtests.engine.rules import Rules, price_bought
from apps.domain.metrics import CurveFigures, measure_trades

#: Positions or refusals: the columns by the names of their fields.
Table = Mapping[str, Floats]
#: Every figure by its name; None where it is not defined.
Metrics = Mapping[str, float | int | None]
DAY_MS = 86_400_000


def table_of(kind: type[Held] | type[Refused], columns: Floats) -> Table:
    """Columns with their names."""
    return dict(zip(kind._fields, columns, strict=True))


def closed_of(positions: Table) -> Table:
    """All positions but the last where that is still open."""
    exits = positions["exit_row"]
    count = len(exits) - (len(exits) > 0 and exits[-1] < 0)
    return {name: column[:count] for name, column in positions.items()}


def mark(positions: Table, close: Floats, balance: float) -> Floats:
    """Cash and coins at the close of each candle."""
    count = 2 * len(positions["entry_row"]) + 1
    changes = np.empty((2, count))
    rows = np.empty(count + 1, np.int64)
    rows[0], rows[-1] = 0, len(close)
    rows[1:-1:2] = positions["entry_row"]
    rows[2:-1:2] = np.where(positions["exit_row"] < 0, len(close), positions["exit_row"])
    changes[:, 0] = balance, 0.0
    changes[:, 1::2] = positions["cash"], positions["coins"]
    changes[:, 2::2] = positions["cash_after"], positions["dust_after"]
    equity: Floats
    equity, coins = np.repeat(changes, np.diff(rows), axis=1)
    coins *= close
    equity += coins
    return equity


def by_day(history: History, equity: Floats, balance: float, first: int) -> tuple[Integers, Floats]:
    """When, in ms UTC, and how much: the starting balance, the equity at each 00:00 UTC, and the last."""
    start = int(history.opened_at_ms[first])
    end = int(history.opened_at_ms[len(equity) - 1]) + history.duration_ms
    nights = np.arange(start // DAY_MS + 1, end // DAY_MS + 1) * DAY_MS
    rows = np.searchsorted(history.opened_at_ms, nights - history.duration_ms, side="right") - 1
    values = np.where(rows >= first, equity[np.maximum(rows, 0)], balance)
    if end % DAY_MS:
        nights, values = np.append(nights, end), np.append(values, equity[-1])
    return np.append(start, nights), np.append(balance, values)


def measure(
    *,
    history: History,
    rules: Rules,
    first: int,
    rows: int,
    daily: CurveFigures,
    positions: Table,
    refused_orders: int,
) -> Metrics:
    """All figures of a run from the close of candle `first` to that of the last of `rows`."""
    closed = closed_of(positions)
    entries, exits = closed["entry_row"].astype(np.int64), closed["exit_row"].astype(np.int64)
    holding = (history.opened_at_ms[exits] - history.opened_at_ms[entries]) / 1000
    bought = positions["quantity"] * positions["entry_price"]
    sold = closed["sold"] * closed["exit_price"]
    return {
        **asdict(daily),
        **asdict(measure_trades(closed["pnl"].tolist(), _by_risk(closed).tolist())),
        "open_trades": len(bought) - len(sold),
        "buy_and_hold": _buy_and_hold(history, rules, first, rows),
        "average_holding_seconds": float(holding.mean()) if len(sold) else None,
        "longest_holding_seconds": float(holding.max()) if len(sold) else None,
        "exposure": _count_held(positions, rows) / (rows - first),
        "turnover": float(bought.sum() + sold.sum()),
        "fees": float(positions["entry_fee"].sum() + positions["exit_fee"].sum()),
        "slippage": float(positions["slippage"].sum()),
        "refused_orders": refused_orders,
    }


def _by_risk(closed: Table) -> Floats:
    """The profits of those with a stop-loss by what they would have lost there, before fees."""
    risks = closed["quantity"] * (closed["entry_price"] - closed["stop"])
    has_stop = closed["stop"] > 0
    shares: Floats = closed["pnl"][has_stop] / risks[has_stop]
    return shares


def _buy_and_hold(history: History, rules: Rules, first: int, rows: int) -> float | None:
    """What everything put into the market at the first chance has returned."""
    if first + 1 >= rows:
        return None
    bought = price_bought(rules, float(history.open[first + 1])) * (1 + rules.taker)
    return float(history.close[rows - 1]) / bought - 1


def _count_held(positions: Table, rows: int) -> int:
    """Candles with a position: what is sold at an open was not held in that candle."""
    ends = np.where(positions["exit_row"] >= 0, positions["exit_row"], rows - 1)
    ends += positions["reason"] != SIGNAL
    return int((ends - positions["entry_row"]).sum())
