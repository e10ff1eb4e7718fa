"""What a result's page shows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.paginator import Page, Paginator

from apps.backtests.engine.results import BacktestResult, OrderRecord, Trade
from apps.backtests.export import Part
from apps.backtests.figures import list_groups, write
from apps.backtests.models import BacktestRun
from apps.backtests.storage import load
from apps.domain.metrics import CONVENTION

TRADES = 50
#: More refusals say nothing new.
REFUSED = 50
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A trade with its times as moments."""

    number: int
    trade: Trade

    @property
    def entered_at(self) -> datetime:
        """When it was bought."""
        return to_moment(self.trade.entry_time)

    @property
    def left_at(self) -> datetime | None:
        """When it was sold."""
        return None if self.trade.exit_time is None else to_moment(self.trade.exit_time)

    @property
    def pnl(self) -> Decimal:
        """What it earned."""
        return Decimal(self.trade.pnl)

    @property
    def earned(self) -> float:
        """What it earned of what was paid."""
        return self.trade.pnl / (self.trade.entry_price * self.trade.quantity)

    @property
    def reason(self) -> str:
        """Why it was sold, in words."""
        return self.trade.exit_reason.replace("_", " ") if self.trade.exit_reason else ""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """An order that was refused, with its time as a moment and why in words."""

    order: OrderRecord

    @property
    def at(self) -> datetime:
        """When it would have been filled."""
        return to_moment(self.order.time)

    @property
    def reason(self) -> str:
        """Why it was not."""
        return self.order.denial.words if self.order.denial else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """Returns month by month, as fractions, None where the run has no day of a month."""

    year: int
    months: list[float | None]
    whole: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """Everything but the charts."""

    tiles: list[tuple[str, str, str]]
    groups: dict[str, list[tuple[str, str]]]
    convention: str
    months: tuple[str, ...]
    years: list[Year]
    trades: Page[Any]
    refused: list[RefusedRow]
    refused_orders: str
    parts: list[str]


def read_result_page(run: BacktestRun, number: str) -> ResultPage:
    """The page of a run that has a result, with the trades of page `number`."""
    result, metrics = load(run), run.metrics
    rows = [TradeRow(index + 1, trade) for index, trade in enumerate(result.trades)]
    if result.open_trade:
        rows.append(TradeRow(len(rows) + 1, result.open_trade))
    return ResultPage(
        tiles=_list_tiles(metrics, run.symbol.quote),
        groups=list_groups(metrics),
        convention=CONVENTION,
        months=MONTHS,
        years=list_years(result),
        trades=Paginator(rows, TRADES).get_page(number),
        refused=[RefusedRow(order) for order in result.orders if order.denial][:REFUSED],
        refused_orders=write("refused_orders", metrics),
        parts=[part.value for part in Part],
    )


def _list_tiles(metrics: dict[str, Any], quote: str) -> list[tuple[str, str, str]]:
    """The figures that are looked at first: words, number, and what to see it beside."""
    held = write("buy_and_hold", metrics)
    won, closed = write("won", metrics), write("trades", metrics)
    return [
        ("Return", write("net_return", metrics), f"{write('net_profit', metrics)} {quote}"),
        ("Buy and hold", held, "all of it in the market from the start"),
        (
            "Maximum drawdown",
            write("max_drawdown", metrics),
            f"longest {write('max_drawdown_days', metrics)}",
        ),
        ("Sharpe", write("sharpe", metrics), f"Sortino {write('sortino', metrics)}"),
        ("Win rate", write("win_rate", metrics), f"{won} of {closed} trades"),
    ]


def list_years(result: BacktestResult) -> list[Year]:
    """The returns of each month and year, from the equity at its ends."""
    (_, before), *days = result.daily_equity
    # The night that ends a day belongs to that day.
    ends = {
        (day.year, day.month): equity
        for day, equity in ((to_moment(at_ms - 1), equity) for at_ms, equity in days)
    }
    years = []
    for year in sorted({year for year, _ in ends}):
        began, months = before, []
        for month in range(1, 13):
            end = ends.get((year, month))
            months.append(None if end is None else end / before - 1)
            before = before if end is None else end
        years.append(Year(year=year, months=months, whole=before / began - 1))
    return years


def to_moment(at_ms: int) -> datetime:
    """Milliseconds since 1970 as a moment."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
