"""What a run has brought."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from apps.backtests.engine.candles import Floats, Integers
from apps.backtests.engine.evaluation.signals import Signals
from apps.backtests.engine.figures import Metrics, Table
from apps.backtests.engine.positions import END, SIGNAL
from apps.backtests.engine.rules import (
    ABOVE_MAXIMUM,
    BELOW_MINIMUM,
    NO_CASH,
    NOT_SELLABLE,
    STOP,
    TARGET,
)
from apps.backtests.engine.settings import Settings
from apps.domain.risk import DenialCode


class ExitReason(StrEnum):
    """Why a position was sold."""

    SIGNAL = "signal"
    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"
    END = "end"


class State(StrEnum):
    """How a run ended; an error or a cancellation keeps everything until then."""

    DONE = "done"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A purchase and its sale. Times are the opening times of the candles they happened in, in ms UTC.

    `pnl` is in quote currency, net of `fees`. `worst` and `best` tell how far the price went against and
    for it, as shares of the entry price, in the candles it was held through. An open one has no exit yet:
    its `pnl` is at the last close.
    """

    entry_time: int
    entry_price: float
    exit_time: int | None
    exit_price: float | None
    quantity: float
    fees: float
    pnl: float
    exit_reason: ExitReason | None
    worst: float
    best: float


class OrderKind(StrEnum):
    """What kind of order a fill is of."""

    MARKET = "market"
    STOP = "stop"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRecord:
    """An order that was filled, or refused: then `denial` says why, and quantity and fee are 0. An entry
    tells the `amount` that was asked for, in quote; what is missing from it was not affordable."""

    time: int
    side: str
    kind: OrderKind
    price: float
    quantity: float
    fee: float
    amount: float | None
    denial: DenialCode | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How the strategy was asked (`trace`, `views` or `plain`), and why so, in words."""

    way: str
    reason: str


_REASONS = {
    STOP: ExitReason.STOP_LOSS,
    TARGET: ExitReason.TAKE_PROFIT,
    SIGNAL: ExitReason.SIGNAL,
    END: ExitReason.END,
}
_KINDS = {STOP: OrderKind.STOP, TARGET: OrderKind.LIMIT}
_DENIALS = {
    NO_CASH: DenialCode.INSUFFICIENT_BALANCE,
    BELOW_MINIMUM: DenialCode.BELOW_MINIMUM,
    ABOVE_MAXIMUM: DenialCode.ABOVE_MAXIMUM,
    NOT_SELLABLE: DenialCode.NOT_SELLABLE,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class BacktestResult:
    """Everything that a run has brought until its last candle. `equity` is at the close of each candle,
    `daily_equity` at each 00:00 UTC. Without `DONE`, `reason` says what happened, at the candle that opened
    `stopped_at_ms`, and `failure` is what the strategy raised. Only the first `refused` orders are kept;
    the metrics count them all. `decisions` are the answers it comes from, all or those that were given;
    None where it was read back."""

    state: State
    reason: str
    stopped_at_ms: int | None
    failure: BaseException | None
    evaluation: Evaluation
    settings: Settings
    warnings: tuple[str, ...]
    opened_at_ms: Integers
    equity: Floats
    daily_equity: list[tuple[int, float]]
    metrics: Metrics
    positions: Table
    refused: Table
    decisions: Signals | None = None

    @cached_property
    def trades(self) -> list[Trade]:
        """What was bought and sold again, in order."""
        return [trade for trade in self._all_trades if trade.exit_time is not None]

    @cached_property
    def open_trade(self) -> Trade | None:
        """What is still held at the end."""
        held = self._all_trades[-1:]
        return held[0] if held and held[0].exit_time is None else None

    @cached_property
    def orders(self) -> list[OrderRecord]:
        """Every order, refused ones too, in order."""
        made = [order for row in self._rows(self.positions) for order in self._orders_of(row)]
        refused = [self._refused_order(row) for row in self._rows(self.refused)]
        return sorted(made + refused, key=lambda order: order.time)

    def to_json(self) -> dict[str, Any]:
        """What json.dumps takes: all but the equity at each candle."""
        return {
            "state": self.state,
            "reason": self.reason,
            "stopped_at": self.stopped_at_ms,
            "evaluation": asdict(self.evaluation),
            "settings": self.settings.to_json(),
            "warnings": list(self.warnings),
            "metrics": dict(self.metrics),
            "trades": [asdict(trade) for trade in self.trades],
            "open_trade": self.open_trade and asdict(self.open_trade),
            "refused": [asdict(order) for order in self.orders if order.denial],
            "daily_equity": self.daily_equity,
        }

    @cached_property
    def _all_trades(self) -> list[Trade]:
        return [self._trade_of(row) for row in self._rows(self.positions)]

    def _rows(self, table: Table) -> list[dict[str, float]]:
        columns = [column.tolist() for column in table.values()]
        return [dict(zip(table, row, strict=True)) for row in zip(*columns, strict=True)]

    def _time(self, row: float) -> int:
        return int(self.opened_at_ms[int(row)])

    def _trade_of(self, row: dict[str, float]) -> Trade:
        is_open = row["exit_row"] < 0
        price = row["entry_price"]
        return Trade(
            entry_time=self._time(row["entry_row"]),
            entry_price=price,
            exit_time=None if is_open else self._time(row["exit_row"]),
            exit_price=None if is_open else row["exit_price"],
            quantity=row["quantity"],
            fees=row["entry_fee"] + row["exit_fee"],
            pnl=row["pnl"],
            exit_reason=None if is_open else _REASONS[int(row["reason"])],
            worst=row["lowest"] / price - 1,
            best=row["highest"] / price - 1,
        )

    def _orders_of(self, row: dict[str, float]) -> list[OrderRecord]:
        bought = OrderRecord(
            time=self._time(row["entry_row"]),
            side="buy",
            kind=OrderKind.MARKET,
            price=row["entry_price"],
            quantity=row["quantity"],
            fee=row["entry_fee"],
            amount=row["amount"],
            denial=None,
        )
        if row["exit_row"] < 0:
            return [bought]
        sold = OrderRecord(
            time=self._time(row["exit_row"]),
            side="sell",
            kind=_KINDS.get(int(row["reason"]), OrderKind.MARKET),
            price=row["exit_price"],
            quantity=row["sold"],
            fee=row["exit_fee"],
            amount=None,
            denial=None,
        )
        return [bought, sold]

    def _refused_order(self, row: dict[str, float]) -> OrderRecord:
        return OrderRecord(
            time=self._time(row["row"]),
            side="buy",
            kind=OrderKind.MARKET,
            price=row["price"],
            quantity=0.0,
            fee=0.0,
            amount=row["amount"],
            denial=_DENIALS[int(row["denial"])],
        )
