"""What a strategy is asked: candles, balance and position, read once for one candle."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.bots.models import Activation
from apps.brokers.selectors import find_free_balance
from apps.domain.candles import Timeframe
from apps.markets.models import Candle, Symbol
from apps.markets.selectors import get_window
from apps.strategies.contract import PositionView
from apps.strategies.sandbox import Candles, Question
from apps.trading.models import Position
from apps.trading.selectors import find_open_position


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One activation and one closed candle."""

    activation: Activation
    candle: Candle
    symbol: Symbol
    balance: Decimal | None
    position: Position | None
    in_flight: bool

    @property
    def valid_until(self) -> datetime:
        """A signal lives for one candle."""
        return self.candle.received_at + Timeframe(self.candle.series.timeframe).duration

    def find_watched_exit(self) -> str | None:
        """Why the position has to go before the strategy is even asked: its stop-loss or take-profit was
        reached. Both are watched here, on closed candles, the stop first."""
        if self.position is None:
            return None
        stop, target = self.position.stop_loss_price, self.position.take_profit_price
        if stop is not None and self.candle.low <= stop:
            return f"The price fell to the stop-loss at {stop.normalize():f}: the position is sold."
        if target is not None and self.candle.high > target:
            return (
                f"The price passed the take-profit at {target.normalize():f}: the position is sold."
            )
        return None

    def to_question(self) -> Question:
        """The same as the sandbox takes it."""
        window = get_window(
            series_id=self.candle.series_id,
            until=self.candle.opened_at,
            limit=self.activation.version.lookback,
        )
        return Question(
            candles=Candles.from_columns(
                opened_at_ms=window.opened_at_ms,
                open=window.open,
                high=window.high,
                low=window.low,
                close=window.close,
                volume=window.volume,
            ),
            balance=self.balance or Decimal(0),
            position=self._view_position(),
            params=self.activation.parameters,
        )

    def _view_position(self) -> PositionView | None:
        if self.position is None:
            return None
        holding = self.position.to_holding()
        return PositionView(
            side="long",
            quantity=float(holding.quantity),
            entry_price=float(holding.average_price or 0),
            unrealized_pnl=float(holding.unrealized_pnl(Decimal(str(self.candle.close)))),
        )


def read_case(*, activation: Activation, candle: Candle) -> Case:
    """Read everything about one of the waiting activations and the candle; `balance` is None before the
    first snapshot."""
    symbol = candle.series.symbol
    return Case(
        activation=activation,
        candle=candle,
        symbol=symbol,
        balance=find_free_balance(activation.book.broker, symbol.quote),
        position=find_open_position(book_id=activation.book_id, symbol_id=symbol.pk),
        in_flight=activation.in_flight,  # type: ignore[attr-defined]  # annotated by the selector
    )
