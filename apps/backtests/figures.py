"""A run's figures in words."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from apps.core.formats import price

UNKNOWN = "n/a"
Figure = float | int | None


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{100 * value:,.2f} %"


def _ratio(value: float) -> str:
    return f"{value:,.2f}"


def _days(value: float) -> str:
    return f"{value:,.1f} days"


def _time(value: float) -> str:
    return str(timedelta(seconds=round(value)))


def _chance(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "under 0.001"


#: What is shown, by groups: its words, and how it is written.
GROUPS: dict[str, dict[str, tuple[str, Callable[[float], str]]]] = {
    "Return": {
        "net_profit": ("Net profit", price),
        "net_return": ("Return", _percent),
        "buy_and_hold": ("Buy and hold", _percent),
        "cagr": ("CAGR", _percent),
        "volatility": ("Volatility a year", _percent),
        "exposure": ("Time in the market", _percent),
        "turnover": ("Turnover", price),
        "fees": ("Fees", price),
        "slippage": ("Slippage", price),
    },
    "Risk": {
        "max_drawdown": ("Maximum drawdown", _percent),
        "max_drawdown_money": ("In money", price),
        "max_drawdown_days": ("Longest until recovered", _days),
        "recovery_factor": ("Recovery factor", _ratio),
        "sharpe": ("Sharpe", _ratio),
        "sortino": ("Sortino", _ratio),
        "calmar": ("Calmar", _ratio),
        "omega": ("Omega", _ratio),
    },
    "Trades": {
        "trades": ("Closed", _count),
        "won": ("Won", _count),
        "lost": ("Lost", _count),
        "even": ("Even", _count),
        "open_trades": ("Open at the end", _count),
        "win_rate": ("Win rate", _percent),
        "longest_winning_streak": ("Most won in a row", _count),
        "longest_losing_streak": ("Most lost in a row", _count),
        "refused_orders": ("Refused orders", _count),
    },
    "A trade": {
        "expectancy": ("Mean", price),
        "expectancy_per_risk": ("Mean per unit risked", _ratio),
        "average_win": ("Mean of those won", price),
        "average_loss": ("Mean of those lost", price),
        "best_trade": ("Best", price),
        "worst_trade": ("Worst", price),
        "profit_factor": ("Profit factor", _ratio),
        "sqn": ("SQN", _ratio),
        "p_value": ("p-value of the mean", _chance),
        "average_holding_seconds": ("Held, mean", _time),
        "longest_holding_seconds": ("Held, longest", _time),
    },
}


def write(name: str, metrics: Mapping[str, Any]) -> str:
    """One figure; n/a where it is not defined."""
    value = metrics.get(name)
    _words, form = next(group[name] for group in GROUPS.values() if name in group)
    return UNKNOWN if value is None else form(value)


def list_groups(metrics: Mapping[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """All that are shown, in words."""
    return {
        title: [(words, write(name, metrics)) for name, (words, _form) in group.items()]
        for title, group in GROUPS.items()
    }
