"""One activation and one closed candle: all that a decision is made of, read in one query."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from apps.bots.journal import SILENCE
from apps.bots.models import Activation
from apps.core.rows import Rows
from apps.domain.candles import Timeframe
from apps.domain.orders import OrderPurpose
from apps.markets.models import Candle, Series, Symbol
from apps.markets.selectors import get_window
from apps.strategies.contract import PositionView
from apps.strategies.models import StrategyVersion
from apps.strategies.sandbox import Candles, Question
from apps.trading.models import Book, Position
from apps.trading.standing import cash_of_book

#: They rest as long as the position is open, so they are nothing to wait for.
_LEGS = [purpose.value for purpose in OrderPurpose if purpose.is_protection]
_ROWS = Rows(
    candle=Candle,
    series=Series,
    symbol=Symbol,
    activation=Activation,
    version=StrategyVersion,
    book=Book,
    position=Position,
)
# Strategies wait for the answer, so it is one query: the candle, if it is still the newest of its series,
# with every activation that is switched on for it, within its dates, and has not decided on it yet.
_WAITING = f"""
SELECT {_ROWS.columns}, broker.balances_as_of IS NOT NULL,
       greatest(0, least(coalesce(balance.free, 0), {cash_of_book("symbol.quote")})),
       EXISTS (SELECT 1 FROM trading_order AS o
               WHERE o.book_id = book.id AND o.symbol_id = symbol.id AND NOT o.is_settled
                 AND o.purpose <> ALL(%(legs)s)),
       owner.is_superuser,
       EXISTS (SELECT 1 FROM bots_decision AS unasked
               WHERE unasked.activation_id = activation.id AND unasked.candle_id = candle.id),
       EXISTS (SELECT 1 FROM core_alert AS alert
               WHERE alert.owner_id = owner.id AND alert.key = %(silence)s AND alert.resolved_at IS NULL)
FROM markets_candle AS candle
JOIN markets_series AS series ON series.id = candle.series_id
JOIN markets_symbol AS symbol ON symbol.id = series.symbol_id
JOIN bots_activation AS activation ON activation.series_id = series.id
JOIN accounts_user AS owner ON owner.id = activation.owner_id
JOIN strategies_strategyversion AS version ON version.id = activation.version_id
JOIN trading_book AS book ON book.id = activation.book_id
JOIN brokers_broker AS broker ON broker.id = book.broker_id
LEFT JOIN brokers_balance AS balance
       ON balance.broker_id = broker.id AND balance.asset = symbol.quote
LEFT JOIN trading_position AS position
       ON position.book_id = book.id AND position.symbol_id = symbol.id AND position.closed_at IS NULL
WHERE candle.id = %(candle_id)s
  AND NOT EXISTS (SELECT 1 FROM markets_candle AS later
                  WHERE later.series_id = candle.series_id AND later.opened_at > candle.opened_at)
  AND activation.is_active AND version.validated_at IS NOT NULL
  AND activation.starts_at <= %(now)s
  AND (activation.ends_at IS NULL OR activation.ends_at > %(now)s)
  AND NOT EXISTS (SELECT 1 FROM bots_decision AS decision
                  WHERE decision.activation_id = activation.id AND decision.candle_id = candle.id
                    AND decision.action <> 'unasked')
ORDER BY activation.id
"""  # noqa: S608  the columns come from the models


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a strategy is asked on; `balance` is the free quote currency, of which a book with capital of
    its own sees only its cash, None before the first snapshot,
    `in_flight` says that an entry or exit of the book is not settled yet, `is_trusted` that the owner is a
    superuser, whose machine it is, `was_unasked` that the sandbox did not answer before, `is_told` that the
    owner knows of a sandbox that does not answer."""

    candle: Candle
    series: Series
    symbol: Symbol
    activation: Activation
    version: StrategyVersion
    book: Book
    position: Position | None
    balance: Decimal | None
    in_flight: bool
    is_trusted: bool
    was_unasked: bool
    is_told: bool

    @property
    def valid_until(self) -> datetime:
        """A signal lives for one candle from its receipt. The moment of receipt counts, not the candle's
        own time, which a replayed market runs through at its own speed."""
        return self.candle.received_at + Timeframe(self.series.timeframe).duration

    def to_question(self, candles: Candles) -> Question:
        """The same as the sandbox takes it."""
        return Question(
            candles=candles,
            balance=self.balance or Decimal(0),
            position=self._view_position(),
            params=self.activation.parameters,
            trusted=self.is_trusted,
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


def list_questions(cases: Iterable[Case]) -> Iterator[tuple[Case, Question]]:
    """What to ask in the cases of one candle; its history is read once for those that look back as far."""
    histories: dict[int, Candles] = {}
    for case in cases:
        lookback = case.version.lookback
        if lookback not in histories:
            histories[lookback] = _read_history(case.candle, lookback)
        yield case, case.to_question(histories[lookback])


def digest(question: Question) -> str:
    """A SHA-256 that is the same for the same candles, balance, position and parameters."""
    position = asdict(question.position) if question.position else None
    rest = json.dumps([str(question.balance), position, dict(question.params)], sort_keys=True)
    return hashlib.sha256(question.candles.columns + rest.encode()).hexdigest()


def _read_history(candle: Candle, lookback: int) -> Candles:
    window = get_window(series_id=candle.series_id, until=candle.opened_at, limit=lookback)
    return Candles.from_columns(
        opened_at_ms=window.opened_at_ms,
        open=window.open,
        high=window.high,
        low=window.low,
        close=window.close,
        volume=window.volume,
    )


def list_waiting_cases(*, candle_id: int, now: datetime) -> list[Case]:
    """The cases, of all users, that wait for a candle; none when it is no longer the newest."""
    with connection.cursor() as cursor:
        cursor.execute(
            _WAITING,
            {"candle_id": candle_id, "now": now, "legs": _LEGS, "silence": SILENCE},
        )
        return [_to_case(row) for row in cursor.fetchall()]


def _to_case(row: tuple[object, ...]) -> Case:
    (candle, series, symbol, activation, version, book, position), rest = _ROWS.split(row)
    has_snapshot, free, in_flight, is_trusted, was_unasked, is_told = rest
    return Case(
        candle=candle,
        series=series,
        symbol=symbol,
        activation=activation,
        version=version,
        book=book,
        position=position,
        balance=free if has_snapshot else None,
        in_flight=bool(in_flight),
        is_trusted=bool(is_trusted),
        was_unasked=bool(was_unasked),
        is_told=bool(is_told),
    )
